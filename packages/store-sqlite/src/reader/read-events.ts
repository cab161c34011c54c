/** Events in pages by key, so that no log is too long and nothing is held open between two pages. */
import { setImmediate } from 'node:timers/promises';
import { type EventQuery, FaultError, type ReadEvent, type RunStore } from '@troupe/protocol';
import { numberOf } from './read-runs.ts';
import type { Reader } from './statements.ts';

/** A page ends with this many events, or when it has this many characters. */
const pageEvents = 256;
const pageCharacters = 1_048_576;

type Found = { id: number; rootSeq: number; seq: number; data: string };

const select = (where: string, order: string): string =>
  `SELECT id, root_seq AS rootSeq, seq, data FROM events WHERE ${where} ORDER BY ${order} LIMIT ${pageEvents}`;

const ofRun = select(`run = ${numberOf} AND seq > ?`, 'seq');
const ofTree = select(`root = ${numberOf} AND root_seq > ?`, 'root_seq');
const ofAll = select('id > ?', 'id');

const eventOf = ({ id, rootSeq, data }: Found): ReadEvent => ({
  ...(JSON.parse(data) as ReadEvent),
  rootSeq,
  cursor: String(id),
});

const placeOf = (cursor: string): number => {
  const id = Number(cursor);
  if (/^\d+$/.test(cursor) && Number.isSafeInteger(id)) return id;
  throw new FaultError(
    'store.cursor',
    `"${cursor}" is no cursor of this store. Use the cursor of an event it gave, or none.`,
  );
};

/** The last number that was given to an event that is still there: those that come have greater ones. */
const newest = 'SELECT max(id) AS id FROM events';

export const readCursor = (reader: Reader): string =>
  reader.read(newest, (statement) => String((statement.get() as { id: number | null }).id ?? 0));

/** @param check Called before each page; throws when nothing may be read any more. */
export const readEvents = (reader: Reader, check: () => void): RunStore['events'] => {
  const page = (sql: string, ...after: (string | number)[]): Found[] => {
    check();
    return reader.read(sql, (statement) => {
      const found: Found[] = [];
      let characters = 0;
      for (const row of statement.iterate(...after)) {
        found.push(row as Found);
        characters += (row as Found).data.length;
        if (characters >= pageCharacters) break;
      }
      return found;
    });
  };

  const run = function* (runId: string, after: number): Generator<ReadEvent> {
    for (let from = after, rows = page(ofRun, runId, from); rows.length > 0; rows = page(ofRun, runId, from)) {
      yield* rows.map(eventOf);
      from = rows.at(-1)?.seq ?? from;
    }
  };

  const paged = async function* (next: (last: Found | undefined) => Found[]): AsyncGenerator<ReadEvent> {
    for (let rows = next(undefined); rows.length > 0; rows = next(rows.at(-1))) {
      for (const row of rows) yield eventOf(row);
      // Between two pages everybody else has a turn.
      await setImmediate();
    }
  };

  return (query: EventQuery) => {
    if ('runId' in query) return run(query.runId, query.after ?? 0);
    if ('rootId' in query) {
      const { rootId, after = 0 } = query;
      return paged((last) => page(ofTree, rootId, last?.rootSeq ?? after));
    }
    const { after = '0' } = query;
    return paged((last) => page(ofAll, last?.id ?? placeOf(after)));
  };
};
