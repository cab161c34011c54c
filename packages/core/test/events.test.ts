import { type AgentContext, memoryStore, type RunContext } from '@troupe/core';
import { LiveEvent, type RunEvent, StoredEvent } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { storedRun } from '../src/runtime/stored-run.ts';
import { call, leadOf, only, storedIn, toolOf } from './lead.ts';

const open = (
  script: Turn[] = [{ reasoning: 'Hm.', text: 'Let me see.', calls: [call()] }, 'Done.'],
  options: Partial<Parameters<typeof openRuntime>[0]> = {},
) => {
  const provider = scriptedProvider(script);
  return { provider, ...openRuntime({ provider, ...options }) };
};
const agent = leadOf({ tools: [toolOf()] });
const key = (event: RunEvent) => ('live' in event ? `${event.type} ${event.seq}.${event.part}` : event.id);

describe('[BG-120] an event', () => {
  test('has an id, a type, a time, its run, root, depth and agent', async () => {
    const { runtime, events } = open();
    await runtime.run(agent, 'Go.', { runId: 'r' });
    const stored = events.filter((event): event is StoredEvent => !('live' in event));
    stored.forEach((event, i) => {
      expect(event).toMatchObject({
        id: `r:${i + 1}`,
        seq: i + 1,
        rootSeq: i + 1,
        runId: 'r',
        rootId: 'r',
        depth: 0,
        agent: 'lead',
        at: expect.any(Number),
      });
    });
  });

  test('is told to every subscriber in the same order; one that leaves is missed by none', async () => {
    const { runtime, events } = open();
    const [first, second, short]: string[][] = [[], [], []];
    runtime.events$.subscribe((event) => first?.push(key(event)));
    runtime.events$.subscribe({ next: (event) => second?.push(key(event)) });
    const leaving = runtime.events$.subscribe((event) => {
      short?.push(key(event));
      if (short?.length === 3) leaving.unsubscribe();
    });
    await runtime.run(agent, 'Go.');
    expect(first).toEqual(events.map(key));
    expect(second).toEqual(first);
    expect(short).toEqual(first?.slice(0, 3));
  });

  test('[BG-122] is of the closed list of types, whatever happens', async () => {
    const { runtime, events } = open(
      [{ calls: [call(), call('b', 'ask'), call('c')] }, { calls: [call('d', 'gone')] }, { hang: true, text: 'Hm' }],
      {
        memory: memoryStore(),
        budget: { tokens: 40 },
      },
    );
    const run = runtime.start(leadOf({ tools: [toolOf(), toolOf({ name: 'ask', confirm: true })] }), 'Go.');
    await run.report;
    await run.steer('Hurry.');
    await runtime.answer(run.questions[0]?.id ?? '', 'yes');
    await settle();
    await run.interrupt();
    expect(new Set(events.map(({ type }) => type)).size).toBeGreaterThan(12);
    for (const event of events) expect(('live' in event ? LiveEvent : StoredEvent).parse(event)).toEqual(event);
  });

  test('is handed out for reading only: what a listener does to it does not change the log', async () => {
    const { runtime } = open(['Done.']);
    runtime.events$.subscribe((event) => {
      try {
        Object.assign(event, { agent: 'mallory' });
      } catch {}
    });
    const { runId } = await runtime.run(agent, 'Go.');
    expect((await runtime.runs.get(runId))?.agent).toBe('lead');
  });
});

describe('[BG-121] a listener that fails', () => {
  const boom = () => {
    throw new Error('listener');
  };

  test.each([
    ['at once', boom],
    [
      'later',
      async () => {
        await settle(1);
        boom();
      },
    ],
  ])('%s stops neither the run nor another listener, and the logger is told', async (_when, fail) => {
    const errors: unknown[][] = [];
    const { runtime, events } = open(undefined, { logger: { warn: () => {}, error: (...args) => errors.push(args) } });
    runtime.events$.subscribe(() => fail() as never);
    const after: string[] = [];
    runtime.events$.subscribe((event) => after.push(key(event)));
    const run = runtime.start(agent, 'Go.');
    run.events$.subscribe(() => fail() as never);
    expect(await run.report).toMatchObject({ status: 'completed', text: 'Done.' });
    await settle();
    expect(after).toEqual(events.map(key));
    expect(errors.length).toBe(2 * events.length);
    expect(errors[0]).toEqual([
      expect.stringContaining('the run goes on'),
      expect.objectContaining({ message: 'listener' }),
    ]);
  });

  test('does no more harm when the logger fails, too', async () => {
    const { runtime } = open(undefined, {
      logger: { warn: boom, error: boom },
      hooks: { childStart: boom, childStop: boom },
      inspect: boom,
    });
    runtime.events$.subscribe(boom);
    const run = runtime.start(agent, 'Go.');
    run.events$.subscribe(boom);
    run.questions$.subscribe(boom);
    expect((await run.report).status).toBe('completed');
  });

  test('as an inspector does no harm, and an inspector hears of the machine', async () => {
    let heard = 0;
    const { runtime } = open(undefined, {
      inspect: () => {
        heard += 1;
        boom();
      },
    });
    expect((await runtime.run(agent, 'Go.')).status).toBe('completed');
    expect(heard).toBeGreaterThan(5);
  });

  test('as a reader of a stream of events does no harm', async () => {
    const { runtime } = open();
    const run = runtime.start(agent, 'Go.');
    await expect(
      (async () => {
        for await (const event of run) if (event.type === 'turn.started') throw new Error('reader');
      })(),
    ).rejects.toThrow('reader');
    expect((await run.report).status).toBe('completed');
  });
});

describe('[BG-123] runs can be read', () => {
  test('one by one, as a list by status with a limit, newest first, and as a tree', async () => {
    const { runtime } = open(['Done.', { fault: {} }, { hang: true }]);
    await runtime.run(agent, 'Go.', { runId: 'a' });
    await runtime.run(agent, 'Go.', { runId: 'b' });
    runtime.start(agent, 'Go.', { runId: 'c' });
    await settle();
    const ids = async (filter?: Parameters<typeof runtime.runs.list>[0]) =>
      (await runtime.runs.list(filter)).map(({ runId }) => runId);
    expect(await runtime.runs.get('b')).toMatchObject({
      runId: 'b',
      rootId: 'b',
      agent: 'lead',
      status: 'failed',
      exitReason: 'model_error',
      depth: 0,
      usage: { turns: 0 },
      createdAt: expect.any(Number),
      endedAt: expect.any(Number),
    });
    expect(await runtime.runs.get('x')).toBeUndefined();
    expect(await ids()).toEqual(['c', 'b', 'a']);
    expect(await ids({ limit: 2 })).toEqual(['c', 'b']);
    expect(await ids({ limit: 0 })).toEqual([]);
    expect(await ids({ before: 'b' })).toEqual(['a']);
    expect(await ids({ status: 'running' })).toEqual(['c']);
    expect(await ids({ status: ['completed', 'failed'] })).toEqual(['b', 'a']);
    expect(await runtime.runs.tree('a')).toMatchObject({ runId: 'a', children: [] });
    await expect(runtime.runs.tree('x')).rejects.toMatchObject({
      code: 'run.unknown',
      message: expect.stringContaining('"x"'),
    });
  });

  test.each([-1, 0.5, Number.NaN])('with a limit that makes sense only: %d is refused', async (limit) => {
    const { runtime } = open();
    await expect(runtime.runs.list({ limit })).rejects.toMatchObject({
      code: 'query.invalid',
      message: expect.stringContaining(String(limit)),
    });
  });

  test('with the time that they were made and ended, be it 0', async () => {
    const clock = new SimulatedClock();
    const { runtime } = open([{ text: 'Done.', delayMs: 70 }], { clock });
    const run = runtime.start(agent, 'Go.');
    await settle();
    clock.increment(70);
    await run.report;
    expect(await runtime.runs.get(run.id)).toMatchObject({ createdAt: 0, endedAt: 70, usage: { activeMs: 70 } });
  });

  test('to a reader that is told when it falls behind, and whose answer to that changes nothing', async () => {
    const { runtime } = open([{ text: 'One.' }, { text: 'Two.' }]);
    const behind: number[] = [];
    const lagged = ({ dropped }: { dropped: number }): void => {
      behind.push(dropped);
      throw new Error('too much');
    };
    const reader = runtime.events({}, { bound: 3, lagged })[Symbol.asyncIterator]();
    const { runId } = await runtime.run(agent, 'Go.');
    expect(behind.length).toBeGreaterThan(0);
    const seqs: number[] = [];
    for (let last = ''; last !== 'run.completed'; ) {
      const { value } = await reader.next();
      last = value.type;
      if (!('live' in value)) seqs.push(value.seq);
    }
    const stored = await runtime.runs.get(runId);
    expect(stored?.status).toBe('completed');
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
    await reader.return?.();
  });

  test('event by event, in the order of their sequence, from any point', async () => {
    const { runtime, events } = open();
    const { runId } = await runtime.run(agent, 'Go.');
    const read = async (filter: Parameters<typeof runtime.events>[0]) => {
      const ids: number[] = [];
      for await (const event of runtime.events(filter)) {
        if (!('live' in event)) ids.push(event.seq);
        if (event.type === 'run.completed') break;
      }
      return ids;
    };
    const last = events.filter((event) => !('live' in event)).length;
    const all = Array.from({ length: last }, (_, i) => i + 1);
    expect(await read({ runId })).toEqual(all);
    expect(await read({ rootId: runId, after: 3 })).toEqual(all.slice(3));
    expect(await read({ runId, after: last - 1 })).toEqual([last]);
    expect(await read({})).toEqual(all);
  });

  test('up to where they end now, as a loop and as a stream, while a run goes on', async () => {
    const { runtime } = open([{ text: 'One.' }, { calls: [call()] }, { hang: true, text: 'Hm' }]);
    const { runId } = await runtime.run(agent, 'Go.');
    const { id } = runtime.start(agent, 'Wait.');
    await settle();
    const looped: string[] = [];
    for await (const event of runtime.events({}, { follow: false })) looped.push(key(event));
    const streamed = await lastValueFrom(runtime.events({ rootId: id }, { follow: false }).pipe(toArray()));
    expect(looped.filter((one) => one.startsWith(`${runId}:`)).length).toBeGreaterThan(3);
    expect(streamed.map(key)).toEqual(looped.filter((one) => one.startsWith(`${id}:`)));
    expect(streamed.at(-1)?.type).toBe('turn.started');
    expect(await lastValueFrom(runtime.events({ rootId: 'none' }, { follow: false }).pipe(toArray()))).toEqual([]);
  });

  test('from now on, whatever was stored before', async () => {
    const { runtime } = open([{ text: 'One.' }, { text: 'Two.' }, { text: 'Three.' }]);
    await runtime.run(agent, 'Go.', { runId: 'before' });
    const after = await runtime.runs.cursor();
    const heard: RunEvent[] = [];
    runtime.events({ after }).subscribe((event) => heard.push(event));
    await runtime.run(agent, 'Go.', { runId: 'then' });
    const later: RunEvent[] = [];
    for await (const event of runtime.events({ after }, { follow: false })) later.push(event);
    const stored = heard.filter((event) => !('live' in event));
    expect(stored.map(key)).toEqual(later.map(key));
    expect(new Set(heard.map(({ runId }) => runId))).toEqual(new Set(['then']));
    expect(later.map(({ type }) => type)).toEqual(expect.arrayContaining(['run.started', 'run.completed']));
  });
});

test('[BG-125] what a paused run needs to go on is stored as data: job, conversation, calls, questions, usage and counts', async () => {
  const store = memoryStore();
  const { runtime } = open([{ text: 'First.', calls: [call('a'), call('b', 'ask'), call('c')] }], {
    store,
    open: true,
  });
  const asking = leadOf({ tools: [toolOf(), toolOf({ name: 'ask', confirm: true })] });
  const run = runtime.start(asking, { input: 'Go.', constraints: ['Quick.'] }, { runId: 'r' });
  const live = await run.report;
  expect(live).toMatchObject({
    status: 'paused',
    exitReason: 'question',
    questions: [{ id: 'r/1-1?', kind: 'confirmation', arguments: { text: 'b' } }],
  });
  // given only what the store would give to another process
  const row = JSON.parse(JSON.stringify(store.get('r')));
  const events = (JSON.parse(JSON.stringify(storedIn(store, 'r'))) as unknown[]).map((event) =>
    StoredEvent.parse(event),
  );
  const stored = storedRun(row, events, asking);
  expect(row.job).toEqual({ input: 'Go.', constraints: ['Quick.'] });
  expect(stored.transcript).toEqual(live.messages);
  expect([stored.ledger.status, stored.ledger.pausedFor, stored.ledger.usage.turns, stored.ledger.usage.total]).toEqual(
    ['paused', 'question', 1, live.usage.total],
  );
  expect(stored.ledger.calls).toEqual(live.calls);
  expect(only(events, 'question.asked').map(({ question }) => question)).toEqual(live.questions);
});

test("[BG-125] the machine's own state is JSON, also while it is paused", async () => {
  const contexts: RunContext[] = [];
  const inspect = (event: { type: string; snapshot?: unknown }) => {
    const context = (event.snapshot as { context?: Partial<AgentContext> } | undefined)?.context?.run;
    if (context?.runId) contexts.push(context);
  };
  const { runtime } = open([{ calls: [call('a'), call('b', 'ask')] }, 'Done.'], { inspect: inspect as never });
  const run = runtime.start(leadOf({ tools: [toolOf(), toolOf({ name: 'ask', confirm: true })] }), 'Go.');
  await run.report;
  await runtime.resume(run.id, 'yes');
  expect(contexts.some(({ stuck }) => stuck > 0)).toBe(true);
  for (const context of contexts) expect(JSON.parse(JSON.stringify(context))).toEqual(context);
});

test('[BG-126] memory is written, read, searched by any part of key or value, and emptied, scope by scope', async () => {
  const memory = memoryStore();
  await memory.write('a', 'city', { name: 'Köln' });
  await memory.write('a', 'river', 'Rhein');
  await memory.write('b', 'city', 'Bonn');
  expect(await memory.read('a', 'city')).toEqual({ name: 'Köln' });
  expect(await memory.search('a', 'KÖL')).toEqual([{ scope: 'a', key: 'city', value: { name: 'Köln' } }]);
  expect(await memory.search('a', 'iv')).toEqual([{ scope: 'a', key: 'river', value: 'Rhein' }]);
  await memory.reset('a');
  expect([await memory.read('a', 'city'), await memory.read('b', 'city')]).toEqual([undefined, 'Bonn']);
});
