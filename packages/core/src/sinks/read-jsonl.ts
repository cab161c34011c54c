import { FaultError, LiveEvent, type RunEvent, StoredEvent, textOfIssue } from '@troupe/protocol';
import { readText } from './text-file.ts';

type Pieces = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

/**
 * Reads events that `jsonlSink` has written, one after another, from a file or from any stream of text or bytes in UTF-8, with a
 * byte order mark or without, its lines ended by `\n` or `\r\n`. Half a line, as a process that died leaves it, is left out.
 *
 * @param skipped Told the number of each line that was left out.
 * @throws FaultError while iterating: `jsonl.invalid` when the file cannot be read, `jsonl.unreadable` when a line is no event
 */
export async function* readJsonl(
  source: string | Pieces,
  { skipped }: { skipped?: (line: number) => void } = {},
): AsyncGenerator<RunEvent, void> {
  let number = 0;
  for await (const whole of linesOf(typeof source === 'string' ? readText(source) : source)) {
    number += 1;
    // Some editors and shells begin a file with a byte order mark, and end lines with two characters: both are blank here.
    const line = whole.trim();
    if (line === '') continue;
    const value = parsed(line);
    if (value === undefined && line.startsWith('{')) skipped?.(number);
    else yield eventOf(value, number);
  }
}

async function* linesOf(pieces: Pieces): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of pieces) {
    const lines = (typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true })).split('\n');
    lines[0] = rest + (lines[0] ?? '');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
};

const eventOf = (value: unknown, line: number): RunEvent => {
  const isPart = typeof value === 'object' && value !== null && 'live' in value;
  const { data, error } = (isPart ? LiveEvent : StoredEvent).safeParse(value);
  if (data) return data;
  const [issue] = error.issues;
  throw new FaultError(
    'jsonl.unreadable',
    `Line ${line} is no event: ${issue ? textOfIssue(issue) : 'it is not one'}. Expected what jsonlSink writes, or a newer version of this package.`,
    { details: { line } },
  );
};
