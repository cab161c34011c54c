import { beginningOf, type JSONValue, messageOf, redact, toJSON } from '@troupe/protocol';

/** What a tool may return instead of a plain value. */
export type ToolResult = { content?: string; data?: JSONValue; error?: string };

/** How a call ended: what the model is told, and how it counts. */
export type CallOutcome = {
  status: 'ok' | 'error' | 'refused' | 'skipped';
  /** What the model is told. */
  result: string;
  data?: JSONValue;
  error?: string;
  timedOut?: boolean;
  cancelled?: boolean;
  /** Characters of `result` that events show. Default 200. */
  previewLength?: number;
};

/** Whether a return value is a {@link ToolResult} already: nothing but its three keys, of the right types. */
export const isToolResult = (value: unknown): value is ToolResult => {
  if (typeof value !== 'object' || value === null) return false;
  const keys = Object.keys(value);
  return (
    keys.length > 0 &&
    keys.every((key) => key === 'content' || key === 'data' || key === 'error') &&
    (!('content' in value) || typeof value.content === 'string' || value.content === undefined) &&
    (!('error' in value) || typeof value.error === 'string' || value.error === undefined)
  );
};

/** A generator's body has not begun: whoever gives one has done nothing. */
const isIterator = (value: object): boolean =>
  'next' in value && typeof value.next === 'function' && (Symbol.iterator in value || Symbol.asyncIterator in value);

/**
 * A tool's return value as a result: text as it is, a {@link ToolResult} as it is, any other value as data. Data is JSON from here on. An
 * `Error` that is given back is one, and so is an iterator, which nobody reads.
 */
export const asToolResult = (value: unknown): ToolResult => {
  if (value === undefined) return { content: '' };
  if (typeof value === 'string') return { content: value };
  if (value instanceof Error) return { error: redact(messageOf(value)) };
  if (typeof value === 'object' && value !== null && isIterator(value))
    return { error: 'The tool gave back an iterator, and nothing was done: its "execute" may not be a generator.' };
  if (isToolResult(value)) return value.data === undefined ? value : { ...value, data: toJSON(value.data) };
  return { data: toJSON(value) };
};

/** What the model is told of a result. Both the error and the data, never the one without the other (B-70). */
export const textOfResult = ({ content, data, error }: ToolResult): string => {
  if (error !== undefined)
    return JSON.stringify({
      error,
      ...(data !== undefined && { data }),
      ...(content !== undefined && { partial: content }),
    });
  if (data === undefined) return content ?? '';
  return content === undefined ? JSON.stringify(data) : `${content}\n\n${JSON.stringify(data)}`;
};

/** A result as the outcome of its call. */
export const outcomeOf = (
  result: ToolResult,
  flags: Pick<CallOutcome, 'timedOut' | 'cancelled'> = {},
): CallOutcome => ({
  status: result.error === undefined ? 'ok' : 'error',
  result: textOfResult(result),
  ...(result.data !== undefined && { data: result.data }),
  ...(result.error !== undefined && { error: result.error }),
  ...(flags.timedOut && { timedOut: true }),
  ...(flags.cancelled && { cancelled: true }),
});

/** A call that was answered without being executed. */
export const notExecuted = (
  status: 'refused' | 'skipped' | 'error',
  error: string,
  flags: { cancelled?: boolean } = {},
): CallOutcome => ({
  ...outcomeOf({ error }, flags),
  status,
});

export const declined = (reason: string | undefined): CallOutcome =>
  outcomeOf({ error: reason ? `Tool execution declined: ${reason}` : 'Tool execution declined' });

/** The first `length` characters, with `…` when there are more. Of a secret no half is left, nor of a character: it is blanked before anything is cut. */
export const previewOf = (text: string, length = 200): { preview: string; truncated: boolean } => {
  const safe = redact(text);
  return safe.length > length
    ? { preview: `${beginningOf(safe, length)}…`, truncated: true }
    : { preview: safe, truncated: false };
};
