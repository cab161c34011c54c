import { FaultError, faultOf, keepSecret, keepSecretsOfUrl, redact, redactEach } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';

describe('redact', () => {
  test.each([
    ['an OpenAI key', 'sk-proj-abcdefgh12345678'],
    ['a GitHub token', 'ghp_abcdefghijklmnop1234'],
    ['a fine-grained GitHub token', 'github_pat_abcdefghijklmnop1234'],
    ['a Slack token', 'xoxb-12345678-abcdefgh'],
    ['an AWS key id', 'AKIAABCDEFGHIJKLMNOP'],
    ['a Google key', `AIza${'a'.repeat(35)}`],
    ['a JSON web token', 'eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeK'],
  ])('blanks %s wherever it stands in a sentence', (_what, secret) => {
    expect(redact(`before ${secret} after`)).toBe('before [redacted] after');
  });

  test('blanks what follows "Bearer", and the password of a URL, but neither the word nor the user', () => {
    expect(redact('Authorization: Bearer abc.def-ghi_123')).toBe('Authorization: Bearer [redacted]');
    expect(redact('postgres://ada:lovelace@db:5432/x')).toBe('postgres://ada:[redacted]@db:5432/x');
  });

  test('leaves ordinary text alone', () => {
    const text = 'Ask the risk-assessment desk; see https://example.org/a:b and the Bearer of news.';
    expect(redact(text)).toBe(text);
  });

  test('blanks every occurrence, call after call', () => {
    const text = 'sk-abcdefgh1 sk-abcdefgh2';
    expect([redact(text), redact(text)]).toEqual(['[redacted] [redacted]', '[redacted] [redacted]']);
  });

  test('reaches into lists and objects, and does not change what it was given', () => {
    const given = { a: [{ b: 'sk-abcdefgh1' }, 1], c: null, d: 'plain' };
    expect(redact(given)).toEqual({ a: [{ b: '[redacted]' }, 1], c: null, d: 'plain' });
    expect(given.a[0]).toEqual({ b: 'sk-abcdefgh1' });
  });

  test('gives back the very object when there is nothing to hide', () => {
    const given = { a: [{ b: 'plain' }] };
    expect(redact(given)).toBe(given);
  });

  test('blanks secrets of any shape once they are registered', () => {
    keepSecret('open sesame');
    expect(redact({ said: 'say "open sesame" twice' })).toEqual({ said: 'say "[redacted]" twice' });
  });

  test('leaves nothing of a secret that begins with another', () => {
    keepSecret('hunter22');
    keepSecret('hunter22-and-more');
    expect(redact('it is hunter22-and-more, not hunter22')).toBe('it is [redacted], not [redacted]');
  });

  test('does not take texts so short that they are in every sentence', () => {
    keepSecret('the');
    expect(redact('the end')).toBe('the end');
  });

  test.each([
    ['before the host', 'postgres://u:plain-pass@h/db', ['plain-pass']],
    ['of a user without a name', 'redis://:nameless-pass@h', ['nameless-pass']],
    ['among the parameters', 'postgres://h/db?user=u&password=asked-pass&ssl=true', ['asked-pass']],
    ['before the host, percent-encoded', 'postgres://u:first%2Fpass@h/db', ['first%2Fpass', 'first/pass']],
    ['among the parameters, percent-encoded', 'x://h?password=last%20pass', ['last%20pass', 'last pass']],
    ['in both places', 'x://u:one-pass@h?password=other-pass', ['one-pass', 'other-pass']],
    ['that cannot be decoded', 'postgres://u:100%zz-pass@h/db', ['100%zz-pass']],
    ['of a URL that is none', 'postgres://u:broken-pass@[/db', ['broken-pass']],
  ])('blanks the password of a URL that is registered: %s', (_where, url, secrets) => {
    for (const secret of secrets) expect(redact(`It is ${secret}.`)).toBe(`It is ${secret}.`);
    keepSecretsOfUrl(url);
    for (const secret of secrets) expect(redact(`It is ${secret}.`)).toBe('It is [redacted].');
  });

  test('registers nothing of a URL without a password', () => {
    keepSecretsOfUrl('postgres://somebody@somewhere:5432/anything?user=nobody');
    const text = 'somebody, somewhere, 5432, anything, nobody';
    expect(redact(text)).toBe(text);
  });
});

describe('a long list of what never changes', () => {
  const messages = (count: number) => Array.from({ length: count }, (_, n) => ({ role: 'user', content: `word ${n}` }));

  test('is cleared of secrets like any other value, and looked through once', () => {
    let looks = 0;
    const counted = {
      get content() {
        looks += 1;
        return 'sk-proj-abcdefgh12345678';
      },
    };
    const list = [...messages(200), counted];
    const safe = redactEach(list);
    expect(safe.slice(0, 200)).toEqual(list.slice(0, 200));
    expect(safe[200]).toEqual({ content: '[redacted]' });
    const before = looks;
    expect(redactEach([...list, ...messages(1)])).toHaveLength(202);
    expect(redactEach(list)[200]).toEqual({ content: '[redacted]' });
    expect(looks).toBe(before);
    expect(redactEach([counted])).toEqual([{ content: '[redacted]' }]);
  });

  test('is looked through again once another secret is registered', () => {
    const list = messages(200);
    expect(redactEach(list)).toEqual(list);
    keepSecret('word 17 and');
    keepSecret('word 177');
    expect(redactEach(list)[177]).toEqual({ role: 'user', content: '[redacted]' });
    expect(redactEach(list)[17]).toBe(list[17]);
  });
});

describe('a fault', () => {
  test('holds no secret in message, details or cause', () => {
    const error = new FaultError('x.y', 'with sk-abcdefgh1', {
      details: { url: 'https://me:pass@host', deep: { key: 'sk-abcdefgh1' } },
      cause: new Error('because of sk-abcdefgh1'),
    });
    expect(error.message).toBe('with [redacted]');
    expect(JSON.stringify(error.toFault())).not.toMatch(/sk-abc|pass@/);
  });

  test('made of any error has its message without secrets', () => {
    expect(faultOf(new TypeError('no sk-abcdefgh1'), 'x.y')).toEqual({
      code: 'x.y',
      message: 'no [redacted]',
      retryable: false,
      details: { errorType: 'TypeError' },
    });
  });
});
