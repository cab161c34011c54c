import { type Clock, type IdSource, type Logger, redact } from '@troupe/protocol';

/** The longest time that a timer of the platform holds, about 25 days: one of a longer time would ring at once. */
const longest = 2 ** 31 - 1;

/** What rings after a longer time: several timers, one after another. */
type LongTimer = { current: unknown };

const longTimer = (callback: () => void, ms: number): LongTimer => {
  const timer: LongTimer = { current: undefined };
  const wait = (left: number): void => {
    timer.current = left > longest ? setTimeout(() => wait(left - longest), longest) : setTimeout(callback, left);
  };
  wait(ms);
  return timer;
};
const isLong = (id: unknown): id is LongTimer => typeof id === 'object' && id !== null && Object.hasOwn(id, 'current');

/** The machine's own time. Times may be as long as one likes; `Infinity` never comes. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => (ms > longest ? longTimer(callback, ms) : setTimeout(callback, ms)),
  clearTimeout: (id) => clearTimeout((isLong(id) ? id.current : id) as NodeJS.Timeout),
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
