import {
  type Checkpoint,
  isEnded,
  type JournalEntry,
  type Quota,
  type ReadEntry,
  type RunFilter,
  type RunRow,
  type RunStore,
} from '@troupe/protocol';
import type { AtOnce } from '../answers.ts';
import type { ProcessIdentity } from '../writer/messages.ts';
import { isGone } from '../writer/process-identity.ts';
import type { Reader } from './statements.ts';

type Found = { data: string; job: string };

/** The number of a run. */
export const numberOf = '(SELECT run FROM claims WHERE run_id = ?)';
const columns = 'SELECT runs.data, jobs.data AS job FROM runs JOIN jobs USING (run)';

/**
 * Steps that said something and steps that did not, in the order in which they were: from the last one that may hold what was heard
 * after `?2` events, for what stands beside an event may have been heard after later ones of its commit.
 */
const steps = `
  WITH wanted AS MATERIALIZED (SELECT run FROM claims WHERE run_id = ?1)
  SELECT heard, whole, seq, 1 AS said, id FROM events WHERE run = (SELECT run FROM wanted) AND heard IS NOT NULL AND seq >= coalesce(
    (SELECT seq FROM events WHERE run = (SELECT run FROM wanted) AND seq <= ?2 AND heard IS NOT NULL ORDER BY seq DESC LIMIT 1), 0)
  UNION ALL SELECT heard, whole, seq + 1, 0, id FROM quiet_steps WHERE run = (SELECT run FROM wanted) AND seq >= ?2
  ORDER BY seq, said, id`;

const entriesOf = ({ heard, whole }: Record<string, unknown>): ReadEntry[] =>
  (JSON.parse(String(heard)) as (JournalEntry & { rootSeq?: number })[]).map((entry) => ({
    rootSeq: Number(whole),
    ...entry,
  }));

const rowOf = ({ data, job }: Found): RunRow => ({
  ...(JSON.parse(data) as Omit<RunRow, 'job'>),
  job: JSON.parse(job) as RunRow['job'],
});

const quotas = `
  SELECT quota AS key, count(*) FILTER (WHERE status = 'completed') AS completed,
    json_group_array(run_id ORDER BY run) FILTER (WHERE ended = 0 AND data ->> '$.detached' IS NULL) AS holders
  FROM runs WHERE quota IS NOT NULL AND (?1 IS NULL OR quota IN (SELECT value FROM json_each(?1))) GROUP BY quota`;

/** What is asked of a run; nothing, where its value is missing. */
type Wanted = [sql: string, value: string | undefined];

const joined = (wanted: readonly Wanted[]): { sql: string; values: string[] } => {
  const given = wanted.flatMap(([sql, value]) => (value === undefined ? [] : [{ sql, value }]));
  const sql = given.length > 0 ? `WHERE ${given.map((one) => one.sql).join(' AND ')}` : '';
  return { sql, values: given.map(({ value }) => value) };
};

type Holder = ProcessIdentity & { owner: string; lease_until: number };
const holder = `
  SELECT claims.owner, host, pid, started, lease_until FROM claims
  JOIN owners ON owners.owner = claims.owner LEFT JOIN runs USING (run)
  WHERE claims.run_id = ? AND coalesce(runs.ended, 0) = 0`;

type RunReader = AtOnce<Pick<RunStore, 'get' | 'list' | 'quotas' | 'checkpoint' | 'journal'>> & {
  holder(runId: string, now: number): string | null;
};

/** Looks runs up. Answers at once. @param self Who asks. */
export const readRuns = (reader: Reader, self: ProcessIdentity): RunReader => ({
  holder: (runId, now) =>
    reader.read(holder, (statement) => {
      const found = statement.get(runId) as Holder | undefined;
      return found && found.lease_until > now && !isGone(found, self) ? found.owner : null;
    }),

  get: (runId) =>
    reader.read(`${columns} WHERE run = ${numberOf}`, (statement) => {
      const found = statement.get(runId) as Found | undefined;
      return found && rowOf(found);
    }),

  list({ status, rootId, sentTo, unitsOf, limit = 100, before }: RunFilter = {}) {
    const most = Math.min(limit, Number.MAX_SAFE_INTEGER);
    const statuses = status === undefined ? undefined : [status].flat();
    const all = (sql: string, values: readonly (string | number)[]): RunRow[] =>
      reader.read(`${columns} ${sql} ORDER BY run DESC LIMIT ?`, (statement) =>
        (statement.all(...values, most) as Found[]).map(rowOf),
      );
    const older = `run < (SELECT run FROM runs WHERE run = ${numberOf})`;
    const few: Wanted[] = [
      [`root = ${numberOf}`, rootId],
      ['sent_to = ?', sentTo],
      ['unit_of = ?', unitsOf],
    ];
    if (statuses && few.every(([, value]) => value === undefined)) {
      // The newest of each status, then the newest of those: of what may be a million runs none is sorted.
      const newest = statuses.map((one) => {
        const { sql, values } = joined([
          ['status = ?', one],
          [older, before],
        ]);
        return {
          sql: `SELECT * FROM (SELECT run FROM runs ${sql} ORDER BY run DESC LIMIT ?)`,
          values: [...values, most],
        };
      });
      return all(
        `WHERE run IN (${newest.map(({ sql }) => sql).join(' UNION ALL ')})`,
        newest.flatMap(({ values }) => values),
      );
    }
    // Those that have not ended are found without a look at all that have.
    const isOpen = statuses?.some(isEnded) ? '' : 'ended = 0 AND ';
    const given = joined([
      [`${isOpen}status IN (SELECT value FROM json_each(?))`, statuses && JSON.stringify(statuses)],
      ...few,
      [older, before],
    ]);
    return all(given.sql, given.values);
  },

  journal: (runId, from = 0) =>
    reader.read(steps, (statement) =>
      statement
        .all(runId, from)
        .flatMap(entriesOf)
        .filter(({ seq }) => seq >= from),
    ),

  quotas: (keys) =>
    reader.read(quotas, (statement) =>
      (statement.all(keys ? JSON.stringify(keys) : null) as { key: string; completed: number; holders: string }[]).map(
        ({ holders, ...quota }): Quota => ({ ...quota, holders: JSON.parse(holders) as string[] }),
      ),
    ),

  checkpoint: (runId) =>
    reader.read(
      `SELECT checkpoint AS data FROM runs WHERE run = ${numberOf} AND checkpoint IS NOT NULL`,
      (statement) => {
        const found = statement.get(runId) as { data: string } | undefined;
        return found && (JSON.parse(found.data) as Checkpoint);
      },
    ),
});
