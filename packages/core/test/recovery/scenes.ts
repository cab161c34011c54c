/** Programs that are killed and forked at every moment of their lives. */
import { type AnyAgent, defineAgent, defineTool, type RuntimeOptions, spawned, type Tool } from '@troupe/core';
import type { Answer, Question, Report } from '@troupe/protocol';
import type { CrashOutcome } from '@troupe/testing';
import { expect } from 'vitest';
import { z } from 'zod';
import { type AnyLife, calls, effect, numbered, program, type Turns } from './program.ts';

export type Scene = {
  turns: Turns;
  tools?: (life: AnyLife, helpers: readonly AnyAgent[]) => Tool[];
  lead?: Partial<Parameters<typeof defineAgent>[0]>;
  helper?: Partial<Parameters<typeof defineAgent>[0]>;
  helperTools?: (life: AnyLife) => Tool[];
  options?: Partial<RuntimeOptions>;
  person?: (question: Question) => Answer;
  essence?: (report: Report) => unknown;
  verify?: (outcome: CrashOutcome) => void;
};

/** The runtime of one life of a scene. */
export const programOf = (life: AnyLife, { turns, tools, lead, helper, helperTools, options }: Scene) => {
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: helperTools?.(life) ?? [], ...helper });
  const root = defineAgent({ name: 'lead', instructions: 'Lead.', tools: tools?.(life, [leaf]) ?? [], ...lead });
  return program(life, root, turns, { agents: [leaf], ...options });
};

/** Its call is that many children. */
const ask = ([leaf]: readonly AnyAgent[], onPaused: 'bubble' | 'error' = 'bubble'): Tool =>
  defineTool({
    name: 'ask',
    description: '',
    inputSchema: numbered,
    execute: ({ n }) =>
      spawned(Array.from({ length: n }, (_, i) => ({ agent: leaf as AnyAgent, job: `part ${i}`, onPaused }))),
    settle: (reports) => ({ content: reports.map(({ text, status }) => `${status}: ${text}`).join('; ') }),
  });

/** Its call is that many children; those that fail are asked for again, and again, each time with those before them in mind. */
const askAgain = ([leaf]: readonly AnyAgent[], most?: number): Tool =>
  defineTool({
    name: 'ask',
    description: '',
    inputSchema: numbered,
    ...(most !== undefined && { maxRounds: most }),
    execute: ({ n }) =>
      spawned(Array.from({ length: n }, (_, i) => ({ agent: leaf as AnyAgent, job: `part ${i}`, data: i }))),
    settle: (reports, { n }, { data, round, final }) => {
      const last = reports.slice(-n);
      const failed = data.slice(-n).filter((_part, i) => last[i]?.status === 'failed');
      if (!final && failed.length > 0)
        return spawned(
          failed.map((part) => ({ agent: leaf as AnyAgent, job: `part ${Number(part)}, again`, data: Number(part) })),
        );
      return {
        content: `${round}. ${reports.map(({ status }, i) => `${JSON.stringify(data[i])} ${status}`).join('; ')}`,
      };
    },
    // What a run is made of again after a restart.
    rebuild: () => leaf as AnyAgent,
  });

const once = ({ effects }: CrashOutcome): void => {
  const tools = effects.filter((one) => !one.startsWith('model '));
  expect(tools.length).toBe(new Set(tools).size);
};

export const scenes: Record<string, Scene> = {
  'that answers': { turns: { lead: ['Done.'] } },
  'that calls tools, one after another and side by side': {
    turns: { lead: [calls(['write', 1]), calls(['write', 2], ['write', 3]), 'Done.'] },
    tools: (life) => [effect(life, 'write')],
  },
  'whose second call is done before its first': {
    turns: { lead: [calls(['slow', 1], ['write', 2]), 'Done.'] },
    tools: (life) => [
      effect(life, 'write'),
      effect(life, 'slow', {
        execute: async (_input, { key }) => {
          await new Promise<void>((resolve) => life.clock.setTimeout(resolve, 200));
          await life.happens(`slow ${key}`);
          return 'slow';
        },
      }),
    ],
    // What was stored as done is not done again, though nobody was told of it.
    verify: ({ effects }) => expect(effects.filter((one) => one.startsWith('write')).length).toBeLessThanOrEqual(2),
  },
  'with children': {
    turns: { lead: [calls(['ask', 3]), 'Done.'], leaf: [calls(['write', 1]), 'Leaf done.'] },
    tools: (_life, helpers) => [ask(helpers)],
    helperTools: (life) => [effect(life, 'write')],
  },
  'whose children take turns': {
    turns: { lead: [calls(['ask', 3]), 'Done.'], leaf: [calls(['write', 1]), 'Leaf done.'] },
    tools: (_life, helpers) => [ask(helpers)],
    helperTools: (life) => [effect(life, 'write')],
    lead: { budget: { concurrency: 1 } },
  },
  'with more children than it stores at each step': {
    turns: { lead: [calls(['ask', 12]), 'Done.'], leaf: [calls(['write', 1]), 'Leaf done.'] },
    tools: (_life, helpers) => [ask(helpers)],
    helperTools: (life) => [effect(life, 'write')],
    lead: { budget: { children: 12, concurrency: 5 } },
  },
  'that may have two children, and asks for three': {
    turns: { lead: [calls(['ask', 3]), 'Done.'], leaf: ['Leaf done.'] },
    tools: (_life, helpers) => [ask(helpers)],
    lead: { budget: { children: 2, tokens: 1_000 } },
  },
  'whose call asks for more children than it began with': {
    turns: {
      lead: [calls(['ask', 2], ['write', 5]), 'Done.'],
      leaf: [calls(['write', 1]), { fault: { code: 'model.down' } }],
    },
    tools: (life, helpers) => [askAgain(helpers, 3), effect(life, 'write')],
    helperTools: (life) => [effect(life, 'write')],
    lead: { budget: { children: 5, tokens: 2_000, concurrency: 1 } },
    verify: ({ report, events }) => {
      const again = '0 failed; 1 failed; 0 failed; 1 failed';
      expect(report.calls[0]?.result).toBe(`3. ${again}; 0 failed; undefined failed`);
      // What was started once is not started again, whatever was forgotten.
      const ids = events.flatMap((event) => (event.type === 'child.requested' ? [event.childId] : []));
      expect(ids).toEqual([0, 1, 2, 3, 4].map((n) => `root/1-0/${n}`));
    },
  },
  'whose tool starts children itself': {
    turns: { lead: [calls(['gather', 2]), 'Done.'], leaf: ['Leaf done.'] },
    tools: (life, [leaf]) => [
      effect(life, 'gather', {
        execute: async ({ n }, context) => {
          const texts: (string | null)[] = [];
          for (let i = 0; i < n; i++)
            texts.push((await (await context.spawn(leaf as AnyAgent, `part ${i}`)).report).text);
          return texts.join();
        },
      }),
    ],
  },
  'that must be approved': {
    turns: { lead: [calls(['write', 1], ['risky', 2]), 'Done.'] },
    tools: (life) => [effect(life, 'write'), effect(life, 'risky', { confirm: true })],
  },
  'that is told something by a person': {
    turns: { lead: [calls(['form', 1]), 'Done.'] },
    tools: (life) => [
      defineTool({
        name: 'form',
        description: 'Your name?',
        inputSchema: z.object({ n: z.number(), user_input: z.string().optional() }),
        askUser: true,
        idempotent: true,
        execute: async ({ user_input }, { key }) => {
          await life.happens(`form ${key}`);
          return `Hello ${user_input}`;
        },
      }),
    ],
    person: () => 'Ada',
  },
  'that hands over to a person': {
    turns: { lead: [calls(['expert', 1]), 'Done.'] },
    tools: (life) => [effect(life, 'expert', { handoff: true })],
    person: () => ({ value: { seen: true } }),
  },
  'whose children ask a person': {
    turns: { lead: [calls(['ask', 2]), 'Done.'], leaf: [calls(['risky', 1]), 'Leaf done.'] },
    tools: (_life, helpers) => [ask(helpers)],
    helperTools: (life) => [effect(life, 'risky', { confirm: true })],
  },
  'that lets children go that ask a person': {
    turns: { lead: [calls(['ask', 2]), 'Done.'], leaf: [calls(['risky', 1]), 'Leaf done.'] },
    tools: (_life, helpers) => [ask(helpers, 'error')],
    helperTools: (life) => [effect(life, 'risky', { confirm: true })],
  },
  'that must answer again': {
    turns: { lead: ['no json', '{"n": 1}'] },
    lead: { outputSchema: z.object({ n: z.number() }) },
  },
  'that says nothing at first': { turns: { lead: ['', 'Done.'] } },
  'that remembers': { turns: { lead: ['Done.'] }, lead: { memoryScope: 'here' } },
  'whose conversation is made shorter': {
    turns: {
      lead: [calls(['write', 1]), calls(['write', 2]), calls(['write', 3]), calls(['write', 4]), 'Done.', 'Done.'],
    },
    tools: (life) => [effect(life, 'write')],
    lead: { compaction: { maxMessages: 6 } },
  },
  'whose turns run out': {
    turns: { lead: [calls(['write', 1]), calls(['write', 2]), 'never'] },
    tools: (life) => [effect(life, 'write')],
    lead: { budget: { turns: 2 } },
  },
  'whose time runs out': {
    turns: { lead: [calls(['slow', 1]), 'never'] },
    tools: (life) => [
      effect(life, 'slow', {
        execute: () => new Promise<string>((resolve) => life.clock.setTimeout(() => resolve('late'), 5_000)),
      }),
    ],
    lead: { budget: { deadlineMs: 1_000 } },
  },
  'whose model fails': {
    turns: { lead: [calls(['write', 1]), { fault: { code: 'model.down' } }] },
    tools: (life) => [effect(life, 'write')],
  },
  'whose tool may run once, and a person says again': {
    turns: { lead: [calls(['pay', 1]), 'Done.'] },
    tools: (life) => [effect(life, 'pay', { idempotent: false })],
    verify: ({ effects, events }) => {
      const paid = effects.filter((one) => one.startsWith('pay')).length;
      const asked = events.filter(({ type }) => type === 'question.asked').length;
      expect(paid).toBeLessThanOrEqual(1 + asked);
    },
  },
  'whose tool may run once, and a person says no': {
    turns: { lead: [calls(['pay', 1]), 'Done.'] },
    tools: (life) => [effect(life, 'pay', { idempotent: false })],
    person: () => false,
    essence: ({ status, text }) => ({ status, text }),
    verify: once,
  },
  'whose tool may run once, and nobody is asked': {
    turns: { lead: [calls(['pay', 1]), 'Done.'] },
    tools: (life) => [effect(life, 'pay', { idempotent: false })],
    options: { unknownOutcome: 'fail' },
    essence: ({ status, text }) => ({ status, text }),
    verify: (outcome) => {
      once(outcome);
      expect(outcome.events.some(({ type }) => type === 'question.asked')).toBe(false);
    },
  },
};
