import { memoryStore } from '@troupe/core';
import type { SubagentRecord } from '@troupe/delegation';
import { isEnded, type RunEvent, type RunRow } from '@troupe/protocol';
import { checkRunLaws, type Death, mortalStore } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { farMs, goingFar, openFar, results } from './far.ts';
import { heardIn } from './heard.ts';
import { lead, type Office, pass, settle } from './office.ts';

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
    // what was all handed over by then may have gone as the next life began
    const delivered = [...died.records, ...kept].flatMap((record) => record.delivered);
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
