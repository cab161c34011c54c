/** What becomes of clocks, limits, questions and endings where a run and its children are executed by different processes. */
import { agentLogic, defineAgent, defineTool, spawned } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { createActor } from 'xstate';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { calling, guardedTool } from '../control/tools.ts';
import { only } from '../lead.ts';
import { watch } from '../recovery/processes.ts';
import { askingFleet, delegating, gated, handingOver, lead, leaf, openFleet } from './fleet.ts';

const middle = defineAgent({ name: 'middle', instructions: '', tools: [delegating(leaf)] });
const top = defineAgent({ name: 'top', instructions: '', tools: [delegating(middle)] });
const three = [top, middle, leaf];

type Fleet = ReturnType<typeof openFleet>;
/** The process that comes after one that dies, and goes on with what that had. */
const recovered = async (
  { boot, pass }: Pick<Fleet, 'boot' | 'pass'>,
  { mortal }: ReturnType<Fleet['boot']>,
  script: typeof handingOver,
) => {
  mortal.die();
  await pass(4);
  const { runtime } = boot(script);
  await runtime.recover();
  await settle(50);
  return runtime;
};

describe('a run that waits for children that others execute', () => {
  test.each([
    ['is executed on while its silence is limited', { idleMs: 3_600_000 }, undefined],
    ['is executed on while its work is limited', { activeMs: 3_600_000 }, undefined],
    ['is put back where only its end is, which is a moment', { deadlineMs: 3_600_000 }, 'idle'],
  ])('%s', async (_what, budget, came) => {
    const limited = defineAgent({ ...middle, budget } as never);
    const boss = defineAgent({ name: 'top', instructions: '', tools: [delegating(limited)] });
    const { boot, serve, engine } = openFleet([boss, limited, leaf]);
    const { script, open } = gated();
    const { runtime } = boot(script);
    await serve('w1', script);
    const run = runtime.start(boss, 'a', { runId: 'root' });
    await settle(200);
    expect(engine.handed.find(({ runId }) => runId === 'root/1-0/0')?.came).toBe(came);
    open('a');
    await settle(300);
    await expect(run.report).resolves.toMatchObject({ status: 'completed' });
  });

  test('and is in nobody’s hands ends at its deadline all the same', async () => {
    const unserved = defineAgent({ ...leaf, placement: { queue: 'nobody' } } as never);
    const limited = defineAgent({ ...middle, budget: { deadlineMs: 60_000 }, tools: [delegating(unserved)] } as never);
    const boss = defineAgent({ name: 'top', instructions: '', tools: [delegating(limited)] });
    const { boot, serve, check, clock, eventsOf } = openFleet([boss, limited, unserved]);
    const { runtime } = boot();
    await serve('w1');
    const run = runtime.start(boss, 'a', { runId: 'root' });
    await settle(200);
    for (let i = 0; i < 8; i++) {
      clock.increment(10_000);
      await settle(60);
    }
    expect(only(eventsOf('root'), 'budget.exhausted').map(({ runId }) => runId)).toEqual(['root/1-0/0']);
    // it ends when what is below it has
    await runtime.serve({ queues: ['nobody'] });
    await settle(100);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'failed: timeout!' });
    check('root');
  });

  test('makes no silence: they are watched where they are', async () => {
    const heartbeat = { idleMs: 60_000, callMs: 60_000, onStall: 'interrupt' as const, graceMs: 10_000 };
    const watched = defineAgent({ ...lead, heartbeat } as never);
    const { boot, serve, check, clock } = openFleet([watched, leaf]);
    const { script, open } = gated();
    const { runtime } = boot(script);
    await serve('w1', script);
    const run = runtime.start(watched, 'a', { runId: 'root' });
    for (let i = 0; i < 20; i++) {
      await settle();
      clock.increment(10_000);
    }
    open('a');
    await settle(200);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'a done!' });
    check('root');
  });

  test('is executed on while one of its own is executed beside it, and is put back when that waits, too', async () => {
    const inner = defineAgent({ name: 'inner', instructions: '', placement: 'local', tools: [delegating(leaf)] });
    const outer = defineAgent({ name: 'middle', instructions: '', tools: [delegating(inner)] });
    const boss = defineAgent({ name: 'top', instructions: '', tools: [delegating(outer)] });
    const { boot, serve, engine, check } = openFleet([boss, outer, inner, leaf]);
    const { script, open } = gated();
    const { runtime } = boot(script);
    const holdInner = Promise.withResolvers<void>();
    const working: typeof handingOver = async (request, context) => {
      if (context.agent === 'inner') await holdInner.promise;
      return script(request, context);
    };
    await serve('w1', working);
    const run = runtime.start(boss, 'a', { runId: 'root' });
    await settle(200);
    const came = () => engine.handed.filter(({ runId }) => runId === 'root/1-0/0').map((one) => one.came);
    expect(came()).toEqual([undefined]);
    holdInner.resolve();
    await settle(200);
    expect(came()).toEqual(['idle']);
    open('a');
    await settle(300);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'a done!!!' });
    expect(came()).toEqual(['idle', 'done']);
    const events = check('root');
    expect(only(events, 'run.recovered')).toEqual([]);
  });
});

test('a run that rests while the news of a child are read hears them when it is brought back [L1, L7]', async () => {
  const [tool, b] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  const wait = defineTool({ name: 'wait', description: '', inputSchema: z.object({}), execute: () => tool.promise });
  const mid = defineAgent({ name: 'mid', instructions: '', tools: [delegating(leaf), wait] });
  const boss = defineAgent({ name: 'boss', instructions: '', tools: [delegating(mid)] });
  const { serve, check, pass } = openFleet([boss, mid, leaf]);
  const script: typeof handingOver = ({ messages }, { agent }) => {
    const last = messages.at(-1);
    if (agent === 'leaf') return last?.content === 'b' ? b.promise : 'a!';
    if (last?.role === 'tool') return `${agent} done`;
    const both = [
      { name: 'delegate', arguments: { jobs: ['a', 'b'] } },
      { name: 'wait', arguments: {} },
    ];
    return { calls: agent === 'mid' ? both : [{ name: 'delegate', arguments: { jobs: ['m'] } }] };
  };
  const said: string[] = [];
  const logger = { warn: (text: string) => void said.push(text), error: (text: string) => void said.push(text) };
  const { runtime, mortal } = await serve('w1', script, { logger });
  // given a store that takes its time to say what became of the first child
  const read = Promise.withResolvers<void>();
  const { get } = mortal.store;
  mortal.store.get = async (runId) => {
    const row = await get(runId);
    if (row?.status === 'completed' && runId === 'root/1-0/0/1-0/0') await read.promise;
    return row;
  };
  const ended = watch(runtime.start(boss, 'go', { runId: 'root' }).ended);
  await settle(200);
  // when nothing is left to do but to wait, it rests
  tool.resolve('ok');
  await settle(200);
  read.resolve();
  await settle(200);
  b.resolve('b!');
  await settle(200);
  await pass(13);
  await settle(300);
  expect(ended.value).toMatchObject({ status: 'completed', text: 'boss done' });
  expect(said).toEqual([]);
  check('root');
});

describe('a child that others execute', () => {
  test('is handed out again by whoever lets it go on, where the engine has lost it', async () => {
    const { boot, serve, engine, statusOf, pass } = openFleet();
    const { runtime } = boot();
    await serve('w1');
    engine.forget();
    runtime.start(lead, 'a', { runId: 'root' });
    await settle(100);
    engine.forget(false);
    expect(engine.handed).toEqual([]);
    watch(runtime.resume('root/1-0/0'));
    await settle(100);
    expect(statusOf('root/1-0/0')).toBe('completed');
    await pass(3);
  });

  test('takes a place in a quota only while it lives, unless it completes', async () => {
    const scarce = defineTool({
      name: 'delegate',
      description: '',
      inputSchema: z.object({ jobs: z.array(z.string()) }),
      execute: ({ jobs }) =>
        spawned(jobs.map((job) => ({ agent: leaf, job, quota: { key: 'q', max: 1, message: 'No more.' } }))),
      settle: (reports) => ({ content: reports.map(({ status, fault }) => fault?.message ?? status).join(', ') }),
    });
    const boss = defineAgent({ name: 'boss', instructions: '', tools: [scarce] });
    const { boot, serve, check } = openFleet([boss, leaf]);
    let n = 0;
    const script: typeof handingOver = ({ messages }, { agent }) => {
      if (agent === 'leaf') return messages.at(-1)?.content === 'bad' ? { fault: { code: 'model.refused' } } : 'good';
      const job = ['bad', 'good', 'late'][n++];
      return job ? { calls: [{ name: 'delegate', arguments: { jobs: [job] } }] } : 'done';
    };
    const { runtime } = boot(script);
    await serve('w1', script);
    const run = runtime.start(boss, 'go', { runId: 'root' });
    await settle(400);
    const { calls } = await run.report;
    expect(calls.map(({ result }) => result)).toEqual([expect.any(String), 'completed', 'No more.']);
    check('root');
  });

  test.each([
    ['that was let go while it waits for a person is interrupted with the run that had started it', false],
    ['also when that has been brought back meanwhile', true],
  ])('%s', async (_what, dies) => {
    const { boot, serve, check, statusOf, pass, boss } = askingFleet({ onPaused: 'error' });
    let turns = 0;
    const script: typeof handingOver = (request, context) => {
      if (context.agent === 'leaf') return calling('erase');
      return turns++ === 0 ? handingOver(request, context) : { hang: true };
    };
    const first = boot(script);
    await serve('w1', script);
    first.runtime.start(boss, 'go', { runId: 'root' });
    await settle(300);
    expect(statusOf('root/1-0/0')).toBe('paused');
    const runtime = dies ? await recovered({ boot, pass }, first, script) : first.runtime;
    await (await runtime.attach('root')).interrupt('Enough.');
    await settle(300);
    expect(statusOf('root/1-0/0')).toBe('interrupted');
    check('root');
  });

  /**
   * A boss, a placed child of it, and one of its own that asks a person.
   *
   * @param lets Who does not wait for that: the child, or the boss. @param asks Whether it may ask, too.
   */
  const tiers = (placement: 'local' | 'remote', lets: 'middle' | 'boss', asks: boolean) => {
    const { tool } = guardedTool();
    const delegatingBy = (name: typeof lets, agent: typeof leaf) =>
      name === lets ? [delegating(agent, { onPaused: 'error' }), ...(asks ? [tool] : [])] : [delegating(agent)];
    const asker = defineAgent({ name: 'asker', instructions: '', tools: [tool], placement });
    const middle = defineAgent({
      name: 'middle',
      instructions: '',
      tools: delegatingBy('middle', asker),
      placement: 'remote',
    });
    return {
      asker,
      middle,
      boss: defineAgent({ name: 'boss', instructions: '', tools: delegatingBy('boss', middle) }),
    };
  };
  /** The tiers where whoever lets one go asks a person after that. */
  const askingAfter =
    (lets: 'middle' | 'boss'): typeof handingOver =>
    ({ messages }, { agent }) => {
      const answered = messages.filter(({ role }) => role === 'tool').length;
      if (agent === 'asker') return answered > 0 ? 'erased' : calling('erase');
      if (answered === 0) return { calls: [{ name: 'delegate', arguments: { jobs: ['go'] } }] };
      return agent === lets && answered === 1 ? calling('erase') : 'done';
    };

  test.each([
    ['here', 'remote', false],
    ['by its worker', 'local', false],
    ['here, which has died and is recovered', 'remote', true],
    ['by its worker, and the process of the root has died and is recovered', 'local', true],
  ] as const)(
    'lets go of one that waits for a person: that is interrupted with the root, too, where it is executed %s',
    async (_where, place, dies) => {
      const { asker, middle, boss } = tiers(place, 'middle', false);
      const { boot, serve, check, statusOf, pass } = openFleet([boss, middle, asker]);
      const script: typeof handingOver = (request, { agent }) => {
        if (agent === 'asker') return calling('erase');
        if (request.messages.at(-1)?.role !== 'tool')
          return { calls: [{ name: 'delegate', arguments: { jobs: ['go'] } }] };
        return agent === 'middle' ? 'Done.' : { hang: true };
      };
      const first = boot(script);
      await serve('w1', script);
      first.runtime.start(boss, 'go', { runId: 'root' });
      await settle(300);
      const [child, waits] = ['root/1-0/0', 'root/1-0/0/1-0/0'];
      expect([statusOf('root'), statusOf(child), statusOf(waits)]).toEqual(['running', 'completed', 'paused']);
      const runtime = dies ? await recovered({ boot, pass }, first, script) : first.runtime;
      await (await runtime.attach('root')).interrupt('Enough.');
      await settle(300);
      await pass(3);
      expect(statusOf(waits)).toBe('interrupted');
      check('root');
    },
  );

  /** A boss, a placed child of it that lets one of its own go and asks a person itself, and a worker. */
  const askingTwice = async (placement: 'local' | 'remote') => {
    const { asker, middle, boss } = tiers(placement, 'middle', true);
    const fleet = openFleet([boss, middle, asker]);
    const script = askingAfter('middle');
    const { runtime } = fleet.boot(script);
    const worker = await fleet.serve('w1', script);
    const root = runtime.start(boss, 'go', { runId: 'root' });
    await settle(300);
    const ids = { child: 'root/1-0/0', stray: 'root/1-0/0/1-0/0' };
    const statuses = () => ['root', ids.child, ids.stray].map(fleet.statusOf);
    expect(statuses()).toEqual(['paused', 'paused', 'paused']);
    return { ...fleet, script, runtime, worker, root, ...ids, statuses };
  };

  test('lets go of one that asks a person: that is still asked where it is executed once the child is put back', async () => {
    const { runtime, worker, root, child, stray, statuses, pass } = await askingTwice('local');
    const both = [`${child}/2-0?`, `${stray}/1-0?`];
    for (const run of [root, await worker.runtime.attach('root')])
      expect(run.questions.map(({ id }) => id).toSorted()).toEqual(both.toSorted());
    const { questions } = await (await worker.runtime.attach(stray)).report;
    expect(questions.map(({ id }) => id)).toEqual(both.slice(1));
    for (const id of both) watch(runtime.answer(id, true));
    await settle(300);
    await pass(3);
    expect(statuses()).toEqual(['completed', 'completed', 'completed']);
  });

  test.each([
    ['its root', 'local', false],
    ['the child', 'local', false],
    ['the child, which another worker takes up', 'local', true],
    ['its root', 'remote', false],
    ['the child', 'remote', false],
  ] as const)(
    'lets go of one that asks a person: that is interrupted with %s, once the child was put back (%s)',
    async (whom, placement, drains) => {
      const { worker, serve, script, root, child, stray, statusOf, pass } = await askingTwice(placement);
      if (drains) {
        await worker.server.drain(0);
        await serve('w2', script);
        await settle(100);
      }
      watch((whom === 'its root' ? root : root.child(child)).interrupt('Enough.'));
      await settle(300);
      await pass(3);
      expect([statusOf(child), statusOf(stray)]).toEqual(['interrupted', 'interrupted']);
    },
  );

  test.each([
    ['local', false],
    ['remote', false],
    ['local', true],
    ['remote', true],
  ] as const)(
    'that was let go while one below it (%s) asks a person is interrupted with its root (recovered: %s)',
    async (placement, dies) => {
      const { asker, middle, boss } = tiers(placement, 'boss', true);
      const { boot, serve, statusOf, pass } = openFleet([boss, middle, asker]);
      const script = askingAfter('boss');
      const first = boot(script);
      await serve('w1', script);
      first.runtime.start(boss, 'go', { runId: 'root' });
      await settle(400);
      const runtime = dies ? await recovered({ boot, pass }, first, script) : first.runtime;
      const root = await runtime.attach('root');
      expect(root.questions).toHaveLength(2);
      watch(root.interrupt('Enough.'));
      await settle(300);
      await pass(3);
      const all = ['root', 'root/1-0/0', 'root/1-0/0/1-0/0'];
      expect(all.map(statusOf)).toEqual(['interrupted', 'interrupted', 'interrupted']);
    },
  );

  test('is told of a command by whoever executes it next, and the process that gives it does not take it up', async () => {
    const { boot, serve, engine, check, pass, boss, script } = askingFleet();
    const { runtime } = boot(script);
    const { server } = await serve('w1', script);
    const run = runtime.start(boss, 'go', { runId: 'root' });
    await settle(200);
    await server.drain(0);
    const receipt = watch(run.answer(run.questions[0]?.id ?? '', true));
    await pass(9);
    expect(receipt.state).toBe('pending');
    await serve('w2', script);
    await settle(300);
    expect(receipt.value).toEqual({ status: 'accepted' });
    await expect(run.report).resolves.toMatchObject({ status: 'completed' });
    expect(engine.handed.slice(0, 2).map(({ workerId, came }) => [workerId, came])).toEqual([
      ['w1', 'idle'],
      ['w2', 'done'],
    ]);
    check('root');
  });

  test.each([
    ['starts none of its own while a run above it is held back', false, ['user', 'parent', 'parent'], 2],
    ['does when that is let go on', true, ['user', 'parent', 'parent'], 0],
  ])('%s', async (_what, resumes, by, refused) => {
    const { boot, serve, check, eventsOf } = openFleet(three);
    const hold = Promise.withResolvers<void>();
    const working: typeof handingOver = async (request, context) => {
      if (context.agent === 'middle') await hold.promise;
      return handingOver(request, context);
    };
    const { runtime } = boot(working);
    await serve('w1', working);
    const run = runtime.start(top, 'a b', { runId: 'root' });
    await settle(100);
    await run.pauseSpawning();
    await settle(100);
    expect(only(eventsOf('root'), 'spawning.paused').map((event) => event.by)).toEqual(by);
    if (resumes) await run.resumeSpawning();
    await settle(100);
    hold.resolve();
    await settle(300);
    await expect(run.report).resolves.toMatchObject({ status: 'completed' });
    expect(only(check('root'), 'child.refused')).toHaveLength(refused);
  });

  test('is no run that recover() brings back, where there is a placement', async () => {
    const { boot, check, pass, serve } = openFleet();
    const first = boot();
    first.runtime.start(lead, 'a', { runId: 'root' });
    await settle(50);
    first.mortal.die();
    await pass(4);
    const { runtime } = boot();
    const { recovered, skipped } = await runtime.recover();
    expect([recovered.map(({ id }) => id), skipped]).toEqual([['root'], []]);
    expect(check('root', { open: true }).at(-1)?.type).toBe('run.recovered');
    await serve('w1');
    await pass(4);
    await expect(recovered[0]?.report).resolves.toMatchObject({ status: 'completed', text: 'a!!' });
  });

  test('keeps a runtime that closes from saying that its parent has ended: it does so when it is recovered', async () => {
    const { boot, check, serve, pass, clock, statusOf } = openFleet();
    const first = boot();
    first.runtime.start(lead, 'a', { runId: 'root' });
    await settle(50);
    const closed = watch(first.runtime.close({ runs: 'interrupt', graceMs: 1_000 }));
    await settle(50);
    clock.increment(1_000);
    await settle(50);
    expect(closed.state).toBe('settled');
    expect(statusOf('root')).toBe('running');
    const second = boot();
    await second.runtime.recover();
    await serve('w1');
    await pass(4);
    expect(statusOf('root')).toBe('interrupted');
    check('root');
  });
});

describe('a run that ends while others execute its children', () => {
  test('is put back while it waits for them, though it is being interrupted', async () => {
    const late = defineAgent({ ...leaf, placement: { queue: 'late' } } as never);
    const between = defineAgent({ ...middle, tools: [delegating(late)] } as never);
    const boss = defineAgent({ ...top, tools: [delegating(between)] } as never);
    const { boot, serve, check, engine } = openFleet([boss, between, late]);
    const { runtime } = boot();
    await serve('w1', handingOver, { concurrency: 1 });
    const run = runtime.start(boss, 'a', { runId: 'root' });
    await settle(200);
    await run.interrupt('Enough.');
    await settle(200);
    expect(engine.handed.map(({ came }) => came)).toEqual(['idle', 'idle']);
    await runtime.serve({ queues: ['late'], concurrency: 1 });
    await settle(300);
    await expect(run.ended).resolves.toMatchObject({ status: 'interrupted' });
    expect(only(check('root'), 'run.interrupted').map(({ depth }) => depth)).toEqual([2, 1, 0]);
  });

  test('because the machine that it belongs to stops it: they are interrupted, and it ends after them', async () => {
    const { boot, serve, check, statusOf } = openFleet();
    const { script } = gated();
    const { runtime } = boot(script);
    await serve('w1', script);
    const actor = createActor(agentLogic(lead, runtime), { input: { input: 'a' } }).start();
    await settle(100);
    const [{ runId } = { runId: '' }] = await runtime.runs.list({ status: 'running' });
    actor.stop();
    await settle(200);
    const [rootId = ''] = runId.split('/');
    expect([statusOf(rootId), statusOf(`${rootId}/1-0/0`)]).toEqual(['interrupted', 'interrupted']);
    check(rootId);
  });

  test('because its call ran out of time: what the call had started is interrupted', async () => {
    const free = defineTool({
      name: 'free',
      description: '',
      inputSchema: z.object({}),
      timeoutMs: 1_000,
      execute: async (_input, { spawn }) => (await (await spawn(leaf, 'x')).report).text ?? '',
    });
    const boss = defineAgent({ name: 'boss', instructions: '', tools: [free] });
    const { boot, serve, check, clock, statusOf } = openFleet([boss, leaf]);
    const script: typeof handingOver = ({ messages }, { agent }) => {
      if (agent === 'leaf') return { hang: true };
      return messages.some(({ role }) => role === 'tool') ? 'done' : calling('free');
    };
    const { runtime } = boot(script);
    await serve('w1', script);
    const run = runtime.start(boss, 'go', { runId: 'root' });
    await settle(100);
    clock.increment(1_000);
    await settle(200);
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'done' });
    expect(statusOf('root/1-0/0')).toBe('interrupted');
    check('root');
  });
});

test('what was said to a run before it is taken up is heard before it is put back, however late its store answers', async () => {
  const { boot, serve, engine, check, base } = openFleet();
  const { runtime } = boot();
  const { mortal } = await serve('w1');
  Object.assign(mortal.store, {
    inbox: async (owner: string) => {
      await settle(3);
      return base.inbox(owner);
    },
  });
  const run = runtime.start(lead, 'a', { runId: 'root' });
  await settle(300);
  await expect(run.report).resolves.toMatchObject({ status: 'completed' });
  expect(engine.handed.map(({ came }) => came)).toEqual(['done']);
  check('root');
});

test('a run that waits is looked at less and less often, and at once when something has happened to it', async () => {
  const { boot, serve, engine, clock, check, boss, script } = askingFleet();
  const { runtime } = boot(script);
  await serve('w1', script);
  const run = runtime.start(boss, 'go', { runId: 'root' });
  await settle(200);
  const hours = async (n: number) => {
    const before = engine.handed.length;
    for (let i = 0; i < n * 240; i++) {
      clock.increment(15_000);
      await settle(4);
    }
    return engine.handed.length - before;
  };
  // by the program and by the worker
  expect(await hours(2)).toBeLessThan(24);
  expect(await hours(2)).toBeLessThan(8);
  await run.answer(run.questions[0]?.id ?? '', true);
  await settle(200);
  await expect(run.report).resolves.toMatchObject({ status: 'completed' });
  check('root');
});

test('a claim that its store does not take back at once is given back until it does', async () => {
  const { boot, serve, check, clock } = openFleet();
  const { runtime, mortal } = boot();
  const { release } = mortal.store;
  let refused = 0;
  Object.assign(mortal.store, {
    release: async (...given: Parameters<typeof release>) => {
      if (refused++ < 3) throw new Error('The store is away.');
      return release(...given);
    },
  });
  await serve('w1');
  const run = runtime.start(lead, 'a', { runId: 'root' });
  for (let i = 0; i < 5; i++) {
    await settle(50);
    clock.increment(1_000);
  }
  await settle(200);
  await expect(run.report).resolves.toMatchObject({ status: 'completed' });
  expect(refused).toBeGreaterThan(3);
  check('root');
});

test('whoever looks at a run that waits has left it alone once its store has taken the claim back', async () => {
  const { serve, check, clock, base, engine, boss, script } = askingFleet();
  const { runtime, mortal } = await serve('w1', script);
  const root = runtime.start(boss, 'go', { runId: 'root' });
  await settle(200);
  const { release } = mortal.store;
  const taken = Promise.withResolvers<void>();
  let refused = 0;
  mortal.store.release = async (...given) => {
    await taken.promise;
    if (refused++ === 0) throw new Error('The store is away.');
    return release(...given);
  };
  const handed = engine.handed.length;
  await engine.placement.dispatch({ runId: 'root/1-0/0', queue: 'troupe' });
  await settle(200);
  expect(engine.handed.slice(handed).map(({ came }) => came)).toEqual([undefined]);
  taken.resolve();
  await settle(200);
  expect(engine.handed.slice(handed).map(({ came }) => came)).toEqual([undefined]);
  clock.increment(1_000);
  await settle(200);
  expect(engine.handed.slice(handed).map(({ came }) => came)).toEqual(['idle']);
  expect(base.holder('root/1-0/0')).toBeNull();
  await root.answer(root.questions[0]?.id ?? '', true);
  await settle(200);
  await expect(root.report).resolves.toMatchObject({ status: 'completed' });
  check('root');
});

test('three runs above each other, each executed by whoever has a place', async () => {
  const { boot, serve, check, engine } = openFleet(three);
  const slowly: typeof handingOver = async (request, context) => {
    await settle(2);
    return handingOver(request, context);
  };
  const { runtime } = boot();
  await serve('w1', slowly, { concurrency: 1 });
  await serve('w2', slowly, { concurrency: 1 });
  const runs = ['r1', 'r2', 'r3'].map((runId) => runtime.start(top, 'a b c', { runId }));
  await settle(2_000);
  for (const run of runs) {
    await expect(run.report).resolves.toMatchObject({ status: 'completed', text: 'a!!, b!!, c!!!' });
    check(run.id);
  }
  expect(new Set(engine.handed.map(({ workerId }) => workerId))).toEqual(new Set(['w1', 'w2']));
});
