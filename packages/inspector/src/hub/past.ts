/** Trees as they were: rows, questions, conversations and charts at a moment, from the events that were stored by then. */
import type { StoredEvent } from '@troupe/protocol';
import { type ChartState, chartAt } from '../chart/follow-chart.ts';
import { openConversation } from '../runs/conversation.ts';
import { openRunTable } from '../runs/run-table.ts';
import type { Entry, ToPage } from '../wire.ts';
import type { RunSource } from './run-source.ts';
import { storedEvents } from './stored-events.ts';

/** A tree at a moment. */
export type Past = Extract<ToPage, { type: 'past' }>;
/** One of its runs then. */
export type PastRow = { chart: ChartState; entries: Entry[] };

export type History = {
  /** All events of a tree that are there now; read once, while it is looked at and nothing new is known. */
  eventsOf(rootId: string): Promise<StoredEvent[]>;
  at(rootId: string, rootSeq: number): Promise<Past>;
  /** One of its runs. `undefined` when it had not begun. */
  runAt(rootId: string, runId: string, rootSeq: number): Promise<PastRow | undefined>;
  /** It is not stored any more; another may get its id. */
  forget(rootId: string): void;
};

/** @param head The last event of a tree that is known. */
export const openHistory = (source: RunSource, head: (rootId: string) => number): History => {
  let kept: { rootId: string; head: number; events: Promise<StoredEvent[]> } | undefined;

  const eventsOf = (rootId: string): Promise<StoredEvent[]> => {
    const until = head(rootId);
    if (kept?.rootId === rootId && kept.head === until) return kept.events;
    const events = storedEvents(source, { rootId }, until);
    kept = { rootId, head: until, events };
    events.catch(() => {
      if (kept?.events === events) kept = undefined;
    });
    return events;
  };
  const until = async (rootId: string, rootSeq: number): Promise<StoredEvent[]> =>
    (await eventsOf(rootId)).filter((event) => event.rootSeq <= rootSeq);

  return {
    eventsOf,
    forget(rootId) {
      if (kept?.rootId === rootId) kept = undefined;
    },
    async at(rootId, rootSeq) {
      const events = await until(rootId, rootSeq);
      const table = openRunTable();
      for (const event of events) table.take(event);
      const at = events.reduce((latest, event) => Math.max(latest, event.at), 0);
      return { type: 'past', rootId, rootSeq, at, lines: table.lines(), questions: table.questions() };
    },
    async runAt(rootId, runId, rootSeq) {
      const events = (await until(rootId, rootSeq)).filter((event) => event.runId === runId);
      if (events.length === 0) return undefined;
      const conversation = openConversation();
      for (const event of events) conversation.take(event);
      return { chart: await chartAt(source, runId, rootSeq), entries: conversation.entries() };
    },
  };
};
