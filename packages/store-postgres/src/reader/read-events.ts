/** Events in pages by key, so that no log is too long and nothing is held open between two pages. */
import { type EventQuery, FaultError, type ReadEvent, type RunStore } from '@troupe/protocol';
import type { Row } from '../server/database.ts';
import { stored } from '../writer/identity.ts';
import { type Reader, textIn } from './reader.ts';

/** A page ends with this many events, or before it takes more than this many bytes where it is stored. */
const pageEvents = 256;
const pageBytes = 1_048_576;

/**
 * Where a reader over all trees stands after an event: at the event, once no earlier one can come any more. Until then it stands before
 * all that may still come, and is given again what came meanwhile.
 */
const cursorOf = (row: Row): string => {
  const isSettled = row.upto === undefined || BigInt(textIn(row, 'tx')) < BigInt(textIn(row, 'upto'));
  return isSettled ? `${textIn(row, 'tx')}.${textIn(row, 'n')}` : `${textIn(row, 'upto')}.0`;
};

const eventOf = (row: Row): ReadEvent => ({
  ...(JSON.parse(textIn(row, 'data')) as ReadEvent),
  rootSeq: Number(row.root_seq),
  cursor: cursorOf(row),
});

/** True when there was nothing behind a page when it was read. */
const isLast = (rows: readonly Row[]): boolean =>
  rows.length < pageEvents && rows.length === Number(rows[0]?.found ?? 0);

const placeIn = (cursor: string): [tx: string, n: string] => {
  const [, tx, n] = /^(\d{1,18})\.(\d{1,9})$/.exec(cursor) ?? [];
  if (tx !== undefined && n !== undefined) return [tx, n];
  throw new FaultError(
    'store.cursor',
    `"${cursor}" is no cursor of this store. Use the cursor of an event it gave, or none.`,
  );
};

/** Before all that may still come. */
export const readCursor = async ({ schema, read }: Reader): Promise<string> => {
  const [row] = await read(`SELECT upto FROM ${schema}.horizon()`);
  return `${row ? textIn(row, 'upto') : 0}.0`;
};

export const readEvents = ({ schema, read }: Reader): RunStore['events'] => {
  const pageOf = (id: string, order: string): string => `
    SELECT tx, n, root_seq, seq, data::text AS data, (SELECT upto FROM ${schema}.horizon()) AS upto, found FROM (
      SELECT *, count(*) OVER () AS found,
        sum(pg_column_size(data)) OVER (ORDER BY ${order}) - pg_column_size(data) AS before FROM (
        SELECT * FROM ${schema}.events WHERE ${id} = $1 AND ${order} > $2 ORDER BY ${order} LIMIT ${pageEvents}
      ) AS each
    ) AS page WHERE before < ${pageBytes} ORDER BY ${order}`;
  const ofRun = pageOf('run_id', 'seq');
  const ofTree = pageOf('root_id', 'root_seq');
  const ofAll = `SELECT tx, n, root_seq, seq, data, found FROM ${schema}.read_all($1, $2, ${pageEvents}, ${pageBytes})`;

  const paged = async function* (next: (last: Row | undefined) => Promise<Row[]>): AsyncGenerator<ReadEvent> {
    for (let rows = await next(undefined); ; rows = await next(rows.at(-1))) {
      for (const row of rows) yield eventOf(row);
      if (isLast(rows)) return;
    }
  };

  return (query: EventQuery) => {
    if ('runId' in query) {
      const { runId, after = 0 } = query;
      return paged((last) => read(ofRun, [stored(runId), last?.seq ?? after]));
    }
    if ('rootId' in query) {
      const { rootId, after = 0 } = query;
      return paged((last) => read(ofTree, [stored(rootId), last?.root_seq ?? after]));
    }
    const { after = '0.0' } = query;
    return paged((last) => read(ofAll, last ? [last.tx, last.n] : placeIn(after)));
  };
};
