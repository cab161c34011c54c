import { type Clock, type IdSource, type Logger, redact } from '@troupe/protocol';

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
};

/** Ids that sort by the time they were made: `run_` and 20 characters of which the last 11 are chance. */
export const randomIds: IdSource = {
  next: (kind) =>
    `${kind}_${Date.now().toString(36).padStart(9, '0')}${crypto
      .getRandomValues(new Uint32Array(2))
      .reduce((text, n) => text + n.toString(36).padStart(7, '0'), '')
      .slice(-11)}`,
};

/** Warnings and errors on the console, without secrets. */
export const consoleLogger: Logger = {
  warn: (message, details) => console.warn(redact(message), ...(details ? [redact(details)] : [])),
  error: (message, details) => console.error(redact(message), ...(details ? [redact(details)] : [])),
};

/** A line on the console. */
export const consoleLine = (line: string): void => console.log(line);
