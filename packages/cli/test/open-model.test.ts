import { describe, expect, test } from 'vitest';
import { openModel } from '../src/open-model.ts';

const usage = { inputTokens: 1_000, outputTokens: 1_000 };

describe('a model that was opened', () => {
  test('says which one it is, and costs what the price list says', async () => {
    await using model = await openModel({ env: { OPENAI_API_KEY: 'sk-test', TROUPE_MODEL: 'gpt-5' } });
    expect(model).toMatchObject({ kind: 'env', name: 'gpt-5', notice: 'Model: gpt-5, OpenAI.' });
    expect(model.pricing.price('gpt-5', usage)).toBeGreaterThan(0);
  });

  test('is the rehearsal, which costs nothing, where there is no other', async () => {
    const model = await openModel({ env: {}, servers: [] });
    expect(model).toMatchObject({ kind: 'rehearsal', name: 'rehearsal' });
    expect(model.notice).toMatch(/^Rehearsal: no language model took part/);
    expect(model.notice).toContain('set OPENAI_API_KEY');
    expect(model.pricing.price('rehearsal', usage)).toBe(0);
    await model.close();
    await model.close();
  });

  test('is refused when its address is no URL', async () => {
    await expect(openModel({ env: { OPENAI_BASE_URL: 'nowhere' } })).rejects.toMatchObject({
      code: 'model.misconfigured',
    });
  });
});
