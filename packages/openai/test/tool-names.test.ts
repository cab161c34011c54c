import type { ModelPart, ModelRequest } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toolNames } from '../src/tool-names.ts';

const request = (offered: readonly string[], called: readonly string[] = [], settings = {}): ModelRequest => ({
  model: 'gpt-5.1',
  messages: [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: '', calls: called.map((name, n) => ({ id: `call_${n}`, name, arguments: '{}' })) },
  ],
  tools: offered.map((name) => ({ name, description: '', inputSchema: {} })),
  settings,
});
const sentFor = (asked: ModelRequest) => toolNames(asked).sent(asked);
const sentTools = (asked: ModelRequest) => sentFor(asked).tools.map(({ name }) => name);

/** What comes of calls that a model makes under these names. */
const known = async (asked: ModelRequest, called: readonly string[]) => {
  const parts = async function* (): AsyncGenerator<ModelPart> {
    for (const name of called) yield { type: 'call', id: name, name, arguments: '{}' };
  };
  const names: string[] = [];
  for await (const part of toolNames(asked).known(parts())) if (part.type === 'call') names.push(part.name);
  return names;
};

describe('names of tools', () => {
  test('that a vendor takes are sent as they are, in the request that was given', () => {
    const asked = request(['look', 'spawn_agent', 'get-Weather-2', 'x'.repeat(64)], ['look']);
    expect(sentFor(asked)).toBe(asked);
  });

  test('that it refuses become names that it takes, and are cut where they are too long', () => {
    expect(sentTools(request(['calendar.read', 'a b', '日本', 'x'.repeat(70), 'x'.repeat(71)]))).toEqual([
      'calendar_read',
      'a_b',
      '__',
      'x'.repeat(64),
      `${'x'.repeat(62)}_2`,
    ]);
  });

  test('leave those of the vendor alone', () => {
    const tools = [{ type: 'function', function: { name: 'a_b' } }, { type: 'function', name: 'a_b_2' }, null, 'odd'];
    expect(sentTools(request(['a.b'], [], { tools }))).toEqual(['a_b_3']);
  });

  test('stay as they were sent once the model has called what is no tool', () => {
    expect(sentTools(request(['a.b']))).toEqual(['a_b']);
    expect(sentTools(request(['a.b'], ['a_b', 'a b', '']))).toEqual(['a_b']);
  });

  test('property: each is sent as another that the vendor takes, and comes back as itself', async () => {
    const name = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', '_', '.', '2', 'é', '😀') }),
      fc.string({ maxLength: 90 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(name, { maxLength: 12 }), fc.array(name), async (offered, called) => {
        const asked = request(offered, called);
        const sent = sentTools(asked);
        expect(new Set(sent).size).toBe(offered.length);
        expect(await known(asked, sent)).toEqual(offered);
        const told = sentFor(asked).messages[1]?.calls?.map((call) => call.name) ?? [];
        for (const one of [...sent, ...told]) expect(one).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
        // A call of a tool that is offered still reads as a call of it.
        for (const [n, one] of called.entries())
          if (offered.includes(one)) expect(told[n]).toBe(sent[offered.indexOf(one)]);
      }),
    );
  });
});
