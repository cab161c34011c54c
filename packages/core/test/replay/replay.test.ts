import { createRuntime, memoryStore } from '@troupe/core';
import type { ModelProvider, ReadEntry, ReadEvent, RunStore } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { call, leadOf, storedIn, toolOf } from '../lead.ts';

const entriesIn = (store: RunStore, runId: string): ReadEntry[] => [...(store.journal(runId) as Iterable<ReadEntry>)];
const long = 'What was found out at length. '.repeat(20);

/** A run of two turns, with one call between them. */
const played = async (answer = 'Done.') => {
  const store = memoryStore();
  const provider = scriptedProvider([{ text: 'Let me see.', calls: [call(long)] }, answer]);
  const { runtime } = openRuntime({ provider, store });
  const report = await runtime.run(leadOf({ tools: [toolOf()] }), 'Go.', { runId: 'r' });
  return { store, provider, runtime, report };
};

/** Another program, which knows no agent and has no model. */
const reader = (store: RunStore & ReturnType<typeof memoryStore>) => {
  const provider = scriptedProvider([]);
  const runtime = createRuntime({ provider, store });
  onTestFinished(() => runtime.close({ graceMs: 0 }));
  return { runtime, provider };
};

describe('a replay', () => {
  test('steps through what an ended run heard, where it was and what it said, and calls nothing', async () => {
    const { store } = await played();
    const before = storedIn(store, 'r');
    const { runtime, provider } = reader(store);
    const { steps, snapshot, ...about } = await runtime.replay('r');
    expect(about).toEqual({ runId: 'r', agent: 'lead' });
    expect(
      steps.map(({ heard, snapshot: { value }, said }) => [heard.type, value, said.map(({ type }) => type)]),
    ).toEqual([
      ['xstate.init', { running: 'thinking' }, ['run.started', 'turn.started']],
      ['turn.closed', { running: 'acting' }, ['turn.completed', 'call.started']],
      ['call.settled', { running: 'thinking' }, ['call.completed', 'turn.started']],
      ['turn.closed', 'completed', ['turn.completed']],
      ['run.closed', 'completed', ['run.completed']],
    ]);
    expect(snapshot).toMatchObject({ status: 'done', output: { status: 'completed', text: 'Done.' } });
    expect(steps.flatMap(({ said }) => said)).toEqual(before);
    expect(provider.requests).toEqual([]);
    expect(storedIn(store, 'r')).toEqual(before);
  });

  test('names the transitions that were taken, those without an event too, and how far the tree was stored by then', async () => {
    const { store } = await played();
    const { steps } = await reader(store).runtime.replay('r');
    const taken = steps.map(({ taken }) => taken.map(({ source, eventType }) => `${source.key}: ${eventType}`));
    expect(taken).toEqual([
      ['deciding: '],
      ['thinking: turn.closed'],
      ['agent: call.settled', 'acting: ', 'deciding: '],
      ['thinking: turn.closed'],
      [],
    ]);
    const last = storedIn(store, 'r').length;
    expect(steps.map(({ rootSeq }) => rootSeq)).toEqual([2, 4, 6, last, last]);
  });

  test('comes to where a run waits, whose machine says what can happen to it', async () => {
    const store = memoryStore();
    const { runtime } = openRuntime({ provider: scriptedProvider([{ calls: [call()] }, 'Done.']), store });
    const run = runtime.start(leadOf({ tools: [toolOf({ confirm: true })] }), 'Go.', { runId: 'r' });
    await run.report;
    const { snapshot } = await reader(store).runtime.replay('r');
    expect(snapshot.value).toEqual({ paused: 'question' });
    const questionId = run.questions[0]?.id ?? '';
    expect(snapshot.can({ type: 'answer', questionId, answer: true, by: 'me' })).toBe(true);
    expect(snapshot.can({ type: 'answer', questionId: 'another', answer: true, by: 'me' })).toBe(false);
    await run.answer(questionId, true);
    expect((await run.report).text).toBe('Done.');
    expect((await runtime.replay('r')).snapshot.value).toBe('completed');
  });

  test('of a run that was stopped from outside tells how it was left', async () => {
    const store = memoryStore();
    const { runtime } = openRuntime({ provider: scriptedProvider([{ hang: true }]), store });
    const run = runtime.start(leadOf(), 'Go.', { runId: 'r' });
    await settle();
    await runtime.close({ runs: 'interrupt', graceMs: 0 });
    await run.ended;
    const { steps } = await reader(store).runtime.replay('r');
    expect(steps.at(-1)?.said.map(({ type }) => type)).toEqual(['run.interrupted']);
  });

  test('of no run says so', async () => {
    await expect(reader(memoryStore()).runtime.replay('r')).rejects.toMatchObject({ code: 'run.unknown' });
  });

  test('that comes to something else than what was stored names the run, the step and both', async () => {
    const { store } = await played();
    const changed = (change: (event: ReadEvent) => ReadEvent) => ({
      ...store,
      events: () => storedIn(store, 'r').map(change),
    });
    const other = changed((event) => (event.type === 'turn.completed' ? { ...event, finish: 'length' } : event));
    await expect(reader(other).runtime.replay('r')).rejects.toMatchObject({
      code: 'replay.differs',
      message: expect.stringMatching(
        /"r" of agent "lead" .* at "turn.closed", heard after event 2, the machine says turn.completed, .* turn.completed as event 3/,
      ),
    });
    const shorter = { ...store, events: () => storedIn(store, 'r').slice(0, 5) };
    await expect(reader(shorter).runtime.replay('r')).rejects.toThrow('the store has nothing as event 6');
    const forgetful = { ...store, journal: () => [] };
    await expect(reader(forgetful).runtime.replay('r')).rejects.toThrow('its journal is not whole');
    await expect(reader(forgetful).runtime.fork('r', { at: 'r:2' })).rejects.toThrow('its journal is not whole');
    const gap = { ...store, journal: () => entriesIn(store, 'r').filter(({ heard }) => heard.type !== 'turn.closed') };
    await expect(reader(gap).runtime.replay('r')).rejects.toMatchObject({ code: 'replay.differs' });
  });

  test('that comes to another state than the stored one says so', async () => {
    const store = memoryStore();
    const { runtime } = openRuntime({ provider: scriptedProvider([{ calls: [call()] }]), store });
    await runtime.start(leadOf({ tools: [toolOf({ confirm: true })] }), 'Go.', { runId: 'r' }).report;
    const checkpoint = store.checkpoint('r') as { context: object };
    const other = { ...store, checkpoint: () => ({ ...checkpoint, context: { ...checkpoint.context, turns: 7 } }) };
    await expect(reader(other as never).runtime.replay('r')).rejects.toThrow('it comes to another state');
  });
});

describe('a journal', () => {
  test('holds no long text a second time that stands in an event', async () => {
    const { store } = await played(long);
    const journal = JSON.stringify(entriesIn(store, 'r'));
    expect(journal).not.toContain(long);
    expect(journal.split('"$said"')).toHaveLength(5);
  });

  test('takes data that looks like its own marks for data', async () => {
    const data = { $said: [3, 'message', 'content'], deep: [{ $said: { $said: [0] } }] };
    const store = memoryStore();
    const provider = scriptedProvider([{ calls: [call()] }, 'Done.']);
    const { runtime } = openRuntime({ provider, store });
    await runtime.run(leadOf({ tools: [toolOf({ execute: () => ({ data }) })] }), 'Go.', { runId: 'r' });
    const { steps } = await runtime.replay('r');
    expect(steps.find(({ heard }) => heard.type === 'call.settled')?.heard).toMatchObject({ outcome: { data } });
  });

  test('holds what an attempt had used where nothing says more of it: the last that it said', async () => {
    const store = memoryStore();
    let turns = 0;
    const provider: ModelProvider = {
      async *takeTurn(_request, { signal }) {
        for (const outputTokens of [1, 2, 3]) yield { type: 'usage', usage: { inputTokens: 1, outputTokens } };
        if (turns++ === 0) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        yield { type: 'text', delta: 'Done.' };
        yield { type: 'finish', reason: 'stop' };
      },
    };
    const { runtime } = openRuntime({ provider, store });
    const run = runtime.start(leadOf(), 'Go.', { runId: 'r' });
    await settle();
    await run.pause();
    await run.resume();
    await run.ended;
    const usage = { inputTokens: 1, outputTokens: 3 };
    expect(entriesIn(store, 'r').map(({ heard }) => [heard.type, heard.usage])).toEqual([
      ['xstate.init', undefined],
      ['model.used', usage],
      ['pause', undefined],
      ['resume', undefined],
      ['turn.closed', undefined],
      ['run.closed', undefined],
    ]);
    await runtime.replay('r');
  });
});
