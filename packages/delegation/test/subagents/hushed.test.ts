import { describe, expect, test } from 'vitest';
import { memberOf, noMembers } from '../../src/subagents/members.ts';
import type { Member } from '../../src/subagents/roster.ts';
import { inquired, resultCame, unitEnded } from '../../src/subagents/steps/background.ts';
import { admit } from '../../src/subagents/steps/letting-in.ts';
import { began } from '../../src/subagents/steps/results.ts';
import { put, type Step } from '../../src/subagents/steps/step.ts';
import { stop } from '../../src/subagents/steps/stopping.ts';
import { recordOf } from './asked.ts';
import { farMs, openFar } from './far.ts';
import { type Office, pass, settle } from './office.ts';
import { limitsOf } from './paths/scenes.ts';
import { watchedStore } from './watched-store.ts';

describe('a sub-agent that is cancelled while it is about to be woken', () => {
  const statuses = async (office: Office, sessionKey: string) =>
    (await office.runtime.runs.list({ sentTo: sessionKey })).map(({ status }) => status);

  test('[SB-090, B-11] by what has ended in the background works on that no more', async () => {
    const watched = watchedStore();
    const office = openFar({ store: watched.store });
    const { agentId, sessionKey } = await office.manager.spawn({ task: 'far' });
    await settle();
    const inbox = watched.hold('sessionInbox');
    await pass(office, farMs);
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
    const watched = watchedStore();
    const office = openFar({ store: watched.store });
    const { agentId, sessionKey } = await office.manager.spawn({ task: 'far' });
    await settle();
    const inbox = watched.hold('sessionInbox');
    await pass(office, farMs);
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

  test('[SB-090] is waited for by who closes, and works on no more', async () => {
    const watched = watchedStore();
    const office = openFar({ store: watched.store });
    const { agentId, sessionKey } = await office.manager.spawn({ task: 'far' });
    await settle();
    const inbox = watched.hold('sessionInbox');
    await pass(office, farMs);
    expect(await office.manager.info(agentId)).toMatchObject({ background: 0 });
    let isClosed = false;
    const closed = office.manager.close({ runs: 'interrupt' }).then(() => {
      isClosed = true;
    });
    await settle();
    expect(isClosed).toBe(false);
    inbox();
    await pass(office, 10);
    await closed;
    expect(await statuses(office, sessionKey)).toEqual(['interrupted', 'completed']);
  });
});

describe('[SB-090] what is about to wake one that is cancelled', () => {
  const stepOf = (more: Partial<Member>): Step => {
    const step: Step = {
      roster: { limits: limitsOf({} as never), members: noMembers, kept: [], waiters: [] },
      out: [],
    };
    put(step, { record: recordOf('s', 'r'), open: [], last: null, ...more });
    return step;
  };
  const its = (step: Step): Member => memberOf(step.roster, 's') as Member;
  /** How often its session was asked whether it rests, since that was looked at last. */
  const asked = (step: Step): number => step.out.splice(0).filter(({ type }) => type === 'inquire').length;
  const atWork = [{ runId: 'r', model: null, askedAt: 0, startedAt: 0 }];

  test('is nothing, where nothing is known of', () => {
    const step = stepOf({});
    expect([stop(step, 's', 'Enough.'), its(step).hushed, asked(step)]).toEqual([false, undefined, 0]);
    expect([stop(step, 'nobody', 'Enough.'), asked(step)]).toEqual([false, 0]);
  });

  test.each([[{}], [{ open: atWork }]])('are its units, once they have ended: %j', (how) => {
    const step = stepOf({ units: ['a', 'b'], ...how });
    expect(stop(step, 's', 'Enough.')).toBe(true);
    unitEnded(step, { agentId: 's', runId: 'a' });
    expect([its(step).hushed, asked(step)]).toEqual(['Enough.', 0]);
    unitEnded(step, { agentId: 's', runId: 'b' });
    expect([its(step).hushed, asked(step)]).toEqual(['Enough.', 1]);
    inquired(step, { agentId: 's', rests: true });
    expect([its(step).hushed, asked(step)]).toEqual([undefined, 0]);
  });

  test.each([[{}], [{ open: atWork }]])('are results that are on their way to it, once they are there: %j', (how) => {
    const step = stepOf({ coming: 2, ...how });
    stop(step, 's', 'Enough.');
    resultCame(step, its(step), true);
    expect([its(step).hushed, asked(step)]).toEqual(['Enough.', 0]);
    resultCame(step, its(step), false);
    expect([its(step).hushed, asked(step)]).toEqual(['Enough.', 1]);
    // one more that comes meanwhile is asked about, too
    put(step, { ...its(step), coming: 1 });
    resultCame(step, its(step), true);
    expect(asked(step)).toBe(0);
    inquired(step, { agentId: 's', rests: true });
    expect([its(step).hushed, asked(step)]).toEqual(['Enough.', 1]);
    inquired(step, { agentId: 's', rests: true });
    expect([its(step).hushed, asked(step)]).toEqual([undefined, 0]);
  });

  test('is nothing any more, where none of them ever comes', () => {
    const step = stepOf({ coming: 1 });
    stop(step, 's', 'Enough.');
    resultCame(step, its(step), false);
    expect([its(step).hushed, asked(step)]).toEqual([undefined, 0]);
  });

  test('is not waited for where its session waits for a person, or cannot be asked', () => {
    const step = stepOf({ isDoubtful: true });
    stop(step, 's', 'Enough.');
    expect([its(step).hushed, asked(step)]).toEqual(['Enough.', 1]);
    stop(step, 's', 'Enough, I say.');
    expect([its(step).hushed, asked(step)]).toEqual(['Enough, I say.', 0]);
    inquired(step, { agentId: 's', rests: false });
    expect([its(step).hushed, asked(step)]).toEqual([undefined, 0]);
  });

  test('is stopped as it begins, and after a restart', () => {
    const step = stepOf({ isDoubtful: true });
    stop(step, 's', 'Enough.');
    step.out = [];
    began(step, { agentId: 's', runId: 'woken', model: 'm', at: 1 });
    expect(step.out).toContainEqual({ type: 'halt', runIds: ['woken'], reason: 'Enough.' });
    expect(step.out).toContainEqual({ type: 'note', agentId: 's' });
    expect(its(step)).toMatchObject({
      isStopping: true,
      record: { cancelled: { runIds: ['woken'], reason: 'Enough.' } },
    });
  });

  test('is heard by one that is asked for something before', () => {
    const step = stepOf({ isDoubtful: true });
    stop(step, 's', 'Enough.');
    admit(step, { record: recordOf('s', 'next') });
    expect(its(step).hushed).toBeUndefined();
    step.out = [];
    began(step, { agentId: 's', runId: 'next', model: 'm', at: 1 });
    expect(step.out.map(({ type }) => type)).not.toContain('halt');
  });
});
