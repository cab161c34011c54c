import { memoryStore } from '@troupe/core';
import { type Commit, isEnded, type RunRow } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lastStepOf, stepOf } from '../../../../test/support/steps.ts';
import { openBackgroundWork } from '../../src/background/background-work.ts';
import { openUnderway } from '../../src/background/underway.ts';

const sessions = ['k', 'a', 'b'] as const;
type Act =
  | { do: 'end'; at: number }
  /** `isLate`: by any run, be it over. */
  | { do: 'dispatch'; at: number; isLate?: boolean }
  | { do: 'send'; at: number; to: (typeof sessions)[number]; isLate?: boolean }
  | { do: 'forget'; session: (typeof sessions)[number]; units: boolean }
  | { do: 'ask'; session: (typeof sessions)[number] };

const at = fc.nat(200);
const isLate = fc.integer({ min: 0, max: 5 }).map((chance) => chance === 0);
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('dispatch' as const), at, isLate }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('send' as const), at, isLate, to: fc.constantFrom(...sessions) }),
  },
  { weight: 7, arbitrary: fc.record({ do: fc.constant('end' as const), at }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('ask' as const), session: fc.constantFrom(...sessions) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('forget' as const),
      session: fc.constantFrom(...sessions),
      units: fc.boolean(),
    }),
  },
);

/** Runs of three sessions that start others in the background, there and elsewhere. */
const openWorld = () => {
  const store = memoryStore();
  let begun = 0;
  const asked: string[] = [];
  const watched: typeof store = {
    ...store,
    list(filter) {
      asked.push(String(filter?.limit));
      return store.list(filter);
    },
  };
  const commit = (step: Commit, row: Partial<RunRow>): void =>
    void store.commit([{ ...step, row: { ...step.row, ...row } }]);
  const every = new Map<string, Partial<RunRow> & { sessionKey: string }>();
  const open = new Map<string, Partial<RunRow> & { sessionKey: string }>();
  const begin = (row: Partial<RunRow> & { sessionKey: string }): void => {
    const runId = `r${begun++}`;
    open.set(runId, row);
    every.set(runId, row);
    commit(stepOf({ runId }), row);
  };
  for (const sessionKey of sessions) begin({ sessionKey });
  const pick = (number: number, among: typeof open): [string, { sessionKey: string }] => {
    const all = [...among];
    return all[number % all.length] as [string, { sessionKey: string }];
  };
  const perform = (next: Exclude<Act, { do: 'ask' | 'forget' }>): void => {
    const [runId, row] = pick(next.at, next.do !== 'end' && next.isLate ? every : open);
    const origin = { runId, rootId: runId, callId: 'c' };
    if (next.do === 'dispatch') begin({ sessionKey: row.sessionKey, origin });
    else if (next.do === 'send')
      begin({
        sessionKey: next.to,
        after: (store.list({ sentTo: next.to, limit: 1 }) as RunRow[])[0]?.runId ?? null,
        origin: { ...origin, sessionKey: row.sessionKey },
      });
    else if (!sessions.some((_, i) => runId === `r${i}`)) {
      open.delete(runId);
      const { row: ended, ...step } = lastStepOf({ runId, expectedSeq: 1 });
      commit({ ...step, row: ended }, row);
    }
  };
  return {
    store: watched,
    asked,
    perform,
    /** So many units of `k` begin and end, one after another, where nothing else was begun. */
    perish(units: number): void {
      for (let i = 0; i < units; i++) {
        perform({ do: 'dispatch', at: 0 });
        perform({ do: 'end', at: 3 });
      }
    },
  };
};

const idsOf = (rows: readonly RunRow[]): string[] => rows.map(({ runId }) => runId).sort();

describe('what is under way on behalf of a session', () => {
  test('is all that has not ended, however much has, and whoever had started it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 60, maxLength: 200 }), async (acts) => {
        const { store, perform } = openWorld();
        const underway = openUnderway(store);
        for (const next of [...acts, ...sessions.map((session) => ({ do: 'ask' as const, session }))]) {
          if (next.do === 'forget') {
            await store.prune({ olderThan: Number.MAX_SAFE_INTEGER, keep: 0, sentTo: next.session, units: next.units });
            underway.forgot(next.session);
            continue;
          }
          if (next.do !== 'ask') {
            perform(next);
            continue;
          }
          const all = await openBackgroundWork(store).of(next.session);
          const expected = idsOf(all.filter(({ status }) => !isEnded(status)));
          expect(idsOf(await underway.of(next.session))).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('is found without reading again what has ended, with all that came of it', async () => {
    const { store, asked, perform, perish } = openWorld();
    const underway = openUnderway(store);
    perish(500);
    expect(await underway.of('k')).toEqual([]);
    expect(asked.length).toBeGreaterThan(4);
    asked.length = 0;
    perform({ do: 'dispatch', at: 0 });
    expect(await underway.of('k')).toHaveLength(1);
    expect(asked).toEqual(['16', '32']);
  });

  test('is found as quickly when what another session was sent is forgotten', async () => {
    const { store, asked, perish } = openWorld();
    const underway = openUnderway(store);
    perish(500);
    await underway.of('k');
    await store.prune({ olderThan: Number.MAX_SAFE_INTEGER, keep: 0, sentTo: 'a' });
    underway.forgot('a');
    asked.length = 0;
    expect(await underway.of('k')).toEqual([]);
    expect(asked).toEqual(['16', '32']);
  });

  test('is found however much has ended since, be it below what has ended itself', async () => {
    const { store, perform } = openWorld();
    const underway = openUnderway(store);
    const ids = async () => idsOf(await underway.of('k'));
    // r3: a unit; r4: sent elsewhere, over once it has dispatched r5 there
    perform({ do: 'dispatch', at: 0 });
    perform({ do: 'send', at: 0, to: 'a' });
    perform({ do: 'dispatch', at: 4 });
    perform({ do: 'end', at: 4 });
    for (let i = 0; i < 300; i++) {
      perform({ do: 'dispatch', at: 0 });
      perform({ do: 'end', at: 5 });
      if (i % 50 === 0) expect(await ids()).toEqual(['r3', 'r5']);
    }
    expect(await ids()).toEqual(['r3', 'r5']);
    perform({ do: 'end', at: 3 });
    expect(await ids()).toEqual(['r5']);
  });

  test('is found where another process has forgotten a run, and one of its id has begun', async () => {
    const { store, perform } = openWorld();
    const underway = openUnderway(store);
    perform({ do: 'dispatch', at: 0 });
    perform({ do: 'end', at: 3 });
    expect(await underway.of('k')).toEqual([]);
    await store.prune({ olderThan: 10, keep: 0 });
    const again = stepOf({ runId: 'r3' });
    const origin = { runId: 'r0', rootId: 'r0', callId: 'c' };
    await store.commit([{ ...again, row: { ...again.row, sessionKey: 'k', origin } }]);
    expect(idsOf(await underway.of('k'))).toEqual(['r3']);
  });

  test('is found where its units were forgotten, and one that is late has the id of one of them', async () => {
    const { store, perish } = openWorld();
    const underway = openUnderway(store);
    perish(40);
    expect(await underway.of('k')).toEqual([]);
    await store.prune({ olderThan: 10, keep: 0, sentTo: 'k', units: true });
    underway.forgot('k');
    const origin = { runId: 'r0', rootId: 'r0', callId: 'c' };
    const begin = (runId: string) => {
      const first = stepOf({ runId });
      return store.commit([{ ...first, row: { ...first.row, sessionKey: 'k', origin } }]);
    };
    for (const runId of ['early', ...Array.from({ length: 39 }, (_, i) => `r${i + 3}`)]) await begin(runId);
    expect(idsOf(await underway.of('k'))).toContain('early');
  });

  test('is found though the run that it is done on behalf of has ended before', async () => {
    const { store, perform, perish } = openWorld();
    const underway = openUnderway(store);
    const toA = { do: 'send', to: 'a' } as const;
    // r3 is sent to a, and over; r4, sent from there, begins late
    perform({ ...toA, at: 0 });
    perform({ do: 'end', at: 3 });
    perish(100);
    expect(await underway.of('k')).toEqual([]);
    perform({ do: 'send', to: 'b', at: 3, isLate: true });
    expect(idsOf(await underway.of('k'))).toEqual(['r104']);
  });

  test('is found where runs are forgotten between one page and the next', async () => {
    const { store, perform } = openWorld();
    perform({ do: 'dispatch', at: 0 });
    for (let i = 0; i < 200; i++) {
      perform({ do: 'dispatch', at: 0 });
      perform({ do: 'end', at: 4 });
    }
    let pages = 0;
    const underway = openUnderway({
      ...store,
      async list(filter) {
        const page = await store.list(filter);
        pages += 1;
        if (pages === 3) await store.prune({ olderThan: 10, keep: 0 });
        return page;
      },
    });
    expect(idsOf(await underway.of('k'))).toEqual(['r3']);
    expect(pages).toBeGreaterThan(4);
    expect(idsOf(await underway.of('k'))).toEqual(['r3']);
  });

  test('is read anew once runs were forgotten', async () => {
    const { store, perform, perish } = openWorld();
    const underway = openUnderway(store);
    perish(40);
    expect(await underway.of('k')).toEqual([]);
    await store.prune({ olderThan: 10, keep: 0 });
    underway.forgot();
    perform({ do: 'dispatch', at: 0 });
    expect(await underway.of('k')).toHaveLength(1);
  });
});
