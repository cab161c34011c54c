import { memoryStore } from '@troupe/core';
import { isEnded, type RunEvent, type RunRow } from '@troupe/protocol';
import { checkRunLaws, type Death, mortalStore } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { heardIn } from './heard.ts';
import { lead, type Office, openOffice, settle } from './office.ts';

/** Lives of one program at one store. */
const lives = () => {
  const clock = new SimulatedClock();
  const store = memoryStore({ now: () => clock.now() });
  const live = (death?: Death) => {
    const mortal = mortalStore({ ...store, lasting: true }, death);
    return { mortal, ...openOffice({ store: mortal.store, clock, leaseMs: 0 }) };
  };
  const stored = (): RunEvent[] => [...(store.events({}) as Iterable<RunEvent>)];
  const rows = (): RunRow[] => store.list({ limit: 1_000 }) as RunRow[];
  return { clock, store, live, stored, rows };
};

type Story = (office: Office) => Promise<unknown>;

const stories: Record<string, Story> = {
  'it spawns two': async ({ manager }) => {
    await manager.spawn({ task: 'count', scope: 'chat' });
    await manager.spawn({ task: 'slow sum', scope: 'chat' });
  },
  'it spawns one by name, and goes on with it': async ({ manager, clock }) => {
    await manager.spawn({ task: 'count', name: 'bo', scope: 'chat' });
    await settle();
    clock.increment(1_000);
    await manager.resume({ name: 'bo', task: 'slow sum', scope: 'chat' });
  },
  'it steers one': async ({ manager }) => {
    const { agentId } = await manager.spawn({ task: 'hang', scope: 'chat' });
    await settle();
    await manager.steer({ agentId, message: 'count', scope: 'chat' });
  },
  'it cancels one': async ({ manager }) => {
    const { agentId } = await manager.spawn({ task: 'slow count', scope: 'chat' });
    await settle();
    await manager.cancel(agentId, { scope: 'chat' });
  },
  'one spawns another': async ({ manager }) => {
    const { agentId } = await manager.spawn({ task: 'slow count', config: { allowSubagents: true }, scope: 'chat' });
    await manager.spawn({ task: 'sum', parentId: agentId });
  },
  'results are collected': async ({ manager }) => {
    await manager.spawn({ task: 'count' });
    await settle();
    await manager.collect({ by: 'me' });
  },
};

/** Plays until every run has ended, or the process is dead. */
const play = async ({ clock, rows }: ReturnType<typeof lives>, mortal: { dead: boolean }): Promise<void> => {
  for (let round = 0; round < 60; round++) {
    await settle(10);
    if (mortal.dead || (round > 5 && rows().every(({ status }) => isEnded(status)))) return;
    clock.increment(1_000);
  }
};

describe('killed behind anything that it stores and started again [L7, F-13, F-14, B-33, B-39, SB-064, SB-112]', () => {
  test.each(Object.entries(stories))(
    '%s; every run has one end and one result, delivered once',
    async (_, story) => {
      const live = async (death?: Death) => {
        const world = lives();
        const first = world.live(death);
        void first.runtime
          .session(lead, { sessionKey: 'chat' })
          .send('hello', { runId: 'hello' })
          .then(() => story(first))
          .catch(() => {});
        await play(world, first.mortal);
        const { dead, writes } = first.mortal;
        if (!dead) return { world, writes, office: first };
        const office = world.live();
        await office.manager.ready;
        expect((await office.runtime.recover()).skipped).toEqual([]);
        await play(world, office.mortal);
        // what hangs for ever, hangs again
        await office.manager.cancelAll();
        await play(world, office.mortal);
        return { world, writes, office };
      };
      const calm = await live();
      for (let afterWrite = 1; afterWrite <= calm.writes; afterWrite++)
        for (const as of ['heard', 'unheard'] as const) {
          const { world, office } = await live({ afterWrite, as });
          const why = `after write ${afterWrite} (${as})`;
          const events = world.stored();
          expect([why, checkRunLaws(events)]).toEqual([why, []]);
          expect([why, world.rows().filter(({ status }) => !isEnded(status))]).toEqual([why, []]);
          const { active } = await office.manager.status();
          expect([why, active]).toEqual([why, []]);
          // nothing was asked for twice
          const own = world.rows().filter(({ sessionKey }) => sessionKey?.startsWith('subagent-'));
          const asked = own.map(({ job, sessionKey }) => `${sessionKey} ${String(job.input)}`);
          expect([why, new Set(asked).size]).toEqual([why, asked.length]);
          // and what came of each was handed over, once
          const records = (await world.store.search('subagents:subagents', '')).map(
            ({ value }) => value as { delivered: { runId: string; how: string }[] },
          );
          const delivered = new Map(
            records.flatMap((record) => record.delivered.map(({ runId, how }) => [runId, how])),
          );
          const kept = new Set((await office.manager.collect()).map(({ runId }) => runId));
          const heard = heardIn(events);
          for (const { runId } of own) {
            const how = delivered.get(runId) ?? (kept.has(runId) ? 'kept' : 'lost');
            const times = heard[`result.${runId}`] ?? 0;
            const isOnTheWay = (await world.store.sessionInbox()).some(({ id }) => id === `result.${runId}`);
            expect([why, runId, how, times + Number(isOnTheWay)]).toEqual([
              why,
              runId,
              expect.stringMatching(/pushed|pulled|steered|kept/),
              how === 'pushed' ? 1 : 0,
            ]);
          }
        }
    },
    60_000,
  );
});
