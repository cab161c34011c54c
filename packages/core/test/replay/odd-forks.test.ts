import { createRuntime, defineAgent, memoryStore, type RuntimeOptions, spawned } from '@troupe/core';
import { keepSecret, type ModelProvider } from '@troupe/protocol';
import { type Script, scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { call, leadOf, only, storedIn, toolOf } from '../lead.ts';
import { eventsIn, idOf } from './stored.ts';

const open = (script: Script, options: Partial<RuntimeOptions> = {}) => {
  const store = memoryStore();
  const provider = scriptedProvider(script);
  const clock = new SimulatedClock();
  const opened = openRuntime({ provider, store, clock, ...options });
  return { store, provider, clock, ...opened };
};
const priced = { inputTokens: 100, outputTokens: 10 };
/** A tool that lets its child go when it asks a person. */
const lettingGo = () => {
  const leaf = defineAgent({ name: 'leaf', instructions: '', tools: [toolOf({ name: 'danger', confirm: true })] });
  const spawn = toolOf({
    execute: () => spawned([{ agent: leaf, job: 'x', onPaused: 'error' }]),
    settle: ([report]) => ({ content: report?.status ?? '' }),
  });
  return { leaf, spawn };
};

test('the time between the cut and the fork is not active time', async () => {
  const { runtime, store, clock } = open(['Done.', 'Again.', { hang: true }]);
  await runtime.run(leadOf({ budget: { activeMs: 1_000 } }), 'Go.', { runId: 'r' });
  clock.increment(50_000);
  const fork = await runtime.fork('r', { at: idOf(store, 'turn.started'), runId: 'f' });
  await settle();
  clock.increment(1);
  await settle();
  const report = await fork.ended;
  expect([report.status, report.usage.activeMs]).toEqual(['completed', 0]);
});

test('a deadline is not nearly up because time passed between cut and fork', async () => {
  const { runtime, store, clock } = open((_request, { runId }) => (runId === 'r' ? 'Done.' : { hang: true }));
  await runtime.run(leadOf({ budget: { deadlineMs: 1_000 } }), 'Go.', { runId: 'r' });
  clock.increment(50_000);
  const fork = await runtime.fork('r', { at: idOf(store, 'turn.started'), runId: 'f' });
  await settle();
  clock.increment(1);
  await settle();
  expect(only(eventsIn(store, 'f'), 'budget.warned')).toEqual([]);
  clock.increment(999);
  await settle();
  await fork.ended;
  expect(only(eventsIn(store, 'f'), 'budget.exhausted')).toMatchObject([{ spent: 1_000, limit: 1_000 }]);
});

test('a deadline of a fork lies as far ahead in a fork of it', async () => {
  const { runtime, store, clock } = open(['Done.', 'Done.', { hang: true }]);
  await runtime.run(leadOf(), 'Go.', { runId: 'r' });
  const first = await runtime.fork('r', {
    at: idOf(store, 'turn.started'),
    runId: 'f',
    change: { budget: { deadlineMs: 1_000 } },
  });
  await first.ended;
  clock.increment(50_000);
  const fork = await runtime.fork('f', { at: idOf(store, 'run.forked', -1, 'f'), runId: 'g' });
  await settle();
  clock.increment(500);
  await settle();
  expect(fork.status).toBe('running');
});

test('what a child that was let go used is no part of what the root used before the fork', async () => {
  const { leaf, spawn } = lettingGo();
  const { runtime, store } = open(
    ({ messages }, { agent }) => {
      const heard = messages.filter(({ role }) => role === 'tool').length;
      if (agent === 'leaf')
        return heard > 0
          ? { text: 'Leaf done.', usage: { inputTokens: 5_000, outputTokens: 0 } }
          : { calls: [call('a', 'danger')], usage: priced };
      if (heard === 0) return { calls: [call()], usage: priced };
      if (heard === 1) return { calls: [call('b', 'wait')], usage: priced };
      return { text: 'Done.', usage: priced };
    },
    { agents: [leaf] },
  );
  let go = () => {};
  const wait = toolOf({ name: 'wait', execute: () => new Promise<string>((resolve) => (go = () => resolve('ok'))) });
  const run = runtime.start(leadOf({ tools: [spawn, wait] }), 'Go.', { runId: 'r' });
  await settle();
  await runtime.answer('r/1-0/0/1-0?', true);
  await settle();
  go();
  const first = await run.ended;
  expect(storedIn(store, 'r/1-0/0').at(-1)?.type).toBe('run.completed');
  // the last turn of the root is taken again: it is all that the fork paid for
  const fork = await runtime.fork('r', { at: idOf(store, 'turn.completed'), runId: 'f' });
  const report = await fork.ended;
  expect(report.usage.total).toEqual(first.usage.total);
  expect(report.usage.sinceFork).toEqual(priced);
});

test('a secret that was registered later does not make a stored run another one', async () => {
  const { runtime, store } = open([{ text: 'I use swordfish77 here.' }]);
  await runtime.run(leadOf(), 'Go.', { runId: 'r' });
  await runtime.replay('r');
  keepSecret('swordfish77');
  await runtime.replay('r');
  const fork = await runtime.fork('r', { at: idOf(store, 'run.completed'), runId: 'f' });
  await fork.ended;
  expect(JSON.stringify(eventsIn(store, 'f'))).not.toContain('swordfish77');
});

test('a fault of an attempt that names its run', async () => {
  const provider: ModelProvider = {
    async *takeTurn(_request, { context }) {
      yield {
        type: 'attempt',
        number: 1,
        provider: 'p',
        model: 'm',
        fault: { code: 'model.x', message: 'no', retryable: true, runId: context.runId },
      };
      yield { type: 'text', delta: 'Done.' };
      yield { type: 'finish', reason: 'stop' };
    },
  };
  const store = memoryStore();
  const { runtime } = openRuntime({ provider, store });
  await runtime.run(leadOf(), 'Go.', { runId: 'r' });
  const fork = await runtime.fork('r', { at: idOf(store, 'run.completed'), runId: 'f' });
  await fork.ended;
  const attempted = await runtime.fork('r', { at: idOf(store, 'turn.attempted'), runId: 'g' });
  await attempted.ended;
  await runtime.replay('g');
});

test('a summary that was made is not paid for again', async () => {
  let summaries = 0;
  const store = memoryStore();
  const provider = scriptedProvider(({ messages }, { key }) => {
    if (key.endsWith('/summary')) {
      summaries += 1;
      return { text: 'Short.', usage: priced };
    }
    const calls = messages.filter(({ role }) => role === 'tool').length;
    return summaries > 0 || calls > 3 ? { text: 'Done.', usage: priced } : { calls: [call()], usage: priced };
  });
  const { runtime } = openRuntime({ provider, store });
  await runtime.run(leadOf({ tools: [toolOf()], compaction: { maxMessages: 6 } }), 'Go.', { runId: 'r' });
  const before = summaries;
  const events = storedIn(store, 'r');
  const at = events[events.findIndex(({ type }) => type === 'context.compacted') - 1];
  const fork = await runtime.fork('r', { at: at?.id ?? '', runId: 'f' });
  await fork.ended;
  expect(summaries).toBe(before);
});

test('an id is free again once its tree is forgotten', async () => {
  const clock = new SimulatedClock();
  const provider = scriptedProvider(({ messages }) =>
    messages.some(({ role }) => role === 'tool') ? 'Done.' : { calls: [call()] },
  );
  const runtime = createRuntime({ provider, clock, model: 'm', store: memoryStore() });
  onTestFinished(() => runtime.close({ graceMs: 0 }));
  const lead = leadOf({ tools: [toolOf({ confirm: true })] });
  for (const answer of [true, false]) {
    const run = runtime.start(lead, 'Go.', { runId: 'r' });
    await run.report;
    expect(await run.answer('r/1-0?', answer)).toMatchObject({ status: 'accepted' });
    await run.ended;
    clock.increment(10);
    expect(await runtime.runs.prune({ olderThan: 1 })).toBe(1);
  }
});

test('a child that outlived its root cannot be forked, for its root can say nothing more', async () => {
  const { leaf, spawn } = lettingGo();
  const { runtime, store } = open(
    ({ messages }, { agent }) => {
      const heard = messages.filter(({ role }) => role === 'tool').length;
      if (agent === 'leaf') return heard > 0 ? 'Leaf done.' : { calls: [call('a', 'danger')] };
      return heard === 0 ? { calls: [call()] } : 'Done.';
    },
    { agents: [leaf] },
  );
  const run = runtime.start(leadOf({ tools: [spawn] }), 'Go.', { runId: 'r' });
  await run.ended;
  await settle();
  await runtime.answer('r/1-0/0/1-0?', true);
  await settle();
  const at = idOf(store, 'question.answered', -1, 'r/1-0/0');
  await expect(runtime.fork('r', { at, change: { answer: false } })).rejects.toMatchObject({ code: 'fork.ended' });
});

test('a message that comes to nothing while a model answers leaves the journal where the checkpoint is', async () => {
  const base = memoryStore();
  const changed = new Set<() => void>();
  const store = {
    ...base,
    changes: (on: () => void) => {
      changed.add(on);
      return () => changed.delete(on);
    },
  };
  const provider: ModelProvider = {
    async *takeTurn(_request, { signal }) {
      yield { type: 'usage', usage: priced };
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      yield { type: 'finish', reason: 'stop' };
    },
  };
  const { runtime } = openRuntime({ provider, store });
  const run = runtime.start(leadOf(), 'Go.', { runId: 'r' });
  await settle();
  await runtime.replay('r');
  await base.post({ id: 'm', runId: 'r', at: 0, message: { type: 'resume' } });
  for (const on of changed) on();
  await settle();
  expect(await base.receipt('m')).toMatchObject({ status: 'rejected' });
  try {
    await runtime.replay('r');
  } finally {
    await run.interrupt();
    await run.ended;
  }
  await runtime.replay('r');
});

test('a budget with more concurrency lets those that wait begin', async () => {
  const leaf = defineAgent({ name: 'leaf', instructions: '' });
  const spawn = toolOf({
    execute: () => spawned([1, 2, 3].map(() => ({ agent: leaf, job: 'x' }))),
    settle: (all) => ({ content: `${all.length}` }),
  });
  let busy = 0;
  let most = 0;
  const provider: ModelProvider = {
    async *takeTurn({ messages }, { context }) {
      if (context.agent === 'leaf') {
        busy += 1;
        most = Math.max(most, busy);
        await settle(3);
        busy -= 1;
      }
      if (context.agent === 'leaf' || messages.some(({ role }) => role === 'tool'))
        yield { type: 'text', delta: 'Done.' };
      else yield { type: 'call', id: 'c', name: 'echo', arguments: '{"text":"a"}' };
      yield { type: 'finish', reason: 'stop' };
    },
  };
  const store = memoryStore();
  const { runtime } = openRuntime({ provider, store, agents: [leaf] });
  await runtime.run(leadOf({ tools: [spawn], budget: { concurrency: 1 } }), 'Go.', { runId: 'r' });
  expect(most).toBe(1);
  const at = idOf(store, 'child.requested');
  for (const concurrency of [3, 2, 1]) {
    most = 0;
    const fork = await runtime.fork('r', { at, change: { budget: { concurrency } }, runId: `f${concurrency}` });
    await fork.ended;
    // The child that was at work is given the answer that it had: nobody asks for it.
    expect(most).toBe(Math.min(concurrency, 2));
    await runtime.replay(fork.id);
  }
  const first = storedIn(store, 'r').find(({ type }) => type === 'child.settled');
  const fork = await runtime.fork('r', { at: first?.id ?? '', runId: 'g' });
  await fork.ended;
  await runtime.replay('g');
});

test('two forks at once under one id', async () => {
  const { runtime, store } = open(['One.', 'Two.', 'Three.']);
  await runtime.run(leadOf(), 'Go.', { runId: 'r' });
  const at = idOf(store, 'turn.started');
  const got = await Promise.allSettled([runtime.fork('r', { at, runId: 'f' }), runtime.fork('r', { at, runId: 'f' })]);
  expect(got.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  const bad = got.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
  expect(bad.reason).toMatchObject({ code: 'run.exists' });
});

test('spawn by context, child ended, call in flight', async () => {
  const leaf = defineAgent({ name: 'leaf', instructions: '' });
  const done: string[] = [];
  const tool = toolOf({
    idempotent: true,
    async execute(_args, { spawn, key }) {
      const child = await spawn(leaf, 'x');
      const report = await child.ended;
      const other = await spawn(leaf, 'y');
      const second = await other.ended;
      done.push(key);
      return `${report.text} ${second.text} ${report.runId}`;
    },
  });
  let n = 0;
  const { runtime, store } = open(
    ({ messages }, { agent }) =>
      agent === 'leaf'
        ? `leaf ${++n}`
        : messages.some(({ role }) => role === 'tool')
          ? `Heard ${String(messages.at(-1)?.content)}`
          : { calls: [call()] },
    { agents: [leaf] },
  );
  const first = await runtime.run(leadOf({ tools: [tool] }), 'Go.', { runId: 'a' });
  expect(first.text).toBe('Heard leaf 1 leaf 2 a/1-0/0');
  const ids = eventsIn(store, 'a').map(({ id, type }) => [id, type] as const);
  let i = 0;
  for (const [id, type] of ids) {
    const to = `a${i++}`;
    try {
      const fork = await runtime.fork('a', { at: id, runId: to });
      const report = await fork.ended;
      expect.soft(report.text, `${id} ${type}`).toMatch(new RegExp(`^Heard leaf \\d+ leaf \\d+ ${to}/1-0/0$|a/1-0/0$`));
      await runtime.replay(to);
      for (const child of report.children) await runtime.replay(child.runId);
    } catch (error) {
      expect.soft((error as { code: string }).code, `${id} ${type} ${(error as Error).stack}`).toBe('fork.ended');
    }
  }
});
test('secret of several lines', async () => {
  const secret = '-----BEGIN KEY-----\nQWERTYUIOP\n-----END KEY-----';
  keepSecret(secret);
  const { runtime, store } = open(({ messages }) =>
    messages.some(({ role }) => role === 'tool') ? 'Done.' : { calls: [call()] },
  );
  await runtime.run(leadOf({ tools: [toolOf({ execute: () => ({ data: { key: secret } }) })] }), 'Go.', { runId: 'r' });
  expect.soft(JSON.stringify(eventsIn(store, 'r'))).not.toContain('QWERTYUIOP');
  expect.soft(JSON.stringify([...(store.journal('r') as [])])).not.toContain('QWERTYUIOP');
});

test('made agents, forked everywhere', async () => {
  const make = (data: unknown) =>
    defineAgent({
      name: `made-${(data as { n: string }).n}`,
      instructions: 'made',
      tools: [toolOf({ name: 'inner' })],
    });
  const spawn = toolOf({
    execute: ({ text }) => spawned([{ agent: make({ n: text }), job: 'x', data: { n: text } }]),
    settle: ([report]) => ({ content: report?.text ?? '' }),
    rebuild: (data: unknown) => make(data),
  });
  const { runtime, store } = open(({ messages }, { agent }) =>
    messages.some(({ role }) => role === 'tool')
      ? `${agent} done.`
      : { calls: [call('q', agent === 'lead' ? 'echo' : 'inner')] },
  );
  await runtime.run(leadOf({ tools: [spawn] }), 'Go.', { runId: 'r' });
  let forks = 0;
  for (const { id } of eventsIn(store, 'r')) {
    const fork = await runtime.fork('r', { at: id }).catch((error: unknown) => {
      expect(['fork.ended', 'fork.invalid']).toContain((error as { code?: string }).code);
    });
    if (!fork) continue;
    forks++;
    expect((await fork.ended).text).toBe('lead done.');
  }
  expect(forks).toBeGreaterThan(5);
});

test('the answer to an outcome that is not known, in a fork of a fork', async () => {
  let paid = 0;
  const pay = toolOf({
    name: 'pay',
    execute: async () => {
      paid++;
      if (paid === 1) await new Promise(() => {});
      return 'paid';
    },
  });
  const { runtime, store } = open(({ messages }) =>
    messages.some(({ role }) => role === 'tool') ? String(messages.at(-1)?.content) : { calls: [call('x', 'pay')] },
  );
  const run = runtime.start(leadOf({ tools: [pay] }), 'Go.', { runId: 'r' });
  await settle();
  const f = await runtime.fork('r', { at: idOf(store, 'call.started'), runId: 'f' });
  expect((await f.report).questions).toMatchObject([{ id: 'f/1-0?1' }]);
  const g = await runtime.fork('f', {
    at: idOf(store, 'question.asked', -1, 'f'),
    runId: 'g',
    change: { answer: false },
  });
  expect((await g.ended).text).toContain('not run again');
  await runtime.answer('f/1-0?1', true);
  expect((await f.ended).text).toBe('paid');
  const h = await runtime.fork('f', {
    at: idOf(store, 'question.answered', -1, 'f'),
    runId: 'h',
    change: { answer: false },
  });
  expect((await h.ended).text).toContain('not run again');
  expect(paid).toBe(2);
  await run.interrupt();
  await run.ended;
  for (const id of ['r', 'f', 'g', 'h']) await runtime.replay(id);
});

test('a fork that the store refuses can be tried again under its id', async () => {
  const base = memoryStore();
  let refuse = false;
  const store = {
    ...base,
    commit: (steps: never) => {
      if (refuse) throw new Error('full');
      return base.commit(steps);
    },
  };
  const { runtime, events } = openRuntime({ provider: scriptedProvider(['a', 'b', 'c']), store });
  await runtime.run(leadOf(), 'Go.', { runId: 'r' });
  refuse = true;
  await expect(runtime.fork('r', { at: idOf(base, 'turn.started'), runId: 'f' })).rejects.toThrow('full');
  refuse = false;
  const fork = await runtime.fork('r', { at: idOf(base, 'turn.started'), runId: 'f' });
  expect((await fork.ended).text).toBe('b');
  expect(events.filter((e) => e.rootId === 'f' && !('live' in e))).toEqual(eventsIn(base, 'f'));
  const seen: string[] = [];
  for await (const e of fork) if (!('live' in e)) seen.push(e.id);
  expect(seen).toEqual(eventsIn(base, 'f').map(({ id }) => id));
});

test('what a run remembered when it began is what its fork remembers', async () => {
  const { runtime, store } = open(
    ({ messages }) => `Knows ${messages.map(({ content }) => String(content)).join('|')}`,
  );
  await store.write('here', 'context', 'old');
  const first = await runtime.run(leadOf({ memoryScope: 'here' }), 'Go.', { runId: 'r' });
  await store.write('here', 'context', 'new');
  const fork = await runtime.fork('r', { at: idOf(store, 'run.started'), runId: 'f' });
  expect((await fork.ended).text).toBe(first.text);
});

test('a run of a session with messages, compacted', async () => {
  const store = memoryStore();
  const provider = scriptedProvider(({ messages }, { key }) => {
    if (key.endsWith('/summary')) return 'Short.';
    return `A${messages.length}`;
  });
  const { runtime } = openRuntime({ provider, store });
  const friend = leadOf({ name: 'friend', instructions: 'Be kind.', compaction: { maxMessages: 5 }, memoryScope: 'm' });
  await store.write('m', 'context', 'Known.');
  const session = runtime.session(friend, { sessionKey: 'k' });
  let last = '';
  for (const text of ['1', '2', '3', '4', '5']) {
    const run = await session.send(text);
    await run.ended;
    last = run.id;
  }
  for (const at of storedIn(store, last)) {
    const fork = await runtime.fork(last, { at: at.id }).catch(() => null);
    if (!fork) continue;
    const report = await fork.ended;
    const original = await (await runtime.attach(last)).report;
    expect.soft(report.messages, `${at.id} ${at.type}`).toEqual(original.messages);
    await runtime.replay(fork.id);
    const again = await runtime.fork(fork.id, { at: idOf(store, 'turn.started', -1, fork.id) });
    expect.soft((await again.ended).messages, `${at.id} ${at.type}`).toEqual(original.messages);
  }
});

describe('wide and long', () => {
  test('many events', { timeout: 120_000 }, async () => {
    const { cutAt } = await import('../../src/replay/cut.ts');
    const entries = Array.from({ length: 900_000 }, (_, i) => ({
      rootSeq: i + 1,
      seq: i,
      at: 0,
      heard: { type: 'x' },
    }));
    const event = { id: 'r:899999', seq: 899_999, rootSeq: 899_999, type: 'turn.completed', runId: 'r' };
    const tree = [{ row: { runId: 'r', rootId: 'r' }, entries, events: [event], checkpoint: undefined }];
    expect(cutAt(tree as never, { at: 'r:899999' }).until).toBe(899_998);
  });
});
