import type { StoredEvent } from '@troupe/protocol';
import type { Happening } from '../wire.ts';
import { firstLine } from './text.ts';

type Way = { from: string; to: string; text: string };

const itself = ({ runId }: StoredEvent, text = ''): Way => ({ from: runId, to: runId, text });
const answerText = (answer: Extract<StoredEvent, { type: 'question.answered' }>['answer']): string => {
  if (typeof answer === 'object') return 'decline' in answer ? `declined: ${answer.decline}` : firstLine(answer.value);
  return String(answer);
};

/** Between whom something happened, and in which words. */
const wayOf = (event: StoredEvent): Way => {
  const { runId } = event;
  switch (event.type) {
    case 'run.started':
      return { from: event.parentId ?? event.origin?.runId ?? 'person', to: runId, text: firstLine(event.job.input) };
    case 'run.queued':
      return itself(event, firstLine(event.job.input));
    case 'run.steered':
      return { from: 'person', to: runId, text: event.text };
    case 'run.paused':
      return itself(event, event.reason);
    case 'run.completed':
      return { from: runId, to: event.parentId ?? 'person', text: firstLine(event.text ?? event.data) };
    case 'run.failed':
      return { from: runId, to: event.parentId ?? 'person', text: event.fault.message };
    case 'run.interrupted':
      return { from: runId, to: event.parentId ?? 'person', text: event.reason };
    case 'run.forked':
      return itself(event, event.from);
    case 'turn.started':
      return { from: runId, to: 'model', text: `turn ${event.turn}: ${event.model}` };
    case 'turn.attempted':
      return { from: 'model', to: runId, text: event.fault?.message ?? `attempt ${event.number}` };
    case 'turn.completed': {
      const { content, calls = [] } = event.message;
      const said = typeof content === 'string' ? content : '';
      return { from: 'model', to: runId, text: firstLine(said) || calls.map(({ name }) => name).join(', ') };
    }
    case 'call.started':
      return { from: runId, to: `tool:${event.tool}`, text: firstLine(event.arguments) };
    case 'call.completed':
      return { from: `tool:${event.tool}`, to: runId, text: event.preview };
    case 'call.failed':
      return { from: `tool:${event.tool}`, to: runId, text: event.error };
    case 'question.asked':
      return { from: runId, to: 'person', text: event.question.prompt };
    case 'question.answered':
      return { from: 'person', to: runId, text: answerText(event.answer) };
    case 'child.requested':
    case 'child.started':
      return { from: runId, to: event.childId, text: event.childAgent };
    case 'child.settled':
      return { from: event.childId, to: runId, text: `${event.childAgent}: ${event.exitReason}` };
    case 'child.refused':
    case 'warning.raised':
      return itself(event, event.message);
    case 'budget.warned':
    case 'budget.exhausted':
      return itself(event, `${event.kind}: ${event.spent} of ${event.limit}`);
    case 'budget.raised':
      return { from: 'person', to: runId, text: Object.keys(event.budget).join(', ') };
    case 'spawning.paused':
    case 'spawning.resumed':
      return { from: 'person', to: runId, text: '' };
    case 'context.compacted':
      return itself(event, `${event.summarized} messages`);
    case 'memory.read':
    case 'memory.written':
      return itself(event, event.scope);
    case 'policy.applied':
      return itself(event, `${event.policy}: ${event.decision}`);
    default:
      return itself(event);
  }
};

/** What the timeline and the message sequence show of an event. */
export const happeningOf = (event: StoredEvent): Happening => {
  const { from, to, text } = wayOf(event);
  const { id, runId, rootId, rootSeq, at, type } = event;
  return { id, rowId: runId, rootId, rootSeq, at, type, from, to, text: firstLine(text) };
};
