/**
 * What must be true of children that workers execute, whatever the engine and the store: on real ones, at their own pace. I1–I10 are
 * the rules of a placement: what the engine is given, who writes, what is said, lost, let go, limited, and executed again.
 */
import { createRuntime, defineAgent, defineTool, type Runtime, type RuntimeOptions, spawned } from '@troupe/core';
import {
  type DispatchRequest,
  FaultError,
  faultOf,
  isEnded,
  isTerminal,
  type MemoryStore,
  type Placement,
  type RunStore,
  type StoredEvent,
} from '@troupe/protocol';
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

/** What the tools of leaves did to the world outside, and for which call. The first time each takes until its worker is gone. */
type Deed = { tool: string; key: string };
const acting = (name: string, deeds: Deed[], options: { idempotent?: true } = {}) =>
  defineTool({
    ...{ name, description: 'Acts.', inputSchema: nothing, ...options },
    async execute(_input, { key, signal }) {
      deeds.push({ tool: name, key });
      if (deeds.length === 1) await new Promise((_resolve, reject) => signal.addEventListener('abort', reject));
      return `${name} done`;
    },
  });

const openAgents = (deeds: Deed[]) => {
  const tools = [erase, acting('charge', deeds), acting('fetch', deeds, { idempotent: true })];
  const leaf = defineAgent({ name: 'leaf', instructions: '', tools });
  const middle = defineAgent({ name: 'middle', instructions: '', tools: [delegate(leaf)] });
  const top = defineAgent({ name: 'top', instructions: '', tools: [delegate(middle)] });
  const lead = defineAgent({ name: 'lead', instructions: '', tools: [delegate(leaf)] });
  return { top, middle, lead, leaf };
};

/** Jobs of leaves that are done by a tool. */
const calls: Record<string, string> = { ask: 'erase', charge: 'charge', fetch: 'fetch' };

/** Jobs are handed down, word by word; a leaf says its own again, or does what it is called. */
const handingDown =
  (gates: Gates): ScriptFunction =>
  async ({ messages }, { agent }) => {
    const last = messages.at(-1);
    const job = String(messages.find(({ role }) => role === 'user')?.content);
    if (agent === 'leaf') {
      if (job in calls && last?.role !== 'tool') return { calls: [{ name: calls[job] ?? '', arguments: {} }] };
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

/** The same store. While it is held it answers nothing, and in the end that it does not answer; what was asked reaches it later. */
const holdable = (store: RunStore & MemoryStore) => {
  let held: PromiseWithResolvers<void> | undefined;
  /** What it was asked while it was held, and codes of what was refused later. */
  const [asked, refused]: [string[], string[]] = [[], []];
  const later = async (ask: () => unknown): Promise<never> => {
    void held?.promise.then(ask).catch((error: unknown) => refused.push(faultOf(error, 'store.unavailable').code));
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    throw new FaultError('store.unavailable', 'The store does not answer.');
  };
  const proxy = new Proxy(store, {
    get(target, name) {
      const its: unknown = Reflect.get(target, name, target);
      if (typeof its !== 'function') return its;
      return (...given: unknown[]): unknown => {
        const ask = (): unknown => its.apply(target, given);
        // What gives many things back is read, and read again.
        if (!held || ['changes', 'events', 'journal'].includes(String(name))) return ask();
        asked.push(String(name));
        return later(ask);
      };
    },
  });
  const hold = (): void => {
    held = Promise.withResolvers();
  };
  const free = (): void => {
    held?.resolve();
    held = undefined;
  };
  return { store: proxy, asked, refused, hold, free };
};

/** A process of a fleet. */
type Options = Partial<RuntimeOptions> & {
  /** Nothing that it dispatches arrives. */
  isLost?: true;
};

/** @param openGround Called for each test. */
export const placedRunsSuite = (name: string, openGround: () => Promise<Ground>): void => {
  const openFleet = async () => {
    const ground = await openGround();
    const gates = openGates();
    const deeds: Deed[] = [];
    const agents = openAgents(deeds);
    const dispatched: DispatchRequest[] = [];
    const left: (() => Promise<void>)[] = [];
    const boot = async ({ isLost, ...options }: Options = {}) => {
      const { store, placement, close } = await ground.process();
      const held = holdable(store);
      const dispatch: Placement['dispatch'] = async (request) => {
        dispatched.push(request);
        if (!isLost) await placement.dispatch(request);
      };
      const runtime = createRuntime({
        provider: scriptedProvider(handingDown(gates)),
        model: 'scripted',
        agents: Object.values(agents),
        store: held.store,
        placement: { ...placement, dispatch },
        leaseMs: 10_000,
        logger: silent,
        ...options,
      });
      left.unshift(async () => {
        held.free();
        await runtime.close({ runs: 'suspend', graceMs: 100 });
        await close();
      });
      return { runtime, store, held };
    };
    const serve = async (
      workerId: string,
      { concurrency = 4, ...options }: Options & { concurrency?: number } = {},
    ) => {
      const worker = await boot(options);
      return { ...worker, server: await worker.runtime.serve({ workerId, concurrency }) };
    };
    onTestFinished(async () => {
      gates.open();
      for (const leave of left) await leave();
      await ground.close();
    });
    return { boot, serve, gates, deeds, dispatched, ...agents };
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
    test('give their parents what children give, and a reader anywhere sees their tree without a gap [I3, L4, L6]', async () => {
      const { boot, serve, lead } = await openFleet();
      const { runtime, store } = await boot({ budget: { tokens: 10_000, descendants: 20 } });
      const { store: elsewhere } = await serve('w1');
      await serve('w2');
      const { text } = await runtime.start(lead, 'a b c d e f', { runId: 'root' }).report;
      expect(text).toBe('a!, b!, c!, d!, e!, f!');
      expect(await check(elsewhere, 'root')).toEqual(await check(store, 'root'));
      expect(await store.get('root/1-0/0')).toMatchObject({ placed: { queue: 'troupe' }, status: 'completed' });
    });

    test('take no place while they wait for their own: one place is enough for a tree [I7]', async () => {
      const { boot, serve, top } = await openFleet();
      const { runtime, store } = await boot();
      await serve('w1', { concurrency: 1 });
      const { text } = await runtime.start(top, 'a b', { runId: 'root' }).report;
      expect(text).toBe('a!, b!');
      await check(store, 'root');
    });

    test('ask the root’s person, take no place meanwhile, and are answered there', async () => {
      const { boot, serve, lead } = await openFleet();
      const { runtime, store } = await boot();
      await serve('w1', { concurrency: 1 });
      const run = runtime.start(lead, 'ask', { runId: 'root' });
      const { status, questions } = await run.report;
      expect([status, questions.map(({ runId }) => runId)]).toEqual(['paused', ['root/1-0/0']]);
      // the only place is free
      expect((await runtime.start(lead, 'b', { runId: 'other' }).report).text).toBe('b!');
      await expect(run.answer(questions[0]?.id ?? '', true)).resolves.toEqual({ status: 'accepted' });
      expect((await run.report).text).toBe('erased!');
      await check(store, 'root');
    });

    test('are steered once, whoever sends it [I4]', async () => {
      const { boot, serve, gates, lead } = await openFleet();
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
      const { boot, serve, top } = await openFleet();
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
      const { boot, serve, gates, lead } = await openFleet();
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
      const { boot, serve, gates, lead } = await openFleet();
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

    test('are known to the engine by their ids alone [I1]', async () => {
      const { boot, serve, lead, dispatched } = await openFleet();
      const { runtime, store } = await boot();
      await serve('w1');
      await runtime.start(lead, 'a b', { runId: 'root' }).report;
      expect(new Set(dispatched.map(({ runId }) => runId))).toEqual(new Set(['root/1-0/0', 'root/1-0/1']));
      for (const request of dispatched) expect(request).toEqual({ runId: expect.any(String), queue: 'troupe' });
      await check(store, 'root');
    });

    test('are written by nobody who has lost them: what a worker that stood still had to say is refused [I2, I3]', async () => {
      const { boot, serve, lead, gates } = await openFleet();
      const { runtime, store } = await boot();
      const gate = Promise.withResolvers<string>();
      const hanging = scriptedProvider(() => gate.promise);
      const still = await serve('still', { provider: hanging, leaseMs: 1_000 });
      const run = runtime.start(lead, 'slow', { runId: 'root' });
      const child = 'root/1-0/0';
      await until(async () => has(await eventsOf(store, 'root'), 'turn.started', child), 'the child works');
      still.held.hold();
      gate.resolve('Too late.');
      await until(() => still.held.asked.includes('commit'), 'it wants to store the end');
      // The engine takes it for gone.
      await still.server.drain(0);
      await serve('next');
      await until(async () => has(await eventsOf(store, 'root'), 'run.recovered', child), 'another worker has it');
      still.held.free();
      await until(() => still.held.refused.length > 0, 'what is late is refused');
      gates.open();
      expect((await run.report).text).toBe('slow!');
      expect(still.held.refused).toContain('store.fenced');
      const ends = (await check(store, 'root')).filter(isTerminal).map(({ runId }) => runId);
      expect(ends).toEqual([child, 'root']);
    });

    test('are found when nothing that was dispatched has arrived, as soon as somebody serves [I6]', async () => {
      const { boot, serve, lead } = await openFleet();
      const { runtime, store } = await boot({ isLost: true });
      const run = runtime.start(lead, 'a b', { runId: 'root' });
      await until(async () => (await store.get('root/1-0/1'))?.status === 'queued', 'the children are stored');
      await serve('late');
      expect((await run.report).text).toBe('a!, b!');
      await check(store, 'root');
    });

    test('fail when they were taken up again and again without getting any further, and their parent goes on [I8]', async () => {
      const { boot, serve, lead } = await openFleet();
      const { runtime, store } = await boot();
      const run = runtime.start(lead, 'slow', { runId: 'root' });
      const child = 'root/1-0/0';
      const countOf = async () => (await listOf(store.events({ runId: child }))).length;
      const hasEnded = async () => isEnded((await store.get(child))?.status ?? 'running');
      for (let i = 0; i < 10 && !(await hasEnded()); i++) {
        const before = await countOf();
        const { server } = await serve(`w${i}`);
        await until(async () => (await countOf()) > before || (await hasEnded()), 'it is taken up');
        await server.drain(1_000);
      }
      await serve('last');
      expect((await run.report).text).toBe('poison');
      const events = await check(store, 'root');
      expect(events.find(({ type }) => type === 'run.failed')).toMatchObject({
        runId: child,
        exitReason: 'poison',
        fault: { code: 'run.poison' },
      });
    });

    test('are started within what is left of the budget, wherever each of them is executed [I9, L4]', async () => {
      const { boot, serve, top } = await openFleet();
      const { runtime, store } = await boot({ budget: { descendants: 5 } });
      await serve('w1');
      await serve('w2');
      const { text } = await runtime.start(top, 'a b c', { runId: 'root' }).report;
      // Three in the middle, and two of the three leaves.
      expect(text?.split(', ').toSorted()).toEqual([
        expect.stringMatching(/^[abc]!$/),
        expect.stringMatching(/^[abc]!$/),
        'error',
      ]);
      const events = await check(store, 'root');
      expect(events.filter(({ type, runId }) => type === 'run.started' && runId !== 'root')).toHaveLength(5);
    });

    test.each([
      ['is asked about when it may not be', 'charge', 1],
      ['is executed again under the same key when it may be', 'fetch', 2],
    ] as const)(
      'whose worker has left while a tool did something outside: that %s [I10]',
      async (_what, job, times) => {
        const { boot, serve, lead, deeds } = await openFleet();
        const { runtime, store } = await boot();
        const first = await serve('w1');
        const run = runtime.start(lead, job, { runId: 'root' });
        await until(() => deeds.length > 0, 'the tool is called');
        await serve('w2');
        await first.server.drain(1_000);
        const { status, questions } = await run.report;
        if (job === 'charge') {
          expect([status, questions]).toMatchObject(['paused', [{ runId: 'root/1-0/0', tool: 'charge' }]]);
          await run.answer(questions[0]?.id ?? '', false);
        }
        const { text } = await run.report;
        expect(text).toMatch(job === 'charge' ? /^\{"error":"Outcome unknown:/ : /^fetch done!$/);
        expect(deeds).toHaveLength(times);
        expect(new Set(deeds.map(({ key }) => key)).size).toBe(1);
        await check(store, 'root');
      },
    );
  });
};
