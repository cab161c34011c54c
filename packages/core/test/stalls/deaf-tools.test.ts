/** What becomes of runs whose tools hear no signal and never end: everybody else goes on at once. */
import { type AgentOptions, defineTool, type Tool } from '@troupe/core';
import { FaultError } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { awaiting, delegating, gatedTool, nothing, ofType } from '../control/tools.ts';
import { leadOf } from '../lead.ts';
import { childId, type Fed, fedRuntime, impatient, rootId, staysSilent } from './fed.ts';

/** A tool that is deaf, and what it tries to say later. */
const deafTool = (options: Partial<Tool> = {}) => {
  const { tool, open } = gatedTool('dig');
  const late = async () => {
    for (const { context, finish } of open) {
      context.progress('still here');
      await context.spawn(leadOf({ name: 'late' }), 'work').catch(() => {});
      finish('at last');
    }
  };
  return { tool: { ...tool, ...options }, open, late };
};

type Stop = { tool?: Partial<Tool>; child?: Partial<AgentOptions>; act?(fed: Fed): unknown; expected: object };
const limits: [string, Stop][] = [
  ['deadlineMs', { child: { budget: { deadlineMs: 100 } }, expected: { status: 'failed', exitReason: 'timeout' } }],
  ['activeMs', { child: { budget: { activeMs: 100 } }, expected: { status: 'failed', exitReason: 'timeout' } }],
  ['idleMs', { child: { budget: { idleMs: 100 } }, expected: { status: 'failed', exitReason: 'idle_timeout' } }],
  [
    'a heartbeat that interrupts',
    {
      child: { heartbeat: { ...impatient, callMs: 100, graceMs: 0 } },
      expected: { status: 'failed', exitReason: 'stalled' },
    },
  ],
  [
    'an interrupt of that run',
    {
      act: async ({ runtime }) => (await runtime.attach(childId)).interrupt(),
      expected: { status: 'interrupted', exitReason: 'interrupted' },
    },
  ],
];

describe.each([
  ['whose call is its children', delegating],
  ['that waits for them in JavaScript', awaiting],
])('[B-25] [HM-104] when a tool below a tool %s ignores its signal for ever', (_how, down) => {
  test.each(limits)(
    '%s ends its run at once; the run above goes on, and nothing is heard later',
    async (_what, { child, act, expected }) => {
      const deaf = deafTool();
      const fed = fedRuntime();
      const run = fed.runtime.start(
        leadOf({ tools: [down(leadOf({ name: 'child', tools: [deaf.tool], ...child }))] }),
        'Go.',
        {
          runId: rootId,
        },
      );
      await fed.call(rootId, 'ask_child');
      await fed.call(childId, 'dig');
      await fed.pass(99);
      expect([run.status, ofType(fed.events, 'call.failed')]).toEqual(['running', []]);
      // when its time is up
      if (act) await act(fed);
      else await fed.pass(1);
      await settle();
      // then, at the same moment, its call is answered, its run has ended, and the run above asks its model
      expect(deaf.open[0]?.context.signal.aborted).toBe(true);
      expect(ofType(fed.events, 'call.failed')[0]).toMatchObject({ runId: childId, tool: 'dig', cancelled: true });
      expect(await (await fed.runtime.attach(childId)).ended).toMatchObject(expected);
      expect(fed.clock.now()).toBe(act ? 99 : 100);
      await fed.answer(rootId, 'Without it.');
      expect(await run.ended).toMatchObject({ status: 'completed', text: 'Without it.', children: [expected] });
      await staysSilent(fed.events, deaf.late);
    },
  );

  test.each<[string, Partial<AgentOptions>, object]>([
    ['an interrupt', {}, { status: 'interrupted', exitReason: 'interrupted' }],
    ['deadlineMs', { budget: { deadlineMs: 100 } }, { status: 'failed', exitReason: 'timeout' }],
    ['activeMs', { budget: { activeMs: 100 } }, { status: 'failed', exitReason: 'timeout' }],
    [
      'a heartbeat that interrupts',
      { heartbeat: { ...impatient, callMs: 100, graceMs: 0 } },
      { status: 'failed', exitReason: 'stalled' },
    ],
  ])('%s of the root ends the whole tree at once', async (_what, root, expected) => {
    const deaf = deafTool();
    const fed = fedRuntime();
    // given a child with more time than the root has
    const child = leadOf({ name: 'child', tools: [deaf.tool] });
    const run = fed.runtime.start(leadOf({ ...root, tools: [down(child)] }), 'Go.', { runId: rootId });
    await fed.call(rootId, 'ask_child');
    await fed.call(childId, 'dig');
    await fed.pass(99);
    if (!root.budget && !root.heartbeat) await run.interrupt();
    await fed.pass(1);
    expect(await run.ended).toMatchObject({ ...expected, children: [{ runId: childId }] });
    expect(deaf.open[0]?.context.signal.aborted).toBe(true);
    await staysSilent(fed.events, deaf.late);
  });
});

test('[B-25] timeoutMs of a tool that ignores its signal for ever answers its call at once; the run goes on, and nothing is heard later', async () => {
  const deaf = deafTool({ timeoutMs: 100 });
  const fed = fedRuntime();
  const child = leadOf({ name: 'child', tools: [deaf.tool] });
  const run = fed.runtime.start(leadOf({ tools: [delegating(child)] }), 'Go.', { runId: rootId });
  await fed.call(rootId, 'ask_child');
  await fed.call(childId, 'dig');
  await fed.pass(99);
  expect(ofType(fed.events, 'call.failed')).toEqual([]);
  await fed.pass(1);
  expect(ofType(fed.events, 'call.failed')).toMatchObject([{ timedOut: true, error: '"dig" timed out after 100 ms' }]);
  await staysSilent(fed.events, deaf.late);
  await fed.answer(childId);
  await fed.answer(rootId);
  expect(await run.ended).toMatchObject({ status: 'completed', children: [{ status: 'completed' }] });
});

test('[B-25] a tool that was let go after its timeout is no sign of life: its run may be silent no longer for it', async () => {
  const deaf = deafTool({ timeoutMs: 100 });
  const fed = fedRuntime();
  const run = fed.runtime.start(leadOf({ tools: [deaf.tool], budget: { idleMs: 1_000 } }), 'Go.', { runId: rootId });
  await fed.call(rootId, 'dig');
  await fed.pass(100);
  await fed.pass(600);
  await deaf.late();
  await fed.pass(399);
  expect(run.status).toBe('running');
  await fed.pass(1);
  expect(await run.ended).toMatchObject({ exitReason: 'idle_timeout', fault: { details: { phase: 'turn' } } });
});

describe('[B-35] a timeout that a tool throws itself', () => {
  const throwing = (error: Error): Tool =>
    defineTool({
      name: 'fetch',
      description: 'Fetches',
      inputSchema: nothing,
      execute: () => {
        throw error;
      },
    });

  test.each([
    ['of the platform', new DOMException('The operation was aborted due to timeout', 'TimeoutError')],
    ['of a library', Object.assign(new Error('connect timed out'), { name: 'TimeoutError', code: 'ETIMEDOUT' })],
    ['that looks like one of ours', new FaultError('call.timeout', '"fetch" timed out after null ms')],
  ])(
    '%s is an ordinary error with its own message, in a run with limits of time and in one without',
    async (_whose, error) => {
      for (const child of [
        {},
        { budget: { idleMs: 1_000, activeMs: 1_000, deadlineMs: 1_000 }, heartbeat: impatient },
      ]) {
        const fed = fedRuntime();
        const lead = leadOf({ tools: [delegating(leadOf({ name: 'child', tools: [throwing(error)], ...child }))] });
        const run = fed.runtime.start(lead, 'Go.', { runId: rootId });
        await fed.call(rootId, 'ask_child');
        await fed.call(childId, 'fetch');
        const [failed] = ofType(fed.events, 'call.failed');
        expect(failed).toMatchObject({ tool: 'fetch', error: error.message, status: 'error' });
        expect(failed).not.toHaveProperty('timedOut');
        await fed.answer(childId);
        await fed.answer(rootId);
        expect(await run.ended).toMatchObject({ status: 'completed', children: [{ status: 'completed' }] });
      }
    },
  );
});
