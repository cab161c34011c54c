/** What is done on behalf of sessions and has not ended, without a look at all that has. */
import { isEnded, type RunRow, type RunStore } from '@troupe/protocol';
import { groupBy } from '../es2024.ts';
import { sessionOf } from './dispatch.ts';
import { isUnit } from './unit.ts';

/** What began at the same time may be listed late: so many of the newest are always read. */
const fewest = 16;
/** Sessions of which it is remembered up to where all has ended; of others all is read again. */
const mostRemembered = 1_000;

type Started = Pick<RunRow, 'runId' | 'rootId' | 'sessionKey' | 'status' | 'origin'>;

/** What need not be read again of what was started in the background of a session. */
type Over = {
  /** This one and all that is listed behind it have ended. */
  before: string;
  /** Those among them that were sent elsewhere: something may be at work there on their behalf, or begin late. */
  sent: readonly Started[];
};

export type Underway = {
  /** Roots that are at work on behalf of a session, in other sessions too: those that have not ended, each once. */
  of(sessionKey: string): Promise<RunRow[]>;
  /** Runs were forgotten, of those alone that a session was sent, and its units, where one is named: others may have their ids. */
  forgot(sentTo?: string): void;
};

export const openUnderway = (store: Pick<RunStore, 'list' | 'get'>): Underway => {
  const over = new Map<string, Over>();
  let timesForgotten = 0;
  const remember = (key: string, now: Over): void => {
    over.delete(key);
    over.set(key, now);
    const [oldest] = over.keys();
    if (over.size > mostRemembered && oldest !== undefined) over.delete(oldest);
  };

  /** What was started in the background of a session, oldest first. @param last The run that is looked for: nothing before it is wanted. */
  const startedIn = async (key: string, last?: string): Promise<RunRow[]> => {
    const newest: RunRow[] = [];
    for (let limit = fewest; ; limit *= 2) {
      const before = newest.at(-1)?.runId;
      const page = await store.list({ unitsOf: key, limit, ...(before !== undefined && { before }) });
      newest.push(...page);
      // Behind a run that was forgotten meanwhile nothing is listed.
      if (page.length === 0 && before !== undefined && !(await store.get(before))) return startedIn(key, last);
      if (page.length < limit || page.some(({ runId }) => runId === last)) return newest.toReversed();
    }
  };

  return {
    async of(sessionKey) {
      const times = timesForgotten;
      const known = over.get(sessionKey);
      const lists = new Map<string, Promise<Map<string, Started[]>>>();
      const byTree = (rows: readonly Started[]) => groupBy(rows, ({ origin }) => origin?.rootId ?? '');
      const listOf = (key: string): Promise<Map<string, Started[]>> => {
        const list = lists.get(key) ?? startedIn(key).then(byTree);
        lists.set(key, list);
        return list;
      };
      const found = new Map<string, RunRow>();
      const looked = new Set<string>();
      /** It, and what it has started: a unit in the same session, what was sent elsewhere there. */
      const add = async (row: Started): Promise<void> => {
        if (looked.has(row.runId)) return;
        looked.add(row.runId);
        if (!isEnded(row.status)) found.set(row.runId, row as RunRow);
        for (const each of (await listOf(sessionOf(row))).get(row.rootId) ?? []) await add(each);
      };
      const rows = await startedIn(sessionKey, known?.before);
      const all: readonly Started[] = [...(known?.sent ?? []), ...rows];
      lists.set(sessionKey, Promise.resolve(byTree(all)));
      for (const row of all) await add(row);
      const open = rows.findIndex(({ status }) => !isEnded(status));
      const ended = rows.slice(0, Math.max(0, Math.min(open < 0 ? rows.length : open, rows.length - fewest)));
      const before = ended.at(-1)?.runId;
      if (before === undefined || times !== timesForgotten) return [...found.values()];
      const sent = new Map(known?.sent.map((row) => [row.runId, row]));
      for (const { runId, rootId, sessionKey: to, status, origin } of ended.filter((row) => !isUnit(row)))
        sent.set(runId, {
          runId,
          rootId,
          status,
          ...(to !== undefined && { sessionKey: to }),
          ...(origin && { origin }),
        });
      remember(sessionKey, { before, sent: [...sent.values()] });
      return [...found.values()];
    },
    forgot(sentTo) {
      timesForgotten += 1;
      const isMeant = (key: string, { sent }: Over) =>
        sentTo === undefined || key === sentTo || sent.some(({ sessionKey }) => sessionKey === sentTo);
      for (const [key, known] of over) if (isMeant(key, known)) over.delete(key);
    },
  };
};
