import { type Clock, type IdSource, type Logger, redact } from '@troupe/protocol';

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
};

/** Chance is fetched for many ids at once: to ask for a little costs as much as to ask for a lot. */
const chance = new Uint32Array(512);
let used = chance.length;
const chanceText = (): string => {
  if (used === chance.length) {
    crypto.getRandomValues(chance);
    used = 0;
  }
  return (chance[used++] as number).toString(36).padStart(7, '0');
};

/** Ids that sort by the time they were made: `run_` and 20 characters of which the last 11 are chance. */
export const randomIds: IdSource = {
  next: (kind) => `${kind}_${Date.now().toString(36).padStart(9, '0')}${`${chanceText()}${chanceText()}`.slice(-11)}`,
};

/** Warnings and errors on the console, without secrets. */
export const consoleLogger: Logger = {
  warn: (message, details) => console.warn(redact(message), ...(details ? [redact(details)] : [])),
  error: (message, details) => console.error(redact(message), ...(details ? [redact(details)] : [])),
};

/** A line on the console. */
export const consoleLine = (line: string): void => console.log(line);
