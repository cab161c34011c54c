import { isEnded, type RunFilter, type RunRow } from '@troupe/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Listed, openRunLists } from '../../src/defaults/run-lists.ts';

const key = fc.constantFrom('a', 'b');
const begins = fc.record({
  root: fc.nat(3),
  sessionKey: fc.option(key, { nil: undefined }),
  after: fc.option(fc.constantFrom(null, 'before'), { nil: undefined }),
  origin: fc.option(fc.option(key, { nil: undefined }), { nil: null }),
});
const deeds = fc.array(
  fc.oneof(
    fc.record({ begins }),
    fc.record({ ends: fc.nat(30), as: fc.constantFrom('completed', 'failed', 'interrupted') }),
    fc.record({ goesOn: fc.nat(30), as: fc.constantFrom('running', 'paused', 'queued') }),
    fc.record({ isForgotten: fc.nat(3) }),
  ),
  { maxLength: 40 },
);
const status = fc.constantFrom('running', 'paused', 'queued', 'completed', 'failed', 'interrupted');
const filter = fc.record(
  {
    status: fc.oneof(status, fc.array(status, { maxLength: 3 })),
    rootId: fc.nat(3).map((n) => `root${n}`),
    sentTo: key,
    unitsOf: key,
    limit: fc.nat(8),
    before: fc.nat(30).map((n) => `run${n}`),
  },
  { requiredKeys: [] },
);

/** As lists are told in the port: every run is looked at. */
const expected = (all: readonly Listed[], wanted: RunFilter): RunRow[] => {
  const { status: one, rootId, sentTo, unitsOf, limit = 100, before } = wanted;
  const statuses = one === undefined ? undefined : [one].flat();
  const rows = all.map(({ row }) => row).reverse();
  const from = before === undefined ? 0 : rows.findIndex(({ runId }) => runId === before) + 1;
  if (before !== undefined && from === 0) return [];
  return rows
    .slice(from)
    .filter((row) => statuses === undefined || statuses.includes(row.status))
    .filter((row) => rootId === undefined || row.rootId === rootId)
    .filter((row) => sentTo === undefined || (row.sessionKey === sentTo && row.after !== undefined))
    .filter((row) => unitsOf === undefined || (row.origin && (row.origin.sessionKey ?? row.sessionKey) === unitsOf))
    .slice(0, limit);
};

test('lists give what is asked for, whatever began, ended and was forgotten', () => {
  fc.assert(
    fc.property(deeds, fc.array(filter, { minLength: 1, maxLength: 5 }), (steps, filters) => {
      let all: Listed[] = [];
      const lists = openRunLists<Listed>((rootId) => all.filter(({ row }) => row.rootId === rootId));
      let n = 0;
      for (const step of steps)
        if ('begins' in step) {
          const { root, sessionKey, after, origin } = step.begins;
          const about = { runId: `run${n++}`, rootId: `root${root}`, status: 'running' as const };
          const run = {
            place: 0,
            row: {
              ...about,
              ...(sessionKey !== undefined && { sessionKey }),
              ...(after !== undefined && { after }),
              ...(origin !== null && { origin: origin === undefined ? {} : { sessionKey: origin } }),
            } as RunRow,
          };
          all.push(run);
          lists.begin(run);
        } else if ('isForgotten' in step) {
          const gone = all.filter(({ row }) => row.rootId === `root${step.isForgotten}`);
          for (const run of gone) lists.forget(run);
          all = all.filter((run) => !gone.includes(run));
        } else {
          const run = all['ends' in step ? step.ends : step.goesOn];
          if (!run || isEnded(run.row.status)) continue;
          run.row = { ...run.row, status: step.as };
          if ('ends' in step) lists.end(run);
        }
      for (const wanted of filters as RunFilter[]) {
        const { before, ...others } = wanted;
        const older = all.find(({ row }) => row.runId === before);
        if (before === undefined || older) expect(lists.rows(others, older)).toEqual(expected(all, wanted));
      }
    }),
    { numRuns: 300 },
  );
});
