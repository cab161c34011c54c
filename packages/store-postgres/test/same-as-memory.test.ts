import { memoryStore } from '@troupe/core';
import { type Commit, isFaultError, type MemoryStore, type Receipt, type RunStore } from '@troupe/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { listOf } from '../../../test/support/list-of.ts';
import { lastStepOf, stepOf } from '../../../test/support/steps.ts';
import { openRecycler } from './schemas.ts';

type Store = RunStore & MemoryStore;
/** How a run stands, and who may write it. */
type Standing = { owner: string; epoch: number; seq: number };
type Ask = (store: Store, standing: (runId: string) => Standing) => unknown;

const runIds = ['r', 'r/1-0/0', 's'];
const run = fc.constantFrom(...runIds);
const owner = fc.constantFrom('one', 'two');
const seq = fc.nat({ max: 3 });
const rarely = fc.nat({ max: 5 }).map((n) => n === 0);
const letter = fc.constantFrom('a', 'b', 'c');
const receipt = fc.constantFrom({ status: 'accepted' } as const, { status: 'rejected', reason: 'late' } as const);
const lease = { leaseMs: 10 };
const rootOf = (runId: string) => runId.replace(/\/.*/, '');

const wrong = fc.option(fc.constantFrom<keyof Standing>('owner', 'epoch', 'seq'), { nil: undefined, freq: 8 });
type Step = {
  runId: string;
  mailId: string;
  receipt: Receipt;
  isLast: boolean;
  says: number;
  wrong?: keyof Standing | undefined;
};
const step: fc.Arbitrary<Step> = fc.record({ runId: run, mailId: letter, receipt, isLast: rarely, says: seq, wrong });

const commitOf = ({ runId, mailId, receipt: its, isLast, says, wrong: what }: Step, standing: Standing): Commit => {
  const { owner: o, epoch, seq: expectedSeq } = standing;
  const about = { owner: what === 'owner' ? 'other' : o, epoch: epoch + Number(what === 'epoch') };
  const given = { ...about, runId, rootId: rootOf(runId), receipts: [{ mailId, receipt: its }] };
  const from = { expectedSeq: expectedSeq + Number(what === 'seq') };
  if (isLast) return lastStepOf({ ...given, ...from });
  const events = Array.from({ length: says }, (_, n) => ({ type: 'warning.raised', code: 'said', message: `${n}` }));
  const heard = { seq: expectedSeq, at: says, heard: { type: 'said' } };
  return stepOf({ ...given, ...from, events, checkpoint: { says }, journal: [heard] });
};
/** Steps of one tree, each after the one before it. */
const commitsOf = (steps: readonly Step[], standing: (runId: string) => Standing): Commit[] => {
  const said = new Map<string, number>();
  const bad = steps.find(({ wrong: what }) => what !== undefined);
  // Of what is wrong in two ways, each store says one.
  const tree = bad ? [bad] : steps.filter(({ runId }) => rootOf(runId) === rootOf(steps[0]?.runId ?? ''));
  return tree.map((each) => {
    const { owner: o, epoch, seq: before } = standing(each.runId);
    const commit = commitOf(each, { owner: o, epoch, seq: before + (said.get(each.runId) ?? 0) });
    said.set(each.runId, (said.get(each.runId) ?? 0) + commit.events.length);
    return commit;
  });
};
const together = fc.array(step, { minLength: 1, maxLength: 3 });

const ask: fc.Arbitrary<Ask> = fc.oneof(
  {
    weight: 4,
    arbitrary: together.map(
      (steps): Ask =>
        (store, standing) =>
          store.commit(commitsOf(steps, standing)),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(run, owner).map(
      ([r, o]): Ask =>
        (store) =>
          store.claim(r, o, lease),
    ),
  },
  owner.map(
    (o): Ask =>
      (store) =>
        store.renew(o, lease),
  ),
  fc.tuple(owner, fc.option(fc.array(run), { nil: undefined })).map(
    ([o, of]): Ask =>
      (store) =>
        store.release(o, of),
  ),
  fc.tuple(letter, run, fc.option(letter, { nil: undefined })).map(
    ([id, runId, sessionKey]): Ask =>
      (store) =>
        store.post({ id, runId, at: 1, message: { type: 'said' }, ...(sessionKey && { sessionKey }) }),
  ),
  fc.tuple(letter, receipt).map(
    ([id, its]): Ask =>
      (store) =>
        store.withdraw(id, its),
  ),
  fc.tuple(letter, letter, letter).map(
    ([scope, key, value]): Ask =>
      (store) =>
        store.write(scope, key, value),
  ),
  fc.tuple(letter, fc.option(letter, { nil: undefined })).map(
    ([scope, key]): Ask =>
      (store) =>
        store.reset(scope, key),
  ),
);

/** What came of it: as it was given, without what stores may say or not; or why it was refused. */
const outcomeOf = async (store: Store, each: Ask, standing: (runId: string) => Standing): Promise<unknown> => {
  try {
    const given = (await each(store, standing)) ?? null;
    return Array.isArray(given) ? given.map((event: object) => ({ ...event, cursor: undefined })) : given;
  } catch (error) {
    if (!isFaultError(error)) throw error;
    return [error.code, error.runId];
  }
};

/** All that a store knows. */
const knownOf = async (store: Store): Promise<object> => {
  const withoutCursors = async (events: ReturnType<RunStore['events']>) =>
    (await listOf(events)).map(({ cursor: _cursor, ...event }) => event);
  return {
    rows: await store.list(),
    sessions: await store.sessionInbox(),
    all: await withoutCursors(store.events({})),
    runs: await Promise.all(
      runIds.map(async (runId) => [
        await store.holder(runId),
        await store.checkpoint(runId),
        await listOf(store.journal(runId)),
        await withoutCursors(store.events({ runId })),
        await withoutCursors(store.events({ rootId: runId })),
      ]),
    ),
    inboxes: await Promise.all(['one', 'two'].map(async (o) => store.inbox(o))),
    receipts: await Promise.all(['a', 'b', 'c'].map(async (id) => store.receipt(id))),
    memories: await Promise.all(['a', 'b', 'c'].map(async (scope) => store.search(scope, ''))),
  };
};

/** Comes last: claims on runs that were never written and that nobody holds are forgotten then, and kept in memory. */
const prune = fc.tuple(seq, seq).map(
  ([olderThan, keep]): Ask =>
    (store) =>
      store.prune({ olderThan, keep }),
);

type Claims = Map<string, Omit<Standing, 'seq'>>;

/** A store whose claims are taken note of. */
const noting = (store: Store, claims: Claims): Store => ({
  ...store,
  async claim(runId, o, options) {
    const given = await store.claim(runId, o, options);
    if (given) claims.set(runId, { owner: o, epoch: given.epoch });
    return given;
  },
});

const standingIn = async (store: Store, claims: Claims): Promise<(runId: string) => Standing> => {
  const said = new Map<string, number>();
  for (const runId of runIds) said.set(runId, (await listOf(store.events({ runId }))).length);
  return (runId) => ({ ...(claims.get(runId) ?? { owner: 'one', epoch: 1 }), seq: said.get(runId) ?? 0 });
};

const { open, close } = await openRecycler();

test('answers what the store in memory answers, whatever is asked in whatever order', { timeout: 60_000 }, async () => {
  const numRuns = Number(process.env.RUNS ?? 60);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(ask, fc.nat({ max: 6 })), { maxLength: 30 }), prune, async (asked, last) => {
      const clock = { at: 1_700_000_000_000 };
      const now = () => clock.at;
      const claims = new Map<string, Omit<Standing, 'seq'>>();
      const [here, there] = [noting(memoryStore({ now }), claims), open({ now })];
      try {
        for (const [each, passes] of asked) {
          clock.at += passes;
          const standing = await standingIn(here, claims);
          const outcome = await outcomeOf(here, each, standing);
          expect(await outcomeOf(there, each, standing)).toEqual(outcome);
        }
        expect(await knownOf(there)).toEqual(await knownOf(here));
        const standing = await standingIn(here, claims);
        expect(await outcomeOf(there, last, standing)).toEqual(await outcomeOf(here, last, standing));
        const inboxes = undefined;
        expect({ ...(await knownOf(there)), inboxes }).toEqual({ ...(await knownOf(here)), inboxes });
      } finally {
        await there.get('r');
        await close(there);
      }
    }),
    { numRuns },
  );
});
