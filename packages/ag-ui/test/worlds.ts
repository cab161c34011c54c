/** Random trees of agents: what their models say, what their tools do, what a person answers, and when somebody interrupts. */
import { type AnyAgent, defineAgent, defineTool, spawned, type Tool, withRetry } from '@troupe/core';
import type { Answer, ModelProvider } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import fc from 'fast-check';
import { z } from 'zod';

const nothing = z.object({});
const tool = (name: string, options: Partial<Parameters<typeof defineTool>[0]> = {}): Tool =>
  defineTool({ name, description: name, inputSchema: nothing, execute: () => `${name} done`, ...options });

const tools = [
  tool('plain'),
  tool('broken', {
    execute: () => {
      throw new Error('broken');
    },
  }),
  tool('erase', { confirm: true }),
  tool('ask', { askUser: true, inputKey: 'answer', inputSchema: z.object({ answer: z.string().optional() }) }),
  tool('noisy', {
    execute: (_input, { progress }) => {
      progress('half of it');
      return 'all of it';
    },
  }),
];

const delegating = (agent: AnyAgent, count: number): Tool =>
  tool(`ask_${agent.name}_${count}`, {
    execute: () => spawned(Array.from({ length: count }, () => ({ agent, job: `work for ${agent.name}` }))),
    settle: (reports) => ({ content: reports.map(({ status, text }) => text ?? status).join(', ') }),
  });

/** The agents of a world, the one that is asked last. */
export const agents = (turns: number): AnyAgent[] => {
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools, budget: { turns } });
  const middle = defineAgent({
    name: 'middle',
    instructions: 'Middle.',
    tools: [...tools, delegating(leaf, 1), delegating(leaf, 2)],
    budget: { turns },
  });
  const lead = defineAgent({
    name: 'lead',
    instructions: 'Lead.',
    tools: [...tools, delegating(middle, 1), delegating(middle, 2), delegating(leaf, 3)],
    budget: { turns },
  });
  return [leaf, middle, lead];
};

const call = fc.record({
  name: fc.constantFrom(
    'plain',
    'broken',
    'erase',
    'ask',
    'noisy',
    'no_such_tool',
    'ask_leaf_1',
    'ask_leaf_2',
    'ask_leaf_3',
    'ask_middle_1',
    'ask_middle_2',
  ),
  arguments: fc.constantFrom<unknown>({}, {}, {}, '{"mal', ''),
  id: fc.constantFrom('same', 'same', 'a', 'b', 'c'),
});
const deltas = fc.array(fc.constantFrom('a', 'b', ' ', '', 'ß', '😀', '"'), { maxLength: 4 });
const reasoning = fc.option(fc.constantFrom('hm', 'because'), { nil: undefined });
const anyTurn: fc.Arbitrary<Turn> = fc
  .record({
    deltas,
    reasoning,
    calls: fc.oneof(fc.array(call, { maxLength: 0 }), fc.array(call, { minLength: 1, maxLength: 3 })),
    fails: fc.constantFrom('', '', '', '', 'model.unavailable', 'model.rate_limited'),
  })
  .map(({ deltas, reasoning, calls, fails }) => ({
    deltas,
    ...(reasoning !== undefined && { reasoning }),
    ...(fails === '' ? { calls } : { fault: { code: fails, message: 'Not now.', retryable: true } }),
  }));

const anyAnswer: fc.Arbitrary<Answer> = fc.constantFrom<Answer>(true, true, false, { decline: 'no' });

export type World = {
  turns: Turn[];
  limit: number;
  retries: boolean;
  answers: Answer[];
  /** After how many events somebody interrupts the run, if at all. */
  interruptAfter: number | undefined;
};

export const anyWorld: fc.Arbitrary<World> = fc.record({
  turns: fc.array(anyTurn, { minLength: 1, maxLength: 12 }),
  limit: fc.integer({ min: 1, max: 4 }),
  retries: fc.boolean(),
  answers: fc.array(anyAnswer, { minLength: 1, maxLength: 4 }),
  interruptAfter: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined, freq: 3 }),
});

/** Says the turns of the world one after another, to whoever asks, and then nothing new. */
export const providerOf = ({ turns, retries }: World): ModelProvider => {
  let next = 0;
  const provider = scriptedProvider(() => turns[next++] ?? 'That is all.');
  return retries ? withRetry(provider, { attempts: 2, baseMs: 0, maxMs: 0 }) : provider;
};
