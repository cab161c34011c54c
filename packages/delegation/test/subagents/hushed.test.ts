import { mortalStore } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { memberOf, noMembers } from '../../src/subagents/members.ts';
import type { Member } from '../../src/subagents/roster.ts';
import { resultCame, unitEnded } from '../../src/subagents/steps/background.ts';
import { admit } from '../../src/subagents/steps/letting-in.ts';
import { began } from '../../src/subagents/steps/results.ts';
import { put, type Step } from '../../src/subagents/steps/step.ts';
import { stop } from '../../src/subagents/steps/stopping.ts';
import { recordOf } from './asked.ts';
import { farMs, goingFar, openFar } from './far.ts';
import { type Office, pass, settle } from './office.ts';
import { limitsOf } from './paths/scenes.ts';
import { watchedStore } from './watched-store.ts';

describe('a sub-agent that is cancelled while it is about to be woken', () => {
  const statuses = async (office: Office, sessionKey: string) =>
    (await office.runtime.runs.list({ sentTo: sessionKey })).map(({ status }) => status);

  /** What it had in the background has ended, and nobody has read what that has left. */
  const aboutToBeWoken = async () => {
    const watched = watchedStore();
    const office = openFar({ store: watched.store });
    const { agentId, sessionKey } = await office.manager.spawn({ task: 'far' });
    await settle();
    const inbox = watched.hold('sessionInbox');
    await pass(office, farMs);
    return { office, agentId, sessionKey, inbox, watched };
  };

  test('[SB-090, B-11] by what has ended in the background works on that no more', async () => {
    const { office, agentId, sessionKey, inbox } = await aboutToBeWoken();
    await office.manager.cancel(agentId, { reason: 'Enough.' });
    inbox();
    await settle();
    expect(await statuses(office, sessionKey)).toEqual(['interrupted', 'completed']);
    expect(await office.manager.info(agentId)).toMatchObject({ state: 'cancelled' });
    // what it is asked from now on it does
    await pass(office, 10);
    await office.manager.resume({ agentId, task: 'count' });
    await settle();
    expect(await office.manager.info(agentId)).toMatchObject({ state: 'completed' });
  });

  test('[SB-090] by a result works on that no more, and what it waits for is stopped', async () => {
    const watched = watchedStore();
    const office = openFar({ store: watched.store });
    const above = await office.manager.spawn({ task: 'count', config: { allowSubagents: true } });
    await office.manager.spawn({ task: 'slow sum', parentId: above.agentId, name: 'clerk' });
    await settle();
    const inbox = watched.hold('sessionInbox');
    await pass(office, 1_000);
    await office.manager.cancel(above.agentId);
    inbox();
    await settle();
    expect(await statuses(office, above.sessionKey)).toEqual(['interrupted', 'completed']);
  });

  test('[SB-090] and is asked something before it was, works on both', async () => {
    const { office, agentId, sessionKey, inbox } = await aboutToBeWoken();
    await office.manager.cancel(agentId);
    const resumed = office.manager.resume({ agentId, task: 'count' });
    inbox();
    await resumed;
    await settle();
    await pass(office, 10);
    expect(await statuses(office, sessionKey)).not.toContain('interrupted');
    expect(await office.manager.info(agentId)).toMatchObject({ state: 'completed' });
  });

  test('[SB-090] is woken by what comes of it later, where it was not about to be', async () => {
    const office = openFar();
    const above = await office.manager.spawn({ task: 'count', config: { allowSubagents: true } });
    await office.manager.spawn({ task: 'slow sum', parentId: above.agentId, name: 'clerk' });
    await settle();
    await office.manager.cancel(above.agentId, { cascade: false });
    await pass(office, 1_000);
    expect(await statuses(office, above.sessionKey)).toEqual(['completed', 'completed']);
  });

  test.each([
    ['before the manager knows its members', true],
    ['after that', false],
  ])('[SB-090, L7] nor after a restart by what has ended in the background: read %s', async (_when, isEarly) => {
    const [clock, watched] = [new SimulatedClock(), watchedStore()];
    const script: typeof goingFar = (word, agent, messages) =>
      word.startsWith('[BACKGROUND') ? { text: 'heard', delayMs: 1_000 } : goingFar(word, agent, messages);
    const open = () => {
      const mortal = mortalStore({ ...watched.store, lasting: true });
      return { mortal, ...openFar({ store: mortal.store, clock, leaseMs: 0, script }) };
    };
    const first = open();
    const { agentId, sessionKey } = await first.manager.spawn({ task: 'far' });
    await settle();
    const inbox = watched.hold('sessionInbox');
    await pass(first, farMs);
    await first.manager.cancel(agentId, { reason: 'Enough.' });
    await settle();
    first.mortal.die();
    inbox();
    const members = isEarly ? watched.hold('search') : undefined;
    const again = open();
    if (!isEarly) await again.manager.ready;
    await again.runtime.recover();
    await settle();
    members?.();
    await again.manager.ready;
    for (const ms of [500, 1_000]) await pass(again, ms);
    expect(again.events.filter(({ type }) => type === 'run.started')).toHaveLength(1);
    expect(await statuses(again, sessionKey)).toEqual(['interrupted', 'completed']);
    expect(await again.manager.info(agentId)).toMatchObject({ state: 'cancelled' });
  });

  test('[SB-090] works on it no more where what it was asked since could not be stored', async () => {
    const { office, agentId, sessionKey, inbox, watched } = await aboutToBeWoken();
    await office.manager.cancel(agentId, { reason: 'Enough.' });
    watched.broken.add('write');
    await expect(office.manager.resume({ agentId, task: 'count' })).rejects.toThrow(/The disk is full/);
    watched.broken.clear();
    inbox();
    await settle();
    expect(await statuses(office, sessionKey)).toEqual(['interrupted', 'completed']);
  });

  test('[SB-090] nor where the manager is closed', async () => {
    const { office, sessionKey, inbox } = await aboutToBeWoken();
    await office.manager.close({ runs: 'interrupt' });
    inbox();
    await pass(office, 10);
    expect(await statuses(office, sessionKey)).toEqual(['interrupted', 'completed']);
  });

  test.each(['cancel', 'cancelAll'] as const)('[SB-090] is woken by what comes after that: %s', async (how) => {
    const office = openFar();
    const boss = await office.manager.spawn({ task: 'count', name: 'boss', config: { allowSubagents: true } });
    await office.manager.spawn({ task: 'slow sum', parentId: boss.agentId, name: 'clerk' });
    await settle();
    await pass(office, 1_000);
    await office.manager.collect({ agentId: boss.agentId });
    expect(await statuses(office, boss.sessionKey)).toEqual(['completed', 'completed']);
    if (how === 'cancel') expect(await office.manager.cancel(boss.agentId)).toMatchObject({ cancelled: false });
    else expect(await office.manager.cancelAll()).toBe(0);
    await office.manager.resume({ name: 'clerk', task: 'slow sum', parentId: boss.agentId });
    await office.runtime.deliver(boss.sessionKey, { id: 'mine', text: 'Listen.', wakes: true });
    await settle();
    expect(await statuses(office, boss.sessionKey)).toEqual(['completed', 'completed', 'completed']);
    await pass(office, 1_000);
    expect(await statuses(office, boss.sessionKey)).toEqual(['completed', 'completed', 'completed', 'completed']);
  });
});

describe('[SB-090] what wakes one that is cancelled no more', () => {
  const stepOf = (more: Partial<Member>): Step => {
    const step: Step = {
      roster: { limits: limitsOf({} as never), members: noMembers, kept: [], waiters: [] },
      out: [],
    };
    put(step, { record: recordOf('s', 'r'), open: [], last: null, ...more });
    return step;
  };
  const its = (step: Step): Member => memberOf(step.roster, 's') as Member;
  /** Whether a run is stopped as it begins. */
  const isStopped = (step: Step, runId: string): boolean => {
    step.out = [];
    began(step, { agentId: 's', runId, model: 'm', at: 1 });
    return step.out.some(({ type }) => type === 'halt');
  };
  const atWork = [{ runId: 'r', model: null, askedAt: 0, startedAt: 0 }];

  test('is nothing, where nothing has come to it', () => {
    const step = stepOf({});
    expect([stop(step, 's', 'Enough.'), its(step).record.hushed]).toEqual([false, undefined]);
    expect(stop(step, 'nobody', 'Enough.')).toBe(false);
  });

  test.each([[{}], [{ open: atWork }]])('is what its units leave, then or later: %j', (how) => {
    const step = stepOf({ units: ['a/b', 'c'], ...how });
    unitEnded(step, { agentId: 's', runId: 'a/b' });
    stop(step, 's', 'Enough.');
    unitEnded(step, { agentId: 's', runId: 'c' });
    expect(['wake_a.b', 'wake_c', 'wake_c+1'].map((runId) => isStopped(step, runId))).toEqual([true, true, true]);
    expect(['wake_d', 'wake_cc', 'c'].map((runId) => isStopped(step, runId))).toEqual([false, false, false]);
  });

  test.each([[{}], [{ open: atWork }]])('are results that are there, or on their way: %j', (how) => {
    const step = stepOf({ coming: ['result.1', 'result.2'], ...how });
    resultCame(step, its(step), 'result.1', true);
    expect(its(step)).toMatchObject({ coming: ['result.2'], letters: ['result.1'] });
    stop(step, 's', 'Enough.');
    resultCame(step, its(step), 'result.2', true);
    resultCame(step, its(step), 'result.3', true);
    expect(its(step)).not.toHaveProperty('coming');
    expect([1, 2, 3].map((n) => isStopped(step, `wake_result.${n}`))).toEqual([true, true, false]);
  });

  test('is remembered of the latest letters', () => {
    const step = stepOf({});
    for (let n = 0; n < 50; n++) resultCame(step, its(step), `result.${n}`, true);
    expect([its(step).letters?.length, its(step).letters?.at(-1)]).toEqual([20, 'result.49']);
    resultCame(step, its(step), 'result.50', false);
    expect(its(step).letters?.at(-1)).toBe('result.49');
  });

  test('is stopped as it begins, and after a restart', () => {
    const step = stepOf({ letters: ['u'] });
    stop(step, 's', 'Enough.');
    step.out = [];
    began(step, { agentId: 's', runId: 'wake_u', model: 'm', at: 1 });
    expect(step.out).toContainEqual({ type: 'halt', runIds: ['wake_u'], reason: 'Enough.' });
    expect(step.out).toContainEqual({ type: 'note', agentId: 's' });
    expect(its(step)).toMatchObject({
      isStopping: true,
      record: { cancelled: { runIds: ['wake_u'], reason: 'Enough.' } },
    });
  });

  test('is heard by one that is asked for something before', () => {
    const step = stepOf({ letters: ['u'] });
    stop(step, 's', 'Enough.');
    admit(step, { record: recordOf('s', 'next') });
    expect(its(step).record.hushed).toBeUndefined();
    expect(['next', 'wake_u'].map((runId) => isStopped(step, runId))).toEqual([false, false]);
  });
});
