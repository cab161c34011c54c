/** What becomes of whatever refers to runs that are forgotten: sessions, readers, handles, answers, units. */
import { type AnyAgent, createRuntime, defineAgent, defineTool, dispatched, memoryStore } from '@troupe/core';
import type { EventQuery, RunRow, RunStore } from '@troupe/protocol';
import { type Script, scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { settle } from '../../../../test/support/open-runtime.ts';
import { stepOf } from '../../../../test/support/steps.ts';
import { openSessionPast } from '../../src/runtime/session-past.ts';
import { calling, guardedTool, nothing, plain } from '../control/tools.ts';
import { clerk, leaf, machine, top, watch } from './processes.ts';
import { silent } from './program.ts';

const open = (script: Script, agents: readonly AnyAgent[], store: RunStore = memoryStore()) => {
  const clock = new SimulatedClock();
  const runtime = createRuntime({
    provider: scriptedProvider(script),
    model: 'm',
    clock,
    agents,
    store,
    logger: silent,
  });
  onTestFinished(() => runtime.close({ graceMs: 0 }));
  return { clock, runtime };
};
const echo: Script = ({ messages }) => `re: ${String(messages.at(-1)?.content)}`;
const never = () => new Promise<string>(() => {});

/** An agent that has its work done in the background where it is told to "go". */
const sending = (work: () => string | Promise<string>) => {
  const far = defineTool({
    name: 'far',
    description: '',
    inputSchema: nothing,
    execute: (_input, { view }) =>
      view.unit ? work() : dispatched({ data: null, answer: () => ({ content: 'Under way.' }) }),
  });
  const boss = defineAgent({ name: 'boss', instructions: '', tools: [far] });
  const script: Script = ({ messages }) => {
    const last = messages.at(-1);
    if (last?.role === 'tool') return 'later';
    return last?.content === 'go' ? { calls: [{ id: 'call_0', name: 'far', arguments: {} }] } : 'fine';
  };
  return { boss, script };
};

describe('a conversation whose older runs are forgotten, and an id of theirs is used again', () => {
  const begin = async () => {
    const asked: string[][] = [];
    const script: Script = (request, about) => {
      asked.push(request.messages.map(({ content }) => String(content)));
      return echo(request, about);
    };
    const { clock, runtime } = open(script, [clerk]);
    const session = runtime.session(clerk, { sessionKey: 'k' });
    for (const [text, runId] of [
      ['one', 'morning'],
      ['two', 'evening'],
    ] as const) {
      await (await session.send(text, { runId })).ended;
      clock.increment(1);
    }
    expect(await runtime.runs.prune({ olderThan: 0, keep: 1, sentTo: 'k' })).toBe(1);
    return { asked, clock, runtime, session };
  };

  test('in that conversation: it is read to its end', async () => {
    const { asked, clock, runtime, session } = await begin();
    await (await session.send('three', { runId: 'morning' })).ended;
    clock.increment(1);
    // what is remembered of it is not any more
    await runtime.runs.prune({ olderThan: 1_000_000, sentTo: 'k' });
    await (await session.send('four')).ended;
    expect(asked.at(-1)).toEqual(['two', 're: two', 'three', 're: three', 'four']);
    expect(await runtime.recover()).toMatchObject({ skipped: [] });
  });

  test.each([
    ['of another one', { sessionKey: 'other', after: null }],
    ['its own, and younger', { sessionKey: 'k', after: 'b', createdAt: 3 }],
    ['that which it begins with, and younger', { sessionKey: 'k', createdAt: 3 }],
    ['of none', {}],
    ['below another run', { sessionKey: 'k', parentId: 'b' }],
    ['a unit', { sessionKey: 'k', origin: { runId: 'b', rootId: 'b', callId: 'c' } }],
  ])('what has that id is no run of its own where it is %s', async (_, about) => {
    const store = memoryStore();
    const { previousOf } = openSessionPast(store, async () => []);
    const write = (runId: string, row: Partial<RunRow>) => {
      const { row: first, ...step } = stepOf({ runId });
      return store.commit([{ ...step, row: { ...first, ...row } }]);
    };
    const b: Partial<RunRow> = { createdAt: 2, sessionKey: 'k', after: 'a' };
    const a: Partial<RunRow> = { createdAt: 1, ...about };
    if (a.createdAt === 1) await write('a', a);
    await write('b', b);
    if (a.createdAt !== 1) await write('a', a);
    expect(await previousOf((await store.get('b')) as RunRow)).toBeUndefined();
  });

  test.each(['in another one', 'in none'])('%s: what is said there is none of its own', async (where) => {
    const { asked, runtime, session } = await begin();
    const other = runtime.session(clerk, { sessionKey: 'other' });
    const secret = { runId: 'morning' };
    if (where === 'in none') await runtime.start(clerk, 'A secret.', secret).ended;
    else await (await other.send('A secret.', secret)).ended;
    await (await session.send('three')).ended;
    expect(asked.at(-1)).toEqual(['two', 're: two', 'three']);
  });
});

describe('a conversation that was made shorter, and whose older runs are forgotten', () => {
  const friend = defineAgent({
    name: 'friend',
    instructions: 'Be kind.',
    tools: [plain('look')],
    compaction: { maxMessages: 6 },
  });

  test('keeps what its newest run was told', async () => {
    const { clock, runtime } = open((r, c) => (c.key.endsWith('/summary') ? 'So far.' : echo(r, c)), [friend]);
    const session = runtime.session(friend, { sessionKey: 'k' });
    for (const word of ['one', 'two', 'three', 'four']) {
      await (await session.send(word)).ended;
      clock.increment(10);
    }
    const before = session.messages;
    expect(await runtime.runs.prune({ olderThan: 15 })).toBe(3);
    await session.runs();
    const said = session.messages.map(({ content }) => String(content));
    expect(said).toEqual([expect.stringContaining('kind'), expect.stringContaining('So far.'), 'four', 're: four']);
    expect(before.map(({ content }) => content)).toEqual(expect.arrayContaining(['four', 're: four']));
  });

  test('has no result without its call [L3]', async () => {
    let turns = 0;
    const { clock, runtime } = open(
      ({ messages }, { key }) => {
        if (key.endsWith('/summary')) return 'So far.';
        if (messages.at(-1)?.content === 'fail') return { fault: { code: 'model.down' } };
        return turns++ < 4 ? calling('look') : 'done';
      },
      [friend],
    );
    const session = runtime.session(friend, { sessionKey: 'k' });
    for (const word of ['fail', 'work']) {
      await (await session.send(word)).ended;
      clock.increment(10);
    }
    await runtime.runs.prune({ olderThan: 15 });
    await session.runs();
    const calls = session.messages.flatMap((message) => message.calls ?? []).map(({ id }) => id);
    const results = session.messages.flatMap(({ role, callId }) => (role === 'tool' ? [callId] : []));
    expect(calls.length).toBeGreaterThan(0);
    expect(calls).toEqual(results);
  });
});

describe('an id that is used again once its run is forgotten', () => {
  test.each<EventQuery>([{}, { rootId: 'daily' }, { runId: 'daily' }])(
    'is of a run that a reader of %o hears of, too [F-17]',
    async (query) => {
      const { clock, runtime } = open(() => 'ok', [clerk]);
      const [told, read]: [string[], string[]] = [[], []];
      runtime.events$.subscribe(({ type }) => void told.push(type));
      runtime.events(query).subscribe(({ type }) => void read.push(type));
      for (let day = 0; day < 2; day++) {
        await runtime.start(clerk, 'x', { runId: 'daily' }).ended;
        clock.increment(10);
        await settle();
        await runtime.runs.prune({ olderThan: 0 });
      }
      expect(read).toEqual(told);
    },
  );

  const asking = () => {
    const { tool } = guardedTool();
    const asker = defineAgent({ name: 'asker', instructions: '', tools: [tool] });
    const script: Script = ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : calling('erase'));
    return { asker, script };
  };

  test('is of a run that asks what was asked before: an answer reaches it, wherever it is', async () => {
    const { asker, script } = asking();
    const world = machine();
    const [a, b] = [world.boot(script, { agents: [asker] }), world.boot(script, { agents: [asker] })];
    const first = a.runtime.start(asker, 'x', { runId: 'daily' });
    const id = (await first.report).questions[0]?.id ?? '';
    await a.runtime.answer(id, 'yes');
    await first.ended;
    world.clock.increment(10);
    await a.runtime.runs.prune({ olderThan: 0 });
    expect(await a.runtime.answer(id, 'yes')).toMatchObject({ status: 'rejected' });
    const again = b.runtime.start(asker, 'x', { runId: 'daily' });
    expect((await again.report).questions[0]?.id).toBe(id);
    const [said, end] = [watch(a.runtime.answer(id, 'yes')), watch(again.ended)];
    await world.pass();
    expect(said.value).toEqual({ status: 'accepted' });
    expect(end.value).toMatchObject({ status: 'completed' });
  });

  test.each([
    ['itself', () => asking().asker],
    ['below', () => top],
  ])('is of a run that does not ask what was asked %s before', async (_, boss) => {
    let isAgain = false;
    const calls: Record<string, string> = { asker: 'erase', leaf: 'risky', top: 'down' };
    const script: Script = (_request, { agent: of }) => (isAgain ? { hang: true } : calling(calls[of] ?? ''));
    const [agent, world] = [boss(), machine()];
    const agents = [agent, leaf];
    const [a, b] = [world.boot(script, { agents }), world.boot(script, { agents })];
    // given a process that has heard of what is asked, and of nothing since
    a.mortal.store.changes = () => () => {};
    const one = b.runtime.start(agent, 'x', { runId: 'daily' });
    await one.report;
    expect((await a.runtime.attach('daily')).questions).toHaveLength(1);
    await one.interrupt();
    world.clock.increment(10_000);
    await one.ended;
    world.clock.increment(10);
    await b.runtime.runs.prune({ olderThan: 0 });
    isAgain = true;
    b.runtime.start(agent, 'x', { runId: 'daily' });
    await settle();
    expect((await a.runtime.attach('daily')).questions).toEqual([]);
  });

  test('is of a run whose handle settles, and of another one whose handle says so', async () => {
    const worker = defineAgent({ name: 'worker', instructions: '', tools: [plain('step')] });
    let isFirst = true;
    const world = machine();
    const script: Script = ({ messages }) => (isFirst && messages.length < 10 ? calling('step') : { hang: true });
    const [a, b] = [world.boot(script, { agents: [worker] }), world.boot(script, { agents: [worker] })];
    world.clock.increment(1);
    const one = b.runtime.start(worker, 'x', { runId: 'daily' });
    await settle();
    // given a process that hears only when the test says so that others have stored something
    const listeners = new Set<() => void>();
    const changes: RunStore['changes'] = (heard) => {
      listeners.add(heard);
      return () => void listeners.delete(heard);
    };
    Object.assign(a.mortal.store, { changes });
    const held = watch((await a.runtime.attach('daily')).ended);
    await settle();
    const interrupt = async ({ interrupt: stop, ended }: Pick<typeof one, 'interrupt' | 'ended'>) => {
      await stop();
      world.clock.increment(10_000);
      await ended;
    };
    await interrupt({ interrupt: () => one.interrupt(), ended: one.ended });
    isFirst = false;
    world.clock.increment(10);
    await b.runtime.runs.prune({ olderThan: 0 });
    const two = b.runtime.start(worker, 'x', { runId: 'daily' });
    await settle();
    const fresh = watch((await a.runtime.attach('daily')).ended);
    for (const heard of listeners) heard();
    await settle();
    expect(held).toMatchObject({ error: { code: 'run.unknown' } });
    await interrupt({ interrupt: () => two.interrupt(), ended: two.ended });
    for (const heard of listeners) heard();
    await world.pass();
    expect(fresh).toMatchObject({ state: 'settled', value: { status: 'interrupted', calls: [] } });
  });

  test('read by a loop comes to an end where another process ends and forgets it before it was read', async () => {
    const world = machine();
    const { promise, resolve } = Promise.withResolvers<string>();
    const [a, b] = [world.boot(echo), world.boot(() => promise)];
    const run = b.runtime.start(clerk, 'x', { runId: 'daily' });
    await settle();
    const held = await a.runtime.attach('daily');
    const seen: string[] = [];
    const loop = watch(
      (async () => {
        for await (const { type } of held) seen.push(type);
      })(),
    );
    await settle();
    resolve('done');
    await run.ended;
    world.clock.increment(1);
    await b.runtime.runs.prune({ olderThan: 0 });
    await world.pass();
    expect(loop).toMatchObject({ error: { code: 'run.unknown' } });
    expect(seen[0]).toBe('run.started');
  });

  test('is of a conversation that began anew elsewhere: it is what is gone on with', async () => {
    const world = machine();
    const [a, b] = [world.boot(echo, { agents: [clerk] }), world.boot(echo, { agents: [clerk] })];
    const here = a.runtime.session(clerk, { sessionKey: 'k' });
    await (await here.send('old', { runId: 'r1' })).ended;
    await here.idle();
    world.clock.increment(10);
    await b.runtime.runs.prune({ olderThan: 0, sentTo: 'k' });
    await (await b.runtime.session(clerk, { sessionKey: 'k' }).send('new', { runId: 'r1' })).ended;
    await settle();
    expect((await here.idle()).report?.text).toBe('re: new');
    await (await here.send('two')).ended;
    expect(here.messages.map(({ content }) => content)).toEqual(['new', 're: new', 'two', 're: two']);
  });

  test('does not find the unit of the run that had it', async () => {
    let worked = 0;
    const { boss, script } = sending(() => `found ${++worked}`);
    const { clock, runtime } = open(script, [boss]);
    const session = runtime.session(boss, { sessionKey: 'k' });
    for (let day = 0; day < 2; day++) {
      await (await session.send('go', { runId: 'daily' })).ended;
      await session.idle();
      clock.increment(10);
      await runtime.runs.prune({ olderThan: 0, sentTo: 'k' });
    }
    expect(worked).toBe(2);
  });

  test('is replayed from its beginning, not after a replay of the run that had it', async () => {
    const { clock, runtime } = open(echo, [clerk]);
    await runtime.start(clerk, 'x', { runId: 'daily' }).ended;
    const after = await runtime.replay('daily');
    clock.increment(10);
    await runtime.runs.prune({ olderThan: 0 });
    await runtime.start(clerk, 'y', { runId: 'daily' }).ended;
    await expect(runtime.replay('daily', { after })).rejects.toMatchObject({
      code: 'replay.invalid',
      message: expect.stringContaining('was forgotten'),
    });
    expect(await runtime.replay('daily')).toMatchObject({ createdAt: 10 });
  });

  test('has no unit of the run that had it in its tree', async () => {
    const { boss, script } = sending(() => 'found');
    const { clock, runtime } = open(script, [boss]);
    const session = runtime.session(boss, { sessionKey: 'k' });
    for (let day = 0; day < 2; day++) {
      await (await session.send('go', { runId: 'daily' })).ended;
      await session.idle();
      clock.increment(10);
      // its units stay
      if (day === 0) await runtime.runs.prune({ olderThan: 0, sentTo: 'k' });
    }
    const { children } = await runtime.runs.tree('daily');
    expect(children).toMatchObject([{ background: true, createdAt: 10 }]);
  });

  test('dispatches a unit whose result is heard, though nobody had heard of the first one', async () => {
    const first = Promise.withResolvers<string>();
    let worked = 0;
    const { boss } = sending(() => (++worked === 1 ? first.promise : `found ${worked}`));
    const script: Script = ({ messages }) =>
      messages.some(({ role }) => role === 'tool')
        ? 'later'
        : { calls: [{ id: 'call_0', name: 'far', arguments: {} }] };
    const { clock, runtime } = open(script, [boss]);
    const session = runtime.session(boss, { sessionKey: 'k' });
    await (await session.send('go', { runId: 'daily' })).ended;
    const [unit] = await session.units();
    await unit?.interrupt('No more of it.');
    await unit?.ended;
    clock.increment(10);
    await runtime.runs.prune({ olderThan: 0 });
    await (await session.send('go', { runId: 'daily' })).ended;
    await session.idle();
    const told = session.messages.map(({ content }) => String(content)).filter((text) => text.includes('BACKGROUND'));
    expect(told).toEqual([expect.stringContaining('No more of it.'), expect.stringContaining('found 2')]);
  });
});

describe('while something is forgotten', () => {
  test('idle() settles, though what was sent last is gone', async () => {
    const { boss, script } = sending(never);
    const { clock, runtime } = open(script, [boss]);
    const session = runtime.session(boss, { sessionKey: 'k' });
    await (await session.send('go')).ended;
    const [unit] = await session.units();
    const rest = watch(session.idle());
    await settle();
    clock.increment(10);
    await runtime.runs.prune({ olderThan: 0, sentTo: 'k' });
    await unit?.interrupt();
    clock.increment(60_000);
    await settle();
    expect(rest).toMatchObject({ state: 'settled', value: { status: 'idle', report: null } });
  });

  test('units() leaves out what is gone since it was listed', async () => {
    const { boss, script } = sending(never);
    const store = memoryStore();
    let meanwhile: (() => Promise<unknown>) | undefined;
    const { clock, runtime } = open(script, [boss], {
      ...store,
      async list(filter) {
        const rows = await store.list(filter);
        const now = filter?.unitsOf === undefined ? undefined : meanwhile;
        if (now) meanwhile = undefined;
        await now?.();
        return rows;
      },
    });
    const session = runtime.session(boss, { sessionKey: 'k' });
    await (await session.send('go')).ended;
    const [unit] = await session.units();
    meanwhile = async () => {
      await unit?.interrupt();
      clock.increment(60_000);
      await unit?.ended;
      await settle();
      await store.prune({ olderThan: Number.MAX_SAFE_INTEGER, keep: 0 });
    };
    expect(await session.units()).toEqual([]);
  });

  test('a question of a run that is gone is asked by nobody', async () => {
    const { tool } = guardedTool();
    const asker = defineAgent({ name: 'asker', instructions: '', tools: [tool] });
    const world = machine();
    const script: Script = () => calling('erase');
    const [a, b] = [world.boot(script, { agents: [asker] }), world.boot(script, { agents: [asker] })];
    const one = b.runtime.start(asker, 'x', { runId: 'daily' });
    await one.report;
    const held = await a.runtime.attach('daily');
    const ended = watch(held.ended);
    expect(held.questions).toHaveLength(1);
    // nobody hears here how it ended
    const { get } = a.mortal.store;
    a.mortal.store.get = () => never() as never;
    await one.interrupt();
    await one.ended;
    world.clock.increment(10);
    await b.runtime.runs.prune({ olderThan: 0 });
    a.mortal.store.get = get;
    await world.pass();
    expect(ended.state).not.toBe('pending');
    expect(held.questions).toEqual([]);
  });
});

test('the id of a run that was forgotten while it was to be recovered elsewhere is free', async () => {
  const agent = defineAgent({ name: 'clerk', instructions: '' });
  const { promise, resolve } = Promise.withResolvers<string>();
  const base = memoryStore();
  const first = open(() => promise, [agent], base);
  const { report } = first.runtime.start(agent, 'one', { runId: 'r' });
  await settle();
  const claim: RunStore['claim'] = async (...asked) => {
    resolve('done');
    await report;
    first.clock.increment(1);
    await first.runtime.runs.prune({ olderThan: 0 });
    return base.claim(...asked);
  };
  const second = open(echo, [agent], { ...base, claim, lasting: true });
  expect((await second.runtime.recover()).recovered).toEqual([]);
  await settle();
  expect(await first.runtime.start(agent, 'two', { runId: 'r' }).report).toMatchObject({ status: 'completed' });
});

test.each([
  ['all of it', { olderThan: 0, units: true }, 0],
  ['its runs alone', { olderThan: 0 }, 1],
  ['what is older', { olderThan: 1, units: true }, 1],
])('of a session that is forgotten, %s: who has it next hears of what was left for it: %s', async (_, what, heard) => {
  const { boss, script } = sending(never);
  const { clock, runtime } = open(script, [boss]);
  const session = runtime.session(boss, { sessionKey: 'k' });
  await (await session.send('go')).report;
  await session.interrupt();
  await session.idle();
  clock.increment(10);
  await runtime.runs.prune({ ...what, sentTo: 'k' });
  const { id } = await session.send('x');
  await session.idle();
  const row = await runtime.runs.get(id);
  const told: string[] = [];
  for await (const event of runtime.events({ runId: id }, { follow: false }))
    if (event.type === 'turn.started') told.push(...(event.delivered ?? []));
  expect([row?.status, told.length]).toEqual(['completed', heard]);
});

test('a session of which nothing is left is with whom it is opened for next', async () => {
  const other = defineAgent({ name: 'other', instructions: '' });
  const { clock, runtime } = open(echo, [clerk, other]);
  const session = runtime.session(clerk, { sessionKey: 'k' });
  const forget = async () => {
    await session.idle();
    clock.increment(10);
    await runtime.runs.prune({ olderThan: 0, sentTo: 'k' });
  };
  await (await session.send('x')).ended;
  await forget();
  // whoever holds it goes on with it
  await (await session.send('y')).ended;
  expect(() => runtime.session(other, { sessionKey: 'k' })).toThrow(/not with "other"/);
  await forget();
  const anew = runtime.session(other, { sessionKey: 'k' });
  expect((await (await anew.send('z')).report).agent).toBe('other');
  expect(() => runtime.session(clerk, { sessionKey: 'k' })).toThrow(/not with "clerk"/);
});
