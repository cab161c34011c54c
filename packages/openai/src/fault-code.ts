import { isContextLengthMessage } from './context-length.ts';
import { retryInMs } from './retry-after.ts';

/** What can go wrong with a turn: the codes of this package's faults, and whether the same request may succeed later. */
export const retryableOf = {
  'model.aborted': false,
  'model.bad_request': false,
  'model.context_length': false,
  'model.failed': false,
  'model.malformed': true,
  'model.misconfigured': false,
  'model.not_found': false,
  'model.quota': false,
  'model.rate_limited': true,
  'model.refused': false,
  'model.stream_cut': true,
  'model.timeout': true,
  'model.unauthorized': false,
  'model.unavailable': true,
  'model.unreachable': true,
} as const satisfies Record<string, boolean>;

export type ModelFaultCode = keyof typeof retryableOf;

/** An error as a server tells it, in an answer or in the middle of a stream. */
export type ServerError = {
  status?: number | undefined;
  /** Text with OpenAI; vLLM, llama.cpp and OpenRouter put the HTTP status here. */
  code?: unknown;
  type?: unknown;
  message: string;
};

const quota = /insufficient_quota|insufficient_balance|billing_(hard_limit_reached|not_active)|credit_limit/;
const refused = /content_filter|content_policy_violation|image_content_policy_violation|bio_policy|misalignment_policy/;
const contextLength = /context_length_exceeded|exceed_context_size/;

/** Vendor's words for an error that carries no HTTP status, because the stream had begun. The first that fits counts. */
const words: readonly (readonly [RegExp, ModelFaultCode])[] = [
  [/rate_?limit|too_many_requests/, 'model.rate_limited'],
  [/invalid_api_key|authentication|permission|unauthorized/, 'model.unauthorized'],
  [/model_not_found|not_?found_error/, 'model.not_found'],
  [/timeout/, 'model.timeout'],
  [/invalid|bad_?request|unsupported|image/, 'model.bad_request'],
];

/** An HTTP status that stands where a code does. */
export const httpStatus = (code: unknown): number | undefined => {
  const number = typeof code === 'string' ? Number(code) : code;
  return typeof number === 'number' && number >= 400 && number <= 599 ? number : undefined;
};

/** The code of the fault that a server's error becomes. What a server says only in the middle of a stream is taken as passing. */
export const codeOfServerError = ({ status, code, type, message }: ServerError): ModelFaultCode => {
  const said = [code, type]
    .filter((word) => typeof word === 'string')
    .join(' ')
    .toLowerCase();
  // Gemini says the same of a limit per minute, and when to come back.
  const isPassing = retryInMs(message) !== undefined;
  if (quota.test(said) || (/exceeded your current quota/i.test(message) && !isPassing)) return 'model.quota';
  if (contextLength.test(said)) return 'model.context_length';
  const http = status ?? httpStatus(code);
  if (http !== 429 && isContextLengthMessage(message, http)) return 'model.context_length';
  if (refused.test(said)) return 'model.refused';
  const byWords = words.find(([pattern, its]) => pattern.test(said) && !(http === 400 && its === 'model.timeout'))?.[1];
  // Some servers answer 400 whatever it is.
  if (http !== undefined && http !== 400) return codeOfStatus(http);
  return byWords ?? (http === 400 ? 'model.bad_request' : 'model.unavailable');
};

/** The code of the fault that an HTTP status becomes when nothing more is known. */
export const codeOfStatus = (status: number): ModelFaultCode => {
  if (status >= 500) return 'model.unavailable';
  switch (status) {
    case 401:
    case 403:
      return 'model.unauthorized';
    case 402:
      return 'model.quota';
    case 404:
      return 'model.not_found';
    case 408:
    case 409:
    case 425:
      return 'model.unavailable';
    case 429:
      return 'model.rate_limited';
    default:
      return 'model.bad_request';
  }
};
