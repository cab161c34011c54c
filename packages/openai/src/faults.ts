import { FaultError, isFaultError, type JSONValue, redact } from '@troupe/protocol';
import OpenAI from 'openai';
import { connectionMessage, connectionTrouble } from './connection-error.ts';
import { codeOfServerError, type ModelFaultCode, retryableOf, type ServerError } from './fault-code.ts';
import { retryAfterMsOf } from './retry-after.ts';

/** Who was asked for what. `now` gives epoch milliseconds. */
export type Asked = { provider: string; url: string; model: string; now: () => number };

/** Thrown by the stream readers: what they saw, without who it was. {@link modelFault} adds that. */
export class StreamError extends Error {
  readonly code: ModelFaultCode;
  readonly serverCode?: unknown;

  constructor(code: ModelFaultCode, message: string, serverCode?: unknown) {
    super(message);
    this.code = code;
    this.serverCode = serverCode;
  }

  /** An error that the server told of inside its stream. */
  static of(told: ServerError): StreamError {
    return new StreamError(codeOfServerError(told), told.message, told.code);
  }
}

const advice: Partial<Record<ModelFaultCode, string>> = {
  'model.context_length': 'Send less: fewer or shorter messages, fewer tools; or use a model with a longer context.',
  'model.misconfigured': 'Is baseURL right? Most end with /v1.',
  'model.malformed':
    'The server does not keep to its protocol: ask again, or see what stands between it and this client.',
  'model.not_found': 'Check the model id and baseURL.',
  'model.quota': 'Check the plan and the balance of the account.',
  'model.timeout': 'Ask again, or raise timeoutMs.',
  'model.unauthorized': 'Check the API key and what it may be used for.',
  'model.unreachable': 'Is the server running, and is baseURL right?',
};

/** A fault that says who was asked and what to do. Holds no secret, not even behind it. */
const faultFor = (
  code: ModelFaultCode,
  what: string,
  asked: Asked,
  more: { retryable?: boolean; details?: Record<string, JSONValue>; cause?: string } = {},
): FaultError => {
  const said = shortened(what);
  const sentence = /[.!?…]$/.test(said) ? said : `${said}.`;
  const todo = advice[code] === undefined ? '' : ` ${advice[code]}`;
  return new FaultError(
    code,
    `Provider "${asked.provider}" at ${asked.url}, model "${asked.model}": ${sentence}${todo}`,
    {
      retryable: more.retryable ?? retryableOf[code],
      ...(more.details !== undefined && Object.keys(more.details).length > 0 && { details: redact(more.details) }),
      // The client's own errors hold headers and messages as they came.
      ...(more.cause !== undefined && { cause: new Error(shortened(more.cause)) }),
    },
  );
};

/** Without secrets first: half a key would not be known for one. */
const shortened = (text: string): string => {
  const safe = redact(text);
  return safe.length > 1_000 ? `${safe.slice(0, 1_000)}…` : safe;
};

/** The turn ended because its signal was aborted. */
export const abortedFault = (asked: Asked): FaultError => faultFor('model.aborted', 'The turn was aborted.', asked);

/** Nothing came from the server for too long. */
export const silenceFault = (asked: Asked, limitMs: number): FaultError =>
  faultFor('model.timeout', `Nothing was heard for ${limitMs} ms.`, asked);

/** Anything that was thrown while a turn was taken, as a fault with the right `retryable`. */
export const modelFault = (error: unknown, asked: Asked): FaultError => {
  if (isFaultError(error)) return error;
  const seen = seenIn(error);
  if (seen) return faultFor(seen.code, seen.message, asked, { details: serverCodeIn(seen.serverCode) });
  if (error instanceof OpenAI.APIConnectionTimeoutError) {
    return faultFor('model.timeout', 'The request timed out.', asked, { cause: connectionMessage(error) });
  }
  const connecting = error instanceof OpenAI.APIConnectionError;
  if (error instanceof OpenAI.APIError && !connecting) return told(error, asked);
  if (error instanceof SyntaxError) {
    return faultFor('model.malformed', 'A piece of the answer is not JSON.', asked, { cause: error.message });
  }
  const trouble = connectionTrouble(error, connecting);
  const message = connectionMessage(error);
  if (trouble === null) return faultFor('model.failed', message, asked);
  return faultFor(trouble.code, `${happened[trouble.code]}: ${message}`, asked, { retryable: trouble.retryable });
};

/** What a reader saw, or what was seen before the client could read: that it takes for trouble with the connection. */
const seenIn = (error: unknown): StreamError | undefined => {
  const inner = error instanceof OpenAI.APIConnectionError ? error.cause : error;
  return inner instanceof StreamError ? inner : undefined;
};

const happened = {
  'model.timeout': 'The connection timed out',
  'model.stream_cut': 'The connection was cut before the answer was complete',
  'model.unreachable': 'The server cannot be reached',
};

const told = (error: InstanceType<typeof OpenAI.APIError>, asked: Asked): FaultError => {
  const { status, code, type, headers } = error;
  // OpenRouter says only here what the vendor behind it has said.
  const body: { metadata?: { raw?: unknown } } | undefined = error.error;
  const raw = body?.metadata?.raw;
  const message = typeof raw === 'string' && raw !== '' ? `${error.message}: ${raw}` : error.message;
  const retryAfterMs = retryAfterMsOf(headers, asked.now(), message);
  return faultFor(codeOfServerError({ status, code, type, message }), message, asked, {
    details: {
      ...(status !== undefined && { status }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...serverCodeIn(code),
      ...(typeof error.requestID === 'string' && { requestId: error.requestID }),
    },
  });
};

const serverCodeIn = (code: unknown): Record<string, JSONValue> =>
  typeof code === 'string' || typeof code === 'number' ? { serverCode: code } : {};
