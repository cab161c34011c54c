/** What is asked by runs that are stored, and what of it was answered: taken note of at the desk. */
import {
  type Answer,
  isEnded,
  isWithin,
  type RunRow,
  type RunStore,
  type StoredEvent,
  unfinished,
} from '@troupe/protocol';
import { everyRow } from '../every-row.ts';
import type { Desk } from './desk.ts';

export type AskedBelow = {
  /** Runs below one that have not ended, oldest first. */
  openBelow(row: RunRow): Promise<RunRow[]>;
  /** Nobody waits for what those asked that have ended elsewhere. @param open Some that have not. */
  dropAnswered(runId: string, open: readonly RunRow[]): Promise<void>;
  learnQuestions(rows: readonly RunRow[]): Promise<void>;
  /** What a stored run was answered, by question: it does not ask that any more. */
  learnAnswers(runId: string): Promise<ReadonlyMap<string, Answer>>;
};

export const openAskedBelow = (
  store: RunStore,
  desk: Desk,
  /** Those that are alive here say for themselves what they ask. */
  isHere: (runId: string) => boolean,
  eventsOf: (runId: string) => Promise<StoredEvent[]>,
): AskedBelow => ({
  async openBelow({ runId, rootId }) {
    const open = await store.list({ rootId, status: unfinished, ...everyRow });
    return open.filter((row) => row.runId !== runId && isWithin(row.runId, runId)).toReversed();
  },
  async dropAnswered(runId, open) {
    const asking = new Set(desk.questionsOf(runId).map((question) => question.runId));
    for (const row of open) asking.delete(row.runId);
    for (const id of asking) {
      const row = await store.get(id);
      if (!isHere(id) && (!row || isEnded(row.status))) desk.dropQuestions(id);
    }
  },
  async learnQuestions(rows) {
    for (const { runId, createdAt } of rows) {
      const told = await eventsOf(runId);
      if (isHere(runId)) continue;
      desk.restore(told);
      // What is older was asked by one that had its id and is forgotten; clocks of other machines may be behind.
      const asked = new Set(told.map((event) => event.type === 'question.asked' && event.question.id));
      desk.dropQuestions(runId, ({ id, askedAt }) => askedAt < createdAt && !asked.has(id));
    }
  },
  async learnAnswers(runId) {
    const answered = (await eventsOf(runId)).filter((event) => event.type === 'question.answered');
    desk.restore(answered);
    return new Map(answered.map(({ questionId, answer }) => [questionId, answer]));
  },
});
