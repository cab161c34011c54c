import { lineOf, type Question } from '@troupe/protocol';

/**
 * Questions that wait for a person, found by the run that asks or by one above it. What a run's own questions cost does not depend on
 * how many others ask: a runtime may have thousands that wait for days.
 */
export type OpenQuestions = {
  get(id: string): Question | undefined;
  /** Of a run and everything below it, oldest first. */
  within(runId: string): readonly Question[];
  /** One that is there already is replaced where it is. */
  add(question: Question): void;
  /** True when it was there. */
  remove(id: string): boolean;
};

const none: readonly Question[] = [];

export const openQuestionsBook = (): OpenQuestions => {
  const questions = new Map<string, Question>();
  const idsWithin = new Map<string, Set<string>>();

  const remove = (id: string): boolean => {
    const question = questions.get(id);
    if (!question) return false;
    questions.delete(id);
    for (const key of lineOf(question.runId)) {
      const ids = idsWithin.get(key);
      ids?.delete(id);
      if (ids?.size === 0) idsWithin.delete(key);
    }
    return true;
  };

  return {
    get: (id) => questions.get(id),
    within(runId) {
      const ids = idsWithin.get(runId);
      return ids ? [...ids].flatMap((id) => questions.get(id) ?? []) : none;
    },
    add(question) {
      const { id, runId } = question;
      if (questions.get(id)?.runId !== runId) remove(id);
      questions.set(id, question);
      for (const key of lineOf(runId)) {
        const ids = idsWithin.get(key);
        if (ids) ids.add(id);
        else idsWithin.set(key, new Set([id]));
      }
    },
    remove,
  };
};
