import { memoryStore } from '@troupe/core';
import type { SubagentRecord, SubagentResult } from '@troupe/delegation';
import { isEnded, type RunEvent, type RunRow } from '@troupe/protocol';
import { checkRunLaws, type Death, mortalStore } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { memberOf, noMembers } from '../../src/subagents/members.ts';
import { resultText } from '../../src/subagents/spawn-text.ts';
import { unitBegan } from '../../src/subagents/steps/background.ts';
import { asFarAs } from '../../src/subagents/steps/results.ts';
import { put, type Step } from '../../src/subagents/steps/step.ts';
import { recordOf } from './asked.ts';
import { farMs, goingFar, withFar } from './far.ts';
import { heardIn } from './heard.ts';
import { lead, type Office, openOffice, pass, settle } from './office.ts';
import { limitsOf } from './paths/scenes.ts';
import { watchedStore } from './watched-store.ts';

const openFar = (options: Parameters<typeof openOffice>[0] = {}): Office => {
  const { clock = new SimulatedClock() } = options;
  return openOffice({ clock, script: goingFar, ...options, manager: withFar(clock, options.manager) });
};

/** A store that several processes use: each hears within 200 ms that there may be something new. */
const shared = (clock: SimulatedClock) => {
  const base = memoryStore({ now: () => clock.now() });
  const changes = (heard: () => void) => {
    let timer: unknown;
    const wait = (): void => {
      timer = clock.setTimeout(() => {
        heard();
        wait();
      }, 200);
    };
    wait();
    return () => clock.clearTimeout(timer as number);
  };
  return { ...base, changes };
};

const results = async ({ manager }: Pick<Office, 'manager'>) => (await manager.collect()).map(({ result }) => result);
const members = async ({ memory }: Pick<Office, 'memory'>) =>
  (await memory.search('subagents:subagents', '', { limit: 100 })).map(({ key }) => key);

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

test('[SB-050, B-33] a result that is being pushed keeps one that is to be deleted, though a later one was', async () => {
  const clock = new SimulatedClock();
  const base = memoryStore({ now: () => clock.now() });
  let refusals = 3;
  const open = () => {
    const post: typeof base.post = (mail) => {
      if (mail.id.startsWith('result.') && refusals-- > 0) throw new Error('The disk is full.');
      return base.post(mail);
    };
    const mortal = mortalStore({ ...base, post, lasting: true });
    return { mortal, ...openFar({ store: mortal.store, clock, leaseMs: 0 }) };
  };
  const first = open();
  await (await first.runtime.session(lead, { sessionKey: 'chat' }).send('hello')).report;
  first.manager.bind({ sessionKey: 'chat', channel: 'c', metadata: {}, replyTo: null });
  const { runId } = await first.manager.spawn({ task: 'far', scope: 'chat', config: { cleanup: 'delete' } });
  // refused at 0, 1 and 3 s, to be tried again at 7; its unit is over at 5
  for (const ms of [1_000, 2_000, 2_000, 100]) await pass(first, ms);
  first.mortal.die();
  const again = open();
  await again.manager.ready;
  await again.runtime.recover();
  for (const ms of [100, 100]) await pass(again, ms);
  expect(heardIn([...(base.events({}) as Iterable<RunEvent>)])[`result.${runId}`]).toBe(1);
});

test('[SB-064, SB-112] one that was steered once and is woken goes on after a restart', async () => {
  const clock = new SimulatedClock();
  const base = memoryStore({ now: () => clock.now() });
  const open = () => {
    const mortal = mortalStore({ ...base, lasting: true });
    const script: typeof goingFar = (word, agent, messages) =>
      word.startsWith('[BACKGROUND') ? { text: 'heard', delayMs: 1_000 } : goingFar(word, agent, messages);
    return { mortal, ...openFar({ store: mortal.store, clock, leaseMs: 0, script }) };
  };
  const first = open();
  const { agentId } = await first.manager.spawn({ task: 'hang' });
  await settle();
  await first.manager.steer({ agentId, message: 'far' });
  await settle();
  expect(await results(first)).toEqual(['gone']);
  await pass(first, farMs);
  expect(await first.manager.info(agentId)).toMatchObject({ state: 'running' });
  first.mortal.die();
  const again = open();
  await again.manager.ready;
  await again.runtime.recover();
  for (const ms of [2_000, 2_000]) await pass(again, ms);
  expect(await again.manager.info(agentId)).toMatchObject({ state: 'completed' });
  expect(await results(again)).toEqual(['heard']);
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

describe('[F-14, SB-112, L7] killed behind anything that it stores and started again', () => {
  const isHeard = (result: string | null): boolean => result?.startsWith('heard: ') === true;

  type Story = {
    tell(office: Office): Promise<unknown>;
    /** Results are collected in the second life alone. */
    isCollectedLate?: boolean;
  };

  /** Plays a story until it is over, or the process is dead; then goes on in another one. */
  const live = async ({ tell, isCollectedLate }: Story, afterWrite?: number) => {
    const clock = new SimulatedClock();
    const store = memoryStore({ now: () => clock.now() });
    const runs = new Map<string, RunRow>();
    const open = (death?: Death) => {
      const mortal = mortalStore({ ...store, lasting: true }, death);
      const office = openFar({ store: mortal.store, clock, leaseMs: 0, manager: { archiveAfterMs: 30_000 } });
      return { mortal, office };
    };
    const found: (string | null)[] = [];
    let isOver = false;
    const collect = async ({ mortal, office }: ReturnType<typeof open>) => {
      if (isCollectedLate && mortal === first.mortal && !isOver) return;
      const some = await office.manager.collect().catch(() => []);
      if (!mortal.dead) found.push(...some.map(({ result }) => result));
    };
    const play = async (life: ReturnType<typeof open>) => {
      for (let i = 0; i < 9 && !life.mortal.dead; i++) {
        await settle(15);
        await collect(life);
        await settle(15);
        for (const row of store.list() as RunRow[]) runs.set(row.runId, row);
        clock.increment(1_000);
      }
    };
    const recordsNow = () =>
      (store.search('subagents:subagents', '') as unknown as { value: SubagentRecord }[]).map(({ value }) => value);
    const first = open(afterWrite === undefined ? undefined : { afterWrite, as: 'heard' });
    tell(first.office).catch(() => {});
    await play(first);
    isOver = true;
    const isAlive = !first.mortal.dead;
    await collect(first);
    await pass(first.office, 10);
    const { dead, writes } = first.mortal;
    const died = { records: recordsNow() };
    let last = first;
    if (dead) {
      const again = open();
      last = again;
      await again.office.manager.ready;
      await collect(again);
      await again.office.runtime.recover();
      await play(again);
    }
    // what hangs for ever hangs again, unless it was told to stop
    await last.office.manager.cancelAll();
    await settle();
    const kept = recordsNow();
    // what died between being told of and being deleted is swept
    for (let i = 0; i < 3; i++) await pass(last.office, 60_000);
    const delivered = kept.flatMap((record) => record.delivered);
    return { store, found, writes, died, diedAsTold: isAlive && dead, delivered, runs: [...runs.values()] };
  };

  /** For each death of a story. */
  const everyDeath = async (story: Story, check: (end: Awaited<ReturnType<typeof live>>) => void) => {
    const calm = await live(story);
    check(calm);
    for (let afterWrite = 1; afterWrite <= calm.writes; afterWrite++) {
      const end = await live(story, afterWrite);
      const name = `after write ${afterWrite}`;
      expect([name, checkRunLaws([...(end.store.events({}) as Iterable<RunEvent>)])]).toEqual([name, []]);
      const open = (end.store.list() as RunRow[]).filter(({ status }) => !isEnded(status));
      expect([name, open]).toEqual([name, []]);
      try {
        check(end);
      } catch (error) {
        throw new Error(`${name}: ${String(error)}`, { cause: error });
      }
    }
  };

  test.each([
    ['keep', false],
    ['delete', false],
    ['delete', true],
  ] as const)('each result is there, with cleanup "%s", collected late: %s', async (cleanup, isCollectedLate) => {
    await everyDeath(
      { tell: (office) => office.manager.spawn({ task: 'far', config: { cleanup } }), isCollectedLate },
      ({ store, found, runs, delivered }) => {
        // it may die as it is told
        const isTold = delivered.some(({ runId }) => runId.startsWith('wake_'));
        if (runs.some(({ agent }) => agent === 'far') && !isTold)
          expect(found).toEqual(expect.arrayContaining([expect.stringMatching(/^heard: /)]));
        expect(found.filter(isHeard).length).toBeLessThanOrEqual(1);
        if (cleanup === 'delete') expect(store.list()).toEqual([]);
      },
    );
  });

  test.each([false, true])(
    'each result is there, where another one is woken by it, collected late: %s',
    async (isCollectedLate) => {
      const config = { cleanup: 'delete', allowSubagents: true } as const;
      await everyDeath(
        {
          async tell({ manager }) {
            const { agentId } = await manager.spawn({ task: 'count', config });
            await manager.spawn({ task: 'far', parentId: agentId, config: { cleanup: 'delete' } });
          },
          isCollectedLate,
        },
        ({ store, found, runs, diedAsTold }) => {
          const isAway = runs.some(({ agent }) => agent === 'far');
          if (isAway && isCollectedLate && !diedAsTold)
            expect(found.filter((each) => each?.includes('heard: '))).toHaveLength(1);
          expect(store.list()).toHaveLength(0);
        },
      );
    },
  );

  test('[B-11] what was told to stop is stopped, and wakes nobody', async () => {
    await everyDeath(
      {
        async tell({ manager }) {
          const { agentId } = await manager.spawn({ task: 'far', config: { allowSubagents: true } });
          await manager.spawn({ task: 'hang', parentId: agentId });
          await settle();
          await manager.cancel(agentId);
        },
      },
      ({ died, runs }) => {
        if (!died.records.some(({ cancelled, parentId }) => cancelled && parentId === null)) return;
        expect(runs.filter(({ agent }) => agent === 'far').map(({ status }) => status)).toEqual(['interrupted']);
        expect(runs.filter(({ runId }) => runId.startsWith('wake_'))).toEqual([]);
      },
    );
  });
});
