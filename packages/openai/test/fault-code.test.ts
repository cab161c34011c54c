import { describe, expect, test } from 'vitest';
import { isContextLengthMessage } from '../src/context-length.ts';
import { codeOfServerError, codeOfStatus } from '../src/fault-code.ts';

describe('the fault of a server error', () => {
  test.each([
    [{ status: 429, message: 'You exceeded your current quota, please check your plan.' }, 'model.quota'],
    [{ status: 429, type: 'insufficient_quota', message: '' }, 'model.quota'],
    [{ status: 429, message: 'You exceeded your current quota. Please retry in 26.2s.' }, 'model.rate_limited'],
    [{ status: 400, code: 'invalid_api_key', message: '' }, 'model.unauthorized'],
    [{ status: 400, type: 'invalid_request_error', message: '' }, 'model.bad_request'],
    [{ status: 400, message: '' }, 'model.bad_request'],
    [{ status: 402, message: 'Insufficient Balance' }, 'model.quota'],
    [{ status: 429, message: 'Limit reached: input token count exceeds the maximum' }, 'model.rate_limited'],
    [{ status: 400, code: 'context_length_exceeded', message: '' }, 'model.context_length'],
    [{ status: 413, message: 'prompt is too long: 9 tokens > 8 maximum' }, 'model.context_length'],
    [{ status: 400, message: 'Please reduce the length of the messages or completion.' }, 'model.context_length'],
    [{ message: 'Please reduce the length of the messages or completion.' }, 'model.context_length'],
    [{ status: 503, message: 'Overloaded. Retry, or reduce the length of the messages.' }, 'model.unavailable'],
    [{ code: 500, message: 'Timed out. Retry, or reduce the length of the messages.' }, 'model.unavailable'],
    [{ status: 500, message: 'the request exceeds the available context size' }, 'model.context_length'],
    [{ status: 400, code: 'content_filter', message: '' }, 'model.refused'],
    [{ code: 400, message: 'bad' }, 'model.bad_request'],
    [{ code: '503', message: 'busy' }, 'model.unavailable'],
    [{ code: 12, message: 'odd' }, 'model.unavailable'],
    [{ code: 'invalid_api_key', message: '' }, 'model.unauthorized'],
    [{ type: 'not_found_error', message: '' }, 'model.not_found'],
    [{ code: 'vector_store_timeout', message: '' }, 'model.timeout'],
    [{ code: 'image_too_large', message: '' }, 'model.bad_request'],
    [{ type: 'overloaded_error', message: '' }, 'model.unavailable'],
    [{ message: 'anything else' }, 'model.unavailable'],
  ])('%j is %s', (error, code) => expect(codeOfServerError(error)).toBe(code));

  test.each([
    [400, 'model.bad_request'],
    [401, 'model.unauthorized'],
    [403, 'model.unauthorized'],
    [404, 'model.not_found'],
    [408, 'model.unavailable'],
    [409, 'model.unavailable'],
    [425, 'model.unavailable'],
    [418, 'model.bad_request'],
    [429, 'model.rate_limited'],
    [500, 'model.unavailable'],
    [599, 'model.unavailable'],
  ])('status %i is %s', (status, code) => expect(codeOfStatus(status)).toBe(code));
});

test.each([
  "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
  'Your input exceeds the context window of this model. Please adjust your input and try again.',
  'Requested tokens (2285) exceed context window of 2048',
  'The decoder prompt (length 5000) is longer than the maximum model length of 4096.',
  "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
  'The prompt (total length 25938) is too long to fit into the model (context length 4096).',
  'the request exceeds the available context size, try increasing it',
  'context size exceeded',
  'Context size has been exceeded.',
  'the input length exceeds the context length',
  'input length exceeds maximum context length',
  'prompt too long; exceeded max context length by 12 tokens',
  'Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens',
  'The number of tokens to keep from the initial prompt is greater than the context length.',
  'Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)',
  'Reached context length of 4096 tokens',
  'prompt is too long: 210000 tokens > 200000 maximum',
  'Input is too long for requested model.',
  'The input token count (9) exceeds the maximum number of tokens allowed (8).',
  "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
  "However, the model's context length is only 4096 tokens, resulting in a maximum input length of 3996 tokens.",
  'Invalid request: Your request exceeded model token limit: 262144 (requested: 263000)',
  'invalid params, context window exceeds limit (2013)',
  'input length and `max_tokens` exceed context limit: 195000 + 21333 > 200000, decrease input length',
  'Please reduce the length of the messages or completion.',
  'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 4000 `inputs` tokens',
  'too many tokens: size limit exceeded by 19296 tokens. Try using shorter or fewer inputs.',
  'prompt token count of 130000 exceeds the limit of 128000',
  'Unable to submit request because the input token count is 32825 but model only supports up to 32768.',
  "Your input exceeds the model's context window.",
  "Your input exceeds this model's context window.",
])('is too long for the model: %s', (message) => expect(isContextLengthMessage(message)).toBe(true));

test.each(['Invalid schema for function.', 'max_tokens is too large', 'The context is missing.', ''])(
  'is not about length: %s',
  (message) => expect(isContextLengthMessage(message)).toBe(false),
);
