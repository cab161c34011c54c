import { type CustomEvent, EventType } from '@ag-ui/core';
import { type RunEvent, toJSON } from '@troupe/protocol';
import { callOfQuestion } from './interrupts.ts';
import type { Voice } from './voice.ts';

/** Events that the stream tells in words of AG-UI. */
const told: ReadonlySet<RunEvent['type']> = new Set([
  'run.started',
  'run.completed',
  'run.failed',
  'run.interrupted',
  'turn.started',
  'turn.completed',
  'call.started',
  'call.completed',
  'call.failed',
  'child.requested',
  'child.started',
  'child.settled',
  'text.streamed',
  'reasoning.streamed',
]);

const envelope = new Set(
  'id type seq rootSeq cursor waitedMs at runId rootId parentId depth agent live part'.split(' '),
);

/** An event that AG-UI has no word for, as `troupe.<type>` with the event's own data; with the call that it is about, as the stream names it. */
export const customOf = (event: RunEvent, voice: Voice): CustomEvent | undefined => {
  if (told.has(event.type)) return undefined;
  const own = Object.fromEntries(Object.entries(event).filter(([key]) => !envelope.has(key)));
  const toolCallId = callIn(event, voice);
  return {
    type: EventType.CUSTOM,
    name: `troupe.${event.type}`,
    value: toJSON({ ...own, ...(toolCallId !== undefined && { toolCallId }) }),
    timestamp: event.at,
    ...voice.tag,
  };
};

const callIn = (event: RunEvent, voice: Voice): string | undefined => {
  if (event.type === 'question.asked') return callOfQuestion(event.question.id);
  if (event.type === 'question.answered') return callOfQuestion(event.questionId);
  return event.type === 'call.progressed' || event.type === 'child.refused' ? voice.callKey(event.callId) : undefined;
};
