// Agents whose settings say what their model does, for what is measured of Troupe alone.
import { setTimeout as sleep } from 'node:timers/promises';
import { type AnyAgent, defineAgent, defineTool, dispatched, spawned } from '@troupe/core';
import type { ModelPart, ModelProvider } from '@troupe/protocol';
import { z } from 'zod';

/**
 * Calls `tool` for `turns` turns, `width` times in each, then answers; each turn takes about `delayMs`, or ends when those that were
 * asked for before have ended (`inLine`). `onAsking`: calls nothing but in runs that were asked to go.
 */
type Plan = { turns: number; width: number; tool: string; delayMs: number; inLine: boolean; onAsking: boolean };

let line: Promise<unknown> = Promise.resolve();
/** Resolves after all that were asked for before, in a turn of the event loop of its own. */
const turnInLine = (): Promise<unknown> => {
  line = line.then(() => new Promise((resolve) => setImmediate(resolve)));
  return line;
};

const usage: ModelPart = { type: 'usage', usage: { inputTokens: 10, outputTokens: 5 } };

export const provider: ModelProvider = {
  async *takeTurn({ settings, messages }, { context }) {
    const { turns, width, tool, delayMs, inLine, onAsking } = settings as unknown as Plan;
    if (inLine) await turnInLine();
    if (delayMs > 0) await sleep(delayMs * (0.5 + Math.random()));
    const isAsked = !onAsking || messages.findLast(({ role }) => role === 'user')?.content === 'go';
    const calls = context.turn <= turns && isAsked;
    if (!calls) yield { type: 'text', delta: 'done' };
    for (let i = 0; calls && i < width; i++) yield { type: 'call', id: `call_${i}`, name: tool, arguments: '{"n":1}' };
    yield usage;
    yield { type: 'finish', reason: calls ? 'calls' : 'stop' };
  },
};

const inputSchema = z.object({ n: z.number() });
const add = defineTool({ name: 'add', description: 'Adds one.', inputSchema, execute: ({ n }) => n + 1 });
const approve = defineTool({ name: 'approve', description: 'Asks.', inputSchema, confirm: true, execute: () => 'yes' });

const send = defineTool({
  name: 'send',
  description: 'Works in the background.',
  inputSchema,
  execute: (_input, { view }) => (view.unit ? 'done' : dispatched({ data: {}, answer: () => ({ content: 'sent' }) })),
});

type Options = Parameters<typeof defineAgent>[0];

const agentOf = (
  name: string,
  tools: Options['tools'],
  plan: Partial<Plan>,
  budget: Options['budget'] = {},
): AnyAgent =>
  defineAgent({
    name,
    instructions: 'Work.',
    tools: tools ?? [],
    settings: { turns: 1, width: 1, tool: 'add', delayMs: 0, inLine: false, onAsking: false, ...plan },
    budget: { turns: 5_000, toolCalls: 100_000, ...budget },
  });

/** Takes `turns` turns that call a tool, and a last one. */
export const looping = (turns: number, delayMs = 0): AnyAgent => agentOf('worker', [add], { turns, delayMs });

/** Starts `children` runs in one turn, each of which takes `turns` turns that call a tool. */
export const leading = (children: number, turns: number, delayMs = 0): AnyAgent => {
  const child = looping(turns, delayMs);
  const delegate = defineTool({
    name: 'delegate',
    description: 'Starts a child.',
    inputSchema,
    execute: () => spawned([{ agent: child, job: 'go' }]),
    settle: ([report]) => ({ content: report?.text ?? '' }),
  });
  return agentOf('lead', [delegate], { width: children, tool: 'delegate', delayMs });
};

/** Starts `children` runs of one turn in one call, so many at a time. @param plan Of the children. */
export const spreading = (children: number, concurrency: number, plan: Partial<Plan> = {}): AnyAgent => {
  const child = agentOf('worker', [add], { turns: 0, ...plan });
  const spread = defineTool({
    name: 'spread',
    description: 'Starts children.',
    inputSchema,
    execute: () => spawned(Array.from({ length: children }, () => ({ agent: child, job: 'go' }))),
    settle: (reports) => ({ content: `${reports.length} done` }),
  });
  return agentOf('lead', [spread], { tool: 'spread' }, { concurrency });
};

/** Asks a person, and answers then. */
export const asking = (): AnyAgent => agentOf('clerk', [approve], { tool: 'approve' });

/** Sends work to the background, and answers; again once it is told what came of that. */
export const sending = (): AnyAgent => agentOf('lead', [send], { tool: 'send', onAsking: true });
