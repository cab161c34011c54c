import { defineTool, memoryStore } from '@troupe/core';
import type { RunStore } from '@troupe/protocol';
import type { Turn } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { createSubworkerTool, type DelegationRecord, type Delegations, delegations } from '../../src/index.ts';
import { batchTool, delegate, heard, use, worker } from '../batch.ts';
import { asking, calling, leadWith, open, settle, spawn, type Troupe } from '../delegating.ts';

const control = (troupe: Pick<Troupe, 'runtime'>, limits = {}): Delegations => {
  const made = delegations(troupe.runtime, limits);
  onTestFinished(() => made.close());
  return made;
};
const ids = (records: readonly DelegationRecord[]): string[] => records.map(({ runId }) => runId);
const [first, second] = ['root/1-0/0', 'root/1-0/1'];

/** Children that hang; the others of the script answer. */
const hanging: readonly Turn[] = [{ hang: true }];
const two = calling(delegate({ agent: 'a', goal: 'Goal A' }, { agent: 'b', goal: 'Goal B' }));

/** A run named `root` of a lead with two children at work. */
const atWork = async (script: Record<string, readonly Turn[]> = {}) => {
  const troupe = open({ lead: [two, 'Done.'], a: hanging, b: hanging, ...script });
  const made = control(troupe);
  const run = troupe.runtime.start(leadWith(batchTool([])), 'Go.', { runId: 'root' });
  await settle();
  return { troupe, made, run };
};

describe('the children at work', () => {
  test('are listed from their first event to their last [HM-090]', async () => {
    const troupe = open({ lead: [two, 'Done.'], a: [calling(use('read'), use('grep')), { hang: true }], b: ['B.'] });
    const made = control(troupe);
    expect(made.list()).toEqual([]);
    troupe.clock.increment(7);
    const run = troupe.runtime.start(leadWith(batchTool([])), 'Go.', { runId: 'root' });
    await settle();
    expect(made.list()).toEqual([
      {
        runId: first,
        rootId: 'root',
        depth: 0,
        goal: 'Goal A',
        agent: 'a',
        model: 'test-model',
        role: 'leaf',
        status: 'running',
        startedAt: 7,
        toolCount: 2,
        lastTool: 'grep',
      },
    ]);
    await run.interrupt();
    await run.ended;
    expect(made.list()).toEqual([]);
  });

  test('are copies: changing one changes nothing [HM-090]', async () => {
    const { made } = await atWork();
    for (const record of made.list()) Object.assign(record, { goal: 'changed' });
    made.list().pop();
    expect(made.list().map(({ goal }) => goal)).toEqual(['Goal A', 'Goal B']);
  });

  const paths: [string, Turn[], object][] = [
    ['completes', ['A.'], {}],
    ['fails', [{ fault: { message: 'no' } }], {}],
    ['breaks', [{ throws: new Error('boom') }], {}],
    ['runs out of turns', [calling(use('read'))], { turns: 1 }],
    ['runs out of time', [{ hang: true }], { activeMs: 1_000 }],
  ];
  test.each(paths)('leave when one %s [HM-090]', async (_what, a, budget) => {
    const troupe = open({ lead: [calling(delegate({ agent: 'a', goal: 'A' })), 'Done.'], a });
    const made = control(troupe);
    const lists = heard(made.active$);
    const run = troupe.runtime.start(leadWith(batchTool([], { budget })), 'Go.');
    await settle();
    troupe.clock.increment(1_000);
    await run.report;
    await settle();
    expect(lists.some((list) => list.length === 1)).toBe(true);
    expect([made.list(), lists.at(-1)]).toEqual([[], []]);
  });

  test('leave when their runtime is closed, however it is [HM-090]', async () => {
    const { troupe, made } = await atWork();
    let completed = false;
    made.active$.subscribe({ complete: () => (completed = true) });
    expect(made.list()).toHaveLength(2);
    await troupe.runtime.close();
    expect(made.list()).toEqual([]);
    expect(completed).toBe(true);
    const late = control(troupe);
    await late.ready;
    expect(late.list()).toEqual([]);
  });

  test('are listed by tree, by who is above them and by how they stand', async () => {
    const middle = worker('middle', { tools: [batchTool([])] });
    const troupe = open({
      lead: [calling(delegate({ agent: 'middle', goal: 'M' }, { agent: 'a', goal: 'A' })), 'Done.'],
      middle: [calling(delegate({ agent: 'b', goal: 'B' })), 'Middle.'],
      other: [calling(spawn()), 'Done.'],
      a: [...hanging, ...hanging],
      b: [...hanging, ...hanging],
      helper: hanging,
    });
    const made = control(troupe);
    const lead = leadWith(batchTool([middle]), { budget: { concurrency: 1 } });
    const run = troupe.runtime.start(lead, 'Go.', { runId: 'root' });
    troupe.runtime.start(leadWith(createSubworkerTool(), { name: 'other' }), 'Go.', { runId: 'other' });
    await settle();
    const below = 'root/1-0/0/1-0/0';
    expect(ids(made.list()).toSorted()).toEqual(['other/1-0/0', first, below, second].toSorted());
    expect(ids(made.list({ rootId: 'other' }))).toEqual(['other/1-0/0']);
    expect(ids(made.list({ under: first }))).toEqual([below]);
    expect(made.list({ under: first })).toMatchObject([{ parentId: first, depth: 1 }]);
    expect(made.list({ rootId: 'other' })[0]).not.toHaveProperty('role');
    await run.pause();
    await settle();
    expect(ids(made.list({ rootId: 'root', status: 'running' }))).not.toContain(first);
    expect(ids(made.list({ rootId: 'root', status: ['paused', 'queued'] }))).toContain(first);
    await run.resume();
    await settle();
    expect(ids(made.list({ rootId: 'root', status: 'running' }))).toContain(first);
  });

  test('are told as they change: the list of now, then one list a tick', async () => {
    const { made, troupe } = await atWork();
    const lists = heard(made.active$);
    expect(lists.map(ids)).toEqual([[first, second]]);
    const again = heard(made.active$);
    made.active$.subscribe(() => {
      throw new Error('bad screen');
    });
    await made.interrupt(first);
    await settle();
    expect(lists.map(({ length }) => length)).toEqual([2, 1]);
    expect([lists.at(-1), again.at(-1)].map((list) => ids(list ?? []))).toEqual([[second], [second]]);
    expect((await troupe.runtime.runs.get('root'))?.status).toBe('running');
  });

  test('that begin together are told together', async () => {
    const troupe = open({ lead: [two, 'Done.'], a: hanging, b: hanging });
    const lists = heard(control(troupe).active$);
    troupe.runtime.start(leadWith(batchTool([])), 'Go.', { runId: 'root' });
    await settle();
    expect(lists.map(({ length }) => length)).toEqual([0, 2]);
  });

  test('that were there before are listed, with what they have done, once the store was read', async () => {
    // given a tree with a child that ended, one that works and one that was let go
    const { tool: deploy } = asking();
    const script = {
      lead: [calling(spawn({ name: 'asker', tools: ['deploy'] })), two, { hang: true } as const],
      asker: [calling({ name: 'deploy', arguments: {} }), 'Deployed.'],
      a: [calling(use('read')), { delayMs: 5, ...calling(use('grep')) }, { hang: true } as const],
      b: ['B.'],
    };
    const troupe = open(script, { open: true });
    const lead = leadWith([createSubworkerTool({ availableTools: [deploy] }), batchTool([])]);
    const run = troupe.runtime.start(lead, 'Go.', { runId: 'root' });
    await settle();
    // when the program begins to look
    const made = control(troupe);
    expect(made.list()).toEqual([]);
    await made.ready;
    // then those at work are there, in the state they are in
    expect(made.list()).toMatchObject([
      { runId: 'root/1-0/0', status: 'paused', agent: 'asker', lastTool: 'deploy' },
      { runId: 'root/2-0/0', status: 'running', toolCount: 1, lastTool: 'read' },
    ]);
    // and what they do now is counted once
    troupe.clock.increment(5);
    await settle();
    expect(made.list()[1]).toMatchObject({ toolCount: 2, lastTool: 'grep' });
    // and they leave as they end
    await run.interrupt();
    await run.ended;
    await settle();
    expect(made.list()).toEqual([]);
  });

  test('that were let go before are listed until they end, after their root', async () => {
    const { tool: deploy } = asking();
    const script = {
      lead: [calling(spawn({ name: 'asker', tools: ['deploy'] })), 'Done.'],
      asker: [calling({ name: 'deploy', arguments: {} }), 'Deployed.'],
    };
    const troupe = open(script, { open: true });
    await troupe.runtime.run(leadWith(createSubworkerTool({ availableTools: [deploy] })), 'Go.', { runId: 'root' });
    const made = control(troupe);
    await made.ready;
    expect(made.list()).toMatchObject([{ runId: first, status: 'paused' }]);
    await troupe.runtime.resume(first, true);
    await settle();
    expect(made.list()).toEqual([]);
  });

  test('that another process executes are listed, told and dropped, also after their root', async () => {
    // given a store that two programs share, and a child that was let go in one of them
    const base = memoryStore();
    const listeners = new Set<() => void>();
    const noticed =
      <A extends unknown[], R>(write: (...given: A) => R) =>
      (...given: A): R => {
        for (const hear of listeners) setImmediate(hear);
        return write(...given);
      };
    const changes = (hear: () => void) => {
      listeners.add(hear);
      return () => listeners.delete(hear);
    };
    const store = { ...base, lasting: true, commit: noticed(base.commit), post: noticed(base.post), changes };
    const { tool: deploy } = asking();
    const asker = worker('asker', { tools: [deploy] });
    const tasks = [
      { agent: 'asker', goal: 'A' },
      { agent: 'b', goal: 'B' },
    ];
    const script = {
      lead: [calling(delegate(...tasks)), 'Done.'],
      asker: [calling({ name: 'deploy', arguments: {} }), 'Deployed.'],
      b: hanging,
    };
    const there = open(script, { store, open: true });
    const clock = there.clock;
    const lead = leadWith(batchTool([asker], { onPaused: 'error' }));
    const run = there.runtime.start(lead, 'Go.', { runId: 'root' });
    await settle();
    // when the other program looks
    const here = open([], { store, clock, open: true });
    const made = control(here);
    await made.ready;
    await settle();
    expect(made.list()).toMatchObject([
      { runId: first, status: 'paused' },
      { runId: second, status: 'running' },
    ]);
    // then what it says reaches them, and their ends are heard there
    const interrupted = made.interrupt(second);
    await settle();
    expect(await interrupted).toBe(true);
    expect((await run.report).status).toBe('completed');
    await settle();
    expect(made.list()).toMatchObject([{ runId: first, status: 'paused' }]);
    await there.runtime.resume(first, true);
    await settle();
    expect(made.list()).toEqual([]);
  });

  test('that begin while the store is read are known by then, none twice', async () => {
    // given a store that answers late, and a tree that began before
    const inner = memoryStore();
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let slow = false;
    const store = new Proxy(inner, {
      get: (target, name: keyof RunStore) => {
        const member = target[name];
        if (name !== 'list' || typeof member !== 'function')
          return typeof member === 'function' ? member.bind(target) : member;
        return async (filter: never) => {
          if (slow) await gate;
          return target.list(filter);
        };
      },
    });
    const troupe = open(
      {
        lead: [two, 'Done.'],
        next: [two, 'Done.'],
        a: [...hanging, calling(use('read')), ...hanging],
        b: [...hanging, ...hanging],
      },
      { store },
    );
    const lead = leadWith(batchTool([]));
    troupe.runtime.start(lead, 'Go.', { runId: 'root' });
    await settle();
    slow = true;
    const made = control(troupe);
    await settle();
    // when another one begins
    troupe.runtime.start(leadWith(batchTool([]), { name: 'next' }), 'Go.', { runId: 'next' });
    await settle();
    expect(ids(made.list())).toEqual(['next/1-0/0', 'next/1-0/1']);
    release();
    await made.ready;
    await settle();
    expect(ids(made.list())).toEqual(['next/1-0/0', 'next/1-0/1', first, second]);
    expect(made.list()).toMatchObject([{ toolCount: 1 }, { toolCount: 0 }, { toolCount: 0 }, { toolCount: 0 }]);
    expect(await made.stop()).toHaveLength(4);
    await settle();
    expect(made.list()).toEqual([]);
  });

  test('that begin later are known also where the store cannot be read', async () => {
    const inner = memoryStore();
    const store = Object.assign(inner, { list: () => Promise.reject(new Error('disk gone')) });
    const troupe = open({ lead: [two, 'Done.'], a: hanging, b: hanging }, { store });
    const made = control(troupe);
    await expect(made.ready).rejects.toThrow('disk gone');
    troupe.runtime.start(leadWith(batchTool([])), 'Go.', { runId: 'root' });
    await settle();
    expect(ids(made.list())).toEqual([first, second]);
    expect(await made.interrupt(first)).toBe(true);
  });
});

describe('one child', () => {
  test('is looked at closely: what it used, and what it asks', async () => {
    const { tool: deploy } = asking();
    const script = {
      lead: [calling(spawn({ name: 'asker', tools: ['deploy'] })), 'Done.'],
      asker: [calling({ name: 'deploy', arguments: {} }), 'Deployed.'],
    };
    const troupe = open(script);
    const made = control(troupe);
    const tool = createSubworkerTool({ availableTools: [deploy], onPaused: 'bubble' });
    const run = troupe.runtime.start(leadWith(tool), 'Go.', { runId: 'root' });
    await run.report;
    expect(await made.inspect(first)).toMatchObject({
      runId: first,
      status: 'paused',
      usage: { turns: 1, own: { inputTokens: 10 } },
      questions: [{ runId: first, tool: 'deploy' }],
    });
    await run.answer(`${first}/1-0?`, true);
    await run.ended;
    expect(await made.inspect(first)).toBeUndefined();
    expect(await made.inspect('root')).toBeUndefined();
  });

  test('is interrupted with everything below it, and nothing beside it [HM-091, HM-122]', async () => {
    const middle = worker('a', { tools: [batchTool([])] });
    const troupe = open({
      lead: [two, 'Done.'],
      a: [calling(delegate({ agent: 'leaf', goal: 'L' })), 'A.'],
      leaf: hanging,
      b: [{ delayMs: 10, text: 'B.' }],
    });
    const made = control(troupe);
    const run = troupe.runtime.start(leadWith(batchTool([middle])), 'Go.', { runId: 'root' });
    await settle();
    expect(await made.interrupt(first, 'Too slow.')).toBe(true);
    await settle();
    expect(ids(made.list())).toEqual([second]);
    const rows = await Promise.all([first, `${first}/1-0/0`].map((id) => troupe.runtime.runs.get(id)));
    expect(rows).toMatchObject([
      { status: 'interrupted', exitReason: 'interrupted' },
      { status: 'interrupted', exitReason: 'parent_interrupted' },
    ]);
    expect(troupe.events.find((event) => event.type === 'run.interrupted' && event.runId === first)).toMatchObject({
      reason: 'Too slow.',
    });
    troupe.clock.increment(10);
    expect(await run.report).toMatchObject({
      status: 'completed',
      children: [{ status: 'interrupted' }, { status: 'completed' }],
    });
    // and not twice, nor a run that is no child, nor one that nobody knows
    for (const runId of [first, 'root', 'unknown', '']) expect(await made.interrupt(runId)).toBe(false);
  });

  test('is not interrupted where telling it throws [HM-091]', async () => {
    const { made, troupe } = await atWork();
    const { attach } = troupe.runtime;
    troupe.runtime.attach = () => Promise.reject(new Error('store gone'));
    expect(await made.interrupt(first)).toBe(false);
    troupe.runtime.attach = attach;
    expect(ids(made.list())).toEqual([first, second]);
  });

  test('that is asked for after its run was stopped is stopped, too: it never begins [HM-122]', async () => {
    // given a tool that asks for a child when it hears that it is over
    let refusal: unknown;
    const late = defineTool({
      name: 'late',
      description: '',
      inputSchema: z.object({}),
      execute: (_input, context) =>
        new Promise<string>((resolve) => {
          context.signal.addEventListener('abort', () => {
            context.spawn(worker('b'), 'Too late.').then(
              () => resolve('started'),
              (error: unknown) => {
                refusal = error;
              },
            );
          });
        }),
    });
    const troupe = open({ lead: [calling(delegate({ agent: 'a', goal: 'A' })), 'Done.'], a: [calling(use('late'))] });
    const made = control(troupe);
    const run = troupe.runtime.start(leadWith(batchTool([worker('a', { tools: [late] })])), 'Go.', { runId: 'root' });
    await settle();
    // when the child that executes it is stopped
    expect(await made.stop()).toEqual([first]);
    expect((await run.report).status).toBe('completed');
    await settle();
    // then nothing was started
    expect(refusal).toMatchObject({ code: 'spawn.refused' });
    expect(troupe.events.filter(({ type }) => type === 'child.started')).toHaveLength(1);
    expect(await troupe.runtime.runs.list()).toHaveLength(2);
  });

  test('that ended where nobody told of it is forgotten when it is looked at', async () => {
    const { made, troupe } = await atWork();
    const ended = { status: 'completed' } as never;
    const { attach } = troupe.runtime;
    troupe.runtime.attach = async () => ended;
    expect(await made.inspect(first)).toBeUndefined();
    troupe.runtime.attach = attach;
    expect(ids(made.list())).toEqual([second]);
  });

  test('hears what it is told before its next turn, unless it is not at work [HM-171]', async () => {
    const { made, troupe } = await atWork({ a: [calling(use('read')), { delayMs: 5, text: 'A.' }, 'A again.'] });
    expect(await made.steer(first, 'Look at Saturn.')).toEqual({ status: 'deferred', until: 'turn.completed' });
    troupe.clock.increment(5);
    await settle();
    const last = troupe.provider.requests.filter(({ context }) => context.agent === 'a').at(-1);
    expect(last?.request.messages.at(-1)).toEqual({ role: 'user', content: 'Look at Saturn.' });
    for (const runId of [first, 'root', 'unknown'])
      expect(await made.steer(runId, 'Hello?')).toEqual({
        status: 'rejected',
        reason: `no child "${runId}" is at work`,
      });
  });
});

describe('all children', () => {
  const others = async () => {
    const all = await atWork({ other: [two, 'Other done.'], a: [...hanging, ...hanging], b: [...hanging, ...hanging] });
    const other = all.troupe.runtime.start(leadWith(batchTool([]), { name: 'other' }), 'Go.', { runId: 'other' });
    await settle();
    return { ...all, other };
  };

  test('of one tree are stopped; its root goes on, and so do other trees [HM-171, HM-122]', async () => {
    const { made, run } = await others();
    expect(await made.stop('root')).toEqual([first, second]);
    expect(await run.report).toMatchObject({ status: 'completed', text: 'Done.' });
    expect(ids(made.list())).toEqual(['other/1-0/0', 'other/1-0/1']);
    expect(await made.stop('unknown')).toEqual([]);
  });

  test('of all trees are stopped, each with everything below it', async () => {
    const { made, run, other } = await others();
    expect(await made.stop()).toHaveLength(4);
    expect([(await run.report).text, (await other.report).text]).toEqual(['Done.', 'Other done.']);
    expect(made.list()).toEqual([]);
  });

  test('are told once each: what is below is stopped by what is above', async () => {
    const middle = worker('a', { tools: [batchTool([])] });
    const one = calling(delegate({ agent: 'a', goal: 'A' }));
    const troupe = open({
      lead: [one, 'Done.'],
      a: [calling(delegate({ agent: 'leaf', goal: 'L' })), 'A.'],
      leaf: hanging,
    });
    const made = control(troupe);
    const run = troupe.runtime.start(leadWith(batchTool([middle])), 'Go.', { runId: 'root' });
    await settle();
    expect(made.list()).toHaveLength(2);
    const { attach } = troupe.runtime;
    const attached: string[] = [];
    troupe.runtime.attach = (runId) => {
      attached.push(runId);
      return attach(runId);
    };
    expect(await made.stop()).toEqual([first]);
    expect(attached).toEqual([first]);
    await run.report;
    expect((await troupe.runtime.runs.get(`${first}/1-0/0`))?.exitReason).toBe('parent_interrupted');
  });

  test('are held back while spawning is paused; those at work go on [HM-003]', async () => {
    const { made, troupe, run } = await atWork({
      lead: [two, two, two, 'Done.'],
      a: [{ delayMs: 5, text: 'A.' }, 'A.'],
      b: ['B.', 'B.'],
    });
    made.pause();
    expect(made.status()).toMatchObject({ paused: true, active: [{ runId: first }] });
    troupe.clock.increment(5);
    await settle();
    expect(troupe.events.filter(({ type }) => type === 'child.refused').length).toBeGreaterThan(0);
    expect((await troupe.runtime.runs.get(first))?.status).toBe('completed');
    made.resume();
    expect(made.status()).toEqual({ paused: false, active: [] });
    await run.report;
  });
});

describe('[HM-092] a gateway', () => {
  test('asks how things stand', async () => {
    const { troupe } = await atWork();
    const made = control(troupe, { maxSpawnDepth: 2, maxConcurrentChildren: 3 });
    await made.ready;
    expect(await made.handle({ method: 'delegation.status' })).toEqual({
      result: { active: made.list(), paused: false, maxSpawnDepth: 2, maxConcurrentChildren: 3 },
    });
    expect(made.list()).toHaveLength(2);
  });

  test('pauses and resumes', async () => {
    const { made, troupe } = await atWork();
    const pause = (params?: unknown) => made.handle({ method: 'delegation.pause', params });
    expect(await pause({ paused: true })).toEqual({ result: { paused: true } });
    expect(troupe.runtime.spawningPaused).toBe(true);
    for (const params of [undefined, null, {}, { paused: 'yes' }, 'paused'])
      expect(await pause(params)).toMatchObject({ error: { code: 4000, message: expect.stringContaining('paused') } });
    expect(troupe.runtime.spawningPaused).toBe(true);
    expect(await pause({ paused: false })).toEqual({ result: { paused: false } });
  });

  test('interrupts a child, and is told whether it was found', async () => {
    const { made } = await atWork();
    const interrupt = (params?: unknown) => made.handle({ method: 'subagent.interrupt', params });
    expect(await interrupt({ runId: first })).toEqual({ result: { found: true, runId: first } });
    expect(await interrupt({ runId: 'unknown' })).toEqual({ result: { found: false, runId: 'unknown' } });
    for (const params of [undefined, {}, { runId: '' }, { runId: 7 }])
      expect(await interrupt(params)).toMatchObject({
        error: { code: 4000, message: expect.stringContaining('runId') },
      });
  });

  test('is told of methods that there are not', async () => {
    const { made } = await atWork();
    expect(await made.handle({ method: 'delegation.delete' })).toMatchObject({
      error: { code: 4000, message: expect.stringContaining('delegation.delete') },
    });
  });
});
