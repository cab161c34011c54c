/** What goes wrong between here and the engine: thrown at those who asked, told where nobody did. */
import { FaultError, isFaultError, type Logger, messageOf, redact } from '@troupe/protocol';

/** Node gives several refusals, one for each address, and no message of their own. */
const whyOf = (error: unknown): string =>
  error instanceof AggregateError && error.message === '' ? error.errors.map(messageOf).join('; ') : messageOf(error);

/** The password is wrong, the database is not there, the role may not: what trying again does not mend. */
const isForGood = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && /^(28...|3D000|42501)$/.test(String(error.code));

/** @param doing What could not be done, as a participle with what it was done to. */
export const unavailable = (error: unknown, name: string, doing: string): FaultError => {
  if (isFaultError(error)) return error;
  const advice = isForGood(error)
    ? 'See that the role of the url may connect to this database, and may create and write its schema.'
    : 'See that the server runs and can be reached from here, then try again.';
  return new FaultError(
    'placement.unavailable',
    `The engine in ${name} could not be reached, and ${doing}: ${whyOf(error)}. ${advice}`,
    { retryable: !isForGood(error), cause: error },
  );
};

export const closed = (name: string): FaultError =>
  new FaultError('placement.closed', `The placement in ${name} is closed. Open it again to use it.`);

/** How long one kind of trouble is told once, in milliseconds: an engine that is gone is asked for twice a second. */
const quietMs = 60_000;

export type Complain = (what: string, error: unknown) => void;

/** Tells of trouble that nobody waits for. A logger that throws changes nothing. */
export const complaints = (logger: Logger, name: string): Complain => {
  const told = new Map<string, number>();
  return (what, error) => {
    const now = performance.now();
    if (now - (told.get(what) ?? Number.NEGATIVE_INFINITY) < quietMs) return;
    told.set(what, now);
    say(logger, 'warn', `The engine in ${name}: ${what}. It is tried again. (${whyOf(error)})`);
  };
};

/** Says something to a logger, without secrets. It may throw: nothing comes of that. */
export const say = (logger: Logger, level: 'warn' | 'error', message: string): void => {
  try {
    logger[level](redact(message));
  } catch {
    // Whoever listens badly changes nothing.
  }
};
