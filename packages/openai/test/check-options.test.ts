import { FaultError } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { openai } from '../src/index.ts';

/** Calls it as a program without types does. */
const faultBy = (given: unknown): unknown => {
  try {
    return Reflect.apply(openai, undefined, [given]);
  } catch (error) {
    return error;
  }
};

describe('[HM-060] a provider is refused when it is made', () => {
  test.each<[string, unknown, string]>([
    ['of a key alone', 'sk-4711-secret', 'a string. Expected options: openai({ apiKey }).'],
    ['of null', null, 'null. Expected options: openai({ apiKey }).'],
    ['of a list', ['sk-4711-secret'], 'a list. Expected options: openai({ apiKey }).'],
    [
      'with a key of other letters',
      { apikey: 'sk-4711-secret' },
      'the option "apikey", which there is not. Expected "apiKey".',
    ],
    [
      'with a key as other languages write it',
      { api_key: 'sk-4711-secret' },
      'the option "api_key", which there is not. Expected "apiKey".',
    ],
    [
      'with an address of other letters',
      { apiKey: 'sk-4711-secret', baseUrl: 'http://localhost:1/v1' },
      'the option "baseUrl", which there is not. Expected "baseURL".',
    ],
    ['with what gives a key', { apiKey: () => 'sk-4711-secret' }, 'as apiKey a function. Expected text.'],
    [
      'with a URL that is no text',
      { baseURL: new URL('http://localhost:1/v1') },
      'as baseURL an object. Expected text.',
    ],
  ])('%s', (_what, options, found) => {
    const fault = faultBy(options);
    expect(fault).toBeInstanceOf(FaultError);
    expect(fault).toMatchObject({ code: 'model.misconfigured', message: `openai() was given ${found}` });
  });

  test('but not for an option that nobody knows', () => {
    expect(faultBy({ apiKey: 'k', note: 'mine' })).toMatchObject({ name: 'openai' });
  });
});
