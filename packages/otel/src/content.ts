/**
 * What was said, in the shape that the conventions give messages: JSON text, for spans take it everywhere. Secrets were taken out of
 * events before they were told; those that became known since are taken out here.
 */
import { type EventOf, type JobData, type Message, redact, type ToolCall, textOfMessage } from '@troupe/protocol';
import { finishReasonOf } from './attributes.ts';

type Part = { type: string; [field: string]: unknown };
type SaidMessage = { role: string; parts: Part[]; finish_reason?: string };

/** Any value as text without secrets; text as it is. */
export const contentOf = (value: unknown): string =>
  redact(typeof value === 'string' ? value : JSON.stringify(redact(value)));

/** A fault may quote what was said: without content its code says enough. */
export const errorOf = ({ code, message }: { code: string; message: string }, content: boolean) => ({
  type: code,
  message: content ? message : code,
});

const textPart = (content: string): Part => ({ type: 'text', content });

export const userMessage = (text: string): SaidMessage => ({ role: 'user', parts: [textPart(text)] });

export const toolMessage = (callId: string | undefined, result: string): SaidMessage => ({
  role: 'tool',
  parts: [{ type: 'tool_call_response', id: callId, response: result }],
});

/** A message as it was handed over with a job. */
const givenMessage = (message: Message): SaidMessage =>
  message.role === 'tool'
    ? toolMessage(message.callId, textOfMessage(message))
    : { role: message.role, parts: [textPart(textOfMessage(message)), ...(message.calls ?? []).map(callPart)] };

/** What a run is asked: what was said before, and its input. */
export const jobMessages = ({ messages = [], input }: JobData): SaidMessage[] => [
  ...messages.map(givenMessage),
  userMessage(contentOf(input)),
];

/** What a model answered, its reasoning first. */
export const answerOf = ({ message, reasoning, finish }: EventOf<'turn.completed'>): SaidMessage => {
  const text = textOfMessage(message);
  return {
    role: 'assistant',
    parts: [
      ...(reasoning === undefined ? [] : [{ type: 'reasoning', content: reasoning }]),
      ...(text === '' ? [] : [textPart(text)]),
      ...(message.calls ?? []).map(callPart),
    ],
    finish_reason: finishReasonOf(finish),
  };
};

/** Arguments as a model wrote them, which may be no JSON. */
const callPart = ({ id, name, arguments: given }: ToolCall): Part => {
  try {
    return { type: 'tool_call', id, name, arguments: JSON.parse(given) as unknown };
  } catch {
    return { type: 'tool_call', id, name, arguments: given };
  }
};
