/** What must be true of children that workers execute, whatever the engine and the store: on real ones, at their own pace. */
import { createRuntime, defineAgent, defineTool, type Runtime, type RuntimeOptions, spawned } from '@troupe/core';
import { isEnded, type MemoryStore, type Placement, type RunStore, type StoredEvent } from '@troupe/protocol';
import { checkRunLaws, type Script, scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { listOf } from './list-of.ts';

/** Where processes meet. */
export type Ground = {
  /** A store and an engine as one process has them. */
  process(): Promise<{ store: RunStore & MemoryStore; placement: Placement; close(): Promise<void> }>;
  close(): Promise<void>;
};

const silent = { warn: () => {}, error: () => {} };
const nothing = z.object({});
type ScriptFunction = Extract<Script, (...given: never[]) => unknown>;

const delegate = (agent: ReturnType<typeof defineAgent>) =>
  defineTool({
    name: 'delegate',
    description: 'Delegates.',
    inputSchema: z.object({ jobs: z.array(z.string()) }),
    execute: ({ jobs }) => spawned(jobs.map((job) => ({ agent, job }))),
    settle: (reports) => ({ content: reports.map(({ text, exitReason }) => text ?? exitReason).join(', ') }),
  });
const erase = defineTool({
  name: 'erase',
  description: 'Erases.',
  inputSchema: nothing,
  confirm: true,
  execute: () => 'erased',
});
const leaf = defineAgent({ name: 'leaf', instructions: '', tools: [erase] });
const middle = defineAgent({ name: 'middle', instructions: '', tools: [delegate(leaf)] });
const top = defineAgent({ name: 'top', instructions: '', tools: [delegate(middle)] });
const lead = defineAgent({ name: 'lead', instructions: '', tools: [delegate(leaf)] });
const agents = [top, middle, lead, leaf];

/** Jobs are handed down, word by word; a leaf says its own again, or does what it is called. */
const handingDown =
  (gates: Gates): ScriptFunction =>
  async ({ messages }, { agent }) => {
    const last = messages.at(-1);
    const job = String(messages.find(({ role }) => role === 'user')?.content);
    if (agent === 'leaf') {
      if (job === 'ask' && last?.role !== 'tool') return { calls: [{ name: 'erase', arguments: {} }] };
      await gates.pass(job);
      return `${String(last?.content)}!`;
    }
    if (last?.role === 'tool') return String(last.content);
    return { calls: [{ name: 'delegate', arguments: { jobs: job.split(' ') } }] };
  };

/** Leaves whose job begins with `slow` wait until the test lets them go on. */
type Gates = { pass(job: string): Promise<void>; open(): void };
const openGates = (): Gates => {
  const gate = Promise.withResolvers<void>();
  return { pass: (job) => (job.startsWith('slow') ? gate.promise : Promise.resolve()), open: gate.resolve };
};

const until = async (is: () => boolean | Promise<boolean>, what: string): Promise<void> => {
  const late = performance.now() + 15_000;
  while (!(await is())) {
    if (performance.now() > late) throw new Error(`It was waited for in vain that ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** @param openGround Called for each test. */
export const placedRunsSuite = (name: string, openGround: () => Promise<Ground>): void => {
  const openFleet = async () => {
    const ground = await openGround();
    const gates = openGates();
    const left: (() => Promise<void>)[] = [];
    const boot = async (options: Partial<RuntimeOptions> = {}) => {
      const { store, placement, close } = await ground.process();
      const runtime = createRuntime({
        provider: scriptedProvider(handingDown(gates)),
        model: 'scripted',
        agents,
        store,
        placement,
        leaseMs: 10_000,
        logger: silent,
        ...options,
      });
      left.unshift(async () => {
        await runtime.close({ runs: 'suspend', graceMs: 100 });
        await close();
      });
      return { runtime, store };
    };
    const serve = async (workerId: string, concurrency = 4) => {
      const worker = await boot();
      return { ...worker, server: await worker.runtime.serve({ workerId, concurrency }) };
    };
    onTestFinished(async () => {
      gates.open();
      for (const leave of left) await leave();
      await ground.close();
    });
    return { boot, serve, gates };
  };
  const eventsOf = (store: RunStore, rootId: string): Promise<StoredEvent[]> => listOf(store.events({ rootId }));
  /** The order of the tree has no gap, whoever reads it, and it keeps the laws. */
  const check = async (store: RunStore, rootId: string): Promise<StoredEvent[]> => {
    const events = await eventsOf(store, rootId);
    expect(events.map(({ rootSeq }) => rootSeq)).toEqual(events.map((_, i) => i + 1));
    expect(checkRunLaws(events)).toEqual([]);
    return events;
  };
  const statusOf = async ({ runs }: Runtime, runId: string) => (await runs.get(runId))?.status;
  const has = (events: readonly StoredEvent[], type: StoredEvent['type'], runId: string): boolean =>
    events.some((event) => event.type === type && event.runId === runId);

  describe(`children that workers execute: ${name}`, { timeout: 60_000 }, () => {
    test('give their parents what children give, and a reader anywhere sees their tree without a gap [L4, L6]', async () => {
      const { boot, serve } = await openFleet();
      const { runtime, store } = await boot({ budget: { tokens: 10_000, descendants: 20 } });
      const { store: elsewhere } = await serve('w1');
      await serve('w2');
      const { text } = await runtime.start(lead, 'a b c d e f', { runId: 'root' }).report;
      expect(text).toBe('a!, b!, c!, d!, e!, f!');
      expect(await check(elsewhere, 'root')).toEqual(await check(store, 'root'));
      expect(await store.get('root/1-0/0')).toMatchObject({ placed: { queue: 'troupe' }, status: 'completed' });
    });

    test('take no place while they wait for their own: one place is enough for a tree [I7]', async () => {
      const { boot, serve } = await openFleet();
      const { runtime, store } = await boot();
      await serve('w1', 1);
      const { text } = await runtime.start(top, 'a b', { runId: 'root' }).report;
      expect(text).toBe('a!, b!');
      await check(store, 'root');
    });

    test('ask the root’s person, take no place meanwhile, and are answered there', async () => {
      const { boot, serve } = await openFleet();
      const { runtime, store } = await boot();
      await serve('w1', 1);
      const run = runtime.start(lead, 'ask', { runId: 'root' });
      const { status, questions } = await run.report;
      expect([status, questions.map(({ runId }) => runId)]).toEqual(['paused', ['root/1-0/0']]);
      // the only place is free
      expect((await runtime.start(lead, 'b', { runId: 'other' }).report).text).toBe('b!');
      await expect(run.answer(questions[0]?.id ?? '', true)).resolves.toEqual({ status: 'accepted' });
      expect((await run.report).text).toBe('erased!');
      await check(store, 'root');
    });

    test('are steered once, whoever sends it', async () => {
      const { boot, serve, gates } = await openFleet();
      const { runtime, store } = await boot();
      await serve('w1');
      const run = runtime.start(lead, 'slow', { runId: 'root' });
      const child = 'root/1-0/0';
      await until(async () => has(await eventsOf(store, 'root'), 'turn.started', child), 'the child works');
      expect(run.child(child).id).toBe(child);
      const { runtime: third } = await boot({ placement: undefined as never });
      const receipt = await (await third.attach(child)).steer('Hurry.');
      expect(receipt).toEqual({ status: 'deferred', until: 'turn.completed' });
      gates.open();
      expect((await run.report).text).toBe('Hurry.!');
      expect((await check(store, 'root')).filter(({ type }) => type === 'run.steered')).toHaveLength(1);
    });

    test('are interrupted with the root, from the lowest up', async () => {
      const { boot, serve } = await openFleet();
      const { runtime, store } = await boot();
      await serve('w1');
      await serve('w2');
      const run = runtime.start(top, 'slow1 slow2', { runId: 'root' });
      await until(
        async () => (await eventsOf(store, 'root')).filter(({ type }) => type === 'turn.started').length >= 5,
        'both leaves work',
      );
      await run.interrupt('Enough.');
      expect((await run.ended).status).toBe('interrupted');
      const ends = (await check(store, 'root')).flatMap((event) =>
        event.type === 'run.interrupted' ? [event.depth] : [],
      );
      expect(ends).toHaveLength(5);
      expect(ends.at(-1)).toBe(0);
    });

    test('go on elsewhere at once when their worker leaves in order', async () => {
      const { boot, serve, gates } = await openFleet();
      const { runtime, store } = await boot();
      const first = await serve('w1');
      const run = runtime.start(lead, 'slow', { runId: 'root' });
      const child = 'root/1-0/0';
      await until(async () => has(await eventsOf(store, 'root'), 'turn.started', child), 'the child works');
      await serve('w2');
      await first.server.drain(1_000);
      await until(async () => has(await eventsOf(store, 'root'), 'run.recovered', child), 'another worker has it');
      gates.open();
      expect((await run.report).text).toBe('slow!');
      await check(store, 'root');
    });

    test('go on without their program, which hears of them when it is back', async () => {
      const { boot, serve, gates } = await openFleet();
      const first = await boot();
      const { store } = await serve('w1');
      first.runtime.start(lead, 'slow', { runId: 'root' }).report.catch(() => {});
      const child = 'root/1-0/0';
      await until(async () => has(await eventsOf(store, 'root'), 'turn.started', child), 'the child works');
      await first.runtime.close({ runs: 'suspend' });
      gates.open();
      await until(async () => isEnded((await store.get(child))?.status ?? 'running'), 'the child has ended');
      const second = await boot();
      const { recovered } = await second.runtime.recover();
      expect((await recovered[0]?.report)?.text).toBe('slow!');
      expect(await statusOf(second.runtime, 'root')).toBe('completed');
      await check(store, 'root');
    });
  });
};
