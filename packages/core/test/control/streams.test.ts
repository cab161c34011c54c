import { defineAgent, type Runtime } from '@troupe/core';
import type { Question, RunEvent } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { calling, delegating, gatedTool, guardedTool, ofType, plain } from './tools.ts';

const isStored = (event: RunEvent) => !('live' in event);
const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
const rootOf = (...tools: NonNullable<Parameters<typeof defineAgent>[0]['tools']>[number][]) =>
  defineAgent({ name: 'root', instructions: 'Root.', tools });
const family = (rootTools = [delegating(leaf)]) => ({
  root: rootOf(...rootTools),
  provider: scriptedProvider({
    root: [{ text: 'Let me', ...calling('ask_leaf') }, 'Root done.'],
    leaf: [{ deltas: ['Leaf ', 'done.'] }],
  }),
});
const listen = (source: { subscribe: Runtime['events$']['subscribe'] }) => {
  const events: RunEvent[] = [];
  const seen = { events, completed: false };
  source.subscribe({
    next: (event) => void events.push(event),
    complete: () => {
      seen.completed = true;
    },
  });
  return seen;
};

describe('the events of a run', () => {
  test('come to every subscriber, early, late and after the end, the same in the same order, and complete [L6, BG-120]', async () => {
    // given a subscriber from the start, one in the middle, and one after the end
    const gate = gatedTool('slow');
    const provider = scriptedProvider([calling('slow'), { deltas: ['All ', 'done.'] }]);
    const { runtime } = openRuntime({ provider });
    const run = runtime.start(rootOf(gate.tool), 'go');
    const early = listen(run.events$);
    await settle();
    const middle = listen(run.events$);
    gate.open[0]!.finish();
    await run.ended;
    const late = listen(run.events$);
    await settle();
    // then all have the same stored events, to the last field
    expect(early.events.filter(isStored)).toEqual(middle.events.filter(isStored));
    expect(early.events.filter(isStored)).toEqual(late.events);
    expect([early, middle, late].map(({ completed }) => completed)).toEqual([true, true, true]);
    expect(early.events.at(-1)?.type).toBe('run.completed');
    // and what was told as it came is not told again
    expect(ofType(early.events, 'text.streamed').map(({ delta }) => delta)).toEqual(['All ', 'done.']);
  });

  test('hold those of its descendants, and of nobody else [BG-036]', async () => {
    const { root, provider } = family();
    const { runtime } = openRuntime({ provider });
    const run = runtime.start(root, 'go');
    const other = runtime.start(defineAgent({ name: 'other', instructions: 'Other.' }), 'go');
    const all = listen(run.events$);
    await Promise.all([run.ended, other.ended]);
    await settle();
    const child = listen(run.child(`${run.id}/1-0/0`).events$);
    expect(new Set(all.events.map(({ agent }) => agent))).toEqual(new Set(['root', 'leaf']));
    expect(child.events).toEqual(all.events.filter((event) => event.agent === 'leaf' && isStored(event)));
    expect(child.completed).toBe(true);
  });

  test('can be read in a loop, which may be left early [BG-120]', async () => {
    const { root, provider } = family();
    const { runtime } = openRuntime({ provider });
    const run = runtime.start(root, 'go');
    const first: string[] = [];
    for await (const event of run) {
      first.push(event.type);
      if (first.length === 2) break;
    }
    expect(first).toEqual(['run.started', 'turn.started']);
    const all: RunEvent[] = [];
    for await (const event of run) all.push(event);
    expect(all.at(-1)).toMatchObject({ type: 'run.completed', runId: run.id });
  });

  test('are told on a clean stack: a subscriber that commands the run breaks no order [L6, L8]', async () => {
    const { root, provider } = family();
    const { runtime } = openRuntime({ provider });
    const run = runtime.start(root, 'go');
    run.events$.subscribe((event) => event.type === 'child.started' && void run.interrupt('From inside.'));
    expect(await run.ended).toMatchObject({ status: 'interrupted' });
  });

  test('are in the store before anybody hears of them, the row with them [L6, BG-054]', async () => {
    const { root, provider } = family();
    const { runtime } = openRuntime({ provider });
    const missing: string[] = [];
    const rows: unknown[] = [];
    runtime.events$.subscribe((event) => {
      if ('live' in event) return;
      const stored: RunEvent[] = [];
      runtime
        .events({ runId: event.runId, after: event.seq - 1 })
        .subscribe((found) => void stored.push(found))
        .unsubscribe();
      if (stored[0]?.type !== event.type) missing.push(event.id);
      if (event.type === 'run.completed') rows.push(runtime.runs.get(event.runId));
    });
    await runtime.run(root, 'go');
    expect(missing).toEqual([]);
    expect(await Promise.all(rows)).toMatchObject([{ status: 'completed' }, { status: 'completed' }]);
  });
});

describe('a reader with a cursor', () => {
  test('of a tree sees each event once, wherever it begins, stored or not yet [L6]', async () => {
    const gate = gatedTool('slow');
    const { runtime, events } = openRuntime({ provider: scriptedProvider([calling('slow'), 'Done.']) });
    const run = runtime.start(rootOf(gate.tool), 'go');
    await settle();
    const readers = [0, 2, 3].map((after) => listen(runtime.events({ rootId: run.id, after })));
    const own = listen(runtime.events({ runId: run.id, after: 3 }));
    gate.open[0]!.finish();
    await run.ended;
    await settle();
    const stored = events.filter(isStored);
    for (const [i, after] of [0, 2, 3].entries())
      expect(readers[i]!.events.filter(isStored)).toEqual(stored.slice(after));
    expect(own.events.filter(isStored)).toEqual(stored.slice(3));
  });

  test('over all trees goes on from the cursor of any event, live or replayed [L6]', async () => {
    const { runtime, events } = openRuntime({ provider: scriptedProvider(() => 'Done.') });
    const told = listen(runtime.events());
    await Promise.all([runtime.run(leaf, 'one'), runtime.run(leaf, 'two')]);
    await settle();
    const stored = events.filter(isStored);
    expect(told.events.filter(isStored)).toEqual(stored);
    for (const [i, event] of stored.entries()) {
      const { cursor } = event as { cursor?: string };
      expect(typeof cursor).toBe('string');
      expect(listen(runtime.events({ after: cursor! })).events).toEqual(stored.slice(i + 1));
    }
  });

  test('over all trees is told what comes later, too, until the runtime closes', async () => {
    const { runtime } = openRuntime({ provider: scriptedProvider(() => 'Done.') });
    const first = listen(runtime.events({}));
    const types: string[] = [];
    const loop = (async () => {
      for await (const event of runtime.events({})) types.push(event.type);
    })();
    await runtime.run(leaf, 'one');
    await runtime.close();
    await loop;
    expect(first.completed).toBe(true);
    expect(types).toEqual(first.events.map(({ type }) => type));
    expect(types.at(-1)).toBe('run.completed');
  });
});

test('questions$ starts with what is open and tells every change, oldest first [F-02]', async () => {
  const { tool } = guardedTool();
  const asker = defineAgent({ name: 'asker', instructions: 'Ask.', tools: [tool] });
  const provider = scriptedProvider((request, { agent }) =>
    request.messages.at(-1)?.role === 'tool'
      ? 'Done.'
      : agent === 'root'
        ? calling('ask_asker', 'ask_asker')
        : calling('erase'),
  );
  const { runtime } = openRuntime({ provider });
  const run = runtime.start(rootOf(delegating(asker)), 'go');
  const seen: Question[][] = [];
  run.questions$.subscribe((questions) => void seen.push(questions));
  await run.report;
  for (const { id } of [...run.questions]) await run.answer(id, true);
  await run.ended;
  expect(seen.map((questions) => questions.map(({ runId }) => runId.slice(run.id.length)))).toEqual([
    [],
    ['/1-0/0'],
    ['/1-0/0', '/1-1/0'],
    ['/1-1/0'],
    [],
  ]);
});

describe('whoever watches changes nothing', () => {
  test('a subscriber that throws stops neither the run nor the others; the logger is told [L8, BG-121]', async () => {
    const { root, provider } = family();
    const logged: string[] = [];
    const { runtime } = openRuntime({
      provider,
      logger: { warn: () => {}, error: (message) => void logged.push(message) },
    });
    const boom = () => {
      throw new Error('boom');
    };
    runtime.events$.subscribe(boom);
    runtime.events({}).subscribe({ next: boom });
    const run = runtime.start(root, 'go');
    run.events$.subscribe(boom);
    run.questions$.subscribe(boom);
    const good = listen(run.events$);
    expect(await run.ended).toMatchObject({ status: 'completed', text: 'Root done.' });
    await settle();
    expect(good.completed).toBe(true);
    expect(logged.length).toBeGreaterThan(0);
  });

  test('hooks hear of each child, and what they throw is logged [L8]', async () => {
    const { root, provider } = family();
    const heard: string[] = [];
    const hook = (event: RunEvent) => {
      heard.push(event.type);
      throw new Error('boom');
    };
    const logged: string[] = [];
    const { runtime } = openRuntime({
      provider,
      hooks: { childStart: hook, childStop: hook },
      logger: { warn: () => {}, error: (message) => void logged.push(message) },
    });
    expect(await runtime.run(root, 'go')).toMatchObject({ status: 'completed' });
    expect(heard).toEqual(['child.started', 'child.settled']);
    expect(logged).toEqual([expect.stringContaining('hooks.childStart'), expect.stringContaining('hooks.childStop')]);
  });

  test('an inspection observer that throws at everything breaks no run [L8]', async () => {
    const { root, provider } = family();
    let inspected = 0;
    const { runtime } = openRuntime({
      provider,
      inspect: () => {
        inspected += 1;
        throw new Error('boom');
      },
    });
    expect(await runtime.run(root, 'go')).toMatchObject({ status: 'completed', text: 'Root done.' });
    expect(inspected).toBeGreaterThan(10);
  });

  test('a logger that throws breaks no run either [L8]', async () => {
    const { root, provider } = family();
    const boom = () => {
      throw new Error('boom');
    };
    const { runtime } = openRuntime({ provider, logger: { warn: boom, error: boom }, hooks: { childStart: boom } });
    runtime.events$.subscribe(boom);
    expect(await runtime.run(root, 'go')).toMatchObject({ status: 'completed', text: 'Root done.' });
  });

  test('progress and text after the end of their run are told to nobody [L1]', async () => {
    const gate = gatedTool('slow');
    const { runtime, events } = openRuntime({ provider: scriptedProvider([calling('slow')]) });
    const run = runtime.start(rootOf(gate.tool, plain('other')), 'go');
    await settle();
    gate.open[0]!.context.progress('on my way');
    await run.interrupt();
    await run.ended;
    const told = events.length;
    gate.open[0]!.context.progress('too late');
    await settle();
    expect(events).toHaveLength(told);
    expect(ofType(events, 'call.progressed')).toMatchObject([{ note: 'on my way' }]);
  });
});
