/** What PostgreSQL, and the way to it, complain about, and what to do about it. */
import { FaultError, messageOf } from '@troupe/protocol';

/** @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const sqlState = /^[0-9A-Z]{5}$/;

const codeOf = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;

type Kind = 'unreachable' | 'starting' | 'crowded' | 'contended' | 'standby' | 'full' | 'unwelcome' | 'other';

const kinds: readonly (readonly [RegExp, Kind])[] = [
  [/^57P03$/, 'starting'],
  [/^(08...|57P01|57P02|57P05|57014)$/, 'unreachable'],
  [/^53300$/, 'crowded'],
  [/^(40001|40P01|55P03)$/, 'contended'],
  [/^25006$/, 'standby'],
  [/^53...$/, 'full'],
  [/^(28...|3D000|42501)$/, 'unwelcome'],
];

/** Errors of Node and of `pg` that say nothing but that the server was not reached, or did not answer. */
const system = /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|ENOENT$|EACCES$)/;
const wordings = /connection terminated|connection ended|not queryable|timeout|connection error/i;

const kindOf = (error: unknown): Kind => {
  const code = codeOf(error);
  if (code !== undefined && sqlState.test(code) && !system.test(code))
    return kinds.find(([pattern]) => pattern.test(code))?.[1] ?? 'other';
  if (code !== undefined && system.test(code)) return 'unreachable';
  return wordings.test(messageOf(error)) ? 'unreachable' : 'other';
};

const advice: Record<Kind, string> = {
  unreachable: 'See that the server runs and can be reached from here, then try again.',
  starting: 'The server is starting up, or is shutting down: try again.',
  crowded:
    'The server takes no more connections: close some, give the store fewer (maxConnections), or let it take more.',
  contended: 'Others have kept it busy for too long: try again.',
  standby: 'This server may not be written: connect to the primary.',
  full: 'See that the server has room on its disk and in its memory, then try again.',
  unwelcome: 'See that the role of the url may connect to this database, and may create and write its schema.',
  other: 'Nothing of it was stored.',
};

/** True when asking again may help at once, or in a moment. */
export const mayPass = (error: unknown): boolean =>
  ['unreachable', 'starting', 'crowded', 'contended', 'standby'].includes(kindOf(error));

/** True when the server has said that it will be there in a moment, though it was never reached before. */
export const isStarting = (error: unknown): boolean => ['starting', 'contended'].includes(kindOf(error));

/** True when nothing can be written whatever is written, so that trying again piece by piece is in vain. */
export const isOutage = (error: unknown): boolean => kindOf(error) !== 'other';

/** Node gives several refusals, one for each address, and no message of their own. */
const whyOf = (error: unknown): string => {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return messageOf(error);
};

/** What failed, in one sentence, and what to do in another. */
export const troubleOf = (error: unknown, name: string, doing: 'opened' | 'read' | 'written'): FaultError => {
  const kind = kindOf(error);
  const unknown = doing === 'written' && kind === 'unreachable' ? ' What was being written may be stored or not.' : '';
  return new FaultError(
    'store.unavailable',
    `The store in ${name} could not be ${doing}: ${whyOf(error)}.${unknown} ${advice[kind]}`,
    { retryable: kind !== 'other' && kind !== 'unwelcome', cause: error },
  );
};
