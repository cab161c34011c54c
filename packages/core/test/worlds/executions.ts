/**
 * L7: a call that is answered is not executed any more; one that was executing when its process died is executed again only when a
 * person says so. What the tools of random worlds do is done once: none of them is idempotent.
 */
import { againOf, callKeyOf, type StoredEvent } from '@troupe/protocol';

/** A tool that began to do what a call asks for. */
export type Execution = {
  callKey: string;
  /** How many events were stored by then. */
  after: number;
};

/** Executions, by all processes of a world, that should not have been. `stored` is its whole log. */
export const repeated = (executions: readonly Execution[], stored: readonly StoredEvent[]): string[] => {
  const { answeredAt, recoveredAt, allowedAt } = read(stored);
  return [...Map.groupBy(executions, ({ callKey }) => callKey)].flatMap(([callKey, all]) => {
    const runId = callKey.slice(0, callKey.lastIndexOf('/'));
    return all.flatMap(({ after }, n) => {
      if ((answeredAt.get(callKey) ?? Number.POSITIVE_INFINITY) < after)
        return [`L7 call "${callKey}" is executed after it was answered`];
      const since = all[n - 1]?.after ?? after;
      const isMeanwhile = (place: number) => place >= since && place < after;
      return recoveredAt.get(runId)?.some(isMeanwhile) && !allowedAt.get(callKey)?.some(isMeanwhile)
        ? [`L7 call "${callKey}" is executed again after a crash, and nobody said so`]
        : [];
    });
  });
};

/** Where a log answers each call, recovers each run, and lets a call run again. */
const read = (stored: readonly StoredEvent[]) => {
  const answeredAt = new Map<string, number>();
  const recoveredAt = new Map<string, number[]>();
  const allowedAt = new Map<string, number[]>();
  /** The last turn of each run, and how many of its calls are answered: answers come in call order. */
  const turns = new Map<string, { turn: number; answers: number }>();
  const add = (places: Map<string, number[]>, key: string, place: number) =>
    places.set(key, [...(places.get(key) ?? []), place]);
  stored.forEach((event, place) => {
    const { runId } = event;
    if (event.type === 'turn.completed') turns.set(runId, { turn: event.turn, answers: 0 });
    if (event.type === 'run.recovered') add(recoveredAt, runId, place);
    if (event.type === 'question.answered' && againOf(event.questionId) > 0 && event.answer === true)
      add(allowedAt, event.questionId.slice(0, event.questionId.lastIndexOf('?')), place);
    const last = turns.get(runId);
    if (last && (event.type === 'call.completed' || event.type === 'call.failed'))
      answeredAt.set(callKeyOf(runId, last.turn, last.answers++), place);
  });
  return { answeredAt, recoveredAt, allowedAt };
};
