import { createRuntime, defineAgent, memoryStore, type Replay } from '@troupe/core';
import type { ModelProvider, ReadEntry, ReadEvent, RunStore } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { delegating } from '../control/tools.ts';
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
    expect(about).toEqual({
      runId: 'r',
      agent: 'lead',
      createdAt: before[0]?.at,
      place: { seq: before.length, heard: 0 },
    });
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
      ['acting: call.settled', 'deciding: '],
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

describe('a replay that goes on after another', () => {
  const asTold = ({ steps, snapshot, place }: Replay) => ({
    steps: steps.map(({ snapshot: { value, context }, taken, ...step }) => ({
      ...step,
      value,
      context,
      taken: taken.map(({ eventType }) => eventType),
    })),
    now: [snapshot.value, snapshot.context],
    place,
  });
  /** A run, asked for turn after turn, and told things in between; looked at by whoever does not execute it. */
  const followed = () => {
    const store = memoryStore();
    const waiting: ((turn: Turn) => void)[] = [];
    const provider = scriptedProvider(() => new Promise<Turn>((resolve) => waiting.push(resolve)));
    const { runtime } = openRuntime({ provider, store });
    const run = runtime.start(leadOf({ tools: [toolOf()], budget: { turns: 99, toolCalls: 999 } }), 'Go.', {
      runId: 'r',
    });
    const read: ['journal' | 'events', number][] = [];
    const counted = <T>(what: 'journal' | 'events', list: Iterable<T>): T[] => {
      const all = [...list];
      read.push([what, all.length]);
      return all;
    };
    const watched: RunStore = {
      ...store,
      journal: (runId, from) => counted('journal', store.journal(runId, from) as Iterable<ReadEntry>),
      events: (query) => counted('events', store.events(query) as Iterable<ReadEvent>),
    };
    return { store, run, waiting, reader: reader(watched as never).runtime, read };
  };
  const acts = fc.constantFrom('pause', 'resume', 'steer', 'call', 'nothing', 'raise', 'end');

  test('comes to what a whole replay comes to, whatever the run did in between', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(acts, fc.boolean()), { maxLength: 8 }), async (list) => {
        const { run, waiting, reader: there } = followed();
        await settle();
        let known: Replay | undefined;
        const steps: Replay['steps'][number][] = [];
        let turns = 100;
        for (const [act, looks] of [...list, ['end', true] as const]) {
          if (act === 'pause' || act === 'resume') await run[act]();
          if (act === 'steer') await run.steer(long);
          if (act === 'raise') await run.raise({ turns: turns++ });
          if (act === 'call') waiting.shift()?.({ text: long, calls: [call(long)] });
          if (act === 'end') waiting.shift()?.('Done.');
          await settle(4);
          if (!looks) continue;
          known = await there.replay('r', known && { after: known });
          steps.push(...known.steps);
          expect(asTold({ ...known, steps })).toEqual(asTold(await there.replay('r')));
        }
      }),
      { numRuns: 40 },
    );
  });

  test('reads and tells only what was added, however much there is', async () => {
    const { waiting, reader: there, read } = followed();
    await settle();
    for (let turn = 0; turn < 60; turn += 1) {
      waiting.shift()?.({ calls: [call()] });
      await settle(4);
    }
    const before = await there.replay('r');
    expect(before.steps.length).toBeGreaterThan(100);
    waiting.shift()?.({ calls: [call()] });
    await settle(4);
    read.length = 0;
    const { steps, place } = await there.replay('r', { after: before });
    expect(steps.map(({ heard }) => heard.type)).toEqual(['turn.closed', 'call.settled']);
    expect(read).toEqual([
      ['journal', 2],
      ['events', place.seq - before.place.seq],
      ['journal', 2],
    ]);
    read.length = 0;
    const again = await there.replay('r', { after: { ...before, steps, place, snapshot: steps.at(-1)!.snapshot } });
    expect([again.steps, again.snapshot.value, again.place]).toEqual([[], { running: 'thinking' }, place]);
    expect(read.every(([, length]) => length === 0)).toBe(true);
  });

  test('goes on between things that were heard and nothing was said of, too', async () => {
    const store = memoryStore();
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [toolOf({ confirm: true })] });
    const provider = scriptedProvider({
      lead: [{ calls: [{ name: 'ask_leaf', arguments: {} }] }, 'Done.'],
      leaf: [{ calls: [call()] }, { calls: [call()] }, { calls: [call()] }, 'Said.', 'Said.', 'Said.'],
    });
    const { runtime } = openRuntime({ provider, store });
    const run = runtime.start(leadOf({ tools: [delegating(leaf, { count: 3 })] }), 'Go.', { runId: 'r' });
    for (const { id } of (await run.report).questions) await run.answer(id, true);
    await run.ended;
    // as the store was after each thing that the run heard
    const entries = entriesIn(store, 'r');
    let had = 0;
    const until = () => entries[had]?.seq ?? Number.POSITIVE_INFINITY;
    const then: RunStore = {
      ...store,
      checkpoint: () => undefined,
      journal: (_, from = 0) => entries.slice(0, had).filter(({ seq }) => seq >= from),
      events: (query) => [...(store.events(query) as Iterable<ReadEvent>)].filter(({ seq }) => seq <= until()),
    };
    const there = reader(then as never).runtime;
    const steps: Replay['steps'][number][] = [];
    let known: Replay | undefined;
    let most = 0;
    while (had < entries.length) {
      had += 1;
      known = await there.replay('r', known && { after: known });
      steps.push(...known.steps);
      most = Math.max(most, known.place.heard);
      expect(asTold({ ...known, steps })).toEqual(asTold(await there.replay('r')));
    }
    expect(most).toBeGreaterThan(1);
  });

  test('goes on at a store that gives the whole journal every time, too', async () => {
    const { store, run, waiting } = followed();
    const { runtime: there } = reader({ ...store, journal: (runId: string) => store.journal(runId) });
    await settle();
    const before = await there.replay('r');
    waiting.shift()?.({ calls: [call()] });
    await settle();
    const after = await there.replay('r', { after: before });
    expect(after.steps.map(({ heard }) => heard.type)).toEqual(['turn.closed', 'call.settled']);
    waiting.shift()?.('Done.');
    await run.ended;
    expect((await there.replay('r', { after })).snapshot.status).toBe('done');
  });

  test('of another run is refused', async () => {
    const { reader: there, store } = followed();
    await settle();
    const { runtime } = openRuntime({ provider: scriptedProvider(['Done.']), store });
    await runtime.run(leadOf(), 'Go.', { runId: 's' });
    await expect(there.replay('s', { after: await there.replay('r') })).rejects.toMatchObject({
      code: 'replay.invalid',
      message: expect.stringMatching(/run "s" .* run "r"/),
    });
  });

  test('says so where the run did something else since', async () => {
    const { store } = await played();
    const whole = await reader(store).runtime.replay('r');
    const [first] = whole.steps;
    const after: Replay = { ...whole, steps: [first!], snapshot: first!.snapshot, place: { seq: 2, heard: 0 } };
    const entries = entriesIn(store, 'r').filter(({ heard }) => heard.type !== 'turn.closed');
    const gap = { ...store, journal: (_: string, from = 0) => entries.filter(({ seq }) => seq >= from) };
    await expect(reader(gap).runtime.replay('r', { after })).rejects.toMatchObject({
      code: 'replay.differs',
      message: expect.stringContaining('Run "r" of agent "lead"'),
    });
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
