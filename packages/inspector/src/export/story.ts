/** A tree of runs as it is told in a report: what each run was, what was said in it, and whom it started. */
import type { Answer, JSONValue, StoredEvent } from '@troupe/protocol';
import { openConversation } from '../runs/conversation.ts';
import { openRunTable } from '../runs/run-table.ts';
import type { Entry, RunLine } from '../wire.ts';

export type Chapter = { line: RunLine; entries: Entry[]; children: Chapter[] };

/** The events in the order of their trees: each tree by itself, in the order in which the first of its events is given. */
export const inOrder = (events: readonly StoredEvent[]): StoredEvent[] =>
  [...Map.groupBy(events, ({ rootId }) => rootId).values()].flatMap((tree) =>
    tree.toSorted((a, b) => a.rootSeq - b.rootSeq),
  );

/** The runs that nobody of these has started, with all below them. Runs in the background stand below who asked for them. */
export const storyOf = (events: readonly StoredEvent[]): Chapter[] => {
  const table = openRunTable();
  const said = new Map<string, ReturnType<typeof openConversation>>();
  for (const event of inOrder(events)) {
    table.take(event);
    const conversation = said.get(event.runId) ?? openConversation();
    said.set(event.runId, conversation);
    conversation.take(event);
  }
  const lines = table.lines();
  const known = new Set(lines.map(({ id }) => id));
  const below = Map.groupBy(lines, ({ parentId }) => (parentId !== undefined && known.has(parentId) ? parentId : ''));
  const chaptersBelow = (id: string): Chapter[] =>
    (below.get(id) ?? []).map((line) => ({
      line,
      entries: said.get(line.id)?.entries() ?? [],
      children: chaptersBelow(line.id),
    }));
  return chaptersBelow('');
};

/** Each chapter with its distance from the top, parents first. */
export const allOf = (chapters: readonly Chapter[], level = 0): { chapter: Chapter; level: number }[] =>
  chapters.flatMap((chapter) => [{ chapter, level }, ...allOf(chapter.children, level + 1)]);

/** How a run stands: one that ended without an answer, or waits, says why. */
export const statusText = ({ status, exitReason, pausedFor }: RunLine): string => {
  if (status === 'paused') return pausedFor === 'question' ? 'waits for an answer' : 'paused';
  return exitReason === undefined || exitReason === 'answered' || exitReason === status
    ? status
    : `${status}: ${exitReason}`;
};

/** Milliseconds from its beginning to its end, or to what happened to it last. */
export const lengthOf = ({ createdAt, endedAt, lastAt }: RunLine): number => (endedAt ?? lastAt) - createdAt;

/** A text as it is, anything else as JSON. */
export const textOfValue = (value: JSONValue): string =>
  typeof value === 'string' ? value : JSON.stringify(value, null, 2);

export const textOfAnswer = (answer: Answer): string => {
  if (typeof answer !== 'object') return String(answer);
  return 'decline' in answer ? `declined: ${answer.decline}` : textOfValue(answer.value);
};
