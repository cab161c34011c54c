import { describe, expect, test } from 'vitest';
import { ofType } from '../control/tools.ts';
import { leadOf } from '../lead.ts';
import { alone, impatient, rootId } from './fed.ts';

const warning = { ...impatient, onStall: 'warn' as const };

describe('[HM-131] a run with a heartbeat that makes no progress', () => {
  test.each([
    ['between calls', 'idleMs', 450_000],
    ['in a call', 'callMs', 1_200_000],
  ] as const)('%s is warned of after the default of %s, and goes on', async (_where, option, thresholdMs) => {
    const { run, pass, call, stalls, answer, gate } = await alone({ heartbeat: {} });
    if (option === 'callMs') await call(rootId, 'dig');
    await pass(thresholdMs - 1);
    expect(stalls()).toEqual([]);
    await pass(1);
    expect(stalls().map(({ message }) => message)).toEqual([
      `"lead" has made no progress for ${thresholdMs} ms while it ${option === 'callMs' ? 'executed "dig"' : 'waited for its model'}: its heartbeat.${option} is ${thresholdMs}. It goes on: interrupt it, or wait.`,
    ]);
    await pass(100 * thresholdMs);
    expect([stalls().length, run.status]).toEqual([1, 'running']);
    gate.open[0]?.finish();
    await answer(rootId);
    expect(await run.ended).toMatchObject({ status: 'completed', text: 'Done.' });
  });

  test('is warned of one millisecond late when it is looked at one millisecond late', async () => {
    const { pass, stalls } = await alone({ heartbeat: warning });
    await pass(1_001);
    expect(stalls()[0]?.message).toContain('for 1001 ms');
  });

  test('is warned of once for each silence: progress begins another', async () => {
    const { pass, speak, stalls, call, gate } = await alone({ heartbeat: warning });
    await pass(1_500);
    await pass(5_000);
    expect(stalls()).toHaveLength(1);
    await speak(rootId);
    await pass(999);
    expect(stalls()).toHaveLength(1);
    await pass(1);
    expect(stalls()).toHaveLength(2);
    await call(rootId, 'dig');
    await pass(2_999);
    expect(stalls()).toHaveLength(2);
    await pass(1);
    expect(stalls()).toHaveLength(3);
    // what it does next has a threshold of its own, which is shorter
    gate.open[0]?.finish();
    await pass(999);
    expect(stalls()).toHaveLength(3);
    await pass(1);
    expect(stalls()).toHaveLength(4);
  });

  test('makes none by a limit that is raised, however often: it is warned of when it would have been, and ends then', async () => {
    const { run, pass, stalls } = await alone({ heartbeat: impatient, budget: { turns: 3, idleMs: 100_000 } });
    for (let turns = 4; turns < 18; turns += 1) {
      await pass(100);
      expect(await run.raise({ turns })).toEqual({ status: 'accepted' });
    }
    expect(stalls().map(({ at }) => at)).toEqual([1_000]);
    await pass(99);
    expect(run.status).toBe('running');
    await pass(1);
    expect(await run.ended).toMatchObject({ status: 'failed', exitReason: 'stalled' });
  });

  test('makes none when its spawning is paused and resumed, however often', async () => {
    const { run, pass, stalls } = await alone({ heartbeat: impatient });
    for (let i = 0; i < 15; i += 1) {
      expect(await (i % 2 ? run.resumeSpawning() : run.pauseSpawning())).toEqual({ status: 'accepted' });
      await pass(100);
    }
    expect(stalls().map(({ at }) => at)).toEqual([1_000]);
    expect(await run.ended).toMatchObject({ status: 'failed', exitReason: 'stalled' });
  });

  test('has no watch that begins anew but that of a limit that is raised', async () => {
    const { run, pass, clock } = await alone({
      heartbeat: warning,
      budget: { activeMs: 9_000, idleMs: 90_000, turns: 3 },
    });
    await pass(10);
    const { length } = clock.asked;
    await run.raise({ turns: 4 });
    await run.raise({ activeMs: 10_000 });
    await pass(0);
    // warned of at 80 %, and over at the new limit
    expect(clock.asked.slice(length)).toEqual([7_990, 9_990]);
  });

  test('is not watched unless somebody asks for it: no timer runs [HM-132]', async () => {
    const { clock, pass, stalls } = await alone({});
    await pass(1e9);
    expect([clock.asked, stalls()]).toEqual([[], []]);
  });

  test('is not watched any more when it has ended: no timer is left [HM-132]', async () => {
    const { clock, pass, answer, run } = await alone({ heartbeat: impatient, budget: { idleMs: 5_000 } });
    await answer(rootId);
    expect(run.status).toBe('completed');
    const { length } = clock.asked;
    await pass(1e9);
    expect(clock.asked).toHaveLength(length);
  });
});

describe('[HM-133] a run that is interrupted when it stalls', () => {
  test.each([
    [499, 'running'],
    [500, 'failed'],
    [501, 'failed'],
  ] as const)('is given graceMs after the warning: after %d ms it is %s', async (ms, status) => {
    const { run, pass, stalls } = await alone({ heartbeat: impatient });
    await pass(1_000);
    expect(stalls().map(({ message }) => message)).toEqual([
      '"lead" has made no progress for 1000 ms while it waited for its model: its heartbeat.idleMs is 1000. It fails unless it makes progress within 500 ms.',
    ]);
    await pass(ms);
    expect(run.status).toBe(status);
  });

  test('fails with exit reason stalled, once, and says how long it was quiet, where, and at which threshold', async () => {
    const { run, pass, events, call, runtime, gate } = await alone({ heartbeat: impatient });
    await pass(200);
    await call(rootId, 'dig');
    await pass(3_000);
    await pass(500);
    expect(await run.ended).toMatchObject({
      status: 'failed',
      exitReason: 'stalled',
      calls: [{ status: 'error' }],
      fault: {
        code: 'run.stalled',
        message:
          '"lead" made no progress for 3500 ms while it executed "dig", 500 ms of grace included. Raise its heartbeat, or let tools tell their progress.',
        retryable: false,
        runId: rootId,
        details: { quietMs: 3_500, thresholdMs: 3_000, phase: 'call', tool: 'dig', graceMs: 500 },
      },
    });
    expect(gate.open[0]?.context.signal.aborted).toBe(true);
    expect(ofType(events, 'run.failed')).toHaveLength(1);
    expect((await runtime.replay(rootId)).snapshot.value).toBe('failed');
  });

  test('is charged what its model had used', async () => {
    const { run, pass, feedOf } = await alone({ heartbeat: impatient });
    feedOf(rootId).push({ type: 'usage', usage: { inputTokens: 7, outputTokens: 2 } });
    for (const ms of [0, 1_000, 500]) await pass(ms);
    expect(await run.ended).toMatchObject({ exitReason: 'stalled', usage: { total: { inputTokens: 7 } } });
  });

  test.each([0, 1, 499])('keeps its real result when it goes on %d ms into its grace', async (ms) => {
    const { run, pass, answer, stalls } = await alone({ heartbeat: impatient });
    await pass(1_000);
    if (ms > 0) await pass(ms);
    await answer(rootId, 'Here it is.');
    expect(await run.ended).toMatchObject({ status: 'completed', text: 'Here it is.' });
    expect(stalls()).toHaveLength(1);
  });

  test('has all its time again after any progress in its grace, and is warned of again', async () => {
    const { run, pass, speak, stalls } = await alone({ heartbeat: impatient });
    await pass(1_000);
    await pass(499);
    await speak(rootId);
    await pass(999);
    expect([stalls().length, run.status]).toEqual([1, 'running']);
    await pass(1);
    expect([stalls().length, run.status]).toEqual([2, 'running']);
    await pass(500);
    expect(await run.ended).toMatchObject({ fault: { details: { quietMs: 1_500, phase: 'turn' } } });
  });

  test('is given its grace also when nobody looked for long', async () => {
    const { run, pass, stalls } = await alone({ heartbeat: impatient });
    await pass(100_000);
    expect([stalls().length, run.status]).toEqual([1, 'running']);
    await pass(499);
    expect(run.status).toBe('running');
    await pass(1);
    expect(run.status).toBe('failed');
  });

  test('fails with the warning when there is no grace', async () => {
    const { run, pass, types } = await alone({ heartbeat: { ...impatient, graceMs: 0 } });
    await pass(999);
    expect(run.status).toBe('running');
    await pass(1);
    expect(types().slice(-2)).toEqual(['warning.raised', 'run.failed']);
  });

  test('in its grace is interrupted all the same, and ends so', async () => {
    const { run, pass, types } = await alone({ heartbeat: impatient });
    await pass(1_000);
    await run.interrupt('Enough.');
    await pass(500);
    expect(await run.ended).toMatchObject({ status: 'interrupted', exitReason: 'interrupted' });
    expect(types().filter((type) => /^run\.(failed|interrupted|completed)$/.test(type))).toEqual(['run.interrupted']);
  });

  test('ends by whatever limit comes first', async () => {
    const limits = [
      [{ idleMs: 1_400 }, 'idle_timeout'],
      [{ idleMs: 1_600 }, 'stalled'],
      [{ activeMs: 1_400 }, 'timeout'],
      [{ deadlineMs: 1_400 }, 'timeout'],
    ] as const;
    for (const [budget, exitReason] of limits) {
      const { run, pass, types } = await alone({ heartbeat: impatient, budget });
      for (const ms of [1_000, 400, 100, 100]) await pass(ms);
      expect(await run.ended).toMatchObject({ status: 'failed', exitReason });
      expect(types().filter((type) => type === 'run.failed')).toHaveLength(1);
    }
  });
});

test('[HM-131] a warning is no reason to ask a model again: a fork from before it has the answer that came after it', async () => {
  const { run, pass, answer, runtime } = await alone({ heartbeat: warning });
  await run.steer('Hurry.');
  await pass(1_000);
  await answer(rootId, 'One.');
  await answer(rootId, 'Two.');
  const fork = await runtime.fork(rootId, { at: `${rootId}:3` });
  await pass(0);
  await answer(fork.id, 'Three.');
  expect(await fork.ended).toMatchObject({ text: 'Three.', usage: { turns: 2 } });
  expect((await fork.ended).messages.map(({ content }) => content)).toContain('One.');
});

describe('a heartbeat is refused', () => {
  test.each<[string, object, RegExp]>([
    ['with no time at all', { idleMs: 0 }, /Agent "lead": heartbeat.idleMs is 0. Expected a whole number of milli/],
    ['with half a millisecond', { callMs: 0.5 }, /heartbeat.callMs is 0.5/],
    ['with a negative grace', { graceMs: -1 }, /heartbeat.graceMs is -1/],
    ['that does something else', { onStall: 'kill' }, /heartbeat.onStall is "kill". Expected "warn" or "interrupt"/],
    [
      'with an option that does not exist',
      { everyMs: 5 },
      /an option of heartbeat is "everyMs".*only idleMs, callMs, onStall and/,
    ],
  ])('%s', (_what, heartbeat, message) => {
    expect(() => leadOf({ heartbeat })).toThrow(message);
  });
});
