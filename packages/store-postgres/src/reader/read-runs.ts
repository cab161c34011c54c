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
import type { Later } from '../answers.ts';
import type { Row } from '../server/database.ts';
import { given, stored } from '../writer/identity.ts';
import { type Reader, textIn } from './reader.ts';

const rowOf = (row: Row): RunRow => ({
  ...(JSON.parse(textIn(row, 'data')) as Omit<RunRow, 'job'>),
  job: JSON.parse(textIn(row, 'job')) as RunRow['job'],
});

const entriesOf = ({ heard, whole }: Row): ReadEntry[] =>
  (JSON.parse(String(heard)) as (JournalEntry & { rootSeq?: number })[]).map((entry) => ({
    rootSeq: Number(whole),
    ...entry,
  }));

const quotaOf = (row: Row): Quota => ({
  key: given(textIn(row, 'key')),
  completed: Number(row.completed),
  holders: ((row.holders ?? []) as string[]).map(given),
});

type RunReader = Later<Pick<RunStore, 'holder' | 'get' | 'list' | 'quotas' | 'checkpoint'>> &
  Pick<RunStore, 'journal'> & {
    /** Trees that may be forgotten, as they are stored, those that ended last first, and how many events each has. */
    old(asked: {
      olderThan: number;
      keep: number;
      sentTo?: string | undefined;
      units?: boolean | undefined;
    }): Promise<{ rootId: string; events: number }[]>;
  };

/** Looks runs up. @param now What leases are measured by; absent for the clock of the database. */
export const readRuns = ({ schema, read }: Reader, now: (() => number) | undefined): RunReader => {
  const columns = `SELECT runs.data::text AS data, jobs.data::text AS job FROM ${schema}.runs JOIN ${schema}.jobs USING (run_id)`;
  const holder = `
    SELECT claims.owner FROM ${schema}.claims JOIN ${schema}.owners USING (owner)
    WHERE run_id = $1 AND lease_until > coalesce(to_timestamp($2 / 1000.0), clock_timestamp())
      AND NOT EXISTS (SELECT 1 FROM ${schema}.runs WHERE runs.run_id = claims.run_id AND ended)`;
  // Steps that said something and steps that did not: from the last one that may hold what was heard after $2 events, for what stands
  // beside an event may have been heard after later ones of its commit.
  const steps = `
    SELECT heard::text AS heard, whole, seq, 1 AS said, n AS id FROM ${schema}.events
    WHERE run_id = $1 AND heard IS NOT NULL AND seq >= coalesce(
      (SELECT max(seq) FROM ${schema}.events WHERE run_id = $1 AND seq <= $2 AND heard IS NOT NULL), 0)
    UNION ALL SELECT heard::text, whole, seq + 1, 0, id FROM ${schema}.quiet_steps WHERE run_id = $1 AND seq >= $2
    ORDER BY seq, said, id`;
  const quotas = `
    SELECT quota AS key, count(*) FILTER (WHERE status = 'completed') AS completed,
      array_agg(run_id ORDER BY id) FILTER (WHERE NOT ended AND NOT detached) AS holders
    FROM ${schema}.runs WHERE quota IS NOT NULL AND ($1::text[] IS NULL OR quota = ANY ($1)) GROUP BY quota`;
  // The newest of each status, then the newest of those: of what may be a million runs none is sorted. Rows are compared, so that the
  // index of both columns is what is read: with status = wanted PostgreSQL takes that of the ids, and a status that is rare reads them all.
  const byStatus = `${columns} WHERE runs.id IN (
      SELECT newest.id FROM unnest($1::text[]) AS wanted CROSS JOIN LATERAL (
        SELECT id FROM ${schema}.runs
        WHERE status >= wanted AND (status, id) < (wanted,
          CASE WHEN $2::text IS NULL THEN 9223372036854775807 ELSE (SELECT id FROM ${schema}.runs WHERE run_id = $2) END)
        ORDER BY status DESC, id DESC LIMIT $3
      ) AS newest
    ) ORDER BY runs.id DESC LIMIT $3`;
  const old = `
    SELECT root_id, (SELECT count(*) FROM ${schema}.events WHERE events.root_id = old.root_id) AS events
    FROM (
      SELECT root_id, max(coalesce(ended_at, 0)) AS ended_at, max(id) FILTER (WHERE run_id = root_id) AS id FROM ${schema}.runs
      WHERE $3::text IS NULL OR root_id IN (
        SELECT root_id FROM ${schema}.runs WHERE sent_to = $3
        UNION ALL SELECT root_id FROM ${schema}.runs WHERE $4 AND unit_of = $3 AND sent_to IS NULL)
      GROUP BY root_id HAVING bool_and(ended) ORDER BY 2 DESC, 3 DESC OFFSET $2
    ) AS old WHERE ended_at < $1`;

  const select = ({ status, rootId, sentTo, unitsOf, before }: RunFilter, most: number): [string, unknown[]] => {
    const statuses = status === undefined ? null : [...new Set([status].flat())];
    const last = before === undefined ? null : stored(before);
    const values: unknown[] = [statuses, last, most];
    const wanted = Object.entries({ root_id: rootId, sent_to: sentTo, unit_of: unitsOf }).flatMap(([column, id]) =>
      id === undefined ? [] : [`AND ${column} = $${values.push(stored(id))}`],
    );
    if (statuses && wanted.length === 0) return [byStatus, values];
    // Those that have not ended are found without a look at all that have.
    const isOpen = statuses && !statuses.some(isEnded) ? 'NOT ended AND' : '';
    const sql = `${columns} WHERE ${isOpen} ($1::text[] IS NULL OR status = ANY ($1))
      AND ($2::text IS NULL OR runs.id < (SELECT id FROM ${schema}.runs WHERE run_id = $2))
      ${wanted.join(' ')} ORDER BY runs.id DESC LIMIT $3`;
    return [sql, values];
  };

  return {
    async holder(runId) {
      const [found] = await read(holder, [stored(runId), now?.() ?? null]);
      return found ? given(textIn(found, 'owner')) : null;
    },
    async get(runId) {
      const [found] = await read(`${columns} WHERE run_id = $1`, [stored(runId)]);
      return found && rowOf(found);
    },
    async list(filter = {}) {
      const [sql, values] = select(filter, Math.min(filter.limit ?? 100, Number.MAX_SAFE_INTEGER));
      return (await read(sql, values)).map(rowOf);
    },
    async *journal(runId, from = 0) {
      for (const row of await read(steps, [stored(runId), from]))
        for (const entry of entriesOf(row)) if (entry.seq >= from) yield entry;
    },
    quotas: async (keys) => (await read(quotas, [keys?.map(stored) ?? null])).map(quotaOf),
    async checkpoint(runId) {
      const [found] = await read(`SELECT data::text AS data FROM ${schema}.checkpoints WHERE run_id = $1`, [
        stored(runId),
      ]);
      return found && (JSON.parse(textIn(found, 'data')) as Checkpoint);
    },
    async old({ olderThan, keep, sentTo, units = false }) {
      const found = await read(old, [olderThan, keep, sentTo === undefined ? null : stored(sentTo), units]);
      return found.map((row) => ({ rootId: textIn(row, 'root_id'), events: Number(row.events) }));
    },
  };
};
