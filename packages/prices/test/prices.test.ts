import { isFaultError } from '@troupe/protocol';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { prices } from '../src/index.ts';
import { listedPrice } from '../src/listed-price.ts';
import { namesOf } from '../src/model-names.ts';

const million = { inputTokens: 1_000_000, outputTokens: 1_000_000 };
/** The same amounts, a quarter of the input cached. */
const quarterCached = { ...million, cachedTokens: 250_000 };

describe('the list', () => {
  // Prices as the vendors published them, in US dollars for a million tokens.
  test.each([
    ['gpt-4o', 2.5 + 10],
    ['gpt-4o-mini', 0.15 + 0.6],
    ['gpt-4.1', 2 + 8],
    ['gpt-5', 1.25 + 10],
    ['gpt-5-mini', 0.25 + 2],
    ['o3', 2 + 8],
  ])('knows %s', (model, costUsd) => expect(prices().price(model, million)).toBeCloseTo(costUsd, 10));

  test('prices cached input at its own rate', () => {
    // gpt-5-mini: 0.25 in, 0.025 cached, 2 out
    expect(prices().price('gpt-5-mini', quarterCached)).toBeCloseTo(0.75 * 0.25 + 0.25 * 0.025 + 2, 10);
    // gpt-4o: 2.5 in, 1.25 cached, 10 out
    expect(prices().price('gpt-4o', quarterCached)).toBeCloseTo(0.75 * 2.5 + 0.25 * 1.25 + 10, 10);
  });

  test('counts no more cached input than went in', () => {
    expect(
      prices().price('gpt-5-mini', { inputTokens: 1_000_000, outputTokens: 0, cachedTokens: 9_000_000 }),
    ).toBeCloseTo(0.025, 10);
  });

  test('does not count reasoning twice: it is part of the output', () => {
    expect(prices().price('gpt-5-mini', { ...million, reasoningTokens: 900_000 })).toBeCloseTo(2.25, 10);
  });

  test('asks nothing for nothing', () =>
    expect(prices().price('gpt-5-mini', { inputTokens: 0, outputTokens: 0 })).toBe(0));

  test.each([
    ['openai/gpt-5-mini', 2.25],
    ['openrouter/openai/gpt-5-mini', 2.25],
    ['main/gpt-5-mini', 2.25],
    ['my/own/gpt-5-mini', 2.25],
    [' gpt-5-mini ', 2.25],
    ['gpt-5-mini-2025-08-07', 2.25],
    ['gpt-4o-2024-08-06', 12.5],
    ['openai/gpt-4o-2024-08-06', 12.5],
    // this date had a price of its own
    ['gpt-4o-2024-05-13', 5 + 15],
    // a date that is newer than the list
    ['openai/gpt-5-mini-2099-12-31', 2.25],
    ['gpt-5-mini-20991231', 2.25],
    ['groq/llama-3.3-70b-versatile', 0.59 + 0.79],
  ])('finds %s', (model, costUsd) => expect(prices().price(model, million)).toBeCloseTo(costUsd, 10));

  test.each([
    'nobody-knows-it',
    'openai/nobody-knows-it',
    'main/nobody-knows-it',
    '/',
    '',
    '__proto__',
    'constructor',
    // runs on one's own machine, whatever its name
    'ollama/gpt-5-mini',
    'vLLM/gpt-4o',
    // sold by another vendor only
    'groq/gpt-4o',
    // priced by the minute
    'whisper-1',
  ])('has no price for "%s"', (model) => expect(prices().price(model, million)).toBeNull());

  test('falls back to the maker of a model that a reseller does not list', () => {
    expect(listedPrice('openrouter/openai/gpt-5-mini-2099-12-31', million)).toBeCloseTo(2.25, 10);
    expect(listedPrice('groq/openai/gpt-4o', million)).toBeCloseTo(12.5, 10);
    expect(listedPrice('groq/openai/nobody-knows-it', million)).toBeNull();
  });
});

describe('overrides', () => {
  const house = { inputPerMillion: 3, outputPerMillion: 11, cachedInputPerMillion: 1 };

  test('add up to what a hand computes', () => {
    const pricing = prices({ overrides: { house } });
    // 6 000 × 3 + 4 000 × 1 + 2 000 × 11 = 44 000, for a million
    expect(pricing.price('house', { inputTokens: 10_000, outputTokens: 2_000, cachedTokens: 4_000 })).toBeCloseTo(
      0.044,
      12,
    );
    expect(pricing.price('house', { inputTokens: 10, outputTokens: 0, cachedTokens: 40 })).toBeCloseTo(0.00001, 12);
  });

  test('price cached input like other input when they do not say', () => {
    const pricing = prices({ overrides: { house: { inputPerMillion: 3, outputPerMillion: 11 } } });
    expect(pricing.price('house', quarterCached)).toBeCloseTo(14, 12);
  });

  test('win over the list, and count for ids with a prefix or a date', () => {
    const pricing = prices({ overrides: { 'gpt-5-mini': house } });
    for (const model of [
      'gpt-5-mini',
      'openai/gpt-5-mini',
      'a/b/gpt-5-mini',
      'gpt-5-mini-2025-08-07',
      'ollama/gpt-5-mini',
    ]) {
      expect(pricing.price(model, million)).toBeCloseTo(14, 12);
    }
    expect(pricing.price('gpt-5', million)).toBeCloseTo(11.25, 10);
  });

  test('are chosen by the most exact name', () => {
    const free = { inputPerMillion: 0, outputPerMillion: 0 };
    const pricing = prices({ overrides: { 'gpt-5-mini': house, 'ours/gpt-5-mini': free } });
    expect(pricing.price('ours/gpt-5-mini', million)).toBe(0);
    expect(pricing.price('theirs/gpt-5-mini', million)).toBeCloseTo(14, 12);
  });

  test.each([
    { inputPerMillion: -1, outputPerMillion: 1 },
    { inputPerMillion: 1, outputPerMillion: Number.NaN },
    { inputPerMillion: 1, outputPerMillion: 1, cachedInputPerMillion: Infinity },
    { inputPerMillion: 1 } as { inputPerMillion: number; outputPerMillion: number },
  ])('that are no prices are refused: %j', (price) => {
    try {
      prices({ overrides: { house: price } });
      expect.unreachable();
    } catch (error) {
      expect(isFaultError(error) && error.code).toBe('prices.invalid');
      expect(String(error)).toContain('"house"');
    }
  });
});

test('what nobody knows may be given a price', () => {
  const asked: string[] = [];
  const pricing = prices({
    unknown: (model) => {
      asked.push(model);
      return model.startsWith('ollama/') ? { inputPerMillion: 0, outputPerMillion: 0 } : null;
    },
  });
  expect(pricing.price('ollama/qwen3', million)).toBe(0);
  expect(pricing.price('nobody-knows-it', million)).toBeNull();
  expect(pricing.price('gpt-5-mini', million)).toBeCloseTo(2.25, 10);
  expect(asked).toEqual(['ollama/qwen3', 'nobody-knows-it']);
});

test('a model is known by its name without prefixes and without its date', () => {
  expect(namesOf('openrouter/openai/gpt-5-mini-2025-08-07')).toEqual([
    'openrouter/openai/gpt-5-mini-2025-08-07',
    'openrouter/openai/gpt-5-mini',
    'openai/gpt-5-mini-2025-08-07',
    'openai/gpt-5-mini',
    'gpt-5-mini-2025-08-07',
    'gpt-5-mini',
  ]);
});

describe('the network', () => {
  afterEach(() => vi.unstubAllGlobals());

  test('is never asked', () => {
    const fetch = vi.fn<typeof globalThis.fetch>();
    vi.stubGlobal('fetch', fetch);
    prices().price('gpt-5-mini', million);
    prices().price('nobody-knows-it', million);
    expect(fetch).not.toHaveBeenCalled();
  });
});
