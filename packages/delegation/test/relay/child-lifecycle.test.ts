import type { RunEvent } from '@troupe/protocol';
import type { Turn } from '@troupe/testing';
import fc from 'fast-check';
import { from, Subject, startWith, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import {
  type ChildStart,
  type ChildStop,
  childLabel,
  childLifecycle,
  completionLine,
  createSubworkerTool,
  type MemoryNotice,
  onChildren,
} from '../../src/index.ts';
import { batchTool, delegate, heard, use, worker } from '../batch.ts';
import { asking, calling, leadWith, open, settle, spawn, type Troupe } from '../delegating.ts';

const started = (told: readonly (ChildStart | ChildStop)[]) =>
  told.filter((moment): moment is ChildStart => moment.type === 'childStart');
const stopped = (told: readonly (ChildStart | ChildStop)[]) =>
  told.filter((moment): moment is ChildStop => moment.type === 'childStop');

/** A lead that delegates one task to each of these, in its second turn. */
const play = async (tasks: Record<string, readonly Turn[]>, during?: (troupe: Troupe) => unknown, budget = {}) => {
  const goals = Object.keys(tasks).map((agent) => ({ agent, goal: `Goal of ${agent}` }));
  const troupe = open({ lead: [calling(use('read')), calling(delegate(...goals)), 'Done.'], ...tasks });
  const told = heard(troupe.runtime.events$.pipe(childLifecycle()));
  const run = troupe.runtime.start(leadWith(batchTool([], { budget })), 'Go.', { runId: 'root' });
  await settle();
  await during?.(troupe);
  await run.report;
  return { troupe, told };
};

describe('what is told of a child that begins', () => {
  test('is whose it is, in which turn, what it may do and what for [HM-059]', async () => {
    const { told } = await play({ scout: ['Found.'] });
    expect(started(told)).toEqual([
      {
        type: 'childStart',
        runId: 'root/2-0/0',
        parentRunId: 'root',
        parentTurn: 2,
        agent: 'scout',
        depth: 0,
        role: 'leaf',
        goal: 'Goal of scout',
      },
    ]);
  });

  test('comes once for each, before its end, in the order of the tasks [HM-059, HM-111]', async () => {
    const { told } = await play({ a: ['A.'], b: ['B.'] });
    expect(told.map(({ type, agent }) => `${type} ${agent}`)).toEqual([
      'childStart a',
      'childStart b',
      'childStop a',
      'childStop b',
    ]);
  });

  test('has no role where another tool started it, and no parent where it is a root that was delegated', async () => {
    const troupe = open({ lead: [calling(spawn()), 'Done.'], helper: ['Helped.'], unit: ['Done.'] });
    const told = heard(troupe.runtime.events$.pipe(childLifecycle()));
    await troupe.runtime.run(leadWith(createSubworkerTool()), 'Go.', { runId: 'root' });
    const metadata = { delegation: { index: 0, count: 1, role: 'orchestrator' } };
    await troupe.runtime.run(worker('unit'), { input: 'x', metadata }, { runId: 'unit' });
    expect(started(told)[0]).not.toHaveProperty('role');
    expect(started(told)[1]).toEqual({
      type: 'childStart',
      runId: 'unit',
      agent: 'unit',
      depth: 0,
      role: 'orchestrator',
      goal: 'x',
    });
    expect(stopped(told).map(({ runId }) => runId)).toEqual(['root/1-0/0', 'unit']);
  });
});

describe('what is told of a child that ends', () => {
  test('is how, with what, and what it had called [HM-111, HM-176]', async () => {
    const key = 'sk-abcdefghijklmnopqrstuvwxyz123456';
    const answer = 'Found. '.repeat(200);
    const { told } = await play({ scout: [calling(use('read', key), use('nothing')), answer] });
    expect(stopped(told)).toEqual([
      {
        ...started(told)[0],
        type: 'childStop',
        summary: answer,
        status: 'completed',
        exitReason: 'answered',
        outcome: 'unverified',
        interrupted: false,
        durationMs: 0,
        toolErrorCount: 1,
        toolCalls: [
          { tool: 'read', preview: '[redacted]', argsBytes: 21, resultBytes: 9, status: 'ok' },
          { tool: 'nothing', preview: '{}', argsBytes: 2, resultBytes: expect.any(Number), status: 'error' },
        ],
      },
    ]);
  });

  test('says how far it can be relied on [HM-176]', async () => {
    const partial = Array.from({ length: 2 }, () => ({ text: 'So far.', calls: [use('read')] }));
    const { told } = await play(
      { a: partial, b: ['B.'], c: [{ fault: { message: 'x' } }], d: [{ hang: true }] },
      async (troupe) => {
        await (await troupe.runtime.attach('root/2-0/3')).interrupt('Enough.');
      },
      { turns: 2 },
    );
    expect(stopped(told)).toMatchObject([
      { agent: 'a', outcome: 'partial', status: 'partial', exitReason: 'max_turns', summary: null },
      { agent: 'b', outcome: 'unverified', interrupted: false },
      { agent: 'c', outcome: 'failed', status: 'failed', exitReason: 'model_error' },
      { agent: 'd', outcome: 'unknown', status: 'interrupted', interrupted: true, summary: null },
    ]);
  });

  test('comes with the others of its call, in their order, when all have ended [HM-111]', async () => {
    // given children that end last first
    const counts: number[] = [];
    const { told } = await play(
      { a: [{ delayMs: 30, text: 'A.' }], b: [{ delayMs: 20, text: 'B.' }], c: [{ delayMs: 10, text: 'C.' }] },
      async ({ clock, runtime, events }) => {
        const stops = heard(runtime.events$.pipe(startWith(...events), childLifecycle()));
        for (const _ of 'cba') {
          clock.increment(10);
          await settle();
          counts.push(stopped(stops).length);
        }
      },
    );
    expect(counts).toEqual([0, 0, 3]);
    expect(stopped(told).map(({ agent, durationMs }) => [agent, durationMs])).toEqual([
      ['a', 30],
      ['b', 20],
      ['c', 10],
    ]);
  });

  test('does not wait for a sibling that waits for a person and was let go; that one comes when it ends', async () => {
    const { tool: deploy } = asking();
    const turns = [calling({ name: 'deploy', arguments: {} }), 'Deployed.'];
    const tasks = [
      { agent: 'asker', goal: 'A' },
      { agent: 'b', goal: 'B' },
    ];
    const troupe = open({
      lead: [calling(delegate(...tasks)), 'Done.'],
      asker: turns,
      b: [{ delayMs: 5, text: 'B.' }],
    });
    const told = heard(troupe.runtime.events$.pipe(childLifecycle()));
    const tool = batchTool([worker('asker', { tools: [deploy] })], { onPaused: 'error' });
    const run = troupe.runtime.start(leadWith(tool), 'Go.', { runId: 'root' });
    await settle();
    expect(stopped(told)).toEqual([]);
    troupe.clock.increment(5);
    await run.report;
    expect(stopped(told)).toMatchObject([{ summary: 'B.' }]);
    await troupe.runtime.resume('root/1-0/0', true);
    expect(stopped(told)).toMatchObject([{ summary: 'B.' }, { status: 'completed', summary: 'Deployed.' }]);
  });

  test('remembers the last fifty calls', async () => {
    const calls = Array.from({ length: 60 }, (_, i) => use('read', `${i}`));
    const troupe = open({
      lead: [calling(delegate({ agent: 'scout', goal: 'A' })), 'Done.'],
      scout: [calling(...calls), 'Done.'],
    });
    const told = heard(troupe.runtime.events$.pipe(childLifecycle()));
    await troupe.runtime.run(leadWith(batchTool([worker('scout', { budget: { toolCalls: 60 } })])), 'Go.');
    const [stop] = stopped(told);
    expect([stop?.toolCalls.length, stop?.toolCalls[0]?.preview]).toEqual([50, '10']);
  });

  test('whatever the order of ends: each once, those of a call in order, after the last of them [HM-111]', () => {
    const about = { rootId: 'r', agent: 'a', at: 0 };
    const root = { ...about, runId: 'r', depth: 0 };
    const childOf = (n: number) => ({ ...about, runId: `r/1-0/${n}`, parentId: 'r', depth: 1 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }).chain((n) => fc.shuffledSubarray([...Array(n).keys()], { minLength: n })),
        (order) => {
          const n = order.length;
          const indices = [...order.keys()];
          const events = [
            ...indices.map((i) => ({ ...root, type: 'child.requested', childId: `r/1-0/${i}` })),
            // some begin only when others have ended
            ...order.flatMap((i) => [
              {
                ...childOf(i),
                type: 'run.started',
                job: { input: `${i}`, metadata: { delegation: { index: i, count: n, role: 'leaf' } } },
              },
              { ...childOf(i), type: 'run.completed', text: `${i}` },
              { ...root, type: 'child.settled', childId: `r/1-0/${i}`, status: 'completed' },
            ]),
          ] as unknown as RunEvent[];
          const source$ = new Subject<RunEvent>();
          const told = heard(source$.pipe(childLifecycle()));
          for (const event of events) {
            const before = stopped(told).length;
            source$.next(event);
            if (event.runId !== `r/1-0/${order.at(-1)}`) expect(stopped(told).length).toBe(before);
          }
          expect(stopped(told).map(({ summary }) => summary)).toEqual(indices.map(String));
        },
      ),
    );
  });
});

describe('hooks', () => {
  /** What hooks were called with, in order. */
  const noting = () => {
    const notes: string[] = [];
    const notices: MemoryNotice[] = [];
    return {
      notes,
      notices,
      childStart: ({ agent }: ChildStart): unknown => notes.push(`start ${agent}`),
      childStop: ({ agent }: ChildStop): unknown => notes.push(`stop ${agent}`),
      memoryNotice: (notice: MemoryNotice): unknown => {
        notes.push(`memory ${notice.goal}`);
        return notices.push(notice);
      },
    };
  };
  const run = async (hooks: Parameters<typeof onChildren>[1]) => {
    const tasks = [
      { agent: 'a', goal: 'A' },
      { agent: 'b', goal: 'B' },
    ];
    const troupe = open({ lead: [calling(delegate(...tasks)), 'Done.'], a: ['A.'], b: [{ fault: { message: 'no' } }] });
    onChildren(troupe.runtime.events$, hooks);
    const report = await troupe.runtime.run(leadWith(batchTool([])), 'Go.', { runId: 'root' });
    await settle();
    return report;
  };
  const all = ['start a', 'start b', 'stop a', 'memory A', 'stop b', 'memory B'];

  test('are called once for each child, one after another; a memory is told goal, summary and run [HM-059, HM-110, HM-111]', async () => {
    const hooks = noting();
    await run(hooks);
    expect(hooks.notes).toEqual(all);
    expect(hooks.notices).toEqual([
      { goal: 'A', summary: 'A.', runId: 'root/1-0/0' },
      { goal: 'B', summary: '', runId: 'root/1-0/1' },
    ]);
    expect(await run({})).toMatchObject({ status: 'completed' });
  });

  test('that throw, at once or later, change nothing [HM-110, HM-111]', async () => {
    const caught: unknown[] = [];
    const hooks = noting();
    const report = await run({
      childStart: (start) => {
        hooks.childStart(start);
        throw new Error('start');
      },
      childStop: (stop) => {
        hooks.childStop(stop);
        return Promise.reject(new Error('stop'));
      },
      memoryNotice: (notice) => {
        hooks.memoryNotice(notice);
        throw new Error('memory');
      },
      caught: (error) => {
        caught.push(error);
        throw new Error('caught');
      },
    });
    expect(hooks.notes).toEqual(all);
    expect(caught.map(String)).toEqual([
      'Error: start',
      'Error: start',
      'Error: stop',
      'Error: memory',
      'Error: stop',
      'Error: memory',
    ]);
    expect(report).toMatchObject({ status: 'completed', text: 'Done.' });
  });

  test('that take their time are waited for [HM-111]', async () => {
    const notes: string[] = [];
    const slowly = (what: string) => async () => {
      notes.push(`${what} begins`);
      await settle(2);
      notes.push(`${what} ends`);
    };
    await run({ childStop: slowly('stop'), memoryNotice: slowly('memory') });
    expect(notes).toEqual(['stop', 'memory', 'stop', 'memory'].flatMap((what) => [`${what} begins`, `${what} ends`]));
  });

  test('are left alone once the subscription is left, and told of a stream that breaks', async () => {
    const hooks = noting();
    const source$ = new Subject<RunEvent>();
    onChildren(source$, hooks).unsubscribe();
    expect(source$.observed).toBe(false);
    const caught: unknown[] = [];
    onChildren(
      throwError(() => 'gone'),
      { caught: (error) => caught.push(error) },
    );
    onChildren(from([]), {});
    expect(caught).toEqual(['gone']);
  });
});

describe('[HM-109] the line of a child that has ended', () => {
  const ended = {
    status: 'completed',
    goal: 'Find the cause',
    durationMs: 12_400,
    taskIndex: 1,
    taskCount: 3,
  } as const;

  test('says whether it completed, which one it is and how long it took', () => {
    expect(completionLine(ended)).toBe('✓ [2/3] Find the cause (12s)');
    for (const status of ['partial', 'failed', 'interrupted', 'timeout', 'error'] as const)
      expect(completionLine({ ...ended, status })).toBe('✗ [2/3] Find the cause (12s)');
    const { taskIndex: _i, taskCount: _c, ...lone } = ended;
    expect(completionLine(lone)).toBe('✓ Find the cause (12s)');
  });

  test('names it by the first forty characters of its goal, on one line', () => {
    expect(childLabel(`  Find\n\n the ${'x'.repeat(60)}`)).toBe(`Find the ${'x'.repeat(31)}`);
    expect(childLabel(`${'x'.repeat(39)}😀`)).toBe('x'.repeat(39));
  });
});
