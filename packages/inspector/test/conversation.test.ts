import type { EventDraft, LiveDraft, RunEvent, StoredEvent } from '@troupe/protocol';
import { expect, test } from 'vitest';
import { openStreamed } from '../src/hub/streamed.ts';
import { openConversation } from '../src/runs/conversation.ts';
import { happeningOf } from '../src/runs/happening-of.ts';
import { firstLine, shorten } from '../src/runs/text.ts';

const usage = { inputTokens: 1, outputTokens: 1 };
const report = { total: usage, own: usage, byModel: {}, turns: 1, toolCalls: 0, activeMs: 1 };
const fault = { code: 'model.rate_limited', message: 'Too many requests.', retryable: true };
const grant = {};
const child = { childId: 'r/1-0/0', callId: 'c', childAgent: 'leaf', grant };
const question = {
  id: 'r/1-0?',
  runId: 'r',
  rootId: 'r',
  callId: 'c',
  kind: 'confirmation' as const,
  tool: 'erase',
  arguments: {},
  prompt: 'Really?',
  options: ['yes', 'no'],
  askedAt: 1,
};

/** Events of one run, numbered as they are told. */
const told = (...drafts: (EventDraft | LiveDraft)[]): RunEvent[] => {
  let seq = 0;
  return drafts.map((draft) => {
    const about = { runId: 'r', rootId: 'r', depth: 0, agent: 'a', at: 1 };
    if (['text.streamed', 'reasoning.streamed', 'call.progressed'].includes(draft.type))
      return { ...about, ...draft, live: true, seq, part: 1 } as RunEvent;
    seq += 1;
    return { ...about, ...draft, seq, rootSeq: seq, id: `r:${seq}` } as unknown as RunEvent;
  });
};
const entriesOf = (...drafts: (EventDraft | LiveDraft)[]) => {
  const conversation = openConversation();
  for (const event of told(...drafts)) conversation.take(event);
  return conversation.entries();
};
const started: EventDraft = {
  type: 'run.started',
  job: { input: 'go', attachments: [{ type: 'text', text: 'x' }] },
  model: 'm',
  budget: {},
};
const turn = (n: number, heard?: string[]): EventDraft => ({
  type: 'turn.started',
  turn: n,
  model: 'm',
  ...(heard && { heard }),
});
const closed = (n: number, text = 'Hm.'): EventDraft => ({
  type: 'turn.completed',
  turn: n,
  message: { role: 'assistant', content: text },
  usage,
  costUsd: null,
  finish: 'stop',
  model: 'other',
});

test('what streams grows, what an attempt had sent is void, and the answer takes its place', () => {
  const conversation = openConversation();
  const events = told(
    started,
    { type: 'text.streamed', delta: 'lost' },
    turn(1),
    { type: 'reasoning.streamed', delta: 'Ah' },
    { type: 'text.streamed', delta: 'He' },
    { type: 'turn.attempted', turn: 1, number: 1, provider: 'p', model: 'm', fault },
    { type: 'turn.attempted', turn: 1, number: 2, provider: 'p', model: 'm' },
    { type: 'text.streamed', delta: 'Hel' },
    { type: 'text.streamed', delta: 'lo' },
    closed(1, 'Hello.'),
    { type: 'turn.attempted', turn: 1, number: 3, provider: 'p', model: 'm', fault },
  );
  const texts: string[] = [];
  for (const event of events) {
    conversation.take(event);
    for (const entry of conversation.news()) if (entry.type === 'turn') texts.push(entry.text);
  }
  expect(texts).toEqual(['', '', 'He', '', '', 'Hel', 'Hello', 'Hello.']);
  expect(conversation.entries()[0]).toMatchObject({ type: 'job', attachments: 1 });
  expect(conversation.entries()[1]).toMatchObject({
    streaming: false,
    attempts: ['Too many requests.'],
    model: 'other',
    usage,
  });
  expect(conversation.entries()[1]).not.toHaveProperty('reasoning');
  expect(conversation.news()).toEqual([]);
});

test('a turn that is broken off streams no more', () => {
  const broken = (end: EventDraft) => entriesOf(started, turn(1), { type: 'text.streamed', delta: 'Hel' }, end)[1];
  expect(broken({ type: 'run.paused', reason: 'paused', questionIds: [] })).toMatchObject({
    text: 'Hel',
    streaming: false,
  });
  const interrupted = { type: 'run.interrupted', exitReason: 'interrupted', reason: 'Enough.', usage: report } as const;
  expect(broken(interrupted)).toMatchObject({ streaming: false });
});

test('what somebody said stands once, where it was said; what the run was told besides, where it heard it', () => {
  const entries = entriesOf(
    started,
    { type: 'run.steered', text: 'Faster.' },
    turn(1, ['Faster.', 'This is your last turn.']),
  );
  expect(entries.slice(1)).toMatchObject([
    { type: 'told', by: 'person', text: 'Faster.' },
    { type: 'told', by: 'system', text: 'This is your last turn.' },
    { type: 'turn' },
  ]);
});

test('calls that are named alike are answered in order, and each has its own children', () => {
  const call = (callId: string): EventDraft => ({ type: 'call.started', callId, tool: 't', arguments: {} });
  const entries = entriesOf(
    started,
    call('c'),
    call('c'),
    { type: 'call.progressed', callId: 'c', note: 'half' },
    { type: 'child.requested', ...child },
    { type: 'child.started', ...child },
    { type: 'child.settled', ...child, status: 'failed', exitReason: 'budget', usage },
    {
      type: 'child.settled',
      ...child,
      callId: 'nobody',
      childId: 'r/9-0/0',
      status: 'completed',
      exitReason: 'answered',
      usage,
    },
    { type: 'call.completed', callId: 'c', tool: 't', preview: 'one', truncated: false, result: 'one' },
    { type: 'call.failed', callId: 'c', tool: 't', error: 'no', result: 'no', status: 'refused' },
    { type: 'call.progressed', callId: 'c', note: 'late' },
    { type: 'call.failed', callId: 'unmade', tool: 'x', error: 'no', result: 'no' },
  );
  expect(entries.slice(1)).toMatchObject([
    {
      type: 'call',
      status: 'ok',
      result: 'one',
      note: 'half',
      children: [{ runId: 'r/1-0/0', agent: 'leaf', status: 'failed' }],
    },
    { type: 'call', status: 'refused', result: 'no', children: [] },
    { type: 'call', tool: 'x', status: 'error' },
  ]);
});

test('questions have their answers, summaries and warnings their place, and each end its words', () => {
  const entries = entriesOf(
    { type: 'run.queued', job: { input: 'go' } },
    started,
    { type: 'question.asked', question },
    { type: 'question.answered', questionId: question.id, answer: { decline: 'no' }, by: 'user' },
    { type: 'question.answered', questionId: 'another', answer: true, by: 'user' },
    {
      type: 'context.compacted',
      model: 'm',
      summarized: 4,
      kept: 2,
      proactive: true,
      summary: 'So far.',
      usage,
      costUsd: null,
    },
    { type: 'warning.raised', code: 'w', message: 'Careful.' },
    { type: 'memory.written', scope: 's', key: 'k' },
    { type: 'run.failed', exitReason: 'error', fault, partialText: 'Hal', usage: report },
  );
  expect(entries.map(({ type }) => type)).toEqual(['job', 'question', 'compacted', 'warning', 'end']);
  expect(entries[1]).toMatchObject({ answer: { decline: 'no' } });
  expect(entries.at(-1)).toMatchObject({ status: 'failed', exitReason: 'error', text: 'Hal', fault });
  const done: EventDraft = { type: 'run.completed', text: 'Done.', usage: report };
  expect(entriesOf(started, done).at(-1)).toMatchObject({ status: 'completed', exitReason: 'answered', text: 'Done.' });
  const stopped: EventDraft = { type: 'run.interrupted', exitReason: 'stopped', reason: 'x', usage: report };
  expect(entriesOf(started, stopped).at(-1)).toMatchObject({
    status: 'interrupted',
    exitReason: 'stopped',
    text: null,
  });
});

test('everything that can happen has its place in the message sequence', () => {
  const ways = (
    told(
      { type: 'run.queued', job: { input: 'go' } },
      started,
      { ...started, origin: { runId: 'o', rootId: 'o', callId: 'c' } },
      { type: 'run.steered', text: 'Faster.' },
      { type: 'run.paused', reason: 'question', questionIds: [] },
      { type: 'run.forked', from: 'x:3', changed: [], carried: usage },
      { type: 'turn.attempted', turn: 1, number: 2, provider: 'p', model: 'm' },
      { type: 'turn.attempted', turn: 1, number: 2, provider: 'p', model: 'm', fault },
      closed(1),
      {
        ...closed(1),
        message: { role: 'assistant', content: [], calls: [{ id: 'c', name: 'look', arguments: '{}' }] },
      } as EventDraft,
      { type: 'call.failed', callId: 'c', tool: 't', error: 'no', result: 'no' },
      { type: 'question.asked', question },
      { type: 'question.answered', questionId: 'q', answer: true, by: 'user' },
      { type: 'question.answered', questionId: 'q', answer: { decline: 'never' }, by: 'user' },
      { type: 'question.answered', questionId: 'q', answer: { value: { a: 1 } }, by: 'user' },
      { type: 'child.settled', ...child, status: 'completed', exitReason: 'answered', usage },
      { type: 'child.refused', callId: 'c', code: 'x', message: 'Too many.' },
      { type: 'budget.warned', kind: 'turns', spent: 8, limit: 10 },
      { type: 'budget.raised', budget: { turns: 9 }, by: 'user' },
      {
        type: 'context.compacted',
        model: 'm',
        summarized: 4,
        kept: 2,
        proactive: true,
        summary: 's',
        usage,
        costUsd: null,
      },
      { type: 'memory.read', scope: 's', key: 'k', found: true },
      { type: 'policy.applied', policy: 'p', decision: 'd', subject: 's' },
      { type: 'run.recovered' },
      { type: 'run.failed', exitReason: 'error', fault, usage: report },
      { type: 'run.interrupted', exitReason: 'stopped', reason: 'Enough.', usage: report },
      { type: 'run.completed', text: null, data: { n: 1 }, usage: report },
    ) as StoredEvent[]
  ).map((event) => {
    const { from, to, text } = happeningOf(event);
    return `${from} → ${to}: ${text}`;
  });
  expect(ways).toEqual([
    'r → r: go',
    'person → r: go',
    'o → r: go',
    'person → r: Faster.',
    'r → r: question',
    'r → r: x:3',
    'model → r: attempt 2',
    'model → r: Too many requests.',
    'model → r: Hm.',
    'model → r: look',
    'tool:t → r: no',
    'r → person: Really?',
    'person → r: true',
    'person → r: declined: never',
    'person → r: {"a":1}',
    'r/1-0/0 → r: leaf: answered',
    'r → r: Too many.',
    'r → r: turns: 8 of 10',
    'person → r: turns',
    'r → r: 4 messages',
    'r → r: s',
    'r → r: p: d',
    'r → r: ',
    'r → person: Too many requests.',
    'r → person: Enough.',
    'r → person: {"n":1}',
  ]);
});

test('what streams is kept for those who come in the middle of a turn, and no longer', () => {
  const streamed = openStreamed();
  const events = told(
    started,
    turn(1),
    { type: 'text.streamed', delta: 'a' },
    { type: 'text.streamed', delta: 'b' },
    { type: 'reasoning.streamed', delta: 'c' },
    { type: 'call.progressed', callId: 'c', note: 'n' },
    { type: 'run.steered', text: 'x' },
    { type: 'text.streamed', delta: 'd' },
  );
  for (const event of events) streamed.take(event);
  expect(streamed.of('r')).toMatchObject([
    { type: 'text.streamed', delta: 'ab', seq: 3 },
    { type: 'reasoning.streamed', delta: 'c' },
    { type: 'call.progressed' },
    { delta: 'd', seq: 3 },
  ]);
  for (const event of told(started, turn(1), closed(1)).slice(2)) streamed.take(event);
  expect(streamed.of('r')).toEqual([]);
});

test('values are cut to what can be shown, and never break whoever shows them', () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  expect(shorten(cycle)).toBe('[object Object]');
  expect(shorten(undefined)).toBeNull();
  expect(
    shorten({
      toJSON: () => {
        throw new Error('no');
      },
      toString: () => {
        throw new Error('no');
      },
    }),
  ).toBe('(no JSON)');
  expect(shorten(Array.from({ length: 102 }, () => 1))).toHaveLength(101);
  expect(
    Object.keys(shorten(Object.fromEntries(Array.from({ length: 102 }, (_, n) => [`k${n}`, n]))) as object),
  ).toHaveLength(101);
  expect(JSON.stringify(shorten([[[[[[[[[['deep']]]]]]]]]]))).toContain('…');
  expect(firstLine('  one\ntwo')).toBe('one');
  expect(firstLine(undefined)).toBe('""');
  expect(firstLine('x'.repeat(300))).toHaveLength(200);
});
