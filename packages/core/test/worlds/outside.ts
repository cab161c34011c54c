/** The outside of a random world: models and tools that do what a plan says, and a list of everything that is still at work. */
import { FaultError, type ModelPart, type ModelProvider } from '@troupe/protocol';
import type { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { type Agent, defineAgent } from '../../src/define-agent.ts';
import { defineTool, spawned, type Tool, type ToolContext } from '../../src/define-tool.ts';
import type { Deed, Plan, Said } from './plan.ts';

/** Something outside that works for a run and can be told to stop. */
export type Work = { what: string; runId: string; signal: AbortSignal };

/** How far a plan is played: turns and calls that were asked for, and waits. */
type Played = { asked: number; called: number; waits: number };

export type Outside = {
  provider: ModelProvider;
  agent: Agent;
  /** What has begun and not ended. */
  working: Set<Work>;
  /** Tokens that each run's models said they used, as far as somebody listened. */
  paid: Map<string, number>;
  played: Played;
};

type OutsideOptions = {
  /** Where the outside of an earlier process left the plan. Default: nothing is played. */
  from?: Played;
  /** Hears of each execution of a tool that does something, by the key of its call. */
  executes?: (callKey: string) => void;
};

const none = z.object({}).loose();
const many = z.object({ count: z.number(), budget: z.any().optional() });
const manyAndWait = many.extend({ wait: z.boolean() });
const verdict = z.object({ ok: z.boolean() });
const text = z.string();

type CallPart = Extract<ModelPart, { type: 'call' }>;
const call = (name: string, args: unknown = {}, id = `${name}-1`): CallPart => ({
  type: 'call',
  id,
  name,
  arguments: typeof args === 'string' ? args : JSON.stringify(args),
});

const callsOf = (said: Said): CallPart[] => {
  switch (said) {
    case 'one':
      return [call('plain')];
    case 'two':
      return [call('plain'), call('plain', {}, 'plain-2')];
    case 'unknown':
      return [call('nothing'), call('plain')];
    case 'malformed':
      return [call('plain', '{"a":'), call('delegate', { count: 'many' })];
    case 'same ids':
      return [call('plain', {}, 'same'), call('delegate', { count: 1 }, 'same'), call('plain', {}, 'same')];
    case 'slow':
      return [call('timed'), call('plain')];
    case 'flaky':
      return [call('flaky'), call('checked')];
    case 'guarded':
      return [call('guarded'), call('hooked')];
    case 'confirm':
      return [call('plain'), call('risky'), call('plain', {}, 'plain-2')];
    case 'input':
      return [call('ask'), call('risky')];
    case 'handoff':
      return [call('delegate', { count: 1 }), call('give')];
    case 'delegate':
      return [call('delegate', { count: 1 })];
    case 'delegate many':
      return [call('delegate', { count: 2 }), call('delegate', { count: 1 }, 'delegate-2')];
    case 'delegate and work':
      return [call('delegate', { count: 1, budget: { tokens: 60 } }), call('plain'), call('timed')];
    case 'delegate on a budget': {
      const budget = { tokens: 40, descendants: 1 };
      return [
        call('delegate', { count: 2, budget }),
        call('free', { count: 1, wait: true, budget }),
        call('plain'),
        call('free', { count: 2, wait: true, budget: { tokens: 60 } }, 'free-2'),
      ];
    }
    case 'let go':
      return [call('hurried', { count: 1 }), call('delegate', { count: 0 })];
    case 'spawn':
      return [call('free', { count: 1, wait: true })];
    case 'spawn at once':
      return [call('free', { count: 3, wait: true }), call('timed free', { count: 1, wait: true })];
    case 'spawn and leave':
      return [call('free', { count: 1, wait: false }), call('plain')];
    case 'spawn rich':
      return [call('free', { count: 1, wait: true, budget: { tokens: 5_000, costUsd: 3, descendants: 9, turns: 2 } })];
    default:
      return [];
  }
};

const textOf = (said: Said): string =>
  said === 'empty' ? '' : said === 'json' || said === 'text' ? '{"ok":true}' : 'Well.';

export const openOutside = (
  plan: Plan,
  clock: SimulatedClock,
  { from = { asked: 0, called: 0, waits: 0 }, executes = () => {} }: OutsideOptions = {},
): Outside => {
  const played = { ...from };
  const working = new Set<Work>();
  const paid = new Map<string, number>();

  /** Lets the world's time pass, or nothing but a moment. */
  const delay = (): Promise<void> => {
    const ms = plan.delays[played.waits++ % plan.delays.length] ?? 0;
    return new Promise((resolve) => (ms === 0 ? queueMicrotask(resolve) : clock.setTimeout(resolve, ms)));
  };
  const whenAborted = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      const stop = () => reject(signal.reason as Error);
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop);
    });
  const begin = (what: string, runId: string, signal: AbortSignal): (() => void) => {
    const work = { what, runId, signal };
    working.add(work);
    return () => working.delete(work);
  };

  const execute = (deed: Deed | 'free', { runId, key, signal }: ToolContext): (() => void) => {
    executes(key);
    return begin(`tool (${deed})`, runId, signal);
  };

  async function* answer(said: Said, runId: string, signal: AbortSignal): AsyncGenerator<ModelPart, void> {
    const end = begin(`model (${said})`, runId, signal);
    /** A usage counts once the next part is asked for: then somebody has heard it. */
    const pay = (tokens: number) => paid.set(runId, (paid.get(runId) ?? 0) + tokens);
    try {
      await Promise.race([delay(), whenAborted(signal)]);
      yield { type: 'reasoning', delta: 'Hm.' };
      yield { type: 'text', delta: textOf(said) };
      switch (said) {
        case 'reject':
          throw new TypeError('the provider has a bug');
        case 'fault':
          throw new FaultError('model.unavailable', 'Try later.', { retryable: true });
        case 'never':
          return await whenAborted(signal);
        case 'deaf':
          return await new Promise<never>(() => {});
        case 'context full':
          throw new FaultError('model.context_length', 'Too long.');
        case 'garbage':
          yield null as never;
          return;
        case 'half':
          yield { type: 'usage', usage: { inputTokens: 7, outputTokens: 1 } };
          pay(8);
          return await whenAborted(signal);
        case 'attempts':
          yield { type: 'usage', usage: { inputTokens: 3, outputTokens: 0 } };
          pay(3);
          yield {
            type: 'attempt',
            number: 1,
            provider: 'p',
            model: 'other',
            fault: { code: 'model.unavailable', message: 'Busy.', retryable: true },
          };
          // Whoever stops listening over the first attempt does not hear of the second.
          await new Promise((resolve) => setImmediate(resolve));
          if (signal.aborted) return;
          try {
            yield {
              type: 'attempt',
              number: 2,
              provider: 'p',
              model: 'other',
              usage: { inputTokens: 4, outputTokens: 0 },
              waitMs: 1,
            };
          } finally {
            // Whoever hears of it may stop listening at once.
            pay(4);
          }
          await Promise.race([delay(), whenAborted(signal)]);
          yield { type: 'text', delta: '{"ok":true}' };
          break;
        default:
      }
      const calls = callsOf(said);
      for (const part of calls) yield part;
      yield { type: 'usage', usage: { inputTokens: 20, outputTokens: 5 } };
      pay(25);
      if (said === 'cut') return;
      yield {
        type: 'finish',
        reason: said === 'long' ? 'length' : said === 'filtered' ? 'filter' : calls.length > 0 ? 'calls' : 'stop',
      };
    } finally {
      end();
    }
  }

  const provider: ModelProvider = {
    takeTurn(_request, { signal, context }) {
      const said = plan.said[played.asked++] ?? 'text';
      if (said === 'throw') throw new Error('the provider throws');
      return answer(said, context.runId, signal);
    },
  };

  const act = async (context: ToolContext): Promise<unknown> => {
    const deed = plan.deeds[played.called++ % plan.deeds.length] ?? 'text';
    const end = execute(deed, context);
    try {
      await delay();
      switch (deed) {
        case 'text':
          return 'done';
        case 'data':
          return { found: 3 };
        case 'undefined':
          return undefined;
        case 'error':
          return { error: 'no luck', data: { tried: 1 } };
        case 'progress':
          context.progress('half of it');
          return { content: 'done', data: { left: context.view.budget.left } };
        case 'throw':
          throw new Error('the tool throws');
        case 'reject':
          return await Promise.reject(new FaultError('tool.broken', 'the tool rejects'));
        case 'never':
          return await whenAborted(context.signal);
        case 'deaf':
          return await new Promise<never>(() => {});
      }
    } finally {
      end();
    }
  };

  const plain = (name: string, options: object = {}): Tool =>
    defineTool({ name, description: name, inputSchema: none, execute: (_, context) => act(context), ...options });
  const bang = { name: 'bang', run: () => Promise.reject(new Error('a hook throws')) };

  const delegate = (name: string, onPaused: 'bubble' | 'error'): Tool =>
    defineTool({
      name,
      description: name,
      inputSchema: many,
      execute: ({ count, budget }) =>
        spawned(
          Array.from({ length: count }, (_, n) => ({
            agent,
            job: n === 1 ? { input: 'go', tools: ['plain', 'no such tool'] } : 'go',
            onPaused,
            ...(budget && { budget }),
            ...(plan.features.includes('quota') && { quota: { key: name, max: 2, message: 'No more.' } }),
          })),
        ),
      settle: (reports, _input, { round, final }) => {
        if (!final && round < 3 && reports.some(({ status }, n) => n < round && status === 'failed'))
          return spawned([{ agent, job: 'go', onPaused }]);
        if (reports.some(({ exitReason }) => exitReason === 'max_turns')) throw new Error('settle throws');
        return {
          data: reports.map(({ runId, status, exitReason }) => ({ run_id: runId, status, exit_reason: exitReason })),
        };
      },
    });
  const free = (name: string, options: object = {}): Tool =>
    defineTool({
      name,
      description: () => name,
      inputSchema: manyAndWait,
      execute: async ({ count, wait, budget }, context) => {
        const end = execute('free', context);
        try {
          const children = await Promise.all(
            Array.from({ length: count }, () =>
              context.spawn(agent, { input: 'go', metadata: { by: 'free' } }, budget && { budget }),
            ),
          );
          if (!wait) return 'left them';
          const reports = await Promise.all(children.map((child) => child.ended));
          return reports.map(({ status }) => status).join();
        } finally {
          end();
        }
      },
      ...options,
    });

  const tools: Tool[] = [
    plain('plain'),
    plain('timed', { timeoutMs: 4 }),
    plain('flaky', { retries: 2, retryDelayMs: 3 }),
    plain('checked', { outputSchema: text }),
    plain('guarded', { before: [bang] }),
    plain('hooked', { after: [bang] }),
    plain('risky', { confirm: true }),
    plain('ask', { askUser: true }),
    plain('give', { handoff: true }),
    delegate('delegate', 'bubble'),
    delegate('hurried', 'error'),
    free('free'),
    free('timed free', { timeoutMs: 4 }),
  ];
  const remembers = plan.features.includes('memory') || plan.features.includes('broken memory');
  const agent: Agent = defineAgent({
    name: 'worker',
    instructions: 'Work.',
    tools,
    budget: plan.agentBudget,
    ...(plan.heartbeat && { heartbeat: plan.heartbeat }),
    ...(remembers && { memoryScope: 'work' }),
    outputRetries: plan.said.length % 2,
    ...(plan.features.includes('schema') && { outputSchema: verdict }),
    ...(plan.features.includes('short conversations') && { compaction: { maxMessages: 6 } }),
  }) as Agent;
  return { provider, agent, working, paid, played };
};
