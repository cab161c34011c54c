import { createRuntime, memoryStore, type RuntimeOptions } from '@troupe/core';
import { type Commit, isEnded, type RunEvent, type RunRow } from '@troupe/protocol';
import { checkRunLaws, type Death, scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { settle } from '../../../../test/support/open-runtime.ts';
import { machine } from '../recovery/processes.ts';
import { lives, play } from './lives.ts';
import { nested } from './nested.ts';
import { deliveriesIn, helper, officeScript, openOffice } from './office.ts';

describe('killed after any of its commits and brought back, a program delivers what its units came to once [F-13, F-14, HM-158, L7]', () => {
  test.each([
    ['to the run at work', 'do: send a,b; think 1500; say so'],
    ['to a run that is begun for it', 'do: send a,b'],
    ['to both', 'do: send a; send b,fail; work 1200'],
    ['from a unit of a unit', 'do: send inner'],
    ['child by child', 'do: send quick,a,fail; work 500'],
  ])('%s', { timeout: 30_000 }, async (to, plan) => {
    const run = async (death?: Death) => {
      const completions = to === 'child by child' ? 'each' : 'unit';
      const world = lives(plan.endsWith('inner') ? { tool: nested } : { sending: { capacity: 2, completions } });
      const first = world.live(death);
      first.runtime.start(first.lead, plan, { runId: 'r' });
      await play(world, first.mortal);
      const { dead, commits } = first.mortal;
      if (dead) {
        const second = world.live();
        expect((await second.runtime.recover()).skipped).toEqual([]);
        await play(world, second.mortal);
        await settle();
        await play(world, second.mortal);
      }
      return { ...world, commits, dead };
    };
    const calm = await run();
    const units = calm.rows().filter(({ origin }) => origin).length;
    const letters = to === 'child by child' ? 3 : units;
    expect(Object.keys(deliveriesIn(calm.stored()))).toHaveLength(letters);
    for (let afterCommit = 1; afterCommit <= calm.commits; afterCommit++)
      for (const as of ['heard', 'unheard'] as const) {
        const { stored, rows, store } = await run({ afterCommit, as });
        const why = `after commit ${afterCommit} (${as})`;
        const delivered = deliveriesIn(stored());
        expect([why, Object.values(delivered).map(({ length }) => length)]).toEqual([
          why,
          Array.from({ length: letters }, () => 1),
        ]);
        expect([why, store.sessionInbox()]).toEqual([why, []]);
        expect([why, rows().every(({ status }) => isEnded(status))]).toEqual([why, true]);
        expect(rows().filter(({ origin }) => origin)).toHaveLength(units);
        expect(checkRunLaws(stored())).toEqual([]);
      }
  });
});

describe('after a restart', () => {
  test('a unit goes on, and the run that dispatched it finds it where its call was not answered [F-13, HM-158]', async () => {
    // given a process that dies with the first commit of a unit, before the call that dispatched it was answered
    const world = lives();
    let afterCommit = 1;
    for (; ; afterCommit++) {
      const probe = lives();
      const { mortal, runtime, lead } = probe.live({ afterCommit, as: 'heard' });
      runtime.start(lead, 'do: send a', { runId: 'r' });
      await play(probe, mortal);
      if (probe.rows().some(({ origin }) => origin)) break;
    }
    const first = world.live({ afterCommit, as: 'heard' });
    first.runtime.start(first.lead, 'do: send a', { runId: 'r' });
    await play(world, first.mortal);
    const [unit] = world.rows().filter(({ origin }) => origin);
    expect(world.stored().some(({ type, runId }) => type === 'call.completed' && runId === 'r')).toBe(false);
    const second = world.live();
    await second.runtime.recover();
    await play(world, second.mortal);
    expect((await (await second.runtime.attach('r')).ended).calls).toMatchObject([
      { result: `Sent as ${unit?.runId}.` },
    ]);
    expect(world.rows().filter(({ origin }) => origin)).toHaveLength(1);
  });

  test('nothing is lost where nobody knows the agent: it is delivered once it is known', async () => {
    const world = lives();
    const first = world.live();
    await first.runtime.run(first.lead, 'do: send a', { runId: 'r' });
    // it dies with the end of the unit stored
    const { commit } = first.mortal.store;
    first.mortal.store.commit = (steps) => {
      const stored = commit(steps);
      if (steps.some(({ mail }) => mail?.length)) first.mortal.die();
      return stored;
    };
    await first.pass(1_000);
    expect(world.store.sessionInbox()).toHaveLength(1);
    const complaints: unknown[] = [];
    const logger = { warn: (...said: unknown[]) => complaints.push(said[0]), error: () => {} };
    const second = world.live(undefined, { known: false, logger });
    await second.runtime.recover();
    await second.pass();
    expect(world.store.sessionInbox()).toHaveLength(1);
    expect(complaints).toEqual(['What was left for session "r" could not be delivered just now.']);
    // when a run of that agent is started anywhere
    await second.runtime.run(second.lead, 'do: say hello');
    await second.pass();
    expect(world.store.sessionInbox()).toEqual([]);
    expect(Object.values(deliveriesIn(world.stored()))).toEqual([[expect.stringMatching(/^wake_/)]]);
  });

  test('what a run was given and had not heard is given to it once', async () => {
    const world = lives();
    const first = world.live();
    const session = first.runtime.session(first.lead, { sessionKey: 'k' });
    await session.send('do: send quick; work 500; think 5000', { runId: 'r1' });
    await first.pass(1);
    await first.pass(1);
    // given, and not heard yet
    expect((world.store.checkpoint('r1') as { context?: { mail?: unknown[] } }).context?.mail).toHaveLength(1);
    first.mortal.die();
    // when its store is slow to say what was heard
    const second = world.live();
    const { sessionInbox } = second.mortal.store;
    second.mortal.store.sessionInbox = async (key) => {
      const mail = await sessionInbox(key);
      await settle(30);
      return mail;
    };
    await second.runtime.recover();
    await second.pass(500);
    await settle(100);
    await second.pass(5_000);
    expect((await (await second.runtime.attach('r1')).ended).status).toBe('completed');
    expect(Object.values(deliveriesIn(world.stored()))).toEqual([['r1']]);
  });

  test('a session that is used goes on with what was left for it, also without recover()', async () => {
    const world = lives();
    const first = world.live();
    await (await first.runtime.session(first.lead, { sessionKey: 'k' }).send('do: send a')).ended;
    await first.pass(500);
    first.runtime.pauseSpawning();
    const { commit } = first.mortal.store;
    first.mortal.store.commit = (steps) => {
      const stored = commit(steps);
      if (steps.some(({ mail }) => mail?.length)) first.mortal.die();
      return stored;
    };
    await first.pass(500);
    const second = world.live();
    const run = await second.runtime.session(second.lead, { sessionKey: 'k' }).send('do: say hello');
    expect((await run.ended).text).toBe('hello');
    expect(second.heard().at(-1)).toContain('did a');
    await second.pass();
    expect(Object.values(deliveriesIn(world.stored()))).toEqual([[run.id]]);
  });

  test('a conversation that no session began is brought back with its next run', async () => {
    const world = lives();
    const first = world.live();
    first.runtime.start(first.lead, 'do: work 300', { runId: 'r' });
    await first.pass(100);
    first.mortal.die();
    const second = world.live();
    const next = await second.runtime.session(second.lead, { sessionKey: 'r' }).send('do: say hello');
    expect(next.status).toBe('queued');
    await second.pass(300);
    expect((await next.ended).messages.map(({ content }) => content)).toContain('worked');
  });

  test('a letter outlives the runs that it is about', async () => {
    const world = lives();
    const first = world.live(undefined, { known: true });
    await (await first.runtime.session(first.lead, { sessionKey: 'k' }).send('do: send a')).ended;
    await first.pass(1);
    const [unit] = await first.runtime.session(first.lead, { sessionKey: 'k' }).units();
    await unit?.interrupt();
    await first.pass(10);
    expect(await first.runtime.runs.prune({ olderThan: 1 })).toBe(2);
    const second = world.live();
    const run = await second.runtime.session(second.lead, { sessionKey: 'k' }).send('do: say hello');
    await run.ended;
    expect(second.heard().at(-1)).toContain('BACKGROUND INTERRUPTED');
  });
});

test('a unit whose secret is gone with its process is told as failed, and why [HM-154, HM-158]', async () => {
  const told: string[] = [];
  for (let afterCommit = 1; afterCommit <= 12; afterCommit++) {
    const world = lives();
    const first = world.live({ afterCommit, as: 'heard' });
    first.runtime.start(first.lead, 'do: send quick sk-0123456789abcdef0123456789abcdef', { runId: 'r' });
    await play(world, first.mortal);
    const second = world.live();
    await second.runtime.recover();
    await play(world, second.mortal);
    await second.pass(1);
    told.push(second.heard().at(-1) ?? '');
  }
  const lost = told.filter((text) => text.includes('BACKGROUND FAILED'));
  expect(lost.length).toBeGreaterThan(0);
  for (const text of lost) expect(text.match(/held a secret, and it is gone since the restart/g)).toHaveLength(1);
});

test('a unit whose run was forgotten cannot be made again: it fails, and says so', async () => {
  const world = lives();
  const first = world.live();
  await first.runtime.start(first.lead, 'do: send a', { runId: 'r', sessionKey: 'k' }).ended;
  await first.pass(20);
  expect(await first.runtime.runs.prune({ olderThan: 1 })).toBe(1);
  first.mortal.die();
  const second = world.live();
  const { recovered } = await second.runtime.recover();
  expect(await recovered[0]?.ended).toMatchObject({
    status: 'failed',
    exitReason: 'agent_unknown',
    fault: { details: { tool: 'send', reason: 'the run that called it is not stored any more.' } },
  });
});

describe('a store that is not there', () => {
  test('keeps what is left until it is: nobody is begun in vain, and attempts become fewer', async () => {
    const clock = new SimulatedClock();
    const inner = memoryStore({ now: () => clock.now() });
    let refused = 0;
    let refuses = false;
    const store: typeof inner = {
      ...inner,
      commit: (steps) => {
        if (!refuses || !steps[0]?.runId.startsWith('wake_')) return inner.commit(steps);
        refused += 1;
        throw new Error('The disk is full.');
      },
    };
    const { runtime, lead, pass, deliveries, heard } = openOffice({ store, clock, life: true });
    await runtime.run(lead, 'do: send quick', { runId: 'r' });
    refuses = true;
    await pass(1);
    expect(refused).toBe(1);
    for (const [ms, times] of [
      [1_000, 2],
      [1_000, 2],
      [1_000, 3],
      [3_999, 3],
      [1, 4],
    ] as const) {
      await pass(ms);
      expect(refused).toBe(times);
    }
    refuses = false;
    await pass(8_000);
    expect(heard().at(-1)).toContain('did quick');
    expect(Object.keys(deliveries())).toHaveLength(1);
    expect(inner.sessionInbox()).toEqual([]);
  });

  test('is read again where it could not be', async () => {
    const inner = memoryStore();
    let refuses = false;
    const store: typeof inner = {
      ...inner,
      sessionInbox: (key) => {
        if (refuses) throw new Error('The disk is gone.');
        return inner.sessionInbox(key);
      },
    };
    const { runtime, lead, pass, heard } = openOffice({ store });
    await runtime.run(lead, 'do: send quick');
    refuses = true;
    await pass(1);
    refuses = false;
    await pass(1_000);
    expect(heard().at(-1)).toContain('did quick');
  });

  test('that answers late is told of nothing twice', async () => {
    for (let lag = 0; lag < 12; lag++) {
      const inner = memoryStore();
      let calls = 0;
      const late =
        <A extends unknown[], R>(ask: (...given: A) => R) =>
        async (...given: A): Promise<Awaited<R>> => {
          await settle(1 + ((calls++ * 7 + lag) % 5));
          return await ask(...given);
        };
      const store = {
        ...inner,
        commit: late(inner.commit),
        sessionInbox: late(inner.sessionInbox),
        list: late(inner.list),
        get: late(inner.get),
      } as unknown as typeof inner;
      const { runtime, lead, pass, deliveries, units } = openOffice({ store });
      const session = runtime.session(lead, { sessionKey: 'k' });
      await session.send('do: send quick; send quick; think 3');
      await session.send('do: send quick; work 2');
      for (let i = 0; i < 8; i++) {
        await settle(40);
        await pass(1);
      }
      await settle(300);
      const found = deliveries();
      expect(Object.keys(found).sort()).toEqual((await units()).sort());
      expect([lag, Object.values(found).map(({ length }) => length)]).toEqual([lag, [1, 1, 1]]);
      expect(inner.sessionInbox()).toEqual([]);
    }
  });
});

describe('two processes at one store', () => {
  const beside = () => {
    const world = machine();
    const open = (more: Partial<RuntimeOptions> = {}) => {
      const { lead } = openOffice({ clock: world.clock });
      const booted = world.boot(officeScript, { agents: [lead, helper], ...more });
      return { ...booted, lead };
    };
    const all = (): RunEvent[] => [...(world.base.events({}) as Iterable<RunEvent>)];
    return { ...world, open, all };
  };

  test('deliver once: whoever executes the run at work tells it, wherever the unit ended [F-14]', async () => {
    const { open, all, clock, base } = beside();
    const here = open();
    const there = open();
    const run = here.runtime.start(here.lead, 'do: send a; work 3000', { runId: 'r' });
    await settle();
    // the unit goes on in the other process
    const [unit] = base.list({ unitsOf: 'r' }) as RunRow[];
    const ofUnit = (base.list({ rootId: unit?.runId ?? '' }) as RunRow[]).map(({ runId }) => runId);
    void base.release(String(await base.holder(ofUnit[0] ?? '')), ofUnit);
    expect((await there.runtime.recover()).recovered.map(({ id }) => id)).toEqual([unit?.runId]);
    await settle();
    for (let ms = 0; ms < 4_000; ms += 500) {
      clock.increment(500);
      await settle();
    }
    expect((await run.ended).status).toBe('completed');
    expect(Object.values(deliveriesIn(all()))).toEqual([['r']]);
    expect(base.sessionInbox()).toEqual([]);
  });

  test('begin one run where nobody is at work', async () => {
    const { open, all, clock, base } = beside();
    const here = open();
    open();
    await here.runtime.run(here.lead, 'do: send a,b', { runId: 'r' });
    for (let ms = 0; ms < 4_000; ms += 500) {
      await settle();
      clock.increment(500);
    }
    await settle();
    expect(Object.values(deliveriesIn(all())).map(({ length }) => length)).toEqual([1]);
    expect((base.list({ sentTo: 'r' }) as RunRow[]).length).toBe(1);
    expect(base.sessionInbox()).toEqual([]);
  });

  test('wait for a run that nobody has brought back yet', async () => {
    const { open, all, clock, base } = beside();
    const here = open();
    here.runtime.start(here.lead, 'do: send quick; work 3000', { runId: 'r' });
    await settle();
    here.mortal.die();
    const there = open();
    const [unit] = base.list({ unitsOf: 'r' }) as RunRow[];
    clock.increment(31_000);
    await there.runtime.attach(unit?.runId ?? '').then((run) => run.steer('go on'));
    await settle();
    clock.increment(1_000);
    await settle();
    expect((base.get(unit?.runId ?? '') as RunRow).status).toBe('completed');
    expect(base.sessionInbox()).toHaveLength(1);
    await there.runtime.recover();
    for (let ms = 0; ms < 4_000; ms += 500) {
      await settle();
      clock.increment(500);
    }
    await settle();
    expect(Object.values(deliveriesIn(all()))).toEqual([['r']]);
  });
});

test('a unit whose end its store has after its lease is over is heard of by its session all the same', async () => {
  const world = lives();
  const logger = { warn() {}, error() {} };
  const { runtime, lead, mortal, pass } = world.live(undefined, { leaseMs: 30_000, logger });
  await runtime.session(lead, { sessionKey: 'k' }).send('do: send a', { runId: 'r' });
  for (let i = 0; i < 2; i++) await pass(1);
  await settle(50);
  // the store takes long over the end of the unit, and over what is asked after it
  const { commit, renew, release } = mortal.store;
  const answers = Promise.withResolvers<void>();
  let isSlow = false;
  const later =
    <A extends unknown[], R>(ask: (...given: A) => R) =>
    async (...given: A) => {
      if (isSlow) await answers.promise;
      return ask(...given);
    };
  const ends = ({ row, events }: Commit) => row.origin && events.some(({ type }) => type === 'run.completed');
  Object.assign(mortal.store, {
    async commit(steps: readonly Commit[]) {
      isSlow ||= steps.some(ends);
      if (steps.some(ends)) await answers.promise;
      return commit(steps);
    },
    renew: later(renew),
    release: later(async (...given: Parameters<typeof release>) => {
      await settle(3);
      return release(...given);
    }),
  });
  world.clock.increment(2_000);
  await settle(50);
  for (let i = 0; i < 4; i++) {
    world.clock.increment(10_000);
    await settle(50);
  }
  expect(isSlow).toBe(true);
  Object.assign(mortal.store, { commit, renew });
  answers.resolve();
  for (let i = 0; i < 10; i++) {
    await settle(50);
    world.clock.increment(10_000);
  }
  expect(world.rows().map(({ status }) => status)).toEqual(world.rows().map(() => 'completed'));
  expect(world.store.sessionInbox()).toEqual([]);
});

test('a program that only reads what was left is no reason to complain', async () => {
  const store = memoryStore();
  const runtime = createRuntime({ provider: scriptedProvider([]), model: 'm', store });
  await runtime.recover();
  await runtime.close();
});
