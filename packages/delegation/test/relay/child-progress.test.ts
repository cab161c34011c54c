import { memoryStore } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import type { Turn } from '@troupe/testing';
import fc from 'fast-check';
import { from, Observable, type Subscriber } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { type AnsweredCall, type ChildEvent, childProgress, createSubworkerTool } from '../../src/index.ts';
import { batchTool, delegate, heard, storedOnly, use, worker } from '../batch.ts';
import { calling, leadWith, open, settle, spawn, type Troupe, tool } from '../delegating.ts';

type Of<T extends ChildEvent['type']> = Extract<ChildEvent, { type: T }>;
const only = <T extends ChildEvent['type']>(told: readonly ChildEvent[], type: T): Of<T>[] =>
  told.filter((event): event is Of<T> => event.type === type);
const typesOf = (told: readonly ChildEvent[], runId: string): string[] =>
  told.filter((event) => event.runId === runId).map(({ type }) => type);

/** A lead that delegates these tasks at once, each to an agent of that name with these turns. */
const play = async (
  tasks: Record<string, readonly Turn[]>,
  {
    options,
    budget = {},
    during,
  }: { options?: Parameters<typeof childProgress>[0]; budget?: object; during?: (troupe: Troupe) => unknown } = {},
) => {
  const names = Object.keys(tasks);
  const troupe = open({
    lead: [calling(delegate(...names.map((agent) => ({ agent, goal: `Goal of ${agent}` })))), 'Done.'],
    ...tasks,
  });
  const told = heard(troupe.runtime.events$.pipe(childProgress(options)));
  const lead = leadWith(batchTool([], { budget }));
  const run = troupe.runtime.start(lead, 'Go.', { runId: 'root' });
  await during?.(troupe);
  return { troupe, told, report: await run.report };
};
const first = 'root/1-0/0';

describe('the relay of a delegated child', () => {
  test('tells what happens to it, in this order [HM-082]', async () => {
    const { told } = await play({
      scout: [{ reasoning: 'Hm.', text: 'I look.', calls: [use('read', 'a.ts')] }, { deltas: ['It is', ' Titan.'] }],
    });
    expect(typesOf(told, first)).toEqual([
      'child.spawn_requested',
      'child.start',
      'child.thinking',
      'child.text',
      'child.tool',
      'child.text',
      'child.text',
      'child.progress',
      'child.complete',
    ]);
    expect(only(told, 'child.thinking')).toMatchObject([{ text: 'Hm.', turn: 1, attempt: 1 }]);
    expect(only(told, 'child.text').map(({ text }) => text)).toEqual(['I look.', 'It is', ' Titan.']);
    expect(only(told, 'child.tool')).toMatchObject([
      { tool: 'read', callId: expect.any(String), preview: 'a.ts', args: { path: 'a.ts' } },
    ]);
    // the root is no child
    expect(told.every(({ runId }) => runId === first)).toBe(true);
  });

  test('says of each event whose it is [HM-081, HM-058]', async () => {
    const { told } = await play({ scout: [calling(use('read')), 'A.'], scribe: ['B.'] });
    const common = { rootId: 'root', depth: 0, taskCount: 2, role: 'leaf' };
    for (const event of told) {
      const index = Number(event.runId === 'root/1-0/1');
      const agent = ['scout', 'scribe'][index];
      expect(event).toMatchObject({
        ...common,
        taskIndex: index,
        goal: `Goal of ${agent}`,
        agent,
        runId: expect.any(String),
      });
      expect(event).not.toHaveProperty('parentId');
      expect(event.toolCount).toBe(
        index === 0 && !['child.spawn_requested', 'child.start'].includes(event.type) ? 1 : 0,
      );
      expect(event.model).toBe('test-model');
    }
  });

  test('tells children of children, with the parent that is a child itself [HM-058]', async () => {
    const inner = batchTool([]);
    const middle = worker('middle', { tools: [inner] });
    const troupe = open({
      lead: [calling(delegate({ agent: 'middle', goal: 'Above' })), 'Done.'],
      middle: [calling(delegate({ agent: 'leaf', goal: 'Below' })), 'Middle.'],
      leaf: ['Leaf.'],
    });
    const told = heard(troupe.runtime.events$.pipe(childProgress()));
    await troupe.runtime.run(leadWith(batchTool([middle], { role: 'orchestrator' })), 'Go.', { runId: 'root' });
    expect(only(told, 'child.complete')).toMatchObject([
      { runId: 'root/1-0/0/1-0/0', parentId: first, depth: 1, goal: 'Below', role: 'leaf', inputTokens: 10 },
      { runId: first, depth: 0, goal: 'Above', role: 'orchestrator', summary: 'Middle.', inputTokens: 20 },
    ]);
  });

  test('tells children of other tools, of which nobody says which task they are [HM-081]', async () => {
    const troupe = open({ lead: [calling(spawn({ task: 'Help me.' })), 'Done.'], helper: ['Helped.'] });
    const told = heard(troupe.runtime.events$.pipe(childProgress()));
    await troupe.runtime.run(leadWith(createSubworkerTool()), 'Go.');
    expect(only(told, 'child.complete')).toMatchObject([{ agent: 'helper', goal: 'Help me.', summary: 'Helped.' }]);
    for (const event of told)
      for (const name of ['taskIndex', 'taskCount', 'role']) expect(event).not.toHaveProperty(name);
  });

  test('takes a root that was delegated as a child, and a delegation that is none as nothing', async () => {
    const troupe = open({ worker: ['A.'], other: ['B.'] });
    const told = heard(troupe.runtime.events$.pipe(childProgress()));
    const metadata = { delegation: { index: 0, count: 1, role: 'leaf' } };
    await troupe.runtime.run(worker('worker'), { input: { n: 1 }, tools: ['read'], metadata }, { runId: 'unit' });
    await troupe.runtime.run(worker('other'), { input: 'x', metadata: { delegation: { index: -1 } } });
    expect(only(told, 'child.complete')).toMatchObject([{ runId: 'unit', depth: 0, goal: '{"n":1}', tools: ['read'] }]);
  });

  test('is told when a child waits for its turn, and when it begins', async () => {
    const troupe = open({
      lead: [calling(delegate({ agent: 'a', goal: 'A' }, { agent: 'b', goal: 'B' })), 'Done.'],
      a: ['A.'],
      b: ['B.'],
    });
    const told = heard(troupe.runtime.events$.pipe(childProgress()));
    await troupe.runtime.run(leadWith(batchTool([]), { budget: { concurrency: 1 } }), 'Go.', { runId: 'root' });
    const steps = told.filter(({ type }) => type !== 'child.text').map(({ type, goal }) => `${type} ${goal}`);
    expect(steps.indexOf('child.spawn_requested B')).toBeLessThan(steps.indexOf('child.complete A'));
    expect(steps.indexOf('child.start B')).toBeGreaterThan(steps.indexOf('child.complete A'));
  });

  test('says which attempt spoke: what one before it said is void', () => {
    const events = recorded(['text.streamed', 'turn.attempted', 'text.streamed', 'turn.started', 'text.streamed']);
    const told = only(heard(from(events).pipe(childProgress())), 'child.text');
    expect(told.map(({ attempt }) => attempt)).toEqual([1, 2, 1]);
  });

  test('names the model that answered, and asks nothing of answers to calls that it does not know', () => {
    const [start] = recorded([]);
    const more = [
      { type: 'run.resumed', by: 'command' },
      { type: 'turn.completed', turn: 1, model: 'fallback' },
      { type: 'call.failed', callId: 'x', tool: 'x', result: 'lost' },
      { type: 'run.interrupted', reason: 'Enough.', exitReason: 'stopped', usage: { own: {}, total: {} } },
    ].map((event, i) => ({ ...start, ...event, seq: i + 2 })) as unknown as RunEvent[];
    const queued = { ...start, type: 'run.queued' } as RunEvent;
    for (const first of [start!, queued]) {
      const told = heard(from([first, ...more]).pipe(childProgress()));
      expect(only(told, 'child.complete')).toMatchObject([{ model: 'fallback', apiCalls: 1, outputTail: [] }]);
    }
  });

  test('passes warnings of a child on', async () => {
    const scout = worker('scout', { memoryScope: 'mine' });
    const memory = { ...memoryStore(), read: () => Promise.reject(new Error('disk gone')) };
    const script = { lead: [calling(delegate({ agent: 'scout', goal: 'A' })), 'Done.'], scout: ['A.'] };
    const { runtime } = open(script, { memory });
    const told = heard(runtime.events$.pipe(childProgress()));
    await runtime.run(leadWith(batchTool([scout])), 'Go.');
    expect(only(told, 'child.warning').filter(({ agent }) => agent === 'scout')).toMatchObject([
      { code: 'memory.unreadable', message: expect.stringContaining('disk gone') },
    ]);
  });
});

/** Events of one child, made by hand: its start, then these. */
const recorded = (types: readonly string[]): RunEvent[] => {
  const about = { runId: 'r/1-0/0', rootId: 'r', parentId: 'r', depth: 1, agent: 'a', at: 0 };
  const job = { input: 'Do.' };
  return [
    { ...about, type: 'run.started', job, model: 'm', budget: {}, seq: 1 },
    ...types.map((type, i) => ({ ...about, type, delta: type, seq: i + 2 })),
  ] as unknown as RunEvent[];
};

describe('the progress of a child', () => {
  test('names each five tools that begin, and the rest at its end [HM-083]', async () => {
    const names = ['read', 'grep', 'ls', 'cat', 'sed', 'read', 'write'];
    const { told } = await play({ scout: [calling(...names.map((name) => use(name))), 'Done.'] });
    expect(only(told, 'child.progress').map(({ text, called }) => [text, called.length])).toEqual([
      ['read, grep, ls, cat, sed', 5],
      ['read, write', 2],
    ]);
    expect(typesOf(told, first).slice(-2)).toEqual(['child.progress', 'child.complete']);
  });

  test('is prefixed with the number of the task only in a batch of several [HM-083]', async () => {
    const { told } = await play({ a: [calling(use('read')), 'A.'], b: [calling(use('grep')), 'B.'] });
    expect(only(told, 'child.progress').map(({ text }) => text)).toEqual(['[1] read', '[2] grep']);
  });

  test('says nothing of a child that used no tool [HM-083]', async () => {
    const { told } = await play({ scout: ['Done.'] });
    expect(only(told, 'child.progress')).toEqual([]);
  });

  test('counts each child by itself, and leaves the end of a tool untold [HM-084]', async () => {
    const inner = batchTool([]);
    const middle = worker('middle', { tools: [inner] });
    const troupe = open({
      lead: [calling(delegate({ agent: 'middle', goal: 'Above' })), 'Done.'],
      middle: [calling(delegate({ agent: 'leaf', goal: 'Below' })), 'Middle.'],
      leaf: [calling(use('read'), use('grep')), 'Leaf.'],
    });
    const told = heard(troupe.runtime.events$.pipe(childProgress()));
    await troupe.runtime.run(leadWith(batchTool([middle])), 'Go.', { runId: 'root' });
    expect(only(told, 'child.progress').map(({ text, depth }) => [depth, text])).toEqual([
      [1, 'read, grep'],
      [0, 'batch'],
    ]);
    expect(new Set(told.map(({ type }) => type))).toEqual(
      new Set(['child.spawn_requested', 'child.start', 'child.text', 'child.tool', 'child.progress', 'child.complete']),
    );
  });

  test('adds up: whatever is called, each name is told once, in order, five at a time [HM-083]', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 23 }), (names) => {
        const [start] = recorded([]);
        const calls = names.map((tool, i) => ({
          ...start,
          type: 'call.started',
          seq: i + 2,
          callId: `${i}`,
          tool,
          arguments: {},
        }));
        const end = { ...start, type: 'run.completed', text: 'Done.', usage: { own: {}, total: {} }, seq: 99 };
        const events = [start, ...calls, end] as unknown as RunEvent[];
        const told = only(heard(from(events).pipe(childProgress())), 'child.progress');
        expect(told.flatMap(({ called }) => called)).toEqual(names);
        expect(told.slice(0, -1).every(({ called }) => called.length === 5)).toBe(true);
        expect(told.every(({ called, text }) => called.length > 0 && text === called.join(', '))).toBe(true);
      }),
    );
  });
});

describe('the completion of a child', () => {
  const complete = (told: readonly ChildEvent[]) => only(told, 'child.complete')[0]!;

  test('tells how it ended and what it used [HM-086]', async () => {
    const long = 'word '.repeat(200).trim();
    const usage = { inputTokens: 7, outputTokens: 3, reasoningTokens: 2, costUsd: 0.5 };
    const { told } = await play({
      scout: [
        { ...calling(use('read')), usage },
        { text: long, usage },
      ],
    });
    const end = complete(told);
    expect(end).toMatchObject({
      status: 'completed',
      exitReason: 'answered',
      durationMs: 0,
      inputTokens: 14,
      outputTokens: 6,
      reasoningTokens: 4,
      costUsd: 1,
      apiCalls: 2,
      filesRead: [],
      filesWritten: [],
      outputTail: [{ tool: 'read', preview: 'read done', isError: false }],
      model: 'test-model',
      toolCount: 1,
    });
    expect([end.preview.length, end.summary.length]).toEqual([160, 500]);
    expect(long.startsWith(end.summary.slice(0, -1))).toBe(true);
  });

  test('leaves the cost out while nobody knows it, and counts reasoning as 0 [HM-086]', async () => {
    const { told } = await play({ scout: ['Done.'] });
    expect(complete(told)).not.toHaveProperty('costUsd');
    expect(complete(told)).toMatchObject({ reasoningTokens: 0, inputTokens: 10, outputTokens: 5, summary: 'Done.' });
  });

  test('gives the error of a child that failed, and what it had said [HM-086, B-57]', async () => {
    const calls = Array.from({ length: 2 }, () => ({ text: 'So far: 1.', calls: [use('read')] }));
    const { told } = await play({ scout: calls }, { budget: { turns: 2 } });
    expect(complete(told)).toMatchObject({
      status: 'partial',
      exitReason: 'max_turns',
      partialText: 'So far: 1.',
      summary: expect.stringContaining('turns'),
      preview: expect.stringContaining('turns'),
      apiCalls: 2,
    });
  });

  test('of a timeout says how long it took, and nothing else [HM-087]', async () => {
    const { told } = await play(
      { scout: [{ hang: true }] },
      { budget: { activeMs: 90_000 }, during: ({ clock }) => settle().then(() => clock.increment(90_000)) },
    );
    expect(complete(told)).toMatchObject({
      status: 'timeout',
      exitReason: 'timeout',
      preview: 'Timed out after 90s',
      summary: '',
      durationMs: 90_000,
      apiCalls: 0,
    });
  });

  test('of an exception is its text [HM-087]', async () => {
    const { told } = await play({ scout: [{ throws: new TypeError('adapter exploded') }] });
    expect(complete(told)).toMatchObject({ status: 'error', preview: 'adapter exploded', summary: '', durationMs: 0 });
  });

  test('of an interrupt is its reason, also where the child had not begun', async () => {
    const troupe = open({
      lead: [calling(delegate({ agent: 'a', goal: 'A' }, { agent: 'b', goal: 'B' })), 'Done.'],
      a: [{ hang: true }],
    });
    const told = heard(troupe.runtime.events$.pipe(childProgress()));
    const run = troupe.runtime.start(leadWith(batchTool([]), { budget: { concurrency: 1 } }), 'Go.', { runId: 'root' });
    await settle();
    troupe.clock.increment(2_000);
    await run.interrupt('Enough.');
    await run.ended;
    const ends = only(told, 'child.complete').toSorted((a, b) => a.goal.localeCompare(b.goal));
    expect(ends).toMatchObject([
      { goal: 'A', status: 'interrupted', exitReason: 'parent_interrupted', summary: 'Enough.', durationMs: 2_000 },
      { goal: 'B', status: 'interrupted', durationMs: 0, apiCalls: 0 },
    ]);
  });

  test('has the last eight results, oldest first, with their errors [HM-088]', async () => {
    const calls = [...Array.from({ length: 9 }, (_, i) => use('read', `${i}`)), use('nothing')];
    const { told } = await play({ scout: [calling(...calls), 'Done.'] });
    const { outputTail } = complete(told);
    expect(outputTail).toHaveLength(8);
    expect(outputTail.map(({ tool, isError }) => [tool, isError]).slice(-2)).toEqual([
      ['read', false],
      ['nothing', true],
    ]);
    expect(outputTail[7]?.preview).toContain('nothing');
  });

  test('lists what it was told and never heard [HM-171]', async () => {
    const troupe = open({ lead: [calling(delegate({ agent: 'scout', goal: 'A' })), 'Done.'], scout: [{ hang: true }] });
    const told = heard(troupe.runtime.events$.pipe(childProgress()));
    const run = troupe.runtime.start(leadWith(batchTool([])), 'Go.', { runId: 'root' });
    await settle();
    await run.child(first).steer('Look at Saturn.');
    await run.child(first).interrupt();
    await run.ended;
    expect(complete(told)).toMatchObject({ status: 'interrupted', unheard: ['Look at Saturn.'] });
    // and what it did hear is not
    const { told: other } = await play(
      { scout: [calling(use('read')), { delayMs: 5, text: 'A.' }, { fault: { message: 'no' } }] },
      {
        during: async ({ runtime, clock }) => {
          await settle();
          await (await runtime.attach(first)).steer('Look at Saturn.');
          clock.increment(5);
        },
      },
    );
    expect(complete(other)).toMatchObject({ status: 'failed', apiCalls: 2 });
    expect(complete(other)).not.toHaveProperty('unheard');
  });
});

describe('the files of a child', () => {
  const filesOf = ({ tool: name, arguments: args }: { tool: string; arguments: unknown }) => {
    const { path } = args as { path?: string };
    if (path === undefined) return undefined;
    return name === 'write' ? { written: [path] } : { read: [path] };
  };

  test('are those of its calls that succeeded, once each [B-50, HM-086]', async () => {
    const calls = [use('read', 'a'), use('read', 'a'), use('write', 'b'), use('nothing', 'c'), use('ls')];
    const { told } = await play({ scout: [calling(...calls), 'Done.'] }, { options: { filesOf } });
    expect(only(told, 'child.complete')).toMatchObject([{ filesRead: ['a'], filesWritten: ['b'] }]);
  });

  test('may be found in what a tool gave besides its text', async () => {
    const list = tool('list', { execute: () => ({ content: 'two files', data: ['a', 'b'] }) });
    const asked: unknown[] = [];
    const troupe = open({
      lead: [calling(delegate({ agent: 'scout', goal: 'A' })), 'Done.'],
      scout: [calling(use('list')), 'Done.'],
    });
    const filesOf = (call: AnsweredCall) => {
      asked.push(call);
      return { read: call.data as string[] };
    };
    const told = heard(troupe.runtime.events$.pipe(childProgress({ filesOf })));
    await troupe.runtime.run(leadWith(batchTool([worker('scout', { tools: [list] })])), 'Go.', { runId: 'root' });
    expect(only(told, 'child.complete')).toMatchObject([{ filesRead: ['a', 'b'] }]);
    expect(asked).toMatchObject([{ runId: first, tool: 'list', arguments: {}, status: 'ok', data: ['a', 'b'] }]);
  });

  test('are at most forty of each kind [HM-086]', async () => {
    const calls = Array.from({ length: 50 }, (_, i) => [use('read', `r${i}`), use('write', `w${i}`)]).flat();
    const options = { filesOf };
    const lead = [calling(delegate({ agent: 'scout', goal: 'A' })), 'Done.'];
    const troupe = open({ lead, scout: [calling(...calls), 'Done.'] });
    const told = heard(troupe.runtime.events$.pipe(childProgress(options)));
    const scout = worker('scout', { budget: { toolCalls: 100 } });
    await troupe.runtime.run(leadWith(batchTool([scout])), 'Go.');
    const [end] = only(told, 'child.complete');
    expect([end?.filesRead.length, end?.filesWritten.length]).toEqual([40, 40]);
    expect(end?.filesRead.slice(0, 2)).toEqual(['r0', 'r1']);
  });

  test('are what a registry of files says, where it knows the run [B-50]', async () => {
    const many = Array.from({ length: 50 }, (_, i) => `${i}`);
    const files = (runId: string) => (runId.endsWith('/0') ? { read: many, written: ['x'] } : undefined);
    const turns = [calling(use('write', 'b')), 'Done.'];
    const { told } = await play({ a: turns, b: turns }, { options: { files, filesOf } });
    const ends = only(told, 'child.complete').toSorted((a, b) => a.goal.localeCompare(b.goal));
    expect(ends.map(({ filesRead, filesWritten }) => [filesRead.length, filesWritten])).toEqual([
      [40, ['x']],
      [0, ['b']],
    ]);
  });

  test('are not known where they cannot be found, which is told and breaks nothing', async () => {
    const key = 'sk-abcdefghijklmnopqrstuvwxyz123456';
    const broken = () => {
      throw new Error(`no registry ${key}`);
    };
    const turns = [calling(use('write', 'b')), 'Done.'];
    const { told, report } = await play({ a: turns }, { options: { files: broken, filesOf: broken } });
    expect(only(told, 'child.complete')).toMatchObject([{ filesRead: [], filesWritten: [], status: 'completed' }]);
    expect(only(told, 'child.warning')).toMatchObject([
      { code: 'relay.files', message: 'no registry [redacted]' },
      { code: 'relay.files', message: 'no registry [redacted]' },
    ]);
    expect(report.status).toBe('completed');
  });
});

describe('whoever hears the relay', () => {
  test('changes nothing by throwing: the run, and others who hear it, go on [HM-085]', async () => {
    const lead = [calling(delegate({ agent: 'scout', goal: 'A' })), 'Done.'];
    const errors: string[] = [];
    const logger = { warn: () => {}, error: (message: string) => void errors.push(message) };
    const troupe = open({ lead, scout: [calling(use('read')), 'Found.'] }, { logger });
    const run = troupe.runtime.start(leadWith(batchTool([])), 'Go.', { runId: 'root' });
    run.events$.pipe(childProgress()).subscribe(() => {
      throw new Error('bad screen');
    });
    const told = heard(run.events$.pipe(childProgress()));
    const report = await run.report;
    expect(report).toMatchObject({ status: 'completed', text: 'Done.', children: [{ status: 'completed' }] });
    expect(only(told, 'child.complete')).toHaveLength(1);
    expect(errors.length).toBeGreaterThan(0);
  });

  test('is nobody until somebody subscribes: nothing is counted and nobody asked [HM-080]', async () => {
    let subscribed = 0;
    let asked = 0;
    const source$ = new Observable((subscriber: Subscriber<RunEvent>) => {
      subscribed += 1;
      subscriber.complete();
    });
    source$.pipe(childProgress());
    expect(subscribed).toBe(0);
    const filesOf = () => {
      asked += 1;
      return undefined;
    };
    const lead = [calling(delegate({ agent: 'scout', goal: 'A' })), 'Done.'];
    const troupe = open({ lead, scout: [calling(use('read')), 'Found.'] });
    troupe.runtime.events$.pipe(childProgress({ filesOf }));
    await troupe.runtime.run(leadWith(batchTool([])), 'Go.');
    expect(asked).toBe(0);
  });

  test('hears the same from stored events as it heard live, but for what was streamed', async () => {
    const filesOf = () => ({ read: ['a'] });
    const { troupe, told } = await play(
      { scout: [{ reasoning: 'Hm.', text: 'I look.', calls: [use('read'), use('grep')] }, 'Found.'], scribe: ['B.'] },
      { options: { filesOf } },
    );
    const lasting = told.filter(({ type }) => type !== 'child.text' && type !== 'child.thinking');
    const stored = heard(troupe.runtime.events({ rootId: 'root' }).pipe(childProgress({ filesOf })));
    expect(stored).toEqual(lasting);
    expect(heard(from(storedOnly(troupe.events)).pipe(childProgress({ filesOf })))).toEqual(lasting);
  });

  test('hears nothing of a child whose beginning it missed', async () => {
    const { troupe } = await play({ scout: [calling(use('read')), 'Found.'] });
    const late = troupe.events.slice(troupe.events.findIndex(({ type }) => type === 'call.started') + 5);
    expect(heard(from(late).pipe(childProgress()))).toEqual([]);
  });

  test('keeps two subscriptions apart', async () => {
    const { troupe } = await play({ scout: [calling(use('read')), 'Found.'] });
    const told$ = from(troupe.events).pipe(childProgress());
    expect(heard(told$)).toEqual(heard(told$));
  });

  test('is told no secret', async () => {
    const key = 'sk-abcdefghijklmnopqrstuvwxyz123456';
    const leak = tool('leak', { execute: () => key });
    const scout = worker('scout', { tools: [leak] });
    const lead = [calling(delegate({ agent: 'scout', goal: `Use ${key}` })), 'Done.'];
    const troupe = open({ lead, scout: [calling(use('leak', key)), `The key is ${key}`] });
    const told = heard(troupe.runtime.events$.pipe(childProgress()));
    await troupe.runtime.run(leadWith(batchTool([scout])), 'Go.');
    expect(JSON.stringify(told)).toContain('[redacted]');
    expect(JSON.stringify(told)).not.toContain(key);
  });
});
