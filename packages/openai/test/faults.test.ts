import { FaultError, keepSecret } from '@troupe/protocol';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { connectionMessage, connectionTrouble } from '../src/connection-error.ts';
import { modelFault } from '../src/faults.ts';
import { retryAfterMsOf } from '../src/retry-after.ts';

const asked = { provider: 'openai', url: 'http://this.test/v1', model: 'm', now: () => 0 };
const coded = (code: string, message = code) => Object.assign(new Error(message), { code });
const connecting = (cause: Error) => new OpenAI.APIConnectionError({ cause: new TypeError('fetch failed', { cause }) });

describe('a fault', () => {
  test.each([
    ['ECONNREFUSED', 'model.unreachable', true],
    ['EAI_AGAIN', 'model.unreachable', true],
    ['EHOSTUNREACH', 'model.unreachable', true],
    ['CERT_HAS_EXPIRED', 'model.unreachable', false],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'model.unreachable', false],
    ['UND_ERR_CONNECT_TIMEOUT', 'model.timeout', true],
    ['UND_ERR_HEADERS_TIMEOUT', 'model.timeout', true],
    ['ECONNRESET', 'model.stream_cut', true],
  ])('on the way to the server with %s is %s', (code, faultCode, retryable) => {
    expect(modelFault(connecting(coded(code)), asked)).toMatchObject({ code: faultCode, retryable });
  });

  test.each([
    [new TypeError('terminated', { cause: coded('UND_ERR_SOCKET', 'other side closed') }), 'model.stream_cut', true],
    [new TypeError('terminated', { cause: coded('UND_ERR_BODY_TIMEOUT') }), 'model.timeout', true],
    [new Error('Premature close'), 'model.stream_cut', true],
    [new DOMException('too slow', 'TimeoutError'), 'model.timeout', true],
    [new SyntaxError('Unexpected token'), 'model.malformed', true],
    [new OpenAI.APIConnectionTimeoutError(), 'model.timeout', true],
    [new TypeError('x is not a function'), 'model.failed', false],
    ['only text', 'model.failed', false],
  ])('of %s is %s', (error, code, retryable) => {
    expect(modelFault(error, asked)).toMatchObject({ code, retryable });
  });

  test('that is one already stays the same', () => {
    const fault = new FaultError('mine', 'Mine.');
    expect(modelFault(fault, asked)).toBe(fault);
  });

  test('says who was asked, what was found and what to do, in whole sentences', () => {
    const error = new OpenAI.NotFoundError(404, { message: 'no such model' }, undefined, new Headers());
    expect(modelFault(error, asked).message).toBe(
      'Provider "openai" at http://this.test/v1, model "m": 404 no such model. Check the model id and baseURL.',
    );
  });

  test('does not repeat a whole page', () => {
    const error = new OpenAI.InternalServerError(500, { message: '<p>'.repeat(9_000) }, undefined, new Headers());
    expect(modelFault(error, asked).message.length).toBeLessThan(1_200);
  });

  test('does not show the half of a secret where a long message was cut', () => {
    keepSecret('secret-at-the-cut');
    const error = new OpenAI.InternalServerError(
      500,
      { message: `${'x'.repeat(988)}secret-at-the-cut` },
      undefined,
      new Headers(),
    );
    expect(modelFault(error, asked).message).not.toContain('secret-');
  });

  test('tells the id that the server gave the request', () => {
    const error = new OpenAI.InternalServerError(
      500,
      { message: 'x' },
      undefined,
      new Headers({ 'x-request-id': 'req_1' }),
    );
    expect(modelFault(error, asked).details).toEqual({ status: 500, requestId: 'req_1' });
  });
});

test('the innermost message says what happened to a connection', () => {
  const both = new AggregateError([coded('ECONNREFUSED', 'connect ECONNREFUSED ::1:1'), coded('x', 'second')], '');
  expect(connectionMessage(connecting(both))).toBe('connect ECONNREFUSED ::1:1');
  expect(connectionMessage(new AggregateError(['text'], 'all failed'))).toBe('all failed');
  expect(connectionMessage(undefined)).toBe('undefined');
});

test('a chain of causes that never ends is read as far as it makes sense', () => {
  const endless: { cause?: unknown } = {};
  endless.cause = endless;
  expect(connectionTrouble(endless, false)).toBeNull();
});

test.each([
  [{ 'retry-after': '2' }, 2_000],
  [{ 'retry-after': '0.5' }, 500],
  [{ 'retry-after-ms': '250', 'retry-after': '9' }, 250],
  [{ 'retry-after-ms': 'soon', 'retry-after': '9' }, 9_000],
  [{ 'retry-after': 'Thu, 01 Jan 1970 00:00:30 GMT' }, 20_000],
  [{ 'retry-after': 'Thu, 01 Jan 1970 00:00:05 GMT' }, 0],
  [{ 'retry-after': 'later' }, undefined],
  [{ 'retry-after': '-1' }, undefined],
  [{ 'retry-after': '' }, undefined],
  [{}, undefined],
])('the time to wait in %j is %s ms', (headers, ms) => {
  expect(retryAfterMsOf(new Headers(headers as Record<string, string>), 10_000)).toBe(ms);
});

test.each([
  ['Please retry in 26.2s.', 26_200],
  ['Please try again in 6m0s. Visit …', 360_000],
  ['Rate limit reached. Please try again in 20ms.', 20],
  ['Try again in a minute.', undefined],
  ['Please try again.', undefined],
])('the time to wait in the message "%s" is %s ms, unless the headers say another', (message, ms) => {
  expect(retryAfterMsOf(new Headers(), 0, message)).toBe(ms);
  expect(retryAfterMsOf(new Headers({ 'retry-after': '2' }), 0, message)).toBe(2_000);
});

test('there is no time to wait without headers', () => expect(retryAfterMsOf(undefined, 0)).toBeUndefined());
