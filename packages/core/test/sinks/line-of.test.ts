import { type EventDraft, keepSecret, type LiveDraft, type RunEvent } from '@troupe/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lineOf } from '../../src/sinks/line-of.ts';

const about = {
  id: 'r:1',
  seq: 1,
  rootSeq: 1,
  at: 1_760_000_000_123,
  runId: 'r',
  rootId: 'r',
  depth: 0,
  agent: 'lead',
};
const line = (draft: EventDraft | LiveDraft): string => lineOf({ ...about, ...draft } as RunEvent);
const usage = { inputTokens: 1_000, outputTokens: 200 };
const report = { total: { ...usage, costUsd: 0.25 }, own: usage, byModel: {}, turns: 2, toolCalls: 0, activeMs: 0 };
const fault = { code: 'model.refused', message: 'It "refused".', retryable: false };
const child = { childId: 'r/1-0/0', callId: 'c', childAgent: 'helper', grant: {} };
const limit = { kind: 'tokens', spent: 80, limit: 100 };
const question = {
  id: 'r/1-0?',
  runId: 'r',
  rootId: 'r',
  callId: 'c',
  kind: 'confirmation' as const,
  tool: 'drop',
  arguments: {},
  prompt: 'Sure?',
  options: [],
  askedAt: 1,
};

test('every event has its line: when, which run, who, what, and what matters of it', () => {
  const message = {
    role: 'assistant' as const,
    content: '',
    calls: ['a', 'b'].map((name) => ({ id: name, name, arguments: '' })),
  };
  const drafts: (EventDraft | LiveDraft)[] = [
    { type: 'run.queued', job: { input: 'Go.' } },
    { type: 'run.started', job: { input: { n: 1 } }, model: 'openai/gpt-5', budget: {} },
    { type: 'run.paused', reason: 'question', questionIds: [] },
    { type: 'run.resumed', by: 'answer' },
    { type: 'run.steered', text: 'be brief' },
    { type: 'run.recovered' },
    { type: 'run.detached' },
    { type: 'run.forked', from: 'x:2', changed: ['turn', 'budget'], carried: usage },
    { type: 'run.forked', from: 'x:2', changed: [], carried: usage },
    { type: 'run.completed', text: null, usage: report },
    { type: 'run.completed', text: 'It is 5.', usage: report },
    { type: 'run.failed', exitReason: 'model_error', fault, usage: report },
    { type: 'run.interrupted', exitReason: 'interrupted', reason: 'enough', usage: report },
    { type: 'turn.started', turn: 1, model: 'm' },
    { type: 'turn.attempted', turn: 1, number: 2, provider: 'p', model: 'm', fault },
    { type: 'turn.attempted', turn: 1, number: 2, provider: 'p', model: 'm' },
    { type: 'turn.completed', turn: 1, message, usage, costUsd: 0.5, finish: 'calls' },
    {
      type: 'turn.completed',
      turn: 1,
      message: { role: 'assistant', content: 'Hi.' },
      usage,
      costUsd: null,
      finish: 'stop',
    },
    { type: 'call.started', callId: 'c', tool: 'read', arguments: { path: 'a.md' } },
    { type: 'call.completed', callId: 'c', tool: 'read', preview: '', truncated: false, result: 'A\nB' },
    { type: 'call.failed', callId: 'c', tool: 'read', status: 'error', error: 'none', result: '' },
    { type: 'question.asked', question },
    { type: 'question.answered', questionId: question.id, answer: true, by: 'ann' },
    { type: 'child.requested', ...child },
    { type: 'child.started', ...child },
    { type: 'child.settled', ...child, status: 'failed', exitReason: 'budget', usage },
    { type: 'child.refused', callId: 'c', code: 'spawn.refused', message: 'Too deep.' },
    { type: 'budget.warned', ...limit },
    { type: 'budget.exhausted', ...limit },
    { type: 'budget.raised', budget: { tokens: 200 }, by: 'user' },
    { type: 'spawning.paused', by: 'user' },
    { type: 'spawning.resumed', by: 'user' },
    { type: 'context.compacted', model: 'm', summarized: 4, kept: 2, proactive: true, summary: '', usage, costUsd: 0 },
    { type: 'memory.read', scope: 's', key: 'k', found: false },
    { type: 'memory.written', scope: 's', key: 'k' },
    { type: 'policy.applied', policy: 'approval', decision: 'denied', subject: 'drop' },
    { type: 'warning.raised', code: 'w', message: 'Careful.' },
    { type: 'text.streamed', delta: 'It is' },
    { type: 'reasoning.streamed', delta: 'Hm' },
    { type: 'call.progressed', callId: 'c', note: 'half' },
  ];
  expect(drafts.map(line).map((text) => text.replace('08:53:20.123Z r lead ', ''))).toMatchInlineSnapshot(`
    [
      "run.queued input=Go.",
      "run.started model=openai/gpt-5 input={"n":1}",
      "run.paused reason=question",
      "run.resumed by=answer",
      "run.steered text="be brief"",
      "run.recovered",
      "run.detached",
      "run.forked from=x:2 changed=turn,budget",
      "run.forked from=x:2",
      "run.completed turns=2 tokens=1200 costUsd=0.25",
      "run.completed turns=2 tokens=1200 costUsd=0.25 text="It is 5."",
      "run.failed exitReason=model_error tokens=1200 costUsd=0.25 fault="It \\"refused\\"."",
      "run.interrupted exitReason=interrupted tokens=1200 costUsd=0.25 reason=enough",
      "turn.started turn=1 model=m",
      "turn.attempted turn=1 number=2 fault="It \\"refused\\"."",
      "turn.attempted turn=1 number=2",
      "turn.completed turn=1 tokens=1200 costUsd=0.5 calls=a,b",
      "turn.completed turn=1 tokens=1200 text=Hi.",
      "call.started tool=read arguments={"path":"a.md"}",
      "call.completed tool=read result="A\\nB"",
      "call.failed tool=read status=error error=none",
      "question.asked tool=drop question=r/1-0? prompt=Sure?",
      "question.answered question=r/1-0? answer=true by=ann",
      "child.requested child=r/1-0/0 agent=helper",
      "child.started child=r/1-0/0 agent=helper",
      "child.settled child=r/1-0/0 agent=helper status=failed exitReason=budget",
      "child.refused message="Too deep."",
      "budget.warned kind=tokens spent=80 limit=100",
      "budget.exhausted kind=tokens spent=80 limit=100",
      "budget.raised budget={"tokens":200} by=user",
      "spawning.paused by=user",
      "spawning.resumed by=user",
      "context.compacted summarized=4 kept=2",
      "memory.read scope=s key=k found=false",
      "memory.written scope=s key=k",
      "policy.applied policy=approval decision=denied subject=drop",
      "warning.raised code=w message=Careful.",
      "text.streamed delta="It is"",
      "reasoning.streamed delta=Hm",
      "call.progressed note=half",
    ]
  `);
});

test('what a newer version has told has a line, too', () => {
  expect(lineOf({ ...about, type: 'run.dreamt' } as never)).toBe('08:53:20.123Z r lead run.dreamt');
});

test('a line is one line, of a length, and nothing that a terminal would obey', () => {
  const unsafe = /[\p{Control}\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.string({ unit: 'binary', maxLength: 20 }),
      (text, agent) => {
        const written = lineOf({ ...about, agent, type: 'run.steered', text });
        expect(unsafe.test(written)).toBe(false);
        expect(written.length).toBeLessThan(2_000);
      },
    ),
    { numRuns: 300, examples: [['\u001b[2J\u009b2J\u202e', '\u2028']] },
  );
});

test('a secret is not in it, also where the text is cut within it', () => {
  keepSecret('xyzzy-plugh-sinks');
  const text = `${'a'.repeat(110)} xyzzy-plugh-sinks and more`;
  expect(line({ type: 'run.steered', text })).not.toContain('xyzzy');
  expect(line({ type: 'call.started', callId: 'c', tool: 't', arguments: { key: 'xyzzy-plugh-sinks' } })).toContain(
    '[redacted]',
  );
});
