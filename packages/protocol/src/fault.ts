import * as z from 'zod';
import { JSONValue, messageOf, toJSON } from './json.ts';
import { redact } from './redact.ts';

/** Why something did not work: plain data, so it can be stored, sent and replayed. Holds no secret. */
export const Fault = z.object({
  /** Dotted, stable: `model.rate_limited`, `spawn.refused` … */
  code: z.string(),
  /** Names who, what was found, what was expected, what to do. */
  message: z.string(),
  /** Whether the same request may succeed later. */
  retryable: z.boolean(),
  runId: z.string().optional(),
  callId: z.string().optional(),
  details: z.record(z.string(), JSONValue).optional(),
  /** The message of the error behind this one. */
  cause: z.string().optional(),
});
export type Fault = z.infer<typeof Fault>;

/** The same error, or a copy without the secrets in it: whoever prints a fault prints its cause, too. */
const safely = (cause: unknown): unknown => {
  if (!(cause instanceof Error)) return redact(cause);
  const message = redact(cause.message);
  const stack = redact(cause.stack);
  if (message === cause.message && stack === cause.stack) return cause;
  const copy = new Error(message);
  copy.name = cause.name;
  if (stack !== undefined) copy.stack = stack;
  return copy;
};

const marker = Symbol.for('@troupe/fault');

/** The one error class that the library throws. Recognise it with {@link isFaultError}. */
export class FaultError extends Error {
  readonly [marker] = true;
  readonly code: string;
  readonly retryable: boolean;
  readonly runId?: string;
  readonly callId?: string;
  readonly details?: Record<string, JSONValue>;

  constructor(
    code: string,
    message: string,
    about: {
      retryable?: boolean;
      runId?: string;
      callId?: string;
      details?: Record<string, JSONValue>;
      cause?: unknown;
    } = {},
  ) {
    super(redact(message), about.cause === undefined ? undefined : { cause: safely(about.cause) });
    this.code = code;
    this.retryable = about.retryable ?? false;
    if (about.runId !== undefined) this.runId = about.runId;
    if (about.callId !== undefined) this.callId = about.callId;
    if (about.details !== undefined) this.details = about.details;
  }

  override get name(): string {
    return 'FaultError';
  }

  toFault(): Fault {
    const { code, message, retryable, runId, callId, details } = this;
    return {
      code,
      message,
      retryable,
      ...(runId !== undefined && { runId }),
      ...(callId !== undefined && { callId }),
      ...(details !== undefined && { details: dataOf(details) }),
      ...(this.cause !== undefined && { cause: redact(messageOf(this.cause)) }),
    };
  }
}

/** True for any `FaultError`, even one thrown by another copy of this package. */
export const isFaultError = (error: unknown): error is FaultError =>
  typeof error === 'object' && error !== null && marker in error;

/** The class of an error, also where the class did not set a name of its own. */
const classOf = (error: Error): string => (error.name === 'Error' && error.constructor.name) || error.name;

/** Whatever somebody has put there, as data: a cycle is none. */
const dataOf = (details: object): Record<string, JSONValue> => {
  const data = redact(toJSON(details));
  return typeof data === 'object' && data !== null && !Array.isArray(data) ? data : { details: data };
};

/**
 * Anything thrown, as data. An error that is not a {@link FaultError} gets `code` and its class as `details.errorType`; of what cannot
 * even be looked at, a proxy that was revoked say, nothing more is told.
 */
export const faultOf = (error: unknown, code: string): Fault => {
  try {
    if (isFaultError(error)) return error.toFault();
    const errorType = error instanceof Error ? classOf(error) : typeof error;
    return { code, message: redact(messageOf(error)), retryable: false, details: { errorType } };
  } catch {
    return { code, message: 'What was thrown cannot be read.', retryable: false };
  }
};
