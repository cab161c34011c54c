import { FaultError, harmlessJSON, isLive, type Logger, messageOf, type RunEvent, redact } from '@troupe/protocol';
import type { Observer } from 'rxjs';
import { consoleLogger } from '../defaults/system.ts';
import { withResolvers } from '../es2024.ts';
import { tell } from './console-sink.ts';
import { type LineTarget, openLines } from './text-file.ts';

/** See {@link jsonlSink}. */
export type JsonlSinkOptions = {
  /** Whether live parts, such as `text.streamed`, are written, too. Default: false; the events that end them hold the whole. */
  live?: boolean;
  /** How many events are held while the target takes no more. Default: 10,000. Those beyond are left out, and the logger is told how many. */
  bound?: number;
  /** Told once when the target fails, and when events were left out. Default: warnings and errors on the console. */
  logger?: Logger;
};

/** Writes events as lines. An observer: hand it to `subscribe`, or call `next` at your own pace. */
export type JsonlSink = Observer<RunEvent> & {
  /** Resolves when the target takes another line: wait for it between two calls of `next`, and nothing is held or left out. */
  readonly ready: Promise<void>;
  /** Resolves when the sink is closed and everything is written. Rejects with a `FaultError`, code `jsonl.failed`, when the target failed. */
  readonly closed: Promise<void>;
  /** Writes what is held, closes the file that the sink has opened itself, and gives back {@link closed}. Later events are ignored. */
  close(): Promise<void>;
};

/**
 * Writes each event as a line of JSON, the stored format, without secrets, and with escapes for whatever a terminal would obey. `readJsonl`
 * reads them back. The end of the events closes it.
 * A target that fails or is slow changes no run.
 *
 * @param target The path of a file, which lines are added to, or any `Writable`, which stays open.
 * @throws FaultError `jsonl.invalid` when the file cannot be opened, or `bound` is no count
 */
export const jsonlSink = (
  target: string | LineTarget,
  { live = false, bound = 10_000, logger = consoleLogger }: JsonlSinkOptions = {},
): JsonlSink => {
  if (!(Number.isInteger(bound) && bound >= 0))
    throw new FaultError('jsonl.invalid', `bound is ${bound}. Expected how many events may be held: 0 or more.`);
  const name = typeof target === 'string' ? `"${target}"` : 'the stream';
  const file = typeof target === 'string' ? openLines(target) : undefined;
  const out = file ?? (target as LineTarget);
  const closed = withResolvers<void>();
  // Whoever does not ask is told by the logger.
  closed.promise.catch(() => {});
  let ready = withResolvers<void>();
  ready.resolve();
  let held: string[] = [];
  let dropped = 0;
  /** What the target has taken and not written yet. */
  let pending = 0;
  let state: 'open' | 'full' | 'closing' | 'over' = 'open';

  const over = (): void => {
    state = 'over';
    held = [];
    out.off('drain', release);
    out.off('close', gone);
    ready.resolve();
  };
  const fail = (cause: unknown): void => {
    if (state === 'over') return;
    over();
    const fault = new FaultError('jsonl.failed', `Events are no longer written to ${name}: ${messageOf(cause)}`, {
      cause,
    });
    closed.reject(fault);
    tell(logger, 'A sink has failed; the runs go on.', fault);
  };
  const gone = (): void => fail(new Error('it was closed.'));
  const put = (text: string): boolean => {
    try {
      pending += 1;
      return out.write(text, (error) => {
        pending -= 1;
        if (error) fail(error);
        else finishOnceWritten();
      });
    } catch (error) {
      fail(error);
      return false;
    }
  };
  const wait = (): void => {
    if (state !== 'open') return;
    state = 'full';
    ready = withResolvers();
  };
  const release = (): void => {
    if (state !== 'full') return;
    state = 'open';
    const lines = held.join('');
    held = [];
    if (dropped > 0) warn();
    if (lines !== '' && !put(lines)) wait();
    else ready.resolve();
  };
  const warn = (): void => {
    const details = { dropped };
    dropped = 0;
    try {
      logger.warn(
        `${details.dropped} events were left out of ${name}: it takes them too slowly. Raise bound.`,
        details,
      );
    } catch {}
  };
  out.on('drain', release);
  out.on('close', gone);
  out.on('error', fail);

  const finish = (): void => {
    if (state === 'over') return;
    over();
    if (!file) out.off('error', fail);
    closed.resolve();
  };
  const finishOnceWritten = (): void => {
    if (state !== 'closing' || pending > 0) return;
    if (!file) return finish();
    out.off('close', gone);
    out.on('close', finish);
    file.end();
  };
  const close = (): Promise<void> => {
    if (state === 'closing' || state === 'over') return closed.promise;
    state = 'closing';
    if (dropped > 0) warn();
    const rest = held.join('');
    held = [];
    ready.resolve();
    if (rest !== '') put(rest);
    finishOnceWritten();
    return closed.promise;
  };

  return {
    get ready() {
      return ready.promise;
    },
    closed: closed.promise,
    close,
    next(event) {
      if ((isLive(event) && !live) || state === 'closing' || state === 'over') return;
      if (state === 'full' && held.length >= bound) {
        dropped += 1;
        return;
      }
      const line = `${harmlessJSON(JSON.stringify(redact(event)))}\n`;
      if (state === 'full') held.push(line);
      else if (!put(line)) wait();
    },
    error(error: unknown) {
      tell(logger, `The events that are written to ${name} have failed.`, error);
      void close();
    },
    complete() {
      void close();
    },
  };
};
