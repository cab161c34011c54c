import { readdirSync } from 'node:fs';
import { createRuntime, defineAgent, memoryStore, systemClock } from '@troupe/core';
import { type RunEvent, type RunRow, type StoredEvent, tokensOf } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { call, leadOf, only, storedIn, toolOf } from './lead.ts';

describe('[BG-050] a runtime of a provider and a model', () => {
  test('runs an agent to its answer', async () => {
    const { runtime, types } = openRuntime({ provider: scriptedProvider(['Done.']) });
    expect(await runtime.run(leadOf(), 'Go.')).toMatchObject({
      status: 'completed',
      exitReason: 'answered',
      text: 'Done.',
    });
    expect(types()).toEqual(['run.started', 'turn.started', 'turn.completed', 'run.completed']);
  });

  test('has its own limits of 10 turns, 20 calls and depth 5, and no other', async () => {
    const { runtime, events } = openRuntime({ provider: scriptedProvider(['Done.']) });
    await runtime.run(leadOf(), 'Go.');
    expect(only(events, 'run.started')[0]?.budget).toEqual({
      turns: 10,
      toolCalls: 20,
      depth: 5,
      warnAt: 0.8,
      keep: 0.1,
    });
  });

  test('uses the time of the system, and knows no prices', async () => {
    const before = systemClock.now();
    const { runtime, events } = openRuntime({
      provider: scriptedProvider([{ text: 'Done.', usage: { inputTokens: 1_000_000 } }]),
    });
    const report = await runtime.run(leadOf(), 'Go.');
    expect(events[0]?.at).toBeGreaterThanOrEqual(before);
    expect(events[0]?.at).toBeLessThanOrEqual(systemClock.now());
    expect(report.usage.total).toEqual({ inputTokens: 1_000_000, outputTokens: 5 });
    expect(only(events, 'turn.completed')[0]?.costUsd).toBeNull();
  });

  test('asks for structured output once more', async () => {
    const provider = scriptedProvider(['no', 'no', '{"n":1}']);
    const { runtime } = openRuntime({ provider });
    const report = await runtime.run(leadOf({ outputSchema: z.object({ n: z.number() }) }), 'Go.');
    expect([report.exitReason, provider.requests.length]).toEqual(['invalid_output', 2]);
  });
});

describe('[BG-052] a store', () => {
  test('that is handed in belongs to the caller: it is not closed, and can be read afterwards', async () => {
    let closed = false;
    const store = { ...memoryStore(), close: () => (closed = true), [Symbol.dispose]: () => (closed = true) };
    const { runtime } = openRuntime({ provider: scriptedProvider(['Done.']), store });
    const { runId } = await runtime.run(leadOf(), 'Go.');
    await runtime.close();
    expect([closed, (await store.get(runId))?.status]).toEqual([false, 'completed']);
  });

  test('that takes no claims back keeps nobody waiting: the runtime is closed all the same, and says so', async () => {
    const base = memoryStore();
    const lasting = Object.assign(Object.create(base), {
      lasting: true,
      release: () => Promise.reject(new Error('no disk')),
    });
    const runtime = createRuntime({ provider: scriptedProvider(['Done.']), model: 'scripted', store: lasting });
    let isOver = false;
    runtime.events$.subscribe({ complete: () => (isOver = true) });
    await runtime.run(leadOf(), 'Go.');
    await expect(runtime.close()).rejects.toThrow('no disk');
    expect(isOver).toBe(true);
  });

  test('is in memory when none is handed in: nothing is written to disk', async () => {
    const before = readdirSync('.');
    const { runtime } = openRuntime({ provider: scriptedProvider(['Done.']) });
    await runtime.run(leadOf(), 'Go.');
    await runtime.close();
    expect(readdirSync('.')).toEqual(before);
  });
});

describe("[BG-055] a run's id", () => {
  const open = () => openRuntime({ provider: scriptedProvider(() => 'Done.') });

  test('may be chosen, and is made otherwise', async () => {
    const { runtime } = open();
    expect(runtime.start(leadOf(), 'Go.', { runId: 'mine' }).id).toBe('mine');
    const lead = defineAgent({ name: 'other', instructions: '' });
    const [a, b] = [runtime.start(lead, 'Go.'), runtime.start(lead, 'Go.')];
    expect(a.id).toMatch(/^run_\w{10,}$/);
    expect(a.id).not.toBe(b.id);
  });

  test('that exists gives the run that is there, alive or ended, when agent and job are the same', async () => {
    const { runtime, types } = open();
    const [lead, job] = [leadOf(), { input: 'Go.', metadata: { n: 1 } }];
    const first = runtime.start(lead, job, { runId: 'mine' });
    expect(runtime.start(lead, { ...job }, { runId: 'mine' }).id).toBe('mine');
    await first.report;
    expect(await runtime.start(lead, job, { runId: 'mine' }).report).toMatchObject({
      status: 'completed',
      text: 'Done.',
    });
    expect(types().filter((type) => type === 'run.started')).toHaveLength(1);
  });

  test.each(['alive', 'ended'])(
    'of a run that is %s is refused to another job or agent, and the run is not touched',
    async (how) => {
      const { runtime } = open();
      const lead = leadOf();
      const run = runtime.start(lead, 'Go.', { runId: 'mine' });
      if (how === 'ended') await run.report;
      for (const [agent, job] of [
        [lead, 'Stay.'],
        [leadOf({ name: 'other' }), 'Go.'],
        [lead, { input: 'Go.', constraints: ['Now.'] }],
      ] as const)
        expect(() => runtime.start(agent, job, { runId: 'mine' })).toThrow(
          expect.objectContaining({ code: 'run.exists', message: expect.stringMatching(/"mine".*"lead"/) }),
        );
      expect((await run.report).text).toBe('Done.');
    },
  );

  test.each(['', '  ', 'a/b'])('cannot be "%s"', (runId) => {
    const { runtime } = open();
    expect(() => runtime.start(leadOf(), 'Go.', { runId })).toThrow(expect.objectContaining({ code: 'run.invalid' }));
  });
});

describe('[BG-060] an agent', () => {
  test('is known by its name once it was given or started; another one of that name is refused', async () => {
    const given = leadOf({ name: 'given' });
    const { runtime } = openRuntime({ provider: scriptedProvider(() => 'Done.'), agents: [given] });
    const started = leadOf({ name: 'started' });
    await runtime.run(given, 'Go.');
    await runtime.run(started, 'Go.');
    for (const name of ['given', 'started'])
      expect(() => runtime.start(leadOf({ name, instructions: 'Something else.' }), 'Go.')).toThrow(
        expect.objectContaining({ code: 'agent.duplicate', message: expect.stringContaining(`"${name}"`) }),
      );
  });

  test('that says the same is the same agent, however often it is defined', async () => {
    const { runtime } = openRuntime({ provider: scriptedProvider(() => 'Done.') });
    const make = () => leadOf({ tools: [toolOf()], settings: { temperature: 1 }, budget: { turns: 2 } });
    await runtime.run(make(), 'Go.');
    expect((await runtime.run(make(), 'Go.')).status).toBe('completed');
  });
});

describe('[BG-054] whoever hears an event', () => {
  test('finds it in the store, and finds the row ended when it is the last', async () => {
    const store = memoryStore();
    const { runtime } = openRuntime({ provider: scriptedProvider([{ calls: [call()] }, 'Done.']), store });
    const stored: boolean[] = [];
    const rows: (RunRow | undefined)[] = [];
    runtime.events$.subscribe((event: RunEvent) => {
      if ('live' in event) return;
      stored.push(storedIn(store, event.runId).some(({ id, rootSeq }) => id === event.id && rootSeq === event.rootSeq));
      if (event.type === 'run.completed') rows.push(store.get(event.runId) as RunRow);
    });
    await runtime.run(leadOf({ tools: [toolOf()] }), 'Go.');
    expect(stored.length).toBeGreaterThan(5);
    expect(new Set(stored)).toEqual(new Set([true]));
    expect(rows).toMatchObject([{ status: 'completed', exitReason: 'answered' }]);
  });

  test('hears nothing as long as a slow store has not taken it', async () => {
    const memory = memoryStore();
    let release = () => {};
    const open = new Promise<void>((resolve) => {
      release = resolve;
    });
    const store = {
      ...memory,
      commit: async (commit: Parameters<typeof memory.commit>[0]): Promise<StoredEvent[]> =>
        open.then(() => memory.commit(commit)),
    };
    const { runtime, events } = openRuntime({ provider: scriptedProvider(['Done.']), store });
    const run = runtime.start(leadOf(), 'Go.');
    await settle();
    expect(events).toEqual([]);
    release();
    expect((await run.report).status).toBe('completed');
    expect(events.length).toBeGreaterThan(3);
  });
});

test('[BG-071] usage counts what went in and came out, by model', async () => {
  const { runtime } = openRuntime({
    provider: scriptedProvider([{ calls: [call()], usage: { inputTokens: 7, outputTokens: 2 } }, 'Done.']),
  });
  const { usage } = await runtime.run(leadOf({ tools: [toolOf()], model: 'big' }), 'Go.');
  expect(usage).toMatchObject({
    own: { inputTokens: 17, outputTokens: 7 },
    byModel: { big: { inputTokens: 17, outputTokens: 7 } },
    turns: 2,
    toolCalls: 1,
  });
  expect(tokensOf(usage.total)).toBe(24);
});
