import type { HrTime } from '@opentelemetry/api';

/**
 * Epoch milliseconds as the SDK takes them for what they are: a plain number before the process began, as of a stored event, it reads as
 * milliseconds since then.
 */
export const timeOf = (at: number): HrTime => {
  const seconds = Math.floor(at / 1_000);
  return [seconds, Math.round((at - seconds * 1_000) * 1_000_000)];
};
