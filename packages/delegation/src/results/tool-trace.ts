import { type CallReport, type JSONValue, type Report, shorten } from '@troupe/protocol';
import { flatTextOf, isErrorResult } from './error-result.ts';

/** One tool call of a child, as its parent's model is told of it. Sizes are bytes of UTF-8. */
export type ToolTraceEntry = { tool: string; args_bytes: number; result_bytes: number; status: 'ok' | 'error' };

/** What one tool call of a child gave. */
export type OutputTailEntry = { tool: string; preview: string; is_error: boolean };

const encoder = new TextEncoder();
/** Bytes of a value as it is sent: text as it stands, anything else as JSON. */
export const bytesOf = (value: JSONValue): number =>
  encoder.encode(typeof value === 'string' ? value : JSON.stringify(value)).length;

/** One entry for each tool call of a run, in call order. A call is known by its place: models repeat call ids. */
export const toolTraceOf = ({ calls }: Pick<Report, 'calls'>): ToolTraceEntry[] =>
  calls.map(({ tool, arguments: args, result, status }) => ({
    tool,
    args_bytes: bytesOf(args),
    result_bytes: bytesOf(flatTextOf(result)),
    status: isErrorResult(result, status) ? 'error' : 'ok',
  }));

/** What is shown of one result. */
export const tailEntryOf = (
  { tool, result, status }: Pick<CallReport, 'tool' | 'result' | 'status'>,
  chars: number,
): OutputTailEntry => ({ tool, preview: shorten(flatTextOf(result), chars), is_error: isErrorResult(result, status) });

/** Characters of all previews together. */
const maxTailChars = 8_000;

/**
 * What the last tool calls of a run gave, in chronological order: at most `entries` (default 8), each preview at most `chars`
 * (default 600) characters, all of them together at most 8,000. What does not fit is left out from the beginning.
 */
export const outputTailOf = (
  { calls }: Pick<Report, 'calls'>,
  { entries = 8, chars = 600 }: { entries?: number; chars?: number } = {},
): OutputTailEntry[] => {
  const tail: OutputTailEntry[] = [];
  let room = maxTailChars;
  for (const call of entries > 0 ? calls.slice(-entries).reverse() : []) {
    if (room === 0) break;
    const entry = tailEntryOf(call, Math.min(chars, room));
    room -= entry.preview.length;
    tail.push(entry);
  }
  return tail.reverse();
};
