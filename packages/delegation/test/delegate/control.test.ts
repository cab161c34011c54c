import { memoryStore } from '@troupe/core';
import type { Script } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { createManageDelegationsTool } from '../../src/index.ts';
import { asking, calling, eventsOf, settle } from '../delegating.ts';
import { delegate, delegatingOnce, entriesIn, openLead } from './lead.ts';

const manage = (args: Record<string, unknown>) => ({ name: 'manage_delegations', arguments: args });

describe('an interrupt', () => {
  test('of the parent reaches every child at once, and the call tells what is finished and what is not [HM-120, HM-121, B-55]', async () => {
    const troupe = delegatingOnce(
      { tasks: ['a', 'b', 'c'].map((goal) => ({ goal })) },
      { 'task-1': ['A.'], 'task-2': [{ hang: true }], 'task-3': [{ hang: true }] },
    );
    const run = troupe.runtime.start(troupe.lead, 'Do it.');
    await settle();
    await run.interrupt('Stop.');
    const report = await run.ended;
    expect(report).toMatchObject({ status: 'interrupted' });
    expect(
      entriesIn(report as never).map(({ status, exit_reason, tokens }) => [status, exit_reason, typeof tokens.input]),
    ).toEqual([
      ['completed', 'answered', 'number'],
      ['interrupted', 'parent_interrupted', 'number'],
      ['interrupted', 'parent_interrupted', 'number'],
    ]);
    expect(troupe.provider.requests.filter(({ aborted }) => aborted)).toHaveLength(2);
    expect(troupe.clock.now()).toBe(0);
  });

  test('of the parent reaches a child that waits for its turn, which never begins [F-06, HM-122]', async () => {
    const troupe = delegatingOnce(
      { tasks: [{ goal: 'a' }, { goal: 'b' }] },
      { 'task-1': [{ hang: true }] },
      { lead: { budget: { concurrency: 1 } } },
    );
    const run = troupe.runtime.start(troupe.lead, 'Do it.');
    await settle();
    await run.interrupt('Stop.');
    await run.ended;
    const ends = eventsOf(troupe, 'run.interrupted').filter(({ depth }) => depth === 1);
    expect(ends).toHaveLength(2);
    expect(troupe.provider.requests.filter(({ context }) => context.agent === 'task-2')).toEqual([]);
  });

  test('of one child leaves its siblings alone [HM-091, HM-122]', async () => {
    const troupe = delegatingOnce(
      { tasks: [{ goal: 'a' }, { goal: 'b' }] },
      { 'task-1': [{ hang: true }], 'task-2': [{ text: 'B.', delayMs: 10 }] },
    );
    const run = troupe.runtime.start(troupe.lead, 'Do it.');
    await settle();
    await run.child(`${run.id}/1-0/0`).interrupt('You, stop.');
    troupe.clock.increment(10);
    expect(entriesIn((await run.report) as never).map(({ status }) => status)).toEqual(['interrupted', 'completed']);
  });
});

describe('approvals in children', () => {
  const script = { 'task-1': [calling({ name: 'deploy', arguments: {} }), 'tried'] };

  test('are denied by default: nobody is asked, nothing runs, and that is told [HM-070, B-22]', async () => {
    const deploy = asking();
    const troupe = delegatingOnce({ goal: 'a' }, script, { tools: [deploy.tool] });
    expect(entriesIn(await troupe.run())).toMatchObject([{ status: 'completed', summary: 'tried' }]);
    expect(deploy.runs).toBe(0);
    expect(eventsOf(troupe, 'question.asked')).toEqual([]);
    expect(eventsOf(troupe, 'policy.applied')).toMatchObject([
      { policy: 'approval', decision: 'denied', subject: 'deploy' },
    ]);
  });

  test('are given where the options say so, and that is told [HM-070, HM-026]', async () => {
    const deploy = asking();
    const troupe = delegatingOnce({ goal: 'a' }, script, { tools: [deploy.tool], options: { approval: 'allow' } });
    await troupe.run();
    expect(deploy.runs).toBe(1);
    expect(eventsOf(troupe, 'policy.applied')).toMatchObject([{ decision: 'allowed', subject: 'deploy' }]);
  });

  test('reach the root where they bubble, and the child goes on when they are answered [F-01]', async () => {
    const deploy = asking();
    const troupe = delegatingOnce({ goal: 'a' }, script, { tools: [deploy.tool], options: { approval: 'bubble' } });
    const run = troupe.runtime.start(troupe.lead, 'Do it.');
    const paused = await run.report;
    expect(paused.questions).toHaveLength(1);
    await run.answer(paused.questions[0]?.id ?? '', true);
    expect(await run.report).toMatchObject({ status: 'completed' });
    expect(deploy.runs).toBe(1);
  });
});

describe('manage_delegations', () => {
  /** The lead dispatches two, and then does as it is told. */
  const managing = (...actions: Record<string, unknown>[]) => {
    let turn = 0;
    const script: Script = (request, { agent }) => {
      if (agent !== 'lead')
        return {
          text: `Did it after: ${request.messages.map(({ content }) => String(content)).at(-1)}`,
          delayMs: 1_000,
        };
      const action = actions[turn - 1];
      turn += 1;
      if (turn === 1) return calling(delegate({ tasks: [{ goal: 'a' }, { goal: 'b' }] }));
      if (!action) return 'done';
      // What a script cannot know before: the ids of what was dispatched.
      const id = /deleg_[0-9a-f]{16}/.exec(JSON.stringify(request.messages))?.[0] ?? '';
      const runId = String(action.run_id ?? '').replace('UNIT', id);
      return calling(manage({ ...action, ...(action.run_id !== undefined && { run_id: runId }) }));
    };
    return openLead(script, { options: { background: 'auto' }, tools: [createManageDelegationsTool()] });
  };

  test('lists what is at work below the run, and nothing of others [HM-171, HM-090]', async () => {
    const stranger = managing();
    const troupe = managing({ action: 'list' });
    await stranger.run();
    const report = await troupe.run();
    const { runs } = JSON.parse(report.calls[1]?.result ?? '') as {
      runs: { run_id: string; kind?: string; goal?: string }[];
    };
    expect(runs.map(({ kind, goal }) => kind ?? goal)).toContain('background delegation');
    for (const { run_id } of runs) expect(run_id).toMatch(/^deleg_/);
  });

  test('steers a child before its next turn, and stops one without touching its sibling [HM-171]', async () => {
    const troupe = managing(
      { action: 'steer', run_id: 'UNIT/1-0/0', message: 'Be quick.' },
      { action: 'stop', run_id: 'UNIT/1-0/1' },
    );
    const report = await troupe.run();
    expect(report.calls.slice(1).map(({ status }) => status)).toEqual(['ok', 'ok']);
    await settle();
    troupe.clock.increment(1_000);
    await settle();
    troupe.clock.increment(1_000);
    await settle();
    const block = String(troupe.provider.requests.at(-1)?.request.messages.at(-1)?.content);
    expect(block).toContain('Did it after: Be quick.');
    expect(block).toMatch(/TASK 2\/2: b\n.*\nstatus interrupted/);
  });

  test.each<[Record<string, unknown>, RegExp]>([
    [{ action: 'stop', run_id: 'nobody' }, /You have no run .*nobody.* at work/],
    [{ action: 'steer', run_id: 'UNIT' }, /Give the message/],
    [{ action: 'stop' }, /Give the run_id/],
  ])('says what is wrong with %j [HM-171]', async (action, error) => {
    const report = await managing(action).run();
    expect(report.calls[1]).toMatchObject({ status: 'error' });
    expect(report.calls[1]?.result).toMatch(error);
  });

  test('says what went wrong where the store cannot be asked [HM-171]', async () => {
    const store = memoryStore();
    const list: typeof store.list = (query) => {
      if (query?.status) throw new Error('The disk is gone.');
      return store.list(query);
    };
    const script = { lead: [calling(manage({ action: 'list' })), 'done'] };
    const troupe = openLead(script, { store: { ...store, list }, tools: [createManageDelegationsTool()] });
    expect((await troupe.run()).calls[0]).toMatchObject({ status: 'error', result: '{"error":"The disk is gone."}' });
  });

  test('does not reach the run that calls it, nor a run that it did not start [HM-171]', async () => {
    const other = openLead({ lead: [{ hang: true }] }, {});
    const stranger = other.runtime.start(other.lead, 'Wait.', { runId: 'stranger' });
    const troupe = managing({ action: 'stop', run_id: 'stranger' });
    expect((await troupe.run()).calls[1]?.result).toContain('You have no run');
    await stranger.interrupt();
  });
});
