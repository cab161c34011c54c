import type { Script } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { childCompletionText, completionText } from '../../src/delegate/completion.ts';
import { createDelegateTool, createManageDelegationsTool, delegations } from '../../src/index.ts';
import { calling, offeredTo, settle, tool } from '../delegating.ts';
import { delegate, delegatingOnce, entriesIn, openLead, plain, toldIn } from './lead.ts';

describe('an agent with several tools that delegate', () => {
  const waits = { ...plain, maxSpawnDepth: 2 };
  const goes = createDelegateTool({ ...waits, name: 'delegate_in_background', background: true });

  test('waits with one and goes on with the other; no child gets the other one [HM-040, HM-150]', async () => {
    const script: Script = (request, { agent }) => {
      const last = request.messages.at(-1);
      if (agent === 'task-1') return `Did ${String(last?.content)}`;
      if (last?.content === 'Do it.')
        return calling(delegate({ goal: 'now', role: 'orchestrator' }), {
          name: 'delegate_in_background',
          arguments: { goal: 'later' },
        });
      return 'Noted.';
    };
    const troupe = openLead(script, { options: waits, tools: [goes, tool('look')] });
    const report = await troupe.run();
    expect(entriesIn(report)).toMatchObject([{ summary: 'Did now' }]);
    expect(toldIn(report, 1)).toMatchObject({ status: 'dispatched', delegation_id: expect.stringMatching(/^deleg_/) });
    await settle();
    expect(offeredTo(troupe, 'task-1')).toEqual([['look', 'delegate_task'], ['look']]);
    expect(String(troupe.provider.requests.at(-1)?.request.messages.at(-1)?.content)).toContain('Did later');
  });
});

describe('what is said of background work', () => {
  const end = { runId: 'deleg_1', status: 'failed', exitReason: 'error', dispatchedAt: 0, endedAt: 1 } as const;

  test('that ended without results says so, and why if that is known [HM-154, HM-158]', () => {
    expect(completionText(end)).toBe(
      '[ASYNC DELEGATION ENDED WITHOUT RESULTS — deleg_1]\nstatus failed (error)\nNothing more will come of it. Delegate again if it is still needed.',
    );
    expect(completionText({ ...end, reason: 'It broke.' })).toContain('status failed (error): It broke.');
    expect(completionText({ ...end, data: { other: true } })).toContain('WITHOUT RESULTS');
  });

  test('holds what went wrong with each task, in its own words and marked as such [HM-155, HM-172]', async () => {
    const { calls } = await delegatingOnce({ goal: 'a' }, { 'task-1': ['A.'] }).run();
    const [entry] = entriesIn({ calls } as never);
    const about = {
      type: 'async_delegation',
      delegation_id: 'deleg_1',
      session_key: null,
      is_batch: false,
      goals: ['a'],
      roles: [],
      toolsets: [],
      model: null,
      status: 'error',
      total_duration_seconds: 1,
      results: [
        {
          ...entry,
          model: null,
          summary: null,
          status: 'timeout',
          partial_text: 'Half.',
          diagnostic_path: '/logs/a.log',
          stale_paths: ['/a', '/b'],
          schema_valid: false,
        },
      ],
    };
    const text = completionText({ ...end, data: about });
    for (const part of [
      'NO task completed',
      'It was ended early: failed (error)',
      'model unknown · tools none',
      'answer does NOT fit its schema',
      'NO RESULT: it did not complete.',
      'What it had said by then (no result):\nHalf.',
      'Diagnostic log: /logs/a.log',
      'Files you had read were modified: /a, /b',
    ])
      expect(text).toContain(part);
    const empty = completionText({ ...end, data: { ...about, results: [], error: 'No room.' } });
    expect(empty).toContain('NO RESULT: No room.');
    expect(empty).toContain('TASK 1/1: a');
  });

  test('of one child is cut where that is asked for [HM-159, HM-172]', async () => {
    const troupe = delegatingOnce({ goal: 'a' }, { 'task-1': ['x'.repeat(50)] });
    const { report } = troupe.runtime.start(troupe.lead, 'Do it.', { runId: 'r' });
    await report;
    const child = await troupe.runtime.attach('r/1-0/0');
    const task = { index: 0, goal: 'a', role: 'leaf', tools: [] };
    const plan = { children: [task] } as never;
    const attempt = { report: await child.report, child: task as never };
    expect(childCompletionText(attempt, 'deleg_1', plan, {})).toContain('x'.repeat(50));
    expect(childCompletionText(attempt, 'deleg_1', plan, { maxSummaryChars: 5 })).not.toContain('x'.repeat(6));
  });
});

describe('manage_delegations', () => {
  test('says what it could not do: a run that has ended, blank ids and messages [HM-171]', async () => {
    const acts = [
      { action: 'stop', run_id: ' ' },
      { action: 'steer', run_id: 'r/1-0/0', message: ' ' },
      { action: 'steer', run_id: 'r/1-0/0', message: 'Hurry.' },
      { action: 'fly' },
    ];
    const lead = [
      calling(delegate({ goal: 'a' })),
      ...acts.map((args) => calling({ name: 'manage_delegations', arguments: args })),
      'done',
    ];
    const troupe = openLead({ lead, 'task-1': ['A.'] }, { tools: [createManageDelegationsTool()] });
    const report = await troupe.runtime.start(troupe.lead, 'Do it.', { runId: 'r' }).report;
    expect(report.calls.slice(1).map(({ status, result }) => [status, result])).toEqual([
      ['error', expect.stringContaining('Give the run_id')],
      ['error', expect.stringContaining('Give the message')],
      ['error', expect.stringContaining('was not told: the run has ended')],
      ['error', expect.stringContaining('do not fit')],
    ]);
  });
});

describe('a program', () => {
  test('ends a background delegation by its id, with all of its children, and nothing else that way [HM-091, HM-157]', async () => {
    const troupe = openLead(
      (request, { agent }) => {
        if (agent !== 'lead') return { hang: true };
        return request.messages.at(-1)?.content === 'Do it.'
          ? calling(delegate({ tasks: [{ goal: 'a' }, { goal: 'b' }] }))
          : 'Noted.';
      },
      { options: { background: 'auto' } },
    );
    const control = delegations(troupe.runtime);
    onTestFinished(control.close);
    const report = await troupe.run();
    const { delegation_id: id } = toldIn(report) as { delegation_id: string };
    await settle();
    expect(control.list({ rootId: id })).toHaveLength(2);
    expect(await control.interrupt(report.runId)).toBe(false);
    expect(await control.interrupt(id, 'Enough.')).toBe(true);
    await settle();
    expect(control.list()).toEqual([]);
    expect(await troupe.runtime.runs.get(id)).toMatchObject({ status: 'interrupted' });
    expect(await control.interrupt(id)).toBe(false);
  });
});
