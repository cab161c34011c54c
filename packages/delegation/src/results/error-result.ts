import type { CallReport } from '@troupe/protocol';

/** What a tool result holds: text, or a list of parts as some tools give it. */
export type ResultContent = string | readonly unknown[];

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** The value that a text is the JSON of; `undefined` for text that is no JSON object or list. */
const parsed = (text: string): unknown => {
  const begins = text.trimStart()[0];
  if (begins !== '{' && begins !== '[') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const isPart = (value: unknown): boolean => isObject(value) && typeof value.type === 'string';
const isText = (value: unknown): boolean => isObject(value) && value.type === 'text' && typeof value.text === 'string';

/** The texts of a list of parts, in order; parts that are no text have none. */
const textsOf = (parts: readonly unknown[]): string[] =>
  parts.flatMap((part) => {
    if (typeof part === 'string') return [part];
    return isObject(part) && typeof part.text === 'string' ? [part.text] : [];
  });

/** The parts that a content consists of. A list of other values is data, and stays one text. */
const partsOf = (content: ResultContent): string[] => {
  if (typeof content !== 'string') return textsOf(content);
  const value = parsed(content);
  return Array.isArray(value) && value.every(isPart) && value.some(isText) ? textsOf(value) : [content];
};

/** The text of a tool result; a list of parts becomes the lines of its texts. Never throws. */
export const flatTextOf = (content: ResultContent): string => partsOf(content).join('\n');

const failing = new Set(['error', 'failed', 'failure', 'timeout']);
const begins = /^(?:error:|failed:|traceback|exception:)/i;

const saysError = (text: string): boolean => {
  const value = parsed(text);
  if (!isObject(value) || Array.isArray(value)) return begins.test(text.trimStart());
  return Boolean(value.error) || (typeof value.status === 'string' && failing.has(value.status.toLowerCase()));
};

/**
 * Whether a tool result is an error: its call failed, or what the tool gave says so. That is a JSON object with something in
 * `error`, or a `status` of error, failed, failure or timeout; or text whose first line begins with `error:`, `failed:`,
 * `traceback` or `exception:`. Text that merely holds such a word is none. Each part of a list is looked at.
 */
export const isErrorResult = (content: ResultContent, status: CallReport['status'] = 'ok'): boolean =>
  status !== 'ok' || partsOf(content).some(saysError);
