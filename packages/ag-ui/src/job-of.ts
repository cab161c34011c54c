/** What a front end asks for, as a job. The session knows what was said before: only what is new is taken. */
import type { ContentPart, Message, PartSource, RunAgentInput } from '@ag-ui/core';
import { JSONValue, type Part } from '@troupe/protocol';
import { Refusal } from './refusal.ts';
import type { ServedJob } from './runtime-port.ts';

/**
 * The user messages at the end of the conversation, with what the application says of the moment (`context`), their images and files
 * as attachments, and who asked as `metadata.agUi`.
 *
 * @throws Refusal 422 when the last message is not a user's, or holds nothing, or a file that only a provider can read
 */
export const jobOf = (input: RunAgentInput): ServedJob => {
  const parts = newMessages(input.messages).flatMap(partsOf);
  const texts = parts.flatMap((part) => (part.type === 'text' && part.text !== '' ? [part.text] : []));
  const attachments = parts.flatMap((part) => (part.type === 'text' ? [] : [attachmentOf(part)]));
  if (texts.length + attachments.length === 0) throw nothingAsked(input.messages.at(-1));
  const said = input.context.map(({ description, value }) => `${description}: ${value}`);
  return {
    input: [...texts, ...said].join('\n\n'),
    ...(attachments.length > 0 && { attachments }),
    metadata: { agUi: aboutOf(input) },
  };
};

/** What is asked for that is not done here: tools of the front end, and shared state. */
export const ignoredIn = ({ tools, state }: RunAgentInput): string[] => [
  ...tools.map(({ name }) => `tools.${name}`),
  ...(isEmpty(state) ? [] : ['state']),
];

const isEmpty = (state: unknown): boolean =>
  state === undefined || (typeof state === 'object' && state !== null && Object.keys(state).length === 0);

const newMessages = (messages: readonly Message[]): Extract<Message, { role: 'user' }>[] =>
  messages
    .slice(messages.findLastIndex(({ role }) => role !== 'user') + 1)
    .flatMap((message) => (message.role === 'user' ? [message] : []));

const partsOf = ({ content }: { content: string | ContentPart[] }): ContentPart[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : content;

const attachmentOf = ({ type, source }: Exclude<ContentPart, { type: 'text' }>): Part => {
  const url = urlOf(source);
  const mediaType = source.mimeType !== undefined && { mediaType: source.mimeType };
  return type === 'image' ? { type: 'image', url, ...mediaType } : { type: 'file', url, ...mediaType };
};

const urlOf = (source: PartSource): string => {
  if (source.type === 'data') return `data:${source.mimeType};base64,${source.value}`;
  if (source.type === 'url') return source.value;
  throw new Refusal(
    422,
    'input.invalid',
    `A message has a file that only ${source.provider ?? 'its provider'} can read. Send its bytes, or a URL.`,
  );
};

const aboutOf = ({ threadId, runId, parentRunId, forwardedProps }: RunAgentInput): Record<string, JSONValue> => {
  const forwarded = JSONValue.safeParse(forwardedProps);
  return {
    threadId,
    runId,
    ...(parentRunId !== undefined && { parentRunId }),
    ...(forwarded.success && { forwardedProps: forwarded.data }),
  };
};

const nothingAsked = (last: Message | undefined): Refusal =>
  new Refusal(
    422,
    'input.nothing_asked',
    `The conversation ends with ${last ? `a message of role ${last.role}` : 'no message'} that asks nothing. Expected a user message with text, an image or a file; answers to interrupts go into resume.`,
  );
