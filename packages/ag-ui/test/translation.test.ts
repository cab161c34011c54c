import { EventType } from '@ag-ui/core';
import { type EventDraft, FaultError, type LiveDraft, type RunEvent } from '@troupe/protocol';
import { Subject } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { type StreamOptions, toAgUi } from '../src/index.ts';
import { openTranslation } from '../src/translation.ts';
import { expectOrdered } from './ordering.ts';

const usage = { inputTokens: 3, outputTokens: 2 };
const total = { total: usage, own: usage, byModel: {}, turns: 1, toolCalls: 0, activeMs: 0 };

/** Writes the events of a tree as a store would. */
const journal = () => {
  const events: RunEvent[] = [];
  const seqs = new Map<string, number>();
  const envelope = (runId: string) => ({
    at: 1_000 + events.length,
    runId,
    rootId: 'r',
    ...(runId !== 'r' && { parentId: runId.split('/').slice(0, -2).join('/') }),
    depth: 0,
    agent: runId === 'r' ? 'lead' : 'helper',
  });
  const write = (draft: EventDraft, runId = 'r') => {
    const seq = (seqs.get(runId) ?? 0) + 1;
    seqs.set(runId, seq);
    const place = { id: `${runId}:${seq}`, seq, rootSeq: events.length + 1 };
    events.push({ ...envelope(runId), ...place, ...draft });
  };
  const say = (draft: LiveDraft, part: number) =>
    events.push({ ...envelope('r'), seq: seqs.get('r') ?? 0, live: true, part, ...draft });
  const start = (runId = 'r', input = 'go') =>
    write({ type: 'run.started', job: { input }, model: 'm', budget: {} }, runId);
  const turn = (number: number) => write({ type: 'turn.started', turn: number, model: 'm' });
  const text = (delta: string, part: number) => say({ type: 'text.streamed', delta }, part);
  const answer = (number: number, content: string, more: { reasoning?: string; model?: string } = {}) =>
    write({
      type: 'turn.completed',
      turn: number,
      message: { role: 'assistant', content },
      usage,
      costUsd: null,
      finish: 'stop',
      ...more,
    });
  const ask = (runId: string) => {
    const about = { id: `${runId}/1-0?`, runId, rootId: 'r', callId: 'c', tool: 'ask', arguments: {}, askedAt: 0 };
    write({ type: 'question.asked', question: { ...about, kind: 'input', prompt: 'Where?', options: [] } }, runId);
  };
  const complete = (given: string | null = 'Done.') => write({ type: 'run.completed', text: given, usage: total });
  return { events, write, say, start, turn, text, answer, ask, complete };
};

const told = (events: readonly RunEvent[], options: StreamOptions = {}) => {
  const translation = openTranslation(options);
  const heard = [...events.flatMap((event) => [...translation.hear(event)]), ...translation.finish()];
  expectOrdered(heard);
  return heard;
};
/** The messages of a stream: who says what, and what became of it. */
const messages = (events: readonly RunEvent[]) => {
  const texts = new Map<string, string>();
  for (const event of told(events)) {
    if (event.type === EventType.TEXT_MESSAGE_CONTENT || event.type === EventType.REASONING_MESSAGE_CONTENT)
      texts.set(event.messageId, (texts.get(event.messageId) ?? '') + event.delta);
    if (event.type === EventType.TEXT_MESSAGE_END && event.metadata)
      texts.set(event.messageId, `${texts.get(event.messageId)} ${JSON.stringify(event.metadata.troupe)}`);
  }
  return Object.fromEntries(texts);
};

describe('what a model says', () => {
  test('is told as it comes, and completed by what was stored', () => {
    const log = journal();
    log.start();
    log.turn(1);
    log.text('He', 1);
    log.text('llo', 2);
    log.answer(1, 'Hello.');
    log.complete();
    const heard = told(log.events);
    expect(heard.flatMap((event) => (event.type === EventType.TEXT_MESSAGE_CONTENT ? [event.delta] : []))).toEqual([
      'He',
      'llo',
      '.',
    ]);
  });

  test('is told once it is complete where its beginning, or something in between, was missed', () => {
    const log = journal();
    log.start();
    log.turn(1);
    log.text('llo', 2);
    log.answer(1, 'Hello.');
    log.turn(2);
    log.text('Good', 1);
    log.text('bye', 3);
    log.answer(2, 'Good night, bye');
    log.complete();
    expect(messages(log.events)).toEqual({ 'r/1': 'Hello.', 'r/2': 'Good night, bye' });
  });

  test('is void, and told again, where it was not what the model had said', () => {
    const log = journal();
    log.start();
    log.turn(1);
    // what a reader heard began after something else was stored
    log.text('llo', 1);
    log.answer(1, 'Hello.');
    log.complete();
    expect(messages(log.events)).toEqual({ 'r/1': 'llo {"void":true}', 'r/1~1': 'Hello.' });
  });

  test('is void where the model was asked again', () => {
    const log = journal();
    log.start();
    log.turn(1);
    log.say({ type: 'reasoning.streamed', delta: 'Hm' }, 1);
    log.text('Hel', 2);
    log.write({ type: 'turn.attempted', turn: 1, number: 1, provider: 'p', model: 'm', usage });
    log.write({ type: 'turn.attempted', turn: 1, number: 2, provider: 'p', model: 'n' });
    log.say({ type: 'reasoning.streamed', delta: 'Ah' }, 1);
    log.text('Hi', 2);
    log.answer(1, 'Hi!', { reasoning: 'Ah' });
    log.complete();
    expect(messages(log.events)).toEqual({
      'r/1/reasoning': 'Hm',
      'r/1': 'Hel {"void":true}',
      'r/1~2/reasoning': 'Ah',
      'r/1~2': 'Hi!',
    });
  });

  test('is partial where its run ends in the middle, and has another message when the turn is taken again', () => {
    const log = journal();
    log.start();
    log.turn(1);
    log.text('Hel', 1);
    log.write({ type: 'run.recovered' });
    log.turn(1);
    log.text('Hel', 1);
    log.write({ type: 'run.interrupted', exitReason: 'interrupted', reason: 'enough', usage: total });
    expect(messages(log.events)).toEqual({ 'r/1': 'Hel {"partial":true}', 'r/1~1': 'Hel {"partial":true}' });
  });

  test('may be thought in between: each thought is a message of its own', () => {
    const log = journal();
    log.start();
    log.turn(1);
    log.say({ type: 'reasoning.streamed', delta: 'A' }, 1);
    log.text('Well, ', 2);
    log.say({ type: 'reasoning.streamed', delta: 'B' }, 3);
    log.text('yes', 4);
    log.answer(1, 'Well, yes', { reasoning: 'AB' });
    log.complete();
    expect(messages(log.events)).toEqual({ 'r/1/reasoning': 'A', 'r/1': 'Well, yes', 'r/1/reasoning-1': 'B' });
  });
});

describe('a run', () => {
  test('gives its data, else its text, and nothing where there is none', () => {
    const results = [{ text: '{"a":1}', data: { a: 1 } }, { text: 'yes' }, { text: null }].map((given) => {
      const log = journal();
      log.start();
      log.write({ type: 'run.completed', ...given, usage: total });
      return told(log.events).at(-1);
    });
    expect(results.map((end) => end && 'result' in end && end.result)).toEqual([{ a: 1 }, 'yes', false]);
  });

  test('tells what each model used, summaries and failed attempts included', () => {
    const log = journal();
    log.start();
    log.turn(1);
    log.write({
      type: 'context.compacted',
      model: 'small',
      summarized: 2,
      kept: 1,
      proactive: true,
      summary: 's',
      usage: { ...usage, cachedTokens: 1, reasoningTokens: 1 },
      costUsd: null,
    });
    log.write({ type: 'turn.attempted', turn: 1, number: 1, provider: 'p', model: 'm', usage });
    log.answer(1, 'Done.', { model: 'other' });
    log.complete();
    expect(told(log.events).at(-1)).toMatchObject({
      usage: [
        { model: 'small', cachedInputTokens: 1, reasoningTokens: 1 },
        { model: 'm', inputTokens: 3, totalTokens: 5 },
        { model: 'other', totalTokens: 5 },
      ],
    });
  });

  test('tells what AG-UI has no word for as custom events, or only what is asked for', () => {
    const log = journal();
    log.start();
    log.write({ type: 'warning.raised', code: 'c', message: 'm' });
    log.write({ type: 'run.steered', text: 'faster' });
    log.complete();
    const custom = (options: StreamOptions) =>
      told(log.events, options).flatMap((event) =>
        event.type === EventType.CUSTOM ? [[event.name, event.value]] : [],
      );
    expect(custom({})).toEqual([
      ['troupe.warning.raised', { code: 'c', message: 'm' }],
      ['troupe.run.steered', { text: 'faster' }],
    ]);
    expect(custom({ custom: ({ type }) => type === 'run.steered' })).toEqual([
      ['troupe.run.steered', { text: 'faster' }],
    ]);
  });

  test('names the call that something is about as the stream does, also where a model repeats its ids', () => {
    const log = journal();
    log.start();
    log.turn(1);
    const calls = ['same', 'same'].map((id) => ({ id, name: 'look', arguments: '' }));
    const message = { role: 'assistant', content: '', calls } as const;
    log.write({ type: 'turn.completed', turn: 1, message: { ...message }, usage, costUsd: null, finish: 'calls' });
    const about = { callId: 'same', tool: 'look' };
    log.say({ type: 'call.progressed', callId: 'same', note: 'half' }, 1);
    log.write({ type: 'call.completed', ...about, preview: '', truncated: false, result: 'one' });
    log.write({ type: 'child.refused', callId: 'same', code: 'c', message: 'm' });
    log.write({ type: 'call.failed', ...about, error: 'no', result: 'two', status: 'refused' });
    log.write({ type: 'child.refused', callId: 'gone', code: 'c', message: 'm' });
    log.complete();
    const heard = told(log.events);
    expect(heard.flatMap((event) => (event.type === EventType.CUSTOM ? [event.value.toolCallId] : []))).toEqual([
      'r/1-0',
      'r/1-1',
      undefined,
    ]);
    expect(heard.filter(({ type }) => type === EventType.TOOL_CALL_RESULT)).toMatchObject([
      { toolCallId: 'r/1-0', content: 'one' },
      { toolCallId: 'r/1-1', content: 'two', metadata: { troupe: { status: 'refused', error: 'no' } } },
    ]);
  });

  test('that has let a child go ends without it: the child is suspended here', () => {
    const log = journal();
    log.start();
    log.start('r/1-0/0', 'x'.repeat(300));
    log.start('r/1-0/0/1-0/0');
    log.complete();
    log.write({ type: 'warning.raised', code: 'late', message: 'm' }, 'r/1-0/0');
    const heard = told(log.events);
    expect(heard.filter(({ type }) => type.startsWith('SUBAGENT'))).toMatchObject([
      { subagentRunId: 'r/1-0/0', description: `${'x'.repeat(200)}…` },
      { subagentRunId: 'r/1-0/0/1-0/0', parentSubagentRunId: 'r/1-0/0', parentToolCallId: 'r/1-0/0/1-0' },
      { subagentRunId: 'r/1-0/0/1-0/0', outcome: { type: 'suspended' } },
      { subagentRunId: 'r/1-0/0', outcome: { type: 'suspended' } },
    ]);
  });

  test('goes on where it was answered, also while another one talks, and until all its answers are in', () => {
    const log = journal();
    log.start();
    for (const n of [0, 1]) log.start(`r/1-${n}/0`);
    for (const n of [0, 1]) log.ask(`r/1-${n}/0`);
    log.write({ type: 'run.paused', reason: 'question', questionIds: [] });
    log.turn(1);
    log.say({ type: 'reasoning.streamed', delta: 'Hm' }, 1);
    const answering = ['r/1-0/0/1-0?', 'r/1-1/0/1-0?'];
    const answered = (questionId: string) =>
      log.write({ type: 'question.answered', questionId, answer: true, by: 'user' }, questionId.slice(0, 7));
    answered(answering[0]!);
    log.text('Well', 2);
    log.write({ type: 'run.paused', reason: 'question', questionIds: [] });
    answered(answering[1]!);
    log.answer(1, 'Well, yes', { reasoning: 'Hm' });
    log.complete();
    const heard = told(log.events, { answering });
    expect(heard.at(-1)).toMatchObject({ outcome: { type: 'success' } });
    expect(heard.flatMap((event) => (event.type === EventType.TEXT_MESSAGE_CONTENT ? [event.delta] : []))).toEqual([
      'Well, yes',
    ]);
  });

  test('goes on with one that was let go below the nearest run that goes on, not below the one that has ended', () => {
    const log = journal();
    const ended = (runId: string) => log.write({ type: 'run.completed', text: null, usage: total }, runId);
    for (const runId of ['r', 'r/1-0/0', 'r/1-0/0/1-0/0', 'r/1-0/0/1-0/0/1-0/0', 'r/1-1/0', 'r/1-1/0/1-0/0'])
      log.start(runId);
    log.ask('r/1-0/0/1-0/0/1-0/0');
    ended('r/1-0/0/1-0/0');
    ended('r/1-1/0');
    log.write({ type: 'run.paused', reason: 'question', questionIds: [] });
    const questionId = 'r/1-0/0/1-0/0/1-0/0/1-0?';
    log.write({ type: 'question.answered', questionId, answer: true, by: 'user' }, 'r/1-0/0/1-0/0/1-0/0');
    log.complete();
    const heard = told(log.events, { answering: [questionId] });
    expect(heard.filter(({ type }) => type === EventType.SUBAGENT_STARTED)).toEqual([
      expect.not.objectContaining({ parentSubagentRunId: expect.anything() }),
      expect.objectContaining({ subagentRunId: 'r/1-0/0/1-0/0/1-0/0', parentSubagentRunId: 'r/1-0/0' }),
      expect.not.objectContaining({ parentSubagentRunId: expect.anything() }),
    ]);
  });

  test('does not ask any more what was asked by one that has ended', () => {
    const log = journal();
    log.start();
    log.start('r/1-0/0');
    log.ask('r/1-0/0');
    log.write({ type: 'run.interrupted', exitReason: 'stopped', reason: 'enough', usage: total }, 'r/1-0/0');
    log.ask('r');
    log.write({ type: 'run.paused', reason: 'question', questionIds: [] });
    expect(told(log.events).at(-1)).toMatchObject({ outcome: { interrupts: [{ id: 'r/1-0?' }] } });
  });

  test('that ended without the answer that a stream waits for is told with its end alone', () => {
    const log = journal();
    log.start();
    log.turn(1);
    log.answer(1, 'Well.');
    log.complete();
    expect(told(log.events, { answering: ['r/1-0?'] }).map(({ type }) => type)).toEqual([
      EventType.RUN_STARTED,
      EventType.STEP_STARTED,
      EventType.STEP_FINISHED,
      EventType.RUN_FINISHED,
    ]);
  });

  test('of another tree, and live parts of a run that nobody has heard of, are not told', () => {
    const log = journal();
    log.start();
    const [started] = log.events;
    const other = { ...started!, runId: 'other', rootId: 'other' };
    log.say({ type: 'text.streamed', delta: 'boo' }, 1);
    const stranger = { ...log.events.at(-1)!, runId: 'r/9-9/0' };
    const heard = told([started!, other, stranger]);
    expect(heard.map(({ type }) => type)).toEqual([EventType.RUN_STARTED, EventType.RUN_ERROR]);
  });

  test('completes its stream with its end, and leaves its source', () => {
    const events$ = new Subject<RunEvent>();
    const heard: string[] = [];
    events$.pipe(toAgUi({ runId: 'mine', threadId: 't' })).subscribe({
      next: ({ type }) => heard.push(type),
      complete: () => heard.push('complete'),
    });
    const log = journal();
    log.start();
    log.complete();
    for (const event of log.events) events$.next(event);
    expect([heard, events$.observed]).toEqual([['RUN_STARTED', 'RUN_FINISHED', 'complete'], false]);
  });

  test('whose source fails ends with an error event, not with an error', () => {
    const events$ = new Subject<RunEvent>();
    const heard: unknown[] = [];
    events$.pipe(toAgUi()).subscribe((event) => heard.push(event));
    events$.error(new FaultError('store.unavailable', 'The store is gone.', { retryable: true }));
    expect(heard).toMatchObject([
      { type: 'RUN_STARTED' },
      { type: 'RUN_ERROR', code: 'store.unavailable', message: 'The store is gone.' },
    ]);
  });
});
