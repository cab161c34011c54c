import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { context, createContextKey, diag, ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, type SpanProcessor } from '@opentelemetry/sdk-trace';
import { createRuntime, defineTool, dispatched, memoryStore, ofType } from '@troupe/core';
import { isTerminal, type RunEvent, type RunStore, type StoredEvent } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { scriptedProvider } from '@troupe/testing';
import { firstValueFrom, Subject } from 'rxjs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { traceRuns } from '../src/index.ts';
import { named, openReceiver, type Received, treeOf } from './receiver.ts';
import { askHelpers, call, leadOf, openTeam, settle, toolOf } from './team.ts';

const linksOf = ({ links }: Received) => links.map(({ kind }) => kind);

describe('events that begin in the middle', () => {
  /** A lead whose helper calls a tool, from its beginning to its end. */
  const told = async () => {
    const { runtime, events } = openTeam((_request, { agent, turn }) => {
      if (agent === 'lead') return turn === 1 ? { calls: [call('ask_helpers', 'up')] } : 'Done.';
      return turn === 1 ? { calls: [call('echo')] } : 'Yes.';
    });
    const helper = leadOf({ name: 'helper', tools: [toolOf()] });
    await runtime.run(leadOf({ tools: [askHelpers(helper)] }), 'Go.');
    return events;
  };
  const from = async (isFirst: (event: RunEvent) => boolean): Promise<Received[]> => {
    const events = await told();
    const { tracer, spans } = await openReceiver();
    traceRuns(events.slice(events.findIndex(isFirst)), { tracer });
    return spans();
  };

  test('give a turn whose beginning is missing a span from what is known', async () => {
    const all = await from(({ type }) => type === 'turn.completed');
    expect(treeOf(all)).toBe(
      'invoke_agent lead [chat, execute_tool ask_helpers ' +
        '[invoke_agent helper [chat house/small, execute_tool echo, chat house/small]], chat house/small]',
    );
    expect(named(all, 'invoke_agent lead').attributes).toMatchObject({
      'troupe.run.joined': true,
      'troupe.status': 'completed',
    });
    expect(named(all, 'invoke_agent helper').attributes).not.toHaveProperty('troupe.run.joined');
  });

  test('give a call whose beginning is missing a span once something below it shows it', async () => {
    const all = await from(({ type }) => type === 'child.requested');
    expect(treeOf(all)).toBe(
      'invoke_agent lead [execute_tool ask_helpers ' +
        '[invoke_agent helper [chat house/small, execute_tool echo, chat house/small]], chat house/small]',
    );
    expect(named(all, 'execute_tool ask_helpers').attributes['gen_ai.tool.name']).toBe('ask_helpers');
  });

  test('link a parent to a child that was heard, and had ended, before it', async () => {
    const all = await from(({ type, depth }) => type === 'call.completed' && depth === 1);
    expect(treeOf(all)).toBe(
      'invoke_agent helper [execute_tool echo, chat house/small], invoke_agent lead [execute_tool ask_helpers, chat house/small]',
    );
    const [lead, helper] = ['lead', 'helper'].map((name) => named(all, `invoke_agent ${name}`));
    expect(lead?.links).toEqual([{ spanId: helper?.spanId, kind: 'child' }]);
  });

  test('link a child that was heard first to its parent', async () => {
    const events = (await told()).filter(({ depth }) => depth === 1);
    const first = events[0] as StoredEvent;
    const { parentId = '', callId: _, ...about } = first;
    const steered = { ...about, type: 'run.steered', text: 'Hurry.', runId: parentId, depth: 0, seq: 9, agent: 'lead' };
    const { tracer, spans } = await openReceiver();
    traceRuns([...events.slice(0, 3), steered as RunEvent, ...events.slice(3)], { tracer });
    const all = await spans();
    expect(named(all, 'invoke_agent helper').links).toEqual([
      { spanId: named(all, 'invoke_agent lead').spanId, kind: 'parent' },
    ]);
    expect(named(all, 'invoke_agent lead').attributes['troupe.status']).toBe('unfinished');
  });

  test('give the attempts at a turn, and a summary, that are heard first a span each', async () => {
    const events = (await told()).filter(({ depth }) => depth === 0);
    const {
      message: _,
      finish: __,
      ...about
    } = events.find(({ type }) => type === 'turn.completed') as never as Record<string, unknown>;
    const usage = { inputTokens: 1, outputTokens: 1 };
    const attempted = {
      ...about,
      type: 'turn.attempted',
      seq: 2,
      at: 1_000,
      number: 1,
      provider: '',
      model: 'm',
      usage,
    };
    const summary = { model: 'm', summarized: 4, kept: 2, summary: 'So.', usage, costUsd: null };
    const compacted = { ...about, type: 'context.compacted', seq: 3, at: 1_050, ...summary };
    const steered = { ...about, type: 'run.steered', seq: 1, at: 900, text: 'Hurry.' };
    const { tracer, spans } = await openReceiver();
    traceRuns([steered, attempted, compacted] as never as RunEvent[], { tracer });
    expect(
      (await spans()).map(({ name, from, to, attributes }) => [name, from, to, attributes['troupe.status']]),
    ).toEqual([
      ['chat m', 900, 1_000, 'cancelled'],
      ['chat m', 1_000, 1_050, 'completed'],
      ['invoke_agent lead', 900, 1_050, 'unfinished'],
    ]);
  });

  test('give a child that is heard in the middle of its own call a place below its parent', async () => {
    const events = await told();
    const started = events.findIndex(({ type, depth }) => type === 'call.started' && depth === 1);
    const { tracer, spans } = await openReceiver();
    const queued = events.filter(({ type, depth }) => type === 'child.started' && depth === 0);
    traceRuns([...queued, ...events.slice(started)], { tracer });
    expect(treeOf(await spans())).toBe(
      'invoke_agent lead [invoke_agent helper [execute_tool echo, chat house/small], execute_tool ask_helpers, chat house/small]',
    );
  });

  test('link a child that was let go to its parent once more where that is heard of again after its end', async () => {
    const events = await told();
    const { tracer, spans } = await openReceiver();
    const ofChild = events.find(({ type, depth }) => type === 'run.started' && depth === 1)!;
    const end = events.findLast((event) => isTerminal(event) && event.depth === 0)!;
    const detached = { ...ofChild, type: 'run.detached', seq: 2 } as RunEvent;
    traceRuns([events[0]!, ofChild, detached, end, { ...end, type: 'run.recovered' } as RunEvent], { tracer });
    const all = await spans();
    expect(linksOf(named(all, 'invoke_agent helper'))).toEqual(['parent']);
  });

  test('may be nothing but an end', async () => {
    const all = await from((event) => isTerminal(event) && event.depth === 0);
    expect(treeOf(all)).toBe('invoke_agent lead');
    expect(all[0]?.to).toBe(all[0]?.from);
  });
});

test('a turn whose end was not heard ends where the next one begins', async () => {
  const { runtime, events } = openTeam([{ calls: [call('echo')] }, 'Done.']);
  await runtime.run(leadOf({ tools: [toolOf()] }), 'Go.');
  const { tracer, spans } = await openReceiver();
  traceRuns(
    events.filter((event) => event.type !== 'turn.completed' || event.turn > 1),
    { tracer },
  );
  expect((await spans()).map(({ name, attributes }) => [name, attributes['troupe.status']])).toEqual([
    ['execute_tool echo', 'ok'],
    ['chat house/small', 'cancelled'],
    ['chat house/small', 'completed'],
    ['invoke_agent lead', 'completed'],
  ]);
});

test('a run whose end was not heard ends with the run above it', async () => {
  const { runtime, events } = openTeam((_request, { agent, turn }) =>
    agent === 'lead' && turn === 1 ? { calls: [call('ask_helpers', 'up')] } : 'Done.',
  );
  await runtime.run(leadOf({ tools: [askHelpers()] }), 'Go.');
  const { tracer, spans } = await openReceiver();
  const source$ = new Subject<RunEvent>();
  traceRuns(source$, { tracer });
  for (const event of events)
    if (event.type !== 'child.settled' && !(isTerminal(event) && event.depth === 1)) source$.next(event);
  expect(named(await spans(), 'invoke_agent helper').attributes['troupe.status']).toBe('unfinished');
});

describe('events that end in the middle', () => {
  const waiting = async () => {
    const { tracer, spans } = await openReceiver();
    const team = openTeam((_request, { agent }) =>
      agent === 'helper' ? { hang: true } : { calls: [call('ask_helpers', 'up')] },
    );
    const tracing = traceRuns(team.runtime.events$, { tracer });
    team.runtime.start(leadOf({ tools: [askHelpers()] }), 'Go.');
    await settle();
    return { ...team, spans, tracing };
  };
  const whole =
    'invoke_agent lead [chat house/small, execute_tool ask_helpers [invoke_agent helper [chat house/small]]]';

  test.each([
    ['when nobody listens any more', async ({ tracing }: Awaited<ReturnType<typeof waiting>>) => tracing.unsubscribe()],
    ['when the runtime is closed and the runs are suspended', ({ runtime }) => runtime.close({ runs: 'suspend' })],
  ])('leave no span open: %s', async (_when, end) => {
    const world = await waiting();
    await end(world);
    const all = await world.spans();
    expect(treeOf(all)).toBe(whole);
    expect(all.map(({ attributes }) => attributes['troupe.status'])).toEqual([
      'completed',
      'unfinished',
      'unfinished',
      'unfinished',
      'unfinished',
    ]);
    expect(all.every(({ status }) => status.code === 0)).toBe(true);
    expect(world.tracing.closed).toBe(true);
  });

  test('leave no span open when they fail, and the failure is told to diag alone', async () => {
    const { events } = await waiting();
    const { tracer, spans } = await openReceiver();
    const said = vi.spyOn(diag, 'error').mockImplementation(() => {});
    const source$ = new Subject<RunEvent>();
    const tracing = traceRuns(source$, { tracer });
    for (const event of events) source$.next(event);
    source$.error(new Error('The store is gone.'));
    expect(tracing.closed).toBe(true);
    expect(treeOf(await spans())).toBe(whole);
    expect(said).toHaveBeenCalledWith('@troupe/otel: The store is gone.', expect.any(Error));
    said.mockRestore();
  });

  test('and tell of a child only what its parent heard of its end', async () => {
    const { tracer, spans } = await openReceiver();
    const { events } = await waiting();
    const last = events.find(({ type }) => type === 'child.started') as StoredEvent & { type: 'child.started' };
    const settled = {
      ...last,
      type: 'child.settled',
      seq: 99,
      status: 'failed',
      exitReason: 'error',
      usage: { inputTokens: 0, outputTokens: 0 },
    } as const;
    traceRuns([...events, settled], { tracer });
    expect(named(await spans(), 'invoke_agent helper').attributes).toMatchObject({
      'troupe.status': 'failed',
      'troupe.run.exit_reason': 'error',
    });
  });
});

describe('a run that goes on elsewhere', () => {
  const store = () => memoryStore();
  const open = (runs: RunStore, spoken: { hang?: true; text?: string }) =>
    createRuntime({
      provider: scriptedProvider(() => (spoken.hang ? { hang: true } : (spoken.text ?? ''))),
      model: 'house/small',
      store: runs,
      agents: [leadOf()],
      leaseMs: 0,
      logger: { warn() {}, error() {} },
    });

  test('has a span in each process; with a store the second links to the first, and nothing is left there', async () => {
    // given a process that is gone while a run is at work
    const { tracer, spans } = await openReceiver();
    const runs = store();
    const first = open(runs, { hang: true });
    const tracing = traceRuns(first.events$, { tracer, store: runs });
    first.start(leadOf(), 'Go.', { runId: 'r' });
    await settle();
    await first.close({ runs: 'suspend' });
    await settle();
    expect(await runs.search('troupe.otel', 'r')).toHaveLength(1);
    // when another one goes on
    const second = open(runs, { text: 'Done.' });
    const again = traceRuns(second.events$, { tracer, store: runs });
    const { recovered } = await second.recover();
    await recovered[0]?.ended;
    await settle();
    // then both are there
    const [earlier, later] = (await spans()).filter(({ name }) => name === 'invoke_agent lead');
    expect(earlier?.attributes).toMatchObject({ 'troupe.status': 'unfinished' });
    expect(later?.attributes).toMatchObject({ 'troupe.status': 'completed', 'troupe.run.joined': true });
    expect(later?.links).toEqual([{ spanId: earlier?.spanId, kind: 'earlier' }]);
    expect(await runs.search('troupe.otel', 'r')).toEqual([]);
    await second.close();
    for (const each of [tracing, again]) expect(each.closed).toBe(true);
  });

  test('links to its first span also where a file is all that is left of the first process', async () => {
    const { tracer, spans } = await openReceiver();
    const folder = mkdtempSync(join(tmpdir(), 'troupe-otel-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'runs.db');
    for (const spoken of [{ hang: true as const }, { text: 'Done.' }]) {
      const runs = sqliteStore(path);
      const runtime = open(runs, spoken);
      traceRuns(runtime.events$, { tracer, store: runs });
      const { recovered } = await runtime.recover();
      if (recovered[0]) await recovered[0].ended;
      else {
        runtime.start(leadOf(), 'Go.', { runId: 'r' });
        await firstValueFrom(runtime.events$.pipe(ofType('turn.started')));
      }
      // Whatever was noted before is written by then.
      await runs.write('other', 'scope', 1);
      await runtime.close({ runs: 'suspend' });
      await runs.close();
    }
    const [earlier, later] = (await spans()).filter(({ name }) => name === 'invoke_agent lead');
    expect(later?.links).toEqual([{ spanId: earlier?.spanId, kind: 'earlier' }]);
  });

  test('is one span for whoever reads all that was stored', async () => {
    const { tracer, spans } = await openReceiver();
    const runs = store();
    const first = open(runs, { hang: true });
    first.start(leadOf(), 'Go.', { runId: 'r' });
    await settle();
    await first.close({ runs: 'suspend' });
    const second = open(runs, { text: 'Done.' });
    await (await second.recover()).recovered[0]?.ended;
    const tracing = traceRuns(runs.events({ rootId: 'r' }) as Iterable<RunEvent>, { tracer });
    expect(tracing.closed).toBe(true);
    const all = await spans();
    expect(all.map(({ name, attributes }) => [name, attributes['troupe.status']])).toEqual([
      ['chat house/small', 'completed'],
      ['invoke_agent lead', 'completed'],
    ]);
    await second.close();
  });

  test('is not linked to what a broken store says', async () => {
    const { tracer, spans } = await openReceiver();
    const runs = store();
    const first = open(runs, { hang: true });
    first.start(leadOf(), 'Go.', { runId: 'r' });
    await settle();
    await first.close({ runs: 'suspend' });
    const second = open(runs, { text: 'Done.' });
    await runs.write('troupe.otel', 'r', { traceId: 'what?', spanId: 7 });
    traceRuns(second.events$, { tracer, store: runs });
    await (await second.recover()).recovered[0]?.ended;
    await settle();
    expect((await spans()).flatMap(linksOf)).toEqual([]);
    await second.close();
  });

  test('is not linked any more once it has ended, where the store of spans is slower', async () => {
    const { tracer, spans } = await openReceiver();
    const runs = store();
    const first = open(runs, { hang: true });
    first.start(leadOf(), 'Go.', { runId: 'r' });
    await settle();
    await first.close({ runs: 'suspend' });
    const warn = vi.fn<() => void>();
    diag.setLogger({ warn, error: warn, info() {}, debug() {}, verbose() {} });
    onTestFinished(() => diag.disable());
    const second = open(runs, { text: 'Done.' });
    const { promise, resolve } = Promise.withResolvers<void>();
    const read = () => promise.then(() => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }));
    traceRuns(second.events$, { tracer, store: { ...memoryStore(), read } });
    await (await second.recover()).recovered[0]?.ended;
    resolve();
    await settle();
    expect((await spans()).flatMap(linksOf)).toEqual([]);
    expect(warn).not.toHaveBeenCalled();
    await second.close();
  });

  test('in the same process, links to the span that had failed for want of a store', async () => {
    // given a store that refuses one commit
    const { tracer, spans } = await openReceiver();
    const kept = store();
    let refuses = false;
    const runtime = createRuntime({
      provider: scriptedProvider(({ messages }) => {
        refuses = messages.length === 2 && !refuses;
        return 'Done.';
      }),
      model: 'house/small',
      agents: [leadOf()],
      leaseMs: 0,
      logger: { warn() {}, error() {} },
      store: {
        ...kept,
        commit: (steps) => {
          if (refuses) throw new Error('No room.');
          return kept.commit(steps);
        },
      },
    });
    traceRuns(runtime.events$, { tracer });
    const run = runtime.start(leadOf(), 'Go.');
    await run.ended;
    refuses = false;
    const { recovered } = await runtime.recover();
    refuses = true;
    await recovered[0]?.ended;
    const [failed, later] = (await spans()).filter(({ name }) => name === 'invoke_agent lead');
    expect(failed?.attributes).toMatchObject({ 'error.type': 'store.unavailable' });
    expect(later?.links).toEqual([{ spanId: failed?.spanId, kind: 'earlier' }]);
    await runtime.close();
  });

  test('as a fork links to the run that it was forked from', async () => {
    const { tracer, spans } = await openReceiver();
    const runtime = open(store(), { text: 'Done.' });
    traceRuns(runtime.events$, { tracer });
    await runtime.run(leadOf(), 'Go.', { runId: 'r' });
    await (await runtime.fork('r', { at: 'r:2', runId: 'copy' })).report;
    const [source, fork] = (await spans()).filter(({ name }) => name === 'invoke_agent lead');
    expect(fork?.links).toEqual([{ spanId: source?.spanId, kind: 'fork' }]);
    expect(fork?.events[0]).toMatchObject({ name: 'troupe.run.forked', attributes: { 'troupe.from': 'r:2' } });
    await runtime.close();
  });
});

test('a background unit links to the call that sent it off, and the run that hears of it to the unit', async () => {
  const { tracer, spans } = await openReceiver();
  const research = defineTool({
    name: 'research',
    description: 'Finds out.',
    inputSchema: z.object({ text: z.string() }),
    execute: ({ text }, { view }) =>
      view.unit ? `${text}!` : dispatched({ data: null, answer: () => ({ content: 'Under way.' }) }),
    completion: ({ text }) => `Found: ${text}`,
  });
  const { runtime } = openTeam(({ messages }) =>
    messages.length === 2 ? { calls: [call('research', 'up')] } : String(messages.at(-1)?.content),
  );
  traceRuns(runtime.events$, { tracer });
  const session = runtime.session(leadOf({ tools: [research] }), { sessionKey: 'chat 7' });
  await session.send('Go.');
  await session.idle();
  const all = await spans();
  const unit = named(all, 'invoke_agent research');
  expect(unit.links).toEqual([{ spanId: named(all, 'execute_tool research').spanId, kind: 'origin' }]);
  expect(all.flatMap(({ links }) => links)).toContainEqual({ spanId: unit.spanId, kind: 'delivered' });
});

test('a root is below what the program says, by its first event', async () => {
  const { tracer, spans } = await openReceiver();
  const { runtime } = openTeam(() => 'Done.');
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const above = { traceId, spanId: 'b7ad6b7169203331', traceFlags: TraceFlags.SAMPLED, isRemote: true };
  traceRuns(runtime.events$, {
    tracer,
    parent: ({ job }) => {
      if (job.metadata?.broken) throw new Error('No parent today.');
      return job.metadata?.above ? trace.setSpanContext(ROOT_CONTEXT, above) : undefined;
    },
  });
  for (const metadata of [{ above: true }, {}, { broken: true }])
    await runtime.run(leadOf(), { input: 'Go.', metadata });
  const runs = (await spans()).filter(({ name }) => name === 'invoke_agent lead');
  expect(runs.map(({ traceId: id, parentSpanId }) => [id === traceId, parentSpanId ?? ''])).toEqual([
    [true, above.spanId],
    [false, ''],
    [false, ''],
  ]);
});

describe('whatever listens to spans', () => {
  const throwing = (when: 'onStart' | 'onEnd'): SpanProcessor => ({
    onStart: () => {},
    onEnd: () => {},
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
    [when]: () => {
      throw new Error(`${when} throws`);
    },
  });

  test.each(['onStart', 'onEnd'] as const)(
    'may throw in %s: the run goes on, and later spans are told [L8]',
    async (when) => {
      const said = vi.spyOn(diag, 'error').mockImplementation(() => {});
      const exporter = new InMemorySpanExporter();
      const { tracer } = await openReceiver(new SimpleSpanProcessor({ exporter }), throwing(when));
      const { runtime, events } = openTeam([{ calls: [call('echo')] }, 'Done.']);
      const tracing = traceRuns(runtime.events$, { tracer });
      const report = await runtime.run(leadOf({ tools: [toolOf()] }), 'Go.');
      expect(report.status).toBe('completed');
      expect(said).toHaveBeenCalledWith(`@troupe/otel: ${when} throws`, expect.any(Error));
      expect(tracing.closed).toBe(false);
      if (when === 'onEnd') expect(exporter.getFinishedSpans()).toHaveLength(4);
      expect(events.filter(isTerminal)).toHaveLength(1);
      said.mockRestore();
    },
  );

  test('and a store that throws is told to diag alone', async () => {
    const said = vi.spyOn(diag, 'error').mockImplementation(() => {});
    const { tracer, spans } = await openReceiver();
    const { runtime } = openTeam(['Done.']);
    const broken = () => {
      throw new Error('The disk is full.');
    };
    traceRuns(runtime.events$, { tracer, store: { read: broken, write: broken, reset: broken } });
    await runtime.run(leadOf(), 'Go.');
    await settle();
    expect(treeOf(await spans())).toBe('invoke_agent lead [chat house/small]');
    expect(said).toHaveBeenCalledWith('@troupe/otel: The disk is full.', expect.any(Error));
    said.mockRestore();
  });
});

test('spans do not take part in the context of whoever subscribes', async () => {
  const { tracer, spans } = await openReceiver();
  const { runtime } = openTeam(['Done.']);
  const around = trace.setSpan(ROOT_CONTEXT.setValue(createContextKey('x'), 1), tracer.startSpan('around'));
  context.with(around, () => traceRuns(runtime.events$, { tracer }));
  await runtime.run(leadOf(), 'Go.');
  expect(named(await spans(), 'invoke_agent lead').parentSpanId ?? '').toBe('');
});
