/** What is stored of a session: what was said in it, what it has used, and where it begins. */
import {
  addUsage,
  type Message,
  noUsage,
  type RunRow,
  type RunStore,
  type StoredEvent,
  type Usage,
} from '@troupe/protocol';
import { openBackgroundWork } from '../background/background-work.ts';
import { sessionOf } from '../background/dispatch.ts';
import { isUnit } from '../background/unit.ts';
import type { AnyAgent } from '../define-agent.ts';
import { everyRow } from '../every-row.ts';
import type { Said, Whole } from '../session/session-machine.ts';
import { storedRun } from './stored-run.ts';

export type SessionPast = {
  /** The run before one of a session; where that was forgotten, the newest before it that was not. */
  previousOf(row: RunRow): Promise<RunRow | undefined>;
  /**
   * What was said in its session up to the end of a run.
   *
   * @param known What is known of it already: only what came later is read.
   * @param agent Whose instructions it is told under.
   */
  saidUpTo(last: RunRow | undefined, known?: Whole, agent?: AnyAgent): Promise<Said | undefined>;
  /** The run that a session goes on with where nothing was sent to it: a root that was not sent to any, and belongs to it. */
  beginningOf(sessionKey: string, runId: string): Promise<RunRow | undefined>;
  /** What its runs and units have used, as far as it is stored. */
  usageOf(sessionKey: string): Promise<Usage>;
};

export const openSessionPast = (store: RunStore, eventsOf: (runId: string) => Promise<StoredEvent[]>): SessionPast => {
  const previousOf: SessionPast['previousOf'] = async ({ runId, sessionKey, after, createdAt }) => {
    if (!after || sessionKey === undefined) return undefined;
    const found = await store.get(after);
    const isIts =
      found !== undefined && found.parentId === undefined && !isUnit(found) && sessionOf(found) === sessionKey;
    // It may have been forgotten, and its id used again: by a later run of this session, or by one that has nothing to do with it.
    if (isIts && found.createdAt < createdAt) return found;
    const [before] = await store.list({ sentTo: sessionKey, before: runId, limit: 1 });
    const isBeginning = isIts && found.after === undefined && found.createdAt === createdAt;
    return before ?? (isBeginning ? found : undefined);
  };

  const saidUpTo: SessionPast['saidUpTo'] = async (last, known, agent) => {
    if (!last) return undefined;
    // The oldest runs are forgotten first, as a rule: without them what is remembered is out of date.
    const isThere = async (runId: string, began: number) => (await store.get(runId))?.createdAt === began;
    const isValid = known && (await isThere(known.first, known.began)) && (await isThere(known.last, known.lastBegan));
    const rows: RunRow[] = [];
    let before: RunRow | undefined = last;
    for (; before && !(isValid && before.runId === known.last); before = await previousOf(before)) rows.push(before);
    const goesOn = before && isValid ? known : undefined;
    let messages: readonly Message[] = goesOn?.messages ?? [];
    for (const row of rows.toReversed()) {
      // What was told under earlier instructions is told under the later ones.
      const run = storedRun(row, await eventsOf(row.runId), row === last ? agent : undefined, messages);
      if (run.ledger.begun) messages = run.transcript;
    }
    const oldest = rows.at(-1) ?? last;
    const { first, began } = goesOn ?? { first: oldest.runId, began: oldest.createdAt };
    return { messages, whole: { messages, first, began, last: last.runId, lastBegan: last.createdAt } };
  };

  const beginningOf: SessionPast['beginningOf'] = async (sessionKey, runId) => {
    const row = await store.get(runId);
    const isOne = row && row.parentId === undefined && row.after === undefined && !row.origin;
    return isOne && sessionOf(row) === sessionKey ? row : undefined;
  };

  return {
    previousOf,
    saidUpTo,
    beginningOf,
    async usageOf(sessionKey) {
      const first = await beginningOf(sessionKey, sessionKey);
      const rows = [
        ...(first ? [first] : []),
        ...(await store.list({ sentTo: sessionKey, ...everyRow })),
        ...(await openBackgroundWork(store).of(sessionKey)),
      ];
      // A run that was sent to the very session that asked for it counts once.
      const each = new Map(rows.map((row) => [row.runId, row]));
      return [...each.values()].reduce((sum, { usage }) => addUsage(sum, usage.total), noUsage);
    },
  };
};
