/** Random trees: whatever models, people and time do, every run ends once, the laws hold, and no limit is passed. */
import { createRuntime, defineAgent } from '@troupe/core';
import { isTerminal, type RunEvent } from '@troupe/protocol';
import { checkRunLaws, type Script, scriptedProvider, type Turn } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { createDelegateTool, createManageDelegationsTool, type DelegateOptions } from '../../src/index.ts';
import { calling, settle, tool } from '../delegating.ts';
import { delegate, plain } from './lead.ts';

type Plan = {
  limits: Required<
    Pick<DelegateOptions, 'maxConcurrentChildren' | 'maxAsyncChildren' | 'maxSpawnDepth' | 'maxIterations'>
  > &
    Pick<
      DelegateOptions,
      'background' | 'timeoutMs' | 'idleTimeoutMs' | 'approval' | 'maxToolCalls' | 'timeoutFallbacks'
    >;
  budget: { descendants?: number | undefined; tokens?: number | undefined; concurrency?: number | undefined };
  choices: readonly number[];
  people: readonly {
    do: 'wait' | 'interrupt' | 'interrupt one' | 'steer' | 'pause spawning' | 'resume spawning' | 'start';
    n: number;
  }[];
};

const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
const anyPlan: fc.Arbitrary<Plan> = fc.record({
  limits: fc.record(
    {
      maxConcurrentChildren: fc.integer({ min: 1, max: 8 }),
      maxAsyncChildren: fc.integer({ min: 1, max: 3 }),
      maxSpawnDepth: fc.integer({ min: 1, max: 4 }),
      maxIterations: fc.integer({ min: 1, max: 3 }),
      background: fc.constantFrom('auto' as const, true, false),
      timeoutMs: fc.integer({ min: 1, max: 2_000 }),
      idleTimeoutMs: fc.integer({ min: 1, max: 2_000 }),
      approval: fc.constantFrom('deny' as const, 'allow' as const),
      maxToolCalls: fc.integer({ min: 1, max: 6 }),
      timeoutFallbacks: fc.array(fc.constantFrom({ model: 'm' }, { model: 'm2' }), { maxLength: 2 }),
    },
    { requiredKeys: ['maxConcurrentChildren', 'maxAsyncChildren', 'maxSpawnDepth', 'maxIterations'] },
  ) as fc.Arbitrary<Plan['limits']>,
  budget: fc.record({
    descendants: maybe(fc.integer({ min: 0, max: 30 })),
    tokens: maybe(fc.integer({ min: 20, max: 1_000 })),
    concurrency: maybe(fc.integer({ min: 1, max: 3 })),
  }),
  choices: fc.array(fc.nat(999), { minLength: 5, maxLength: 40 }),
  people: fc.array(
    fc.record({
      do: fc.constantFrom(
        'wait',
        'wait',
        'interrupt',
        'interrupt one',
        'steer',
        'pause spawning',
        'resume spawning',
        'start',
      ),
      n: fc.nat(1_500),
    }),
    { maxLength: 8 },
  ) as fc.Arbitrary<Plan['people']>,
});

const hash = (text: string): number => Array.from(text).reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) >>> 0, 7);
const goals = (n: number, role: string) => Array.from({ length: n }, (_, i) => ({ goal: `g${i}`, role }));

/** What the model of a run says in a turn: the same whenever it is asked. */
const scriptOf =
  ({ choices }: Plan): Script =>
  (_request, { runId, turn, depth }): Turn => {
    const choice = choices[hash(`${runId.replace(/^[^/]*/, depth === 0 ? 'root' : '')}:${turn}`) % choices.length] ?? 0;
    // Wide at the top and now and then below: all of them wide would be thousands of runs.
    const n = depth === 0 || choice % 5 === 0 ? (choice % 9) + 1 : (choice % 2) + 1;
    const role = choice % 3 === 0 ? 'leaf' : 'orchestrator';
    const usage = { inputTokens: choice % 20, outputTokens: 1 };
    switch (choice % 11) {
      case 0:
        return { text: 'late', delayMs: choice, usage };
      case 1:
        return { fault: { code: 'model.down', message: 'down' }, usage };
      case 2:
        return { hang: true };
      case 3:
        return { ...calling({ name: 'look', arguments: {} }, { name: 'ask', arguments: {} }), usage };
      case 4:
        return { ...calling(delegate({ tasks: [{}] }), delegate({ goal: 'one', role })), usage };
      case 5:
      case 6:
      case 7:
        return { ...calling(delegate({ tasks: goals(n, role) })), usage };
      case 8:
        return { ...calling(...goals(n, role).map((task) => delegate(task))), usage };
      case 9:
        return { ...calling({ name: 'manage_delegations', arguments: { action: 'list' } }), usage };
      default:
        return { text: 'done', usage };
    }
  };

const play = async (plan: Plan): Promise<RunEvent[]> => {
  const { limits, budget, people } = plan;
  const clock = new SimulatedClock();
  const asks = tool('ask', { confirm: true });
  const given = Object.fromEntries(Object.entries(budget).filter(([, value]) => value !== undefined));
  const lead = defineAgent({
    name: 'lead',
    instructions: '',
    approval: 'deny',
    tools: [createDelegateTool({ ...plain, ...limits }), createManageDelegationsTool(), tool('look'), asks],
    budget: { turns: 4, ...given },
  });
  const logger = { warn: () => {}, error: () => {} };
  const runtime = createRuntime({
    provider: scriptedProvider(scriptOf(plan)),
    model: 'm',
    clock,
    logger,
    agents: [lead],
  });
  const events: RunEvent[] = [];
  runtime.events$.subscribe((event) => events.push(event));
  const runs = [runtime.start(lead, 'Go.', { runId: 'root-0' })];
  await settle(4);
  for (const { do: what, n } of people) {
    const run = runs[n % runs.length];
    if (what === 'wait') clock.increment(n);
    if (what === 'interrupt') await run?.interrupt('Enough.');
    if (what === 'steer') await run?.steer('Hurry.');
    if (what === 'start') runs.push(runtime.start(lead, 'Go.', { runId: `root-${runs.length}` }));
    if (what === 'pause spawning') runtime.pauseSpawning();
    if (what === 'resume spawning') runtime.resumeSpawning();
    if (what === 'interrupt one') {
      const open = await runtime.runs.list({ status: ['running', 'queued'] });
      const one = open[n % (open.length || 1)];
      if (one) await (await runtime.attach(one.runId)).interrupt('You.');
    }
    await settle(4);
  }
  for (let i = 0; i < 4; i++) {
    clock.increment(2_500);
    await settle(6);
  }
  await runtime.close({ runs: 'interrupt', graceMs: 0 });
  return events;
};

/** How many runs were at work at once, of those that a test picks. */
const mostAtOnce = (events: readonly RunEvent[], picks: (runId: string) => boolean): number => {
  let now = 0;
  let most = 0;
  for (const event of events) {
    if (!picks(event.runId)) continue;
    if (event.type === 'run.started') most = Math.max(most, ++now);
    if (isTerminal(event)) now -= 1;
  }
  return most;
};

const countBy = <T>(list: readonly T[], key: (item: T) => string): number[] =>
  [...Map.groupBy(list, key).values()].map(({ length }) => length);

describe('trees of delegations', () => {
  test('end lawfully, and pass no limit, whatever happens when [L1–L5, L9, F-09, F-10, F-19, HM-009, HM-031, HM-153]', {
    timeout: process.env.TREES ? 0 : 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(anyPlan, async (plan) => {
        const events = await play(plan);
        expect(checkRunLaws(events)).toEqual([]);
        const { maxConcurrentChildren, maxAsyncChildren, maxSpawnDepth, maxIterations, maxToolCalls } = plan.limits;
        const rounds = 1 + (plan.limits.timeoutFallbacks?.length ?? 0);
        const stored = events.filter((event) => !('live' in event));
        const children = stored.filter(({ depth, parentId }) => depth > 0 && parentId !== undefined);
        expect(Math.max(0, ...stored.map(({ depth }) => depth))).toBeLessThanOrEqual(maxSpawnDepth);
        const requested = stored.flatMap((event) => (event.type === 'child.requested' ? [event] : []));
        for (const of of countBy(requested, ({ childId }) => childId.replace(/\/\d+$/, '')))
          expect(of).toBeLessThanOrEqual(maxConcurrentChildren * rounds);
        const turns = children.filter(({ type }) => type === 'turn.started');
        for (const of of countBy(turns, ({ runId }) => runId)) expect(of).toBeLessThanOrEqual(maxIterations);
        if (maxToolCalls !== undefined)
          for (const event of children)
            if (isTerminal(event)) expect(event.usage.toolCalls).toBeLessThanOrEqual(maxToolCalls);
        expect(mostAtOnce(stored, (runId) => /^deleg_[^/]*$/.test(runId))).toBeLessThanOrEqual(maxAsyncChildren);
        expect(stored.filter(({ type }) => type === 'question.asked')).toEqual([]);
        const { descendants } = plan.budget;
        if (descendants !== undefined)
          for (const of of countBy(
            requested.filter(({ rootId }) => rootId.startsWith('root-')),
            ({ rootId }) => rootId,
          ))
            expect(of).toBeLessThanOrEqual(descendants);
      }),
      { numRuns: Number(process.env.TREES ?? 30) },
    );
  });
});
