/** Everything a run may ever hear, in no order: also what no actor would say then. */
import { childIdOf, questionIdOf, type Usage } from '@troupe/protocol';
import fc from 'fast-check';
import type { ClosedTurn, PlannedCall, RunInput, RunMachineEvent, SpawnRequest } from '../../src/agent/context.ts';
import { outcomeOf } from '../../src/agent/outcome.ts';
import { allowanceOf } from '../../src/agent/limits.ts';

const one = fc.constantFrom;
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const limits = fc.record(
  {
    turns: fc.nat(4),
    toolCalls: fc.nat(5),
    tokens: one(0, 40, 200),
    descendants: fc.nat(3),
    children: fc.nat(3),
    concurrency: one(1, 2),
    activeMs: one(10),
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
    outputRetries: fc.nat(1),
    maxMessages: maybe(one(3, 6)),
    onContextError: fc.boolean(),
  })
  .map(({ limits, parent, slot, memory, outputRetries, maxMessages, onContextError }) => ({
    runId: 'r',
    rootId: 'r',
    ...(parent && { parentId: 'p' }),
    depth: 0,
    agent: 'worker',
    model: 'm',
    allowance: allowanceOf({}, [limits], 0),
    slot: parent ? slot : 'free',
    ...(memory && { memoryScope: 's' }),
    outputRetries,
    compaction: { onContextError, ...(maxMessages !== undefined && { maxMessages }) },
    graceMs: 10,
    opening: 2,
  }));

const usage: fc.Arbitrary<Usage> = one({ inputTokens: 3, outputTokens: 2 }, { inputTokens: 30, outputTokens: 20 });
const planned: fc.Arbitrary<Omit<PlannedCall, 'callId'>> = one(
  { tool: 'plain', arguments: {} },
  { tool: 'plain', arguments: {} },
  { tool: 'delegate', arguments: {}, delegates: true },
  { tool: 'nothing', arguments: {}, problem: 'Tool not found: nothing.' },
  { tool: 'risky', arguments: {}, asks: { kind: 'confirmation' as const, prompt: 'Sure?', options: ['yes', 'no'] } },
  { tool: 'ask', arguments: {}, asks: { kind: 'input' as const, prompt: 'What?', options: [], inputKey: 'user_input' } },
);
const turn: fc.Arbitrary<ClosedTurn> = fc
  .record({
    text: one('', 'Well.'),
    calls: fc.array(planned, { maxLength: 3 }),
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
  .map(({ onPaused, budget, refused }) => ({ agent: 'helper', tools: 1, onPaused, ...(budget && { budget }), ...(refused && { refused }) }));
const end = fc.record({ childId, usage, status: one('completed' as const, 'failed' as const, 'interrupted' as const) }).map(
  ({ childId, usage, status }) => ({
    childId,
    status,
    exitReason: status === 'completed' ? ('answered' as const) : ('model_error' as const),
    usage,
    byModel: { m: usage },
    spent: { tokens: usage.inputTokens + usage.outputTokens, costUsd: 0, descendants: 0 },
  }),
);
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
  usage.map((usage) => ({ type: 'model.attempted', attempt: { number: 1, provider: 'p', model: 'm', usage }, costUsd: null })),
  fault.map((fault) => ({ type: 'turn.failed', fault })),
  end.map((end) => ({ type: 'child.paused', end: { ...end, status: 'paused', exitReason: 'question' }, questionIds: [] })),
  childId.map((childId) => ({ type: 'child.resumed', childId })),
  childId.map((childId) => ({ type: 'slot.released', childId })),
  childId.map((childId) => ({ type: 'slot.wanted', childId })),
  one({ type: 'slot.granted' }, { type: 'detach' }, { type: 'pause' }, { type: 'resume' }, { type: 'grace.over' }),
  one({ type: 'pause' }, { type: 'resume' }),
  one({ type: 'steer', text: 'hurry' }),
  place.chain((at) =>
    one(true, false, 'perhaps', { decline: 'no' }).map((answer) => ({
      type: 'answer' as const,
      questionId: questionIdOf(callKey(at)),
      answer,
      by: 'user',
    })),
  ),
  one({ type: 'memory.recalled', found: true }, { type: 'memory.recalled', found: false, problem: 'broken' }, { type: 'memory.stored' }),
  usage.map((usage) => ({ type: 'context.summarized', summary: 'short', summarized: 2, kept: 1, usage, costUsd: null })),
  one({ type: 'warning', code: 'w', message: 'm' }),
];
const last: fc.Arbitrary<RunMachineEvent> = one(
  { type: 'interrupt', reason: 'enough' },
  { type: 'limit.reached', kind: 'deadlineMs', limit: 10, spent: 10 },
);

export const anyEvent: fc.Arbitrary<RunMachineEvent> = fc.oneof(
  { weight: 12, arbitrary: fc.oneof(...often) },
  { weight: 10, arbitrary: fc.oneof(...seldom) },
  { weight: 1, arbitrary: last },
);
