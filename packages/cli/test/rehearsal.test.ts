import { openai } from '@troupe/openai';
import type { ModelPart } from '@troupe/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Rehearsal, startRehearsal } from '../src/rehearsal.ts';

describe('the rehearsal server', () => {
  let rehearsal: Rehearsal;
  beforeAll(async () => {
    rehearsal = await startRehearsal({ thinkMs: 0 });
  });
  afterAll(() => rehearsal.close());

  const clock = { now: () => 0, setTimeout: () => 0, clearTimeout: () => {} };
  const context = { runId: 'r', rootId: 'r', agent: 'a', turn: 1, depth: 0, key: 'k' };

  test('is on the loopback address, and speaks the real wire: streamed calls, text and usage', async () => {
    expect(rehearsal.connection.baseURL).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
    const provider = openai(rehearsal.connection);
    const ask = async (tools: string[]) => {
      const parts: ModelPart[] = [];
      const request = {
        model: rehearsal.model,
        messages: [{ role: 'user' as const, content: 'Area: src\nQuestion: Where is it?' }],
        tools: tools.map((name) => ({ name, description: '', inputSchema: { type: 'object' } })),
      };
      for await (const part of provider.takeTurn(request, { signal: new AbortController().signal, clock, context }))
        parts.push(part);
      return parts;
    };
    const calling = await ask(['list_files', 'search_text']);
    expect(calling.filter(({ type }) => type === 'call')).toMatchObject([
      { name: 'list_files', arguments: '{"path":"src","recursive":true}' },
      { name: 'search_text' },
    ]);
    expect(calling.at(-1)).toEqual({ type: 'finish', reason: 'calls' });

    const talking = await ask([]);
    expect(talking.map((part) => (part.type === 'text' ? part.delta : '')).join('')).toMatch(
      /^Rehearsal: no language model/,
    );
    expect(talking.find(({ type }) => type === 'usage')).toMatchObject({ usage: { inputTokens: expect.any(Number) } });
    expect(talking.at(-1)).toEqual({ type: 'finish', reason: 'stop' });
  });

  test('is gone when it is closed, and closing it twice does no harm', async () => {
    const other = await startRehearsal();
    await Promise.all([other.close(), other.close()]);
    await expect(fetch(`${other.connection.baseURL}/models`)).rejects.toThrow('fetch failed');
  });
});
