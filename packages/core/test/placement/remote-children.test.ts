import { defineAgent, defineTool } from '@troupe/core';
import type { ModelProvider, RunEvent, RunStore } from '@troupe/protocol';
import type { Observable } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { calling, guardedTool } from '../control/tools.ts';
import { only } from '../lead.ts';
import { leaseMs, machine, watch } from '../recovery/processes.ts';
import { askingFleet, delegating, gated, handingOver, lead, leaf, openFleet } from './fleet.ts';

/** The store of a process never answers these any more. */
const hang = ({ store }: { store: RunStore }, ...asked: (keyof RunStore)[]): void => {
  for (const each of asked) Object.assign(store, { [each]: () => new Promise(() => {}) });
};

describe('children that are executed elsewhere', () => {
  test('do their work on workers, and give their parents what children give', async () => {
    const { boot, serve, engine, check, pass, base } = openFleet();
    const { runtime } = boot();
    await serve('w1');
    const report = watch(runtime.start(lead, 'a b c', { runId: 'root' }).report);
    await settle(200);
    await pass();
    expect(engine.handed.map(({ came }) => came)).toEqual(['done', 'done', 'done']);
    expect(report.value).toMatchObject({ status: 'completed', text: 'a!, b!, c!!' });
    const events = check('root');
    expect(only(events, 'run.completed').map(({ depth }) => depth)).toEqual([1, 1, 1, 0]);
    expect(base.get('root/1-0/0')).toMatchObject({ agent: leaf.name, placed: { queue: 'troupe' } });
  });

  test('stream to whoever follows their tree, in whichever process', async () => {
    const { boot, serve, check, hearers } = openFleet();
    const { runtime } = boot();
    const third = boot();
    const gate = Promise.withResolvers<void>();
    const provider: ModelProvider = {
      name: 'slow',
      async *takeTurn() {
        yield { type: 'text', delta: 'Half ' };
        yield { type: 'text', delta: 'and half.' };
        await gate.promise;
        yield { type: 'finish', reason: 'stop' };
      },
    };
    await serve('w1', undefined, { provider });
    const run = runtime.start(lead, 'a', { runId: 'root' });
    const child = 'root/1-0/0';
    const follow = (events$: Observable<RunEvent>) => {
      const said: string[] = [];
      events$.subscribe((event) => event.runId === child && said.push('delta' in event ? event.delta : event.type));
      return said;
    };
    const everywhere = [run.events$, third.runtime.events()].map(follow);
    await settle(100);
    gate.resolve();
    await settle(100);
    await expect(run.report).resolves.toMatchObject({ status: 'completed' });
    check('root');
    const said = ['run.queued', 'run.started', 'turn.started', 'Half ', 'and half.', 'turn.completed', 'run.completed'];
    expect(everywhere).toEqual([said, said]);
    await third.runtime.close();
    expect(hearers.size).toBe(0);
  });

  test('that were let go go on in a fork, too', async () => {
    const { boot, serve, boss, script, ran, pass, eventsOf, statusOf } = askingFleet({ onPaused: 'error' });
    const { runtime } = boot(script);
    await serve('w1', script);
    await runtime.start(boss, 'go', { runId: 'root' }).ended;
    const [left] = eventsOf('root').filter(({ type }) => type === 'run.detached');
    const fork = await runtime.fork('root', { at: left?.id ?? '', runId: 'other' });
    await settle(200);
    await pass(3);
    expect(await fork.ended).toMatchObject({ status: 'completed' });
    const child = await runtime.attach('other/1-0/0');
    expect(await child.answer(child.questions[0]?.id ?? '', true)).toMatchObject({ status: 'accepted' });
    await settle(200);
    expect([ran(), statusOf('other/1-0/0'), statusOf('root/1-0/0')]).toEqual([1, 'completed', 'paused']);
  });

  test('that rest hear what they are told as soon as it is stored, however long that takes [L7]', async () => {
    const { boot, serve, boss, script, ran, engine } = askingFleet();
    const { runtime, mortal } = boot(script);
    await serve('w1', script);
    const run = runtime.start(boss, 'go', { runId: 'root' });
    await settle(200);
    const [question] = run.questions;
    const before = engine.handed.length;
    // given a store that takes its time for the answer
    const stored = Promise.withResolvers<void>();
    const { post } = mortal.store;
    mortal.store.post = async (mail) => {
      await stored.promise;
      await post(mail);
    };
    const answered = watch(run.answer(question?.id ?? '', true));
    await settle(200);
    // then nobody is woken for nothing, and whoever is finds it
    expect(engine.handed.length).toBe(before);
    stored.resolve();
    await settle(200);
    expect([answered.value, ran()]).toEqual([{ status: 'accepted' }, 1]);
    await expect(run.report).resolves.toMatchObject({ status: 'completed' });
  });

  test('are steered at the same cost, however many brothers and sisters work', async () => {
    /** How often the store is read meanwhile. */
    const readsBeside = async (children: number): Promise<number> => {
      const { boot, serve, check, pass } = openFleet();
      const jobs = Array.from({ length: children }, (_, n) => `j${n}`);
      const { script, open } = gated();
      const { runtime } = boot(script);
      await serve('w1', script, { concurrency: children });
      const run = runtime.start(lead, jobs.join(' '), { runId: 'root' });
      await settle(50);
      const { runtime: third, mortal } = boot();
      const child = await third.attach('root/1-0/0');
      const { events, list, get } = mortal.store;
      let reads = 0;
      const counted =
        <A extends unknown[], R>(read: (...given: A) => R) =>
        (...given: A): R => {
          reads += 1;
          return read(...given);
        };
      Object.assign(mortal.store, { events: counted(events), list: counted(list), get: counted(get) });
      const steered = child.steer('Hurry.');
      await settle(50);
      await expect(steered).resolves.toMatchObject({ status: 'deferred' });
      const found = reads;
      for (const job of [...jobs, 'Hurry.']) open(job);
      await pass(8);
      await expect(run.report).resolves.toMatchObject({ status: 'completed' });
      check('root');
      return found;
    };
    expect(await readsBeside(30)).toBe(await readsBeside(2));
  });

  test('wait for a slot of their parent, and for a place on a worker', async () => {
    const { boot, serve, engine, check, eventsOf } = openFleet();
    const { runtime } = boot();
    const { script, open } = gated();
    await serve('w1', script, { concurrency: 3 });
    const report = watch(
      runtime.start(lead, { input: 'a b c d', budget: { concurrency: 2 } }, { runId: 'root' }).report,
    );
    await settle(100);
    expect(only(eventsOf('root'), 'run.started').map(({ runId }) => runId)).toEqual([
      'root',
      'root/1-0/0',
      'root/1-0/1',
    ]);
    open('b');
    await settle(100);
    expect(only(eventsOf('root'), 'run.started')).toHaveLength(4);
    for (const job of ['a', 'c', 'd']) open(job);
    await settle(100);
    expect(report.value).toMatchObject({ status: 'completed', text: 'a done, b done, c done, d done!' });
    check('root');
    expect(engine.handed.every(({ came }) => came === 'done')).toBe(true);
  });

  test('whose own children are executed elsewhere, too, take no place while they wait: one is enough for all', async () => {
    const middle = defineAgent({ name: 'middle', instructions: '', tools: [delegating(leaf)] });
    const top = defineAgent({ name: 'top', instructions: '', tools: [delegating(middle)] });
    const { boot, serve, engine, check } = openFleet([top, middle, leaf]);
    const { runtime } = boot();
    await serve('w1', handingOver, { concurrency: 1 });
    const report = watch(runtime.start(top, 'a b', { runId: 'root' }).report);
    await settle(500);
    expect(report.value).toMatchObject({ status: 'completed', text: 'a!!, b!!!' });
    check('root');
    const came = (runId: string) => engine.handed.filter((one) => one.runId === runId).map((one) => one.came);
    expect(came('root/1-0/0')).toEqual(['idle', 'done']);
    expect(came('root/1-0/0/1-0/0')).toEqual(['done']);
  });

  test('ask, and are answered where their root is', async () => {
    const { boot, serve, engine, check, boss, script, ran } = askingFleet();
    const { runtime } = boot(script);
    await serve('w1', script);
    const run = runtime.start(boss, 'go', { runId: 'root' });
    const asked = watch(run.report);
    await settle(200);
    expect(asked.value).toMatchObject({ status: 'paused', questions: [{ runId: 'root/1-0/0', tool: 'erase' }] });
    // nobody has a place while it waits
    expect(engine.handed).toMatchObject([{ came: 'idle' }]);
    const receipt = watch(run.answer(run.questions[0]?.id ?? '', true));
    await settle(300);
    expect(receipt.value).toEqual({ status: 'accepted' });
    expect(run.questions).toEqual([]);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'erase done!!' });
    expect(ran()).toBe(1);
    check('root');
  });

  test('are let go where their call does not wait for a person, and go on by themselves', async () => {
    const { boot, serve, check, base, boss, script } = askingFleet({ onPaused: 'error' });
    const { runtime } = boot(script);
    await serve('w1', script);
    const run = runtime.start(boss, 'go', { runId: 'root' });
    await settle(300);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'paused: question!' });
    expect(base.get('root/1-0/0')).toMatchObject({ status: 'paused', detached: true });
    const [question] = (await runtime.attach('root/1-0/0')).questions;
    const receipt = watch(runtime.answer(question?.id ?? '', true));
    await settle(300);
    expect(receipt.value).toEqual({ status: 'accepted' });
    expect(base.get('root/1-0/0')).toMatchObject({ status: 'completed' });
    check('root');
  });

  test('are interrupted with their root, and end before it', async () => {
    const { boot, serve, check } = openFleet();
    const { runtime } = boot();
    const { script } = gated();
    await serve('w1', script);
    const run = runtime.start(lead, 'a b', { runId: 'root' });
    await settle(100);
    await run.interrupt('Enough.');
    await settle(200);
    await expect(run.ended).resolves.toMatchObject({ status: 'interrupted' });
    const ends = only(check('root'), 'run.interrupted');
    expect(ends.map(({ runId, exitReason }) => [runId, exitReason])).toEqual([
      ['root/1-0/0', 'parent_interrupted'],
      ['root/1-0/1', 'parent_interrupted'],
      ['root', 'interrupted'],
    ]);
  });

  test('that no worker has taken yet are interrupted by the first that does', async () => {
    const { boot, serve, check, pass, eventsOf } = openFleet();
    const { runtime } = boot();
    const run = runtime.start(lead, 'a', { runId: 'root' });
    await settle();
    void run.interrupt('Enough.');
    await pass();
    expect(eventsOf('root').some(({ type }) => type === 'run.interrupted')).toBe(false);
    await serve('w1');
    await settle(200);
    await expect(run.ended).resolves.toMatchObject({ status: 'interrupted' });
    expect(only(check('root'), 'run.interrupted')).toHaveLength(2);
  });

  test('are steered, paused and let go on from any process', async () => {
    const { boot, serve, check, eventsOf, statusOf } = openFleet();
    const { runtime } = boot();
    const { script, open } = gated();
    await serve('w1', script);
    const run = runtime.start(lead, 'a', { runId: 'root' });
    await settle(100);
    const child = await runtime.attach('root/1-0/0');
    const steered = watch(child.steer('Hurry.'));
    await settle(100);
    expect(steered.value).toEqual({ status: 'deferred', until: 'turn.completed' });
    const paused = watch(run.pause());
    await settle(100);
    expect(paused.value).toEqual({ status: 'accepted' });
    expect(statusOf('root/1-0/0')).toBe('paused');
    void run.resume();
    await settle(200);
    expect(only(eventsOf('root'), 'run.resumed').map(({ runId }) => runId)).toEqual(['root', 'root/1-0/0']);
    open('a');
    open('Hurry.');
    await settle(200);
    await expect(run.report).resolves.toMatchObject({ status: 'completed' });
    check('root');
  });

  test('are given to a tool that waits for each of them by itself', async () => {
    const free = defineTool({
      name: 'free',
      description: '',
      inputSchema: z.object({}),
      execute: async (_input, { spawn }) => {
        const run = await spawn(leaf, 'x');
        return (await run.report).text ?? '';
      },
    });
    const boss = defineAgent({ name: 'boss', instructions: '', tools: [free] });
    const { boot, serve, check } = openFleet([boss, leaf]);
    const script: typeof handingOver = (request, context) =>
      context.agent === 'boss' && !request.messages.some(({ role }) => role === 'tool')
        ? calling('free')
        : handingOver(request, context);
    const { runtime } = boot(script);
    await serve('w1', script);
    const run = runtime.start(boss, 'go', { runId: 'root' });
    const report = watch(run.report);
    await settle(300);
    expect(report.value).toMatchObject({ status: 'completed', text: 'x!!' });
    check('root');
  });
});

describe('a process that is gone', () => {
  test('while it executed a child: another one goes on with it', async () => {
    const { boot, serve, engine, check, pass, eventsOf } = openFleet();
    const { runtime } = boot();
    const { script, open } = gated();
    const first = await serve('w1', script);
    const run = runtime.start(lead, 'a', { runId: 'root' });
    await settle(100);
    first.mortal.die();
    engine.lose('w1');
    await serve('w2', script);
    open('a');
    await settle(50);
    expect(engine.handed.at(-1)).toMatchObject({ workerId: 'w2', came: 'held' });
    await pass(12);
    await settle(200);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'a done!' });
    expect(only(check('root'), 'run.recovered')).toHaveLength(1);
    expect(eventsOf('root').filter(({ type, runId }) => type === 'run.completed' && runId !== 'root')).toHaveLength(1);
  });

  test('while its children are executed elsewhere: they go on, and whoever recovers their parent hears of them', async () => {
    const { boot, serve, check, pass } = openFleet();
    const first = boot();
    const { script, open } = gated();
    await serve('w1', script);
    first.runtime.start(lead, 'a b', { runId: 'root' });
    await settle(100);
    open('a');
    await settle(100);
    first.mortal.die();
    await pass();
    const second = boot();
    const { recovered } = await second.runtime.recover();
    expect(recovered.map(({ id }) => id)).toEqual(['root']);
    await settle(100);
    open('b');
    await settle(200);
    await expect(recovered[0]?.report).resolves.toMatchObject({ status: 'completed', text: 'a done, b done!' });
    check('root');
  });

  test('with all that the engine knew: what nobody executes is dispatched again', async () => {
    const { boot, serve, engine, check, clock } = openFleet();
    const { runtime } = boot();
    engine.forget();
    const run = runtime.start(lead, 'a', { runId: 'root' });
    await settle(50);
    await serve('w1');
    await settle(50);
    expect(engine.handed).toEqual([]);
    engine.forget(false);
    clock.increment(15_000);
    await settle(200);
    await expect(run.report).resolves.toMatchObject({ status: 'completed' });
    check('root');
  });

  test('again and again because of a child: it fails, and says why', async () => {
    const { boot, serve, engine, check, pass } = openFleet();
    const { runtime } = boot();
    const run = runtime.start(lead, 'a', { runId: 'root' });
    const { script } = gated();
    for (let i = 0; i < 7; i++) {
      const worker = await serve(`w${i}`, script);
      await pass(8);
      worker.mortal.die();
      engine.lose(`w${i}`);
    }
    await serve('last', script);
    await pass(12);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'failed: poison!' });
    const [end] = only(check('root'), 'run.failed');
    expect(end).toMatchObject({ exitReason: 'poison', fault: { code: 'run.poison' } });
  });

  test('for a while only: what it does then is refused, and nobody acts twice', async () => {
    const { boot, serve, engine, check, pass, clock } = openFleet();
    const { runtime } = boot();
    const slow = gated();
    const quick = gated();
    const first = await serve('w1', slow.script);
    const run = runtime.start(lead, 'a', { runId: 'root' });
    await settle(100);
    // it hangs: its lease runs out
    hang(first.mortal, 'renew');
    engine.lose('w1');
    await serve('w2', quick.script);
    for (let i = 0; i < 10; i++) {
      clock.increment(leaseMs / 3);
      await settle();
    }
    slow.open('a', 'zombie');
    await settle(50);
    quick.open('a', 'right');
    await pass();
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'right!' });
    check('root');
    expect(engine.handed.filter(({ workerId }) => workerId === 'w1')).toMatchObject([{ came: 'held' }]);
  });

  test.each([
    ['it stops by itself before anybody else goes on', false],
    ['also as a child ends: the end may never be stored', true],
  ])('from the store: %s', async (_what, ends) => {
    const { boot, serve, engine, check, pass, clock } = openFleet();
    const { runtime } = boot();
    const { script, open } = gated();
    const { mortal } = await serve('w1', script);
    const run = runtime.start(lead, 'a', { runId: 'root' });
    await settle(100);
    hang(mortal, 'renew', 'commit');
    if (ends) open('a');
    const came = () => engine.handed.map((one) => one.came);
    for (let i = 0; i < 3; i++) {
      await settle();
      expect(came()).toEqual([undefined]);
      clock.increment(leaseMs / 3);
    }
    await settle(1);
    expect(came()[0]).toBe('held');
    mortal.die();
    engine.lose('w1');
    await serve('w2');
    clock.increment(15_000);
    await pass();
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'a!!' });
    check('root');
  });

  test('from the store in the middle of a turn: its activation is over, too', async () => {
    const { tool, ran } = guardedTool();
    const worker = defineAgent({ name: 'leaf', instructions: '', tools: [{ ...tool, confirm: false }] });
    const boss = defineAgent({ name: 'lead', instructions: '', tools: [delegating(worker)] });
    const { boot, serve, engine, clock } = openFleet([boss, worker]);
    const gate = Promise.withResolvers<void>();
    const script: typeof handingOver = async (request, context) => {
      if (context.agent !== 'leaf') return handingOver(request, context);
      await gate.promise;
      return calling('erase');
    };
    const { runtime, mortal: program } = boot(script);
    const { mortal } = await serve('w1', script);
    runtime.start(boss, 'a', { runId: 'root' });
    await settle(100);
    hang(mortal, 'renew', 'commit');
    gate.resolve();
    for (let i = 0; i < 4; i++) {
      await settle();
      clock.increment(leaseMs / 3);
    }
    await settle();
    expect(engine.handed[0]).toMatchObject({ workerId: 'w1', came: 'held' });
    expect(ran()).toBe(0);
    for (const its of [mortal, program]) its.die();
  });

  test('for a sibling that another has taken over: whom nobody has is handed out again soon', async () => {
    const { boot, serve, engine, base, check, pass, clock } = openFleet();
    const { script, open } = gated();
    const { runtime } = boot(script);
    await serve('w1', script);
    const run = runtime.start(lead, 'a b', { runId: 'root' });
    await settle(100);
    const [a, b] = ['root/1-0/0', 'root/1-0/1'];
    void base.release(base.holder(a) as string, [a]);
    void base.claim(a, 'thief', { leaseMs: 1_000 });
    open('a');
    await settle(100);
    const came = engine.handed.map((one) => [one.runId, one.came]);
    expect(came).toEqual([
      [a, 'fenced'],
      [b, 'held'],
    ]);
    clock.increment(2_000);
    await settle(20);
    expect(engine.handed.at(-1)).toMatchObject({ runId: b });
    open('b');
    await pass(8);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'a done, b done!' });
    check('root');
  });

  test('from the store, and then back: what it had is given back, and it may go on with it itself', async () => {
    const { boot, serve, engine, check, pass, clock } = openFleet();
    const { runtime } = boot();
    const { script, open } = gated();
    const { mortal } = await serve('w1', script);
    const run = runtime.start(lead, 'a', { runId: 'root' });
    await settle(100);
    const { renew, release } = mortal.store;
    hang(mortal, 'renew');
    Object.assign(mortal.store, { release: () => Promise.reject(new Error('away')) });
    for (let i = 0; i < 4; i++) {
      clock.increment(leaseMs / 3);
      await settle();
    }
    expect(engine.handed.map(({ came }) => came)).toContain('held');
    Object.assign(mortal.store, { renew, release });
    // another run keeps the worker, and its lease, alive
    runtime.start(lead, 'b', { runId: 'other' });
    await pass(6);
    open('a');
    await pass(6);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'a done!' });
    check('root');
  });

  test('for a moment when a child has ended: its parent hears of it when what it came to can be read', async () => {
    const { boot, serve, check, pass } = openFleet();
    const { runtime, mortal } = boot();
    const { get } = mortal.store;
    let failures = 0;
    Object.assign(mortal.store, {
      get: (runId: string) => {
        if (runId.includes('/') && failures++ < 3) throw new Error('The store is away.');
        return get(runId);
      },
    });
    await serve('w1');
    const run = runtime.start(lead, 'a', { runId: 'root' });
    await pass(8);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'a!!' });
    expect(failures).toBeGreaterThan(3);
    check('root');
  });
});

describe('where a child is executed', () => {
  test('its agent says, else the runtime: by a word, by a queue, or by a rule', async () => {
    const here = defineAgent({ name: 'here', instructions: '', placement: 'local' });
    const big = defineAgent({ name: 'big', instructions: '', placement: { queue: 'big' } });
    const other = defineAgent({ name: 'other', instructions: '' });
    const byJob = delegating((job) => ({ here, big, other })[job] ?? leaf);
    const boss = defineAgent({ name: 'boss', instructions: '', tools: [byJob] });
    const seen: unknown[] = [];
    const { boot, serve, check, base, engine } = openFleet([boss, here, big, other, leaf]);
    const script: typeof handingOver = (request, context) =>
      context.agent === 'boss' ? handingOver(request, context) : 'done';
    const { runtime } = boot(script, {
      place: ({ agent, parent, depth, job }) => {
        seen.push([agent.name, parent, depth, job.input]);
        if (agent.name === 'other') throw new Error('I do not know.');
        return 'remote';
      },
    });
    await serve('w1', script);
    await runtime.serve({ queues: ['big'], workerId: 'self' });
    const run = runtime.start(boss, 'here big other leaf', { runId: 'root' });
    await settle(300);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'done, done, done, done!' });
    check('root');
    expect(seen).toEqual([
      ['other', 'boss', 1, 'other'],
      ['leaf', 'boss', 1, 'leaf'],
    ]);
    const placed = (n: number) => (base.get(`root/1-0/${n}`) as { placed?: unknown }).placed;
    expect([0, 1, 2, 3].map(placed)).toEqual([undefined, { queue: 'big' }, undefined, { queue: 'troupe' }]);
    expect(engine.handed.map(({ runId, workerId }) => [runId, workerId])).toEqual([
      ['root/1-0/1', 'self'],
      ['root/1-0/3', 'w1'],
    ]);
  });

  test('is here where nobody could make it again: of an agent that is not known, or with tools of its own', async () => {
    const stranger = defineAgent({ name: 'stranger', instructions: '' });
    const boss = defineAgent({ name: 'boss', instructions: '', tools: [delegating(stranger)] });
    const { boot, check, base } = openFleet([boss]);
    const { runtime } = boot();
    const run = runtime.start(boss, 'a', { runId: 'root' });
    await expect(run.report).resolves.toMatchObject({ status: 'completed' });
    expect(base.get('root/1-0/0')).not.toHaveProperty('placed');
    check('root');
  });

  test('has to be a place', () => {
    const wrong = { placement: 'far away' as never };
    expect(() => defineAgent({ name: 'a', instructions: '', ...wrong })).toThrow(
      'The placement of agent "a" is "far away". Expected "local", "remote" or { queue }, a name of 1 to 200 letters',
    );
    expect(() => defineAgent({ name: 'a', instructions: '', placement: { queue: 'gpu:1' } })).toThrow(
      '{"queue":"gpu:1"}',
    );
    const { boot } = openFleet();
    expect(() => boot([], { place: 1 as never })).toThrow('The place of a runtime is 1.');
    const { changes: _, ...alone } = machine().base as never as Record<string, unknown>;
    expect(() => boot([], { store: { ...alone } as never })).toThrow('a store that no other process reaches');
  });

  test('is nowhere without a placement, and serve() says so', async () => {
    const { boot } = openFleet();
    const { runtime } = boot([], { placement: undefined as never });
    await expect(runtime.serve()).rejects.toThrow('A runtime without a placement serves nobody.');
    const served = boot().runtime;
    await expect(served.serve({ concurrency: 0 })).rejects.toThrow('serve() was given the concurrency 0.');
  });
});
