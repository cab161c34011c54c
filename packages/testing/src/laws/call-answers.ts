/**
 * L3: every tool call that a model made is answered exactly once, in call order, also when it was refused, skipped, timed out,
 * over budget or interrupted. Answers are due before the next turn begins and before the run ends.
 *
 * Models repeat call ids, so a call is known by its place in its turn; its id must fit.
 */
import { isTerminal, type StoredEvent, type ToolCall } from '@troupe/protocol';
import { at, isUnstored, type Log, type RunLog, type Violation } from './log.ts';

export const callAnswers = ({ runs }: Log): Violation[] => [...runs.values()].flatMap(answersOf);

const answersOf = ({ events }: RunLog): Violation[] => {
  let calls: readonly ToolCall[] = [];
  /** By id: how many calls were made and started, and the place of the last of them. */
  const made = new Map<string, { times: number; started: number; last: number }>();
  let answered = 0;
  const unanswered = () => calls.slice(answered).map(({ id }) => id);

  const due = (event: StoredEvent): Violation[] => {
    const missing = unanswered();
    if (missing.length === 0 || isUnstored(event)) return [];
    calls = [];
    made.clear();
    answered = 0;
    return [
      at('L3', event, `${event.type}, but of the last turn's calls these have no answer: ${missing.join(', ')}.`),
    ];
  };

  return events.flatMap(({ event }) => {
    if (event.type === 'turn.started' || isTerminal(event)) return due(event);
    if (event.type === 'turn.completed') {
      const found = due(event);
      calls = event.message.calls ?? [];
      made.clear();
      for (const [last, { id }] of calls.entries())
        made.set(id, { times: (made.get(id)?.times ?? 0) + 1, started: 0, last });
      answered = 0;
      return found;
    }
    if (event.type === 'call.started') {
      const { callId } = event;
      const call = made.get(callId);
      if (!call || call.started === call.times)
        return [at('L3', event, `call "${callId}" started more often than the model made it.`)];
      call.started += 1;
      const isOpen = calls.length > 0 && call.last >= answered;
      return isOpen ? [] : [at('L3', event, `call "${callId}" started after it was answered.`)];
    }
    if (event.type === 'call.completed' || event.type === 'call.failed') {
      const expected = calls[answered]?.id;
      if (expected === undefined)
        return [at('L3', event, `call "${event.callId}" was answered, but no call waits for an answer.`)];
      answered += 1;
      return event.callId === expected
        ? []
        : [at('L3', event, `call "${event.callId}" was answered, but "${expected}" is next.`)];
    }
    return [];
  });
};
