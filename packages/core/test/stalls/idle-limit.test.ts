import { allowanceOf } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { ofType } from '../control/tools.ts';
import { leadOf } from '../lead.ts';
import { openOutside } from '../paths/outside.ts';
import { AskedClock, alone, fedRuntime, rootId } from './fed.ts';

const budget = { idleMs: 1_000 };

describe('[HM-134] a run that makes no progress for as long as budget.idleMs', () => {
  test.each([
    [999, 'running'],
    [1_000, 'failed'],
    [1_001, 'failed'],
  ] as const)('after %d ms is %s', async (ms, status) => {
    const { run, pass } = await alone({ budget });
    await pass(ms);
    expect(run.status).toBe(status);
  });

  test('fails with exit reason idle_timeout, and says how long it was silent, where, and at which limit', async () => {
    const { run, pass, speak, events, runtime } = await alone({ budget });
    await pass(400);
    await speak(rootId, 'Half of it');
    await pass(1_001);
    expect(await run.ended).toMatchObject({
      status: 'failed',
      exitReason: 'idle_timeout',
      text: null,
      partialText: 'Half of it',
      usage: { activeMs: 1_401 },
      fault: {
        code: 'budget.idle_timeout',
        message:
          '"lead" made no progress for 1001 ms while it waited for its model: budget.idleMs is 1000. Raise it, or let tools tell their progress.',
        retryable: false,
        runId: rootId,
        details: { kind: 'idleMs', idleMs: 1_001, limit: 1_000, phase: 'turn' },
      },
    });
    expect(ofType(events, 'budget.exhausted')).toMatchObject([{ kind: 'idleMs', spent: 1_001, limit: 1_000 }]);
    expect((await runtime.replay(rootId)).snapshot.value).toBe('failed');
  });

  test.each([
    ['may be the beginning of a secret, and is not told yet', 'eyJhbGciOi'],
    ['is empty', ''],
  ])('makes progress also with a part that %s', async (_what, delta) => {
    const { run, pass, speak, events } = await alone({ budget });
    for (let i = 0; i < 5; i += 1) {
      await pass(700);
      await speak(rootId, delta);
    }
    expect([run.status, ofType(events, 'text.streamed')]).toEqual(['running', []]);
  });

  test('names the tool that was at work, and answers its call', async () => {
    const { run, pass, call } = await alone({ budget });
    await pass(300);
    await call(rootId, 'dig', 'dig');
    await pass(999);
    expect(run.status).toBe('running');
    await pass(1);
    const { fault, calls } = await run.ended;
    expect(fault).toMatchObject({
      message: expect.stringContaining('while it executed "dig"'),
      details: { idleMs: 1_000, phase: 'call', tool: 'dig' },
    });
    expect(calls.map(({ status }) => status)).toEqual(['error', 'error']);
  });

  test('fails at once when the limit is 0', async () => {
    const { run, pass } = await alone({ budget: { idleMs: 0 } });
    await pass(0);
    expect(await run.ended).toMatchObject({ exitReason: 'idle_timeout', fault: { details: { idleMs: 0, limit: 0 } } });
  });

  test('is charged what its model had used', async () => {
    const { run, pass, feedOf } = await alone({ budget });
    feedOf(rootId).push({ type: 'usage', usage: { inputTokens: 7, outputTokens: 2 } });
    await pass(0);
    await pass(1_000);
    expect((await run.ended).usage.total).toMatchObject({ inputTokens: 7, outputTokens: 2 });
  });
});

describe('[HM-134] at warnAt of the limit', () => {
  test('a silence is warned of once, and that is no progress', async () => {
    const { run, pass, warned } = await alone({ budget });
    await pass(799);
    expect(warned()).toEqual([]);
    await pass(1);
    await pass(199);
    expect(warned()).toMatchObject([{ kind: 'idleMs', spent: 800, limit: 1_000 }]);
    expect(run.status).toBe('running');
    await pass(1);
    expect(await run.ended).toMatchObject({ exitReason: 'idle_timeout' });
    expect(warned()).toHaveLength(1);
  });

  test('each silence is warned of', async () => {
    const { pass, speak, warned, answer, runtime } = await alone({ budget });
    for (let n = 0; n < 3; n++) {
      await pass(900);
      await speak(rootId);
    }
    expect(warned()).toMatchObject([{ spent: 900 }, { spent: 900 }, { spent: 900 }]);
    await pass(799);
    expect(warned()).toHaveLength(3);
    await answer(rootId);
    // and what a run knows does not grow with them
    expect((await runtime.replay(rootId)).snapshot.context.run.warned).toEqual([]);
  });

  test('a silence that is over before anybody looked is told both', async () => {
    const { pass, types } = await alone({ budget });
    await pass(5_000);
    expect(types().slice(-3)).toEqual(['budget.warned', 'budget.exhausted', 'run.failed']);
  });

  test.each([
    [0.5, 500],
    [0.0007, 1],
  ])('which is %d, after %d ms', async (warnAt, ms) => {
    const { pass, warned, run } = await alone({ budget: { ...budget, warnAt } });
    await pass(ms - 1);
    expect(warned()).toEqual([]);
    await pass(1);
    expect(warned()).toMatchObject([{ spent: ms }]);
    await pass(1_000 - ms);
    expect(run.status).toBe('failed');
  });

  test('which is 1, nothing is told before the end', async () => {
    const { pass, warned, run } = await alone({ budget: { ...budget, warnAt: 1 } });
    await pass(999);
    await pass(1);
    expect([warned().length, run.status]).toEqual([0, 'failed']);
  });
});

describe('[HM-131] progress', () => {
  test.each([
    ['text', { type: 'text', delta: 'a' }],
    ['reasoning', { type: 'reasoning', delta: 'a' }],
    ['a call that is not the last', { type: 'call', id: 'c', name: 'dig', arguments: '{}' }],
    ['what it used so far', { type: 'usage', usage: { inputTokens: 1, outputTokens: 1 } }],
    ['an attempt that came to nothing', { type: 'attempt', number: 1, provider: 'p', model: 'm' }],
  ] as const)('is %s of its model, at the last moment too', async (_what, part) => {
    const { run, pass, feedOf, clock } = await alone({ budget });
    for (let n = 0; n < 3; n++) {
      await pass(999);
      feedOf(rootId).push(part);
    }
    await pass(999);
    expect([run.status, clock.now()]).toEqual(['running', 3_996]);
    await pass(1);
    expect(run.status).toBe('failed');
  });

  test('is a note of a tool', async () => {
    const { run, pass, call, gate } = await alone({ budget });
    await call(rootId, 'dig');
    for (let n = 0; n < 3; n++) {
      await pass(999);
      gate.open[0]?.context.progress('still digging');
    }
    await pass(999);
    expect(run.status).toBe('running');
    gate.open[0]?.finish();
    await pass(999);
    expect(run.status).toBe('running');
    await pass(1);
    expect(await run.ended).toMatchObject({ fault: { details: { phase: 'turn' } } });
  });

  test('is the end of a call, also of one whose answer waits for the one before it', async () => {
    const { run, pass, call, gate, types } = await alone({ budget });
    await call(rootId, 'dig', 'dig');
    await pass(999);
    gate.open[1]?.finish();
    await pass(999);
    expect(types()).not.toContain('call.completed');
    expect(run.status).toBe('running');
    await pass(1);
    expect(run.status).toBe('failed');
  });

  test('is what it is told', async () => {
    const { run, pass } = await alone({ budget });
    await pass(999);
    await run.steer('Hurry.');
    await pass(999);
    expect(run.status).toBe('running');
    await pass(1);
    expect(run.status).toBe('failed');
  });

  test('is a summary in the making', async () => {
    // given a conversation that is summarised before the first turn
    const messages = ['a', 'b', 'c', 'd', 'e', 'f'].map((content) => ({ role: 'user' as const, content }));
    const { runtime, pass, speak, inFlight } = fedRuntime();
    const run = runtime.start(leadOf({ budget, compaction: { maxMessages: 5 } }), { input: 'Go.', messages });
    await pass(999);
    expect(inFlight(run.id)[0]?.isSummary).toBe(true);
    await speak(run.id);
    await pass(999);
    expect(run.status).toBe('running');
    await pass(1);
    expect(run.status).toBe('failed');
  });

  test('is not what another limit of time warns of', async () => {
    const { run, pass, events } = await alone({ budget: { idleMs: 1_000, activeMs: 1_100 } });
    await pass(900);
    expect(
      ofType(events, 'budget.warned')
        .map(({ kind }) => kind)
        .toSorted(),
    ).toEqual(['activeMs', 'idleMs']);
    await pass(100);
    expect(await run.ended).toMatchObject({ exitReason: 'idle_timeout' });
  });
});

describe('[HM-023] a limit of silence', () => {
  test('is none unless it is set: no timer runs', async () => {
    const { clock, pass, speak, run } = await alone({});
    await speak(rootId);
    await pass(1e9);
    expect([run.status, clock.asked]).toEqual(['running', []]);
  });

  test('binds those below: they may only tighten it', () => {
    const ceilings = (idleMs: number | undefined) =>
      allowanceOf({ idleMs: 1_000 }, [idleMs === undefined ? undefined : { idleMs }], 0).ceilings.idleMs;
    expect([ceilings(undefined), ceilings(400), ceilings(2_000)]).toEqual([1_000, 400, 1_000]);
  });

  test('is seen by tools', async () => {
    const { call, gate } = await alone({ budget });
    await call(rootId, 'dig');
    expect(gate.open[0]?.context.view.budget.granted).toMatchObject({ idleMs: 1_000 });
  });

  test('costs few timers, however much progress there is', async () => {
    const { clock, pass, speak, run } = await alone({ budget });
    for (let ms = 0; ms < 100; ms++) {
      await speak(rootId);
      clock.increment(100);
    }
    await pass(0);
    expect(run.status).toBe('running');
    // 10 seconds, and nobody looks more than twice in 800 milliseconds
    expect(clock.asked.length).toBeLessThanOrEqual(26);
  });

  test('may be longer than a timer can be', async () => {
    const { clock, pass, run } = await alone({ budget: { idleMs: 10 * 2 ** 31 } });
    for (let n = 0; n < 20; n++) await pass(2 ** 30);
    expect(run.status).toBe('failed');
    expect(Math.max(...clock.asked)).toBe(2 ** 31 - 1);
  });

  test('is set for a fork that goes on, too', async () => {
    const clock = new AskedClock();
    const { provider } = openOutside();
    const { runtime } = openRuntime({ provider, clock });
    runtime.start(leadOf(), 'Go.', { runId: rootId });
    await settle();
    const fork = await runtime.fork(rootId, { at: `${rootId}:2`, change: { budget: { idleMs: 50 } } });
    await settle();
    clock.increment(50);
    expect(await fork.ended).toMatchObject({ exitReason: 'idle_timeout' });
  });
});
