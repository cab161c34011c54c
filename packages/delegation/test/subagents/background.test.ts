import type { SubagentResult } from '@troupe/delegation';
import { isEnded } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { memberOf, noMembers } from '../../src/subagents/members.ts';
import { resultText } from '../../src/subagents/spawn-text.ts';
import { unitBegan } from '../../src/subagents/steps/background.ts';
import { asFarAs } from '../../src/subagents/steps/results.ts';
import { put, type Step } from '../../src/subagents/steps/step.ts';
import { recordOf } from './asked.ts';
import { farMs, goingFar, members, openFar, results, shared } from './far.ts';
import { type Office, pass, settle } from './office.ts';
import { limitsOf } from './paths/scenes.ts';
import { watchedStore } from './watched-store.ts';

describe('a sub-agent has something under way in the background', () => {
  test.each(['keep', 'delete'] as const)(
    '[BG-013, SB-050, B-45] with cleanup "%s" it is woken once that has ended, and what it says then is a result, too',
    async (cleanup) => {
      const office = openFar();
      const { agentId } = await office.manager.spawn({ task: 'far', config: { cleanup } });
      await settle();
      const [first, ...others] = await office.manager.collect();
      expect([first?.result, first?.background, others]).toEqual(['gone', 1, []]);
      expect(resultText(first as SubagentResult)).toContain(
        'and waits for 1 piece of work in the background: it goes on',
      );
      await pass(office, farMs - 1);
      expect(await members(office)).toEqual([agentId]);
      expect(await office.manager.info(agentId)).toMatchObject({ state: 'completed', background: 1 });
      await pass(office, 1);
      expect(await office.manager.info(agentId)).toMatchObject({ state: 'completed', background: 0 });
      expect(await members(office)).toEqual([agentId]);
      expect(await results(office)).toEqual(['heard: It was far.']);
      await pass(office, 10);
      expect(await members(office)).toEqual(cleanup === 'keep' ? [agentId] : []);
    },
  );

  test('[SB-050, B-45] of one that is to be deleted nothing is left, of its units neither', async () => {
    const office = openFar();
    const { runId } = await office.manager.spawn({ task: 'far', config: { cleanup: 'delete' } });
    await settle();
    await results(office);
    await pass(office, farMs);
    expect(await results(office)).toHaveLength(1);
    await pass(office, 10);
    expect(await office.runtime.runs.get(runId)).toBeUndefined();
    expect(await office.runtime.runs.list()).toEqual([]);
  });

  test('[SB-113] it is not swept, and nobody forgets it', async () => {
    const office = openFar({ manager: { archiveAfterMs: farMs / 5, sweepEveryMs: farMs / 5 } });
    const { agentId } = await office.manager.spawn({ task: 'far' });
    await settle();
    for (let i = 1; i < 5; i++) await pass(office, farMs / 5);
    expect(await office.manager.forget(agentId)).toBe(false);
    expect(await members(office)).toEqual([agentId]);
    expect(await results(office)).toEqual(['gone']);
    await pass(office, farMs / 5);
    expect(await results(office)).toEqual(['heard: It was far.']);
    for (let i = 0; i < 3; i++) await pass(office, farMs / 5);
    expect(await members(office)).toEqual([]);
  });

  test('[SB-113] nor is whoever is above it', async () => {
    const office = openFar({ manager: { archiveAfterMs: farMs / 5, sweepEveryMs: farMs / 5 } });
    const above = await office.manager.spawn({ task: 'count', config: { allowSubagents: true } });
    const below = await office.manager.spawn({ task: 'far', parentId: above.agentId });
    await settle();
    for (let i = 1; i < 5; i++) await pass(office, farMs / 5);
    expect((await members(office)).toSorted()).toEqual([above.agentId, below.agentId].toSorted());
    for (let i = 0; i < 5; i++) await pass(office, farMs / 5);
    expect(await members(office)).toEqual([]);
  });

  test('[SB-113] it is not swept, either, while it is about to be woken by that', async () => {
    const watched = watchedStore();
    const office = openFar({ store: watched.store, manager: { archiveAfterMs: 1, sweepEveryMs: farMs + 5 } });
    const { agentId, sessionKey } = await office.manager.spawn({ task: 'far' });
    await settle();
    const inbox = watched.hold('sessionInbox');
    await pass(office, farMs);
    expect(await office.manager.info(agentId)).toMatchObject({ background: 0 });
    await pass(office, 10);
    expect(await members(office)).toEqual([agentId]);
    inbox();
    await settle();
    expect((await office.runtime.runs.list({ sentTo: sessionKey })).map(({ status }) => status)).toEqual([
      'completed',
      'completed',
    ]);
    expect(await results(office)).toEqual(['gone', 'heard: It was far.']);
  });

  test('[SB-113] nor while it is about to be woken by a result', async () => {
    const watched = watchedStore();
    const office = openFar({ store: watched.store, manager: { archiveAfterMs: 1, sweepEveryMs: 1_005 } });
    const above = await office.manager.spawn({ task: 'count', config: { allowSubagents: true } });
    await office.manager.spawn({ task: 'slow sum', parentId: above.agentId, name: 'clerk' });
    await settle();
    const inbox = watched.hold('sessionInbox');
    await pass(office, 1_000);
    await pass(office, 10);
    expect(await members(office)).toContain(above.agentId);
    inbox();
    await settle();
    expect((await office.runtime.runs.list({ sentTo: above.sessionKey })).map(({ status }) => status)).toEqual([
      'completed',
      'completed',
    ]);
    expect((await office.manager.collect({ agentId: above.agentId })).length).toBe(2);
  });

  test('[SB-113] who is above it is swept once that is over, though it was woken by nothing', async () => {
    const office = openFar({ manager: { archiveAfterMs: farMs / 5, sweepEveryMs: farMs / 5 } });
    const above = await office.manager.spawn({ task: 'count', config: { allowSubagents: true } });
    const below = await office.manager.spawn({ task: 'far', parentId: above.agentId, name: 'traveller' });
    await settle();
    const [unit] = await office.runtime.runs.list({ unitsOf: below.sessionKey });
    await (await office.runtime.attach(unit?.runId ?? '')).interrupt('Not needed.');
    for (let i = 0; i < 5; i++) await pass(office, farMs / 5);
    expect(await members(office)).toEqual([below.agentId]);
  });

  test('[SB-050] where that has ended and wakes nobody, it goes with the last', async () => {
    const office = openFar();
    const { agentId, sessionKey } = await office.manager.spawn({ task: 'far', config: { cleanup: 'delete' } });
    await settle();
    await results(office);
    const [unit] = await office.runtime.runs.list({ unitsOf: sessionKey });
    await (await office.runtime.attach(unit?.runId ?? '')).interrupt('Not needed.');
    await settle();
    await pass(office, 10);
    expect(await office.manager.info(agentId)).toBeNull();
    expect(await members(office)).toEqual([]);
    expect(await results(office)).toEqual([]);
  });
});

describe('[B-11, SB-041] it is cancelled', () => {
  const statuses = async ({ runtime }: Office) => (await runtime.runs.list()).map(({ status }) => status);

  test.each([
    ['while it is at work', 0],
    ['once only its background is', 1],
  ])('%s: what it has under way in the background is stopped with it, and wakes nobody', async (_, done) => {
    const office = openFar({
      script: (word, agent, messages) => {
        const turn = goingFar(word, agent, messages);
        return turn === 'gone' && done === 0 ? { hang: true } : turn;
      },
    });
    const { agentId } = await office.manager.spawn({ task: 'far' });
    await settle();
    expect(await office.manager.cancel(agentId, { reason: 'Enough.' })).toEqual({ cancelled: true, descendants: 0 });
    await settle();
    await pass(office, farMs);
    expect(await statuses(office)).toEqual(['interrupted', done === 0 ? 'interrupted' : 'completed']);
    expect(await office.manager.info(agentId)).toMatchObject({ background: 0 });
    expect((await office.manager.collect()).map(({ background }) => background)).toEqual([done === 0 ? undefined : 1]);
    expect(await office.manager.cancel(agentId)).toEqual({ cancelled: false, descendants: 0 });
  });

  test('with all others, and when the manager is closed', async () => {
    const office = openFar();
    await office.manager.spawn({ task: 'far' });
    await office.manager.spawn({ task: 'hang' });
    await settle();
    expect(await office.manager.cancelAll()).toBe(2);
    await settle();
    await office.manager.spawn({ task: 'far' });
    await settle();
    await office.manager.close({ runs: 'interrupt' });
    expect((await office.runtime.runs.list()).filter(({ status }) => !isEnded(status))).toEqual([]);
  });

  test('where the runtime is closed meanwhile, nothing is complained about', async () => {
    const said: string[] = [];
    const office = openFar({ logger: { warn: (what) => said.push(what), error: (what) => said.push(what) } });
    await office.manager.spawn({ task: 'far' });
    await settle();
    await office.runtime.close({ runs: 'interrupt' });
    await settle();
    expect(said).toEqual([]);
  });

  test('whoever closes the manager waits for the end of that', async () => {
    const watched = watchedStore();
    const office = openFar({ store: watched.store });
    await office.manager.spawn({ task: 'far' });
    await settle();
    const letGo = watched.hold('commit');
    let isClosed = false;
    void office.manager.close({ runs: 'interrupt' }).then(() => {
      isClosed = true;
    });
    await settle();
    expect(isClosed).toBe(false);
    letGo();
    await settle();
    expect(isClosed).toBe(true);
  });

  test('what it began while it was being stopped is stopped, too', () => {
    const record = { ...recordOf('s', 'r'), cancelled: { runIds: ['r'], reason: 'Enough.' } };
    const open = [{ runId: 'r', model: null, askedAt: 0, startedAt: 0 }];
    const step: Step = {
      roster: { limits: limitsOf({ cast: {}, does: [] }), members: noMembers, kept: [], waiters: [] },
      out: [],
    };
    put(step, { record, open, last: null, isStopping: true });
    unitBegan(step, { agentId: 's', runId: 'unit' });
    unitBegan(step, { agentId: 's', runId: 'unit' });
    unitBegan(step, { agentId: 'gone', runId: 'other' });
    expect(step.out).toEqual([
      { type: 'note', agentId: 's' },
      { type: 'halt', runIds: ['unit'], reason: 'Enough.' },
    ]);
    expect(memberOf(step.roster, 's')?.record.cancelled?.runIds).toEqual(['r', 'unit']);
    // and its end does not say that it waits for that
    const end = { agentId: 's', runId: 'r', label: 's', error: null, elapsedSeconds: 0, model: null };
    const result = { ...end, result: null, requester: record.requester };
    expect(asFarAs(step, { ...result, state: 'cancelled' })).not.toHaveProperty('background');
    expect(asFarAs(step, { ...result, state: 'failed' })).toHaveProperty('background', 1);
  });
});

describe('[SB-050, B-45] a result is on its way to one that is to be deleted', () => {
  const withResult = async (watched = watchedStore()) => {
    const office = openFar({ store: watched.store });
    const above = await office.manager.spawn({
      task: 'slow top',
      config: { cleanup: 'delete', allowSubagents: true },
    });
    await office.manager.spawn({ task: 'count', parentId: above.agentId, config: { cleanup: 'delete' } });
    return { office, watched, above };
  };

  test('it stays until it has heard of it, and has said what it makes of that', async () => {
    const { office, watched, above } = await withResult();
    watched.broken.add('post');
    await pass(office, 1_000);
    // told while it was at work, the store is there again for the second attempt
    expect(await results(office)).toEqual(['done: slow top']);
    await pass(office, 10);
    expect(await office.manager.info(above.agentId)).not.toBeNull();
    watched.broken.clear();
    await pass(office, 2_000);
    expect(await office.manager.info(above.agentId)).toMatchObject({ state: 'completed' });
    expect(await results(office)).toHaveLength(1);
    await pass(office, 10);
    expect(await members(office)).toEqual([]);
    expect(await office.runtime.runs.list()).toEqual([]);
  });

  test('it goes where that never comes, and the result can be collected', async () => {
    const { office, watched } = await withResult();
    watched.broken.add('post');
    await pass(office, 1_000);
    expect(await results(office)).toEqual(['done: slow top']);
    for (const ms of [1_000, 2_000, 4_000, 10]) await pass(office, ms);
    expect(await members(office)).toHaveLength(1);
    expect(await results(office)).toEqual(['done: count']);
    await pass(office, 10);
    expect(await members(office)).toEqual([]);
  });
});

test('[SB-050, B-45] one that is deleted leaves no letter behind that would wake it again', async () => {
  const clock = new SimulatedClock();
  const store = shared(clock);
  const office = openFar({
    store,
    clock,
    script: (word, agent, messages) => {
      const turn = goingFar(word, agent, messages);
      return turn === 'gone' ? { hang: true } : turn;
    },
  });
  const { agentId } = await office.manager.spawn({ task: 'far', config: { cleanup: 'delete' } });
  await settle();
  // its unit ends while it is at work, and then it is cancelled
  for (const ms of [farMs, 10]) await pass(office, ms);
  await office.manager.cancel(agentId);
  await settle();
  expect(await office.manager.collect()).toMatchObject([{ state: 'cancelled' }]);
  for (let i = 0; i < 10; i++) await pass(office, 200);
  await office.runtime.recover();
  expect([await members(office), await office.runtime.runs.list(), store.sessionInbox()]).toEqual([[], [], []]);
});

test('[SB-050] one that is to be deleted goes once what is below it is over, though that has not woken it', async () => {
  const office = openFar();
  const config = { cleanup: 'delete' } as const;
  const above = await office.manager.spawn({ task: 'slow top', config: { ...config, allowSubagents: true } });
  const below = await office.manager.spawn({ task: 'far', parentId: above.agentId, config });
  for (const ms of [1_000, 10]) await pass(office, ms);
  await results(office);
  expect(await members(office)).toHaveLength(2);
  await office.manager.cancel(below.agentId);
  for (const ms of [100, 100]) await pass(office, ms);
  expect(await members(office)).toEqual([]);
});

describe('[SB-113] whether something is under way is not known', () => {
  test('a sub-agent whose unit another process executes is forgotten once that has ended', async () => {
    const clock = new SimulatedClock();
    const store = shared(clock);
    const first = openFar({ store, clock });
    await first.manager.spawn({ task: 'far' });
    await settle();
    const second = openFar({ store, clock, manager: { archiveAfterMs: 1_000, sweepEveryMs: 1_000 } });
    await second.manager.ready;
    for (let i = 1; i < 5; i++) await pass(second, 1_000);
    expect((await second.manager.status()).total).toBe(1);
    for (let i = 0; i < 4; i++) await pass(second, 1_000);
    expect((await second.manager.status()).total).toBe(0);
  });

  test.each(['traveller', undefined])(
    'one (named %s) whose unit has ended in another process is at rest: nothing of it is stopped, nobody waits for it',
    async (name) => {
      const clock = new SimulatedClock();
      const store = shared(clock);
      const first = openFar({ store, clock });
      const { agentId } = await first.manager.spawn({ task: 'far', ...(name !== undefined && { name }) });
      await settle();
      const second = openFar({ store, clock });
      await second.manager.ready;
      expect(await second.manager.info(agentId)).toMatchObject({ background: 1 });
      for (let i = 0; i < 10; i++) await pass(second, 1_000);
      expect(await second.manager.info(agentId)).toMatchObject({ background: 0 });
      expect(await second.manager.cancel(agentId)).toMatchObject({ cancelled: false });
      await second.manager.close({ runs: 'interrupt' });
    },
  );

  test('one whose session cannot be read stays', async () => {
    const watched = watchedStore();
    const office = openFar({ store: watched.store, manager: { archiveAfterMs: 1_000, sweepEveryMs: 1_000 } });
    const { sessionKey } = await office.manager.spawn({ task: 'far', config: { cleanup: 'delete' } });
    await settle();
    await results(office);
    const [unit] = await office.runtime.runs.list({ unitsOf: sessionKey });
    watched.broken.add('list').add('sessionInbox');
    await (await office.runtime.attach(unit?.runId ?? '')).interrupt('Not needed.');
    for (let i = 0; i < 3; i++) await pass(office, 1_000);
    expect((await office.manager.status()).total).toBe(1);
    watched.broken.clear();
    for (let i = 0; i < 10; i++) await pass(office, 1_000);
    expect((await office.manager.status()).total).toBe(0);
    expect(await office.runtime.runs.list()).toEqual([]);
  });
});
