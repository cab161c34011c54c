/** Everything a run may ever hear, in no order: also what no actor would say then. */
import { childIdOf, questionIdOf, type Usage } from '@troupe/protocol';
import fc from 'fast-check';
import type {
  ChildEnd,
  ClosedTurn,
  PlannedCall,
  RunContext,
  RunInput,
  RunMachineEvent,
  SpawnRequest,
} from '../../src/agent/context.ts';
import { allowanceOf } from '../../src/agent/limits.ts';
import { type CallOutcome, outcomeOf } from '../../src/agent/outcome.ts';

const one = fc.constantFrom;
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const limits = fc.record(
  {
    turns: one(1, 4, 9, 9),
    toolCalls: one(3, 12),
    tokens: one(60, 1_000),
    descendants: one(1, 6),
    children: one(1, 6),
    concurrency: one(1, 2),
    activeMs: one(10),
    idleMs: one(10),
    deadlineMs: one(10),
  },
  { requiredKeys: ['turns'] },
);

export const anyInput: fc.Arbitrary<RunInput> = fc
  .record({
    limits,
    parent: fc.boolean(),
    slot: one('free' as const, 'held' as const, 'wanted' as const),
    memory: fc.boolean(),
    approval: maybe(one('deny' as const, 'allow' as const)),
    outputRetries: fc.nat(1),
    keeps: fc.boolean(),
    maxMessages: maybe(one(3, 6)),
    onContextError: fc.boolean(),
    heart: maybe(one('warn' as const, 'interrupt' as const)),
  })
  .map(({ limits, parent, slot, memory, approval, outputRetries, keeps, maxMessages, onContextError, heart }) => ({
    runId: 'r',
    rootId: 'r',
    ...(parent && { parentId: 'p' }),
    depth: 0,
    agent: 'worker',
    model: 'm',
    allowance: allowanceOf({}, [limits], 0),
    slot: parent ? slot : 'free',
    ...(memory && { memoryScope: 's' }),
    ...(approval && { approval }),
    outputRetries,
    ...(keeps && { outputMismatch: 'keep' as const }),
    compaction: { onContextError, ...(maxMessages !== undefined && { maxMessages }) },
    graceMs: 10,
    ...(heart && { heartbeat: { idleMs: 10, callMs: 20, onStall: heart, graceMs: 5 } }),
    opening: 2,
  }));

const usage: fc.Arbitrary<Usage> = one({ inputTokens: 3, outputTokens: 2 }, { inputTokens: 30, outputTokens: 20 });
const planned: fc.Arbitrary<Omit<PlannedCall, 'callId'>> = one(
  { tool: 'plain', arguments: {} },
  { tool: 'plain', arguments: {} },
  { tool: 'few', arguments: {}, maxPerTurn: 1 },
  { tool: 'delegate', arguments: {}, delegates: true },
  { tool: 'delegate', arguments: {}, delegates: true },
  { tool: 'nothing', arguments: {}, problem: 'Tool not found: nothing.' },
  { tool: 'risky', arguments: {}, asks: { kind: 'confirmation' as const, prompt: 'Sure?', options: ['yes', 'no'] } },
  {
    tool: 'ask',
    arguments: {},
    asks: { kind: 'input' as const, prompt: 'What?', options: [], inputKey: 'user_input' },
  },
);
const turn: fc.Arbitrary<ClosedTurn> = fc
  .record({
    text: one('', 'Well.'),
    calls: fc.oneof(
      { weight: 1, arbitrary: fc.array(planned, { maxLength: 0 }) },
      { weight: 5, arbitrary: fc.array(planned, { minLength: 1, maxLength: 3 }) },
    ),
    usage,
    finish: one('stop' as const, 'stop' as const, 'length' as const, 'filter' as const),
    output: maybe(one({ data: { ok: true } }, { problem: 'no JSON' })),
  })
  .map(({ text, calls, usage, finish, output }) => {
    const withIds = calls.map((call, n) => ({ ...call, callId: n === 2 ? 'c0' : `c${n}` }));
    return {
      text,
      calls: withIds.map(({ callId, tool }) => ({ id: callId, name: tool, arguments: '{}' })),
      planned: withIds,
      usage,
      costUsd: null,
      finish: calls.length > 0 ? 'calls' : finish,
      ...(output && calls.length === 0 && { output }),
    };
  });

const place = fc.record({ turn: fc.integer({ min: 1, max: 3 }), index: fc.nat(2), n: fc.nat(2) });
const callKey = ({ turn, index }: { turn: number; index: number }) => `r/${turn}-${index}`;
const childId = place.map((at) => childIdOf(callKey(at), at.n));
const request: fc.Arbitrary<SpawnRequest> = fc
  .record({
    onPaused: one('bubble' as const, 'error' as const),
    budget: maybe(one({ tokens: 20 }, { tokens: 1_000 }, { descendants: 1 }, { turns: 1 })),
    refused: maybe(one({ kind: 'paused', message: 'spawning is paused' })),
  })
  .map(({ onPaused, budget, refused }) => ({
    agent: 'helper',
    tools: 1,
    onPaused,
    ...(budget && { budget }),
    ...(refused && { refused }),
  }));
const end: fc.Arbitrary<ChildEnd> = fc
  .record({
    childId,
    usage,
    status: one('completed' as const, 'failed' as const, 'interrupted' as const),
    strays: fc.uniqueArray(fc.constantFrom('s1', 's2', 's3')),
  })
  .map(({ childId, usage, status, strays }) => ({
    childId,
    status,
    exitReason: status === 'completed' ? ('answered' as const) : ('model_error' as const),
    usage,
    byModel: { m: usage },
    spent: { tokens: usage.inputTokens + usage.outputTokens, costUsd: 0, descendants: 0 },
    ...(strays.length > 0 && { strays }),
  }));
const fault = one(
  { code: 'model.unavailable', message: 'Later.', retryable: true },
  { code: 'model.context_length', message: 'Too long.', retryable: false },
);
const outcome = one(outcomeOf({ content: 'done' }), outcomeOf({ error: 'no luck' }));

const often: fc.Arbitrary<RunMachineEvent>[] = [
  turn.map((turn) => ({ type: 'turn.closed', turn })),
  fc.record({ index: fc.nat(3), outcome }).map((event) => ({ type: 'call.settled', ...event })),
  fc
    .record({ index: fc.nat(2), requests: fc.array(request, { maxLength: 3 }) })
    .map(({ index, requests }) => ({ type: 'call.spawns', index, from: 0, at: 0, requests })),
  end.map((end) => ({ type: 'child.settled', end })),
];
const seldom: fc.Arbitrary<RunMachineEvent>[] = [
  usage.map((usage) => ({ type: 'model.used', usage })),
  usage.map((usage) => ({
    type: 'model.attempted',
    attempt: { number: 1, provider: 'p', model: 'm', usage },
    costUsd: null,
  })),
  fault.map((fault) => ({ type: 'turn.failed', fault })),
  end.map((end) => ({
    type: 'child.paused',
    end: { ...end, status: 'paused', exitReason: 'question' },
    questionIds: [],
  })),
  childId.map((childId) => ({ type: 'child.resumed', childId })),
  childId.map((childId) => ({ type: 'child.answered', childId })),
  fc.subarray(['s1', 's2', 's3']).map((runIds) => ({ type: 'strays.gone', runIds })),
  childId.map((childId) => ({ type: 'slot.released', childId })),
  childId.map((childId) => ({ type: 'slot.wanted', childId })),
  one({ type: 'slot.granted' }, { type: 'detach' }, { type: 'pause' }, { type: 'resume' }, { type: 'grace.over' }),
  one({ type: 'pause' }, { type: 'resume' }),
  one({ type: 'steer', text: 'hurry' }),
  one({ type: 'deliver', mail: [{ id: 'unit', text: 'It is done.' }] }),
  place.chain((at) =>
    one(true, false, 'perhaps', { decline: 'no' }).map((answer) => ({
      type: 'answer' as const,
      questionId: questionIdOf(callKey(at)),
      answer,
      by: 'user',
    })),
  ),
  one(
    { type: 'memory.recalled', text: 'remembered' },
    { type: 'memory.recalled', problem: 'broken' },
    { type: 'memory.stored' },
  ),
  usage.map((usage) => ({
    type: 'context.summarized',
    summary: 'short',
    summarized: 2,
    kept: 1,
    usage,
    costUsd: null,
  })),
  one<RunMachineEvent>(
    { type: 'warning', code: 'w', message: 'm' },
    { type: 'limit.near', kind: 'idleMs', limit: 10, spent: 8 },
    { type: 'stall.noticed', quietMs: 10, thresholdMs: 10 },
  ),
];
const last: fc.Arbitrary<RunMachineEvent> = one(
  { type: 'interrupt', reason: 'enough' },
  { type: 'limit.reached', kind: 'deadlineMs', limit: 10, spent: 10 },
  { type: 'limit.reached', kind: 'idleMs', limit: 10, spent: 10 },
  { type: 'stall.lasted', quietMs: 15, thresholdMs: 10 },
);

const anyEvent: fc.Arbitrary<RunMachineEvent> = fc.oneof(
  { weight: 12, arbitrary: fc.oneof(...often) },
  { weight: 10, arbitrary: fc.oneof(...seldom) },
  { weight: 1, arbitrary: last },
);

/** Material for one step: anything at all, or what fits the state of the run. */
export type Happening = {
  fits: boolean;
  any: RunMachineEvent;
  turn: ClosedTurn;
  requests: SpawnRequest[];
  outcome: CallOutcome;
  end: ChildEnd;
  n: number;
};
export const happening: fc.Arbitrary<Happening> = fc.record({
  fits: fc.nat(7).map((n) => n > 0),
  any: anyEvent,
  turn,
  requests: fc.array(request, { minLength: 1, maxLength: 3 }),
  outcome,
  end,
  n: fc.nat(100),
});

/** What the actors of a run in this state would say next. */
export const eventIn = (
  value: unknown,
  context: RunContext,
  { fits, any, turn, requests, outcome, end, n }: Happening,
): RunMachineEvent => {
  const pick = <T>(items: readonly T[]): T | undefined => items[n % Math.max(1, items.length)];
  const index = pick(context.calls.flat().flatMap(({ phase }, at) => (phase === 'settled' ? [] : [at])));
  const call = index === undefined ? undefined : context.calls.flat()[index];
  const child = pick(
    context.calls
      .flat()
      .flatMap(({ children }) => children.flat())
      .filter(({ status }) => status !== 'ended'),
  );
  const state = JSON.stringify(value);
  if (!fits) return any;
  if (state.includes('recalling')) return { type: 'memory.recalled' };
  if (state.includes('thinking'))
    return { type: 'turn.closed', turn: n % 3 === 0 ? turn : { ...turn, output: undefined as never, text: 'Well.' } };
  if (state.includes('queued') || state.includes('waiting')) return { type: 'slot.granted' };
  if (state.includes('compacting'))
    return {
      type: 'context.summarized',
      summary: 's',
      summarized: 1,
      kept: 1,
      usage: { inputTokens: 1, outputTokens: 1 },
      costUsd: null,
    };
  if (state.includes('concluding')) return { type: 'memory.stored' };
  if (state.includes('command')) return { type: 'resume' };
  const asked = pick(
    context.calls.flat().flatMap(({ question, phase }) => (question && phase === 'asking' ? [question] : [])),
  );
  if (asked && n % 2 === 0) return { type: 'answer', questionId: asked.id, answer: n % 3 > 0, by: 'user' };
  if (child && n % 4 === 0)
    return n % 8 === 0
      ? {
          type: 'child.paused',
          end: { ...end, childId: child.runId, status: 'paused', exitReason: 'question' },
          questionIds: [],
        }
      : { type: n % 16 === 4 ? 'slot.released' : 'slot.wanted', childId: child.runId };
  if (child && n % 4 < 3) return { type: 'child.settled', end: { ...end, childId: child.runId } };
  if (index === undefined || !call) return any;
  if (call.phase === 'running' && (call.shares > 0 || n % 3 === 0))
    return { type: 'call.spawns', index, from: call.children.flat().length, at: 0, requests };
  // A call that is its children may ask for more of them.
  if (call.phase === 'closing' && requests.length > 0 && n % 2 === 0)
    return { type: 'call.spawns', index, from: call.children.flat().length, at: 0, requests };
  return { type: 'call.settled', index, outcome };
};
