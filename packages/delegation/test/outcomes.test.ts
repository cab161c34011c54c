import type { Report } from '@troupe/core';
import type { Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { createSubworkerTool } from '../src/index.ts';
import { resultOf } from '../src/subworker-result.ts';
import {
  asking,
  calling,
  dataOf,
  errorIn,
  eventsOf,
  leadWith,
  open,
  requestsOf,
  settle,
  shownTo,
  spawn,
  type Troupe,
  tool,
} from './delegating.ts';

/** A lead that starts one helper, whose turns these are, and goes on. */
const play = async (...helper: Turn[]) => {
  const availableTools = [tool('grep')];
  const troupe = open({ lead: [calling(spawn({ tools: ['grep'] })), 'Done.'], helper });
  const report = await troupe.runtime.run(leadWith(createSubworkerTool({ availableTools })), 'Go.', { runId: 'root' });
  return { troupe, report, told: shownTo(troupe)[0] ?? '' };
};

const child = 'root/1-0/0';
const ends = (troupe: Troupe, runId: string) =>
  eventsOf(troupe, 'run.completed', 'run.failed', 'run.interrupted').filter((event) => event.runId === runId);

describe('a sub-worker that completes', () => {
  test('gives its text and how it ended [BG-030]', async () => {
    const { troupe, report, told } = await play('Helped.');
    const data = { run_id: child, status: 'completed', worker: 'helper', exit_reason: 'answered' };
    expect(told).toBe(`Helped.\n\n${JSON.stringify(data)}`);
    expect(dataOf(troupe, report)).toStrictEqual(data);
    expect(report.calls[0]).toMatchObject({ status: 'ok' });
    expect(eventsOf(troupe, 'call.completed')).toMatchObject([{ tool: 'spawn_subworker', result: told, data }]);
  });

  test('gives the JSON of its data when it has no text [BG-030]', () => {
    const report = {
      runId: 'r/1-0/0',
      agent: 'helper',
      status: 'completed',
      exitReason: 'answered',
      text: null,
      data: { n: 1 },
    };
    const data = { run_id: 'r/1-0/0', status: 'completed', worker: 'helper', exit_reason: 'answered' };
    expect(resultOf(report as unknown as Report)).toEqual({ content: '{"n":1}', data });
  });

  test('has not completed when it has neither text nor data [BG-030]', async () => {
    const { troupe, report, told } = await play('', '');
    expect(dataOf(troupe, report)).toMatchObject({
      status: 'failed',
      exit_reason: 'no_answer',
      errors: [expect.any(String)],
    });
    expect(JSON.parse(told)).not.toHaveProperty('partial');
  });
});

describe('a sub-worker that fails', () => {
  test('gives the reason of its failure, and how it ended [BG-031]', async () => {
    const { troupe, report, told } = await play({ fault: { code: 'model.refused', message: 'The vendor says no.' } });
    const data = {
      run_id: child,
      status: 'failed',
      worker: 'helper',
      exit_reason: 'model_error',
      errors: ['The vendor says no.'],
    };
    expect(JSON.parse(told)).toStrictEqual({ error: 'The vendor says no.', data });
    expect(dataOf(troupe, report)).toStrictEqual(data);
  });

  test('says at least that it failed when nobody knows why [BG-031]', async () => {
    const { told } = await play({ fault: { message: ' ' } });
    expect(JSON.parse(told)).toMatchObject({ error: 'Subworker failed', data: { errors: ['Subworker failed'] } });
  });

  test('of a thrown error announces it, once, after its start [B-02, BG-033]', async () => {
    // whose class set no name of its own
    class AdapterError extends Error {}
    const { troupe, report, told } = await play({ throws: new AdapterError('adapter exploded') });
    // its events begin with its start and hold one end, which carries message and class
    expect(troupe.types(child)[0]).toBe('run.started');
    expect(ends(troupe, child)).toMatchObject([
      { type: 'run.failed', fault: { message: 'adapter exploded', details: { errorType: 'AdapterError' } } },
    ]);
    // its row is failed, its parent is told, and goes on
    expect(await troupe.runtime.runs.get(child)).toMatchObject({ status: 'failed' });
    expect(errorIn(told)).toBe('Subworker execution failed: adapter exploded');
    expect(dataOf(troupe, report)).toMatchObject({ run_id: child, status: 'failed', errors: ['adapter exploded'] });
    expect(report).toMatchObject({ status: 'completed', text: 'Done.' });
  });

  test.each([Error, TypeError])('of a thrown %o names that class [BG-033]', async (Thrown) => {
    const { troupe } = await play({ throws: new Thrown('adapter exploded') });
    expect(ends(troupe, child)).toMatchObject([{ fault: { details: { errorType: Thrown.name } } }]);
  });

  test('is told without secrets [BG-033]', async () => {
    const { troupe, told } = await play({ throws: new Error('bad key sk-abcdefghijklmnopqrstuvwxyz123456') });
    expect(told).toContain('bad key');
    expect(JSON.stringify([told, troupe.events])).not.toContain('sk-abcdefghijklmnopqrstuvwxyz123456');
  });

  test('is an answered call of its parent, whose turn goes on [BG-035]', async () => {
    const troupe = open({
      lead: [calling(spawn({ name: 'bad' }), { name: 'grep', arguments: {} }, spawn()), 'Done.'],
      bad: [{ fault: { message: 'out of order' } }],
      helper: ['Helped.'],
    });
    const report = await troupe.runtime.run(leadWith([createSubworkerTool(), tool('grep')]), 'Go.');
    expect(eventsOf(troupe, 'call.failed')).toMatchObject([
      { runId: report.runId, callId: report.calls[0]?.callId, error: 'out of order', status: 'error' },
    ]);
    expect(report.calls.map(({ status }) => status)).toEqual(['error', 'ok', 'ok']);
    expect(report).toMatchObject({ status: 'completed', text: 'Done.' });
  });

  test('shows its parent both the sentence and the data [BG-038, B-70]', async () => {
    const { troupe } = await play({ fault: { message: 'out of order' } });
    const [text] =
      requestsOf(troupe, 'lead')
        .at(-1)
        ?.request.messages.filter(({ role }) => role === 'tool') ?? [];
    expect(JSON.parse(String(text?.content))).toEqual({
      error: 'out of order',
      data: { run_id: child, status: 'failed', worker: 'helper', exit_reason: 'model_error', errors: ['out of order'] },
    });
  });
});

describe('a sub-worker that was stopped', () => {
  const grep = { name: 'grep', arguments: {} };
  const stopped: [string, string, Turn[]][] = [
    ['out of turns', 'max_turns', Array.from({ length: 10 }, () => ({ text: 'So far: 1.', calls: [grep] }))],
    ['out of calls', 'max_tool_calls', [{ text: 'So far: 1.', calls: Array.from({ length: 11 }, () => grep) }]],
    ['cut off', 'model_error', [{ text: 'So far: 1.', finish: 'length' }]],
    ['broken in the middle', 'model_error', [{ text: 'So far: 1.', fault: { message: 'line cut' } }]],
  ];
  test.each(stopped)(
    '%s is no success; what it had said is marked as partial [F-08]',
    async (_how, exitReason, turns) => {
      const { troupe, report, told } = await play(...turns);
      const shown = JSON.parse(told);
      expect(shown).toMatchObject({
        error: expect.any(String),
        data: { status: 'failed', exit_reason: exitReason },
        partial: 'So far: 1.',
      });
      expect(report.calls[0]).toMatchObject({ status: 'error' });
      expect(eventsOf(troupe, 'call.completed').filter(({ runId }) => runId === 'root')).toEqual([]);
      expect(report.children).toMatchObject([{ status: 'failed', exitReason }]);
    },
  );

  test('by an interrupt of its own says so; its parent goes on [F-08]', async () => {
    const troupe = open({ lead: [calling(spawn()), 'Done.'], helper: [{ text: 'So far: 1.', hang: true }] });
    const run = troupe.runtime.start(leadWith(createSubworkerTool()), 'Go.', { runId: 'root' });
    await settle();
    await run.child(child).interrupt('Enough.');
    const report = await run.report;
    const data = { run_id: child, status: 'interrupted', worker: 'helper', exit_reason: 'interrupted' };
    expect(JSON.parse(shownTo(troupe)[0] ?? '')).toStrictEqual({
      error: 'Subworker was interrupted (interrupted)',
      data,
      partial: 'So far: 1.',
    });
    expect(dataOf(troupe, report)).toStrictEqual(data);
    expect(report.text).toBe('Done.');
  });
});

describe('a failure from outside', () => {
  test('does not touch a sub-worker that has completed [BG-034]', async () => {
    const troupe = open({ lead: [calling(spawn()), { fault: { message: 'lead broke' } }], helper: ['Helped.'] });
    const report = await troupe.runtime.run(leadWith(createSubworkerTool()), 'Go.', { runId: 'root' });
    expect(report.status).toBe('failed');
    const late = await troupe.runtime.attach(child);
    expect(await late.interrupt()).toMatchObject({ status: 'rejected' });
    expect(await troupe.runtime.runs.get(child)).toMatchObject({ status: 'completed' });
    expect(ends(troupe, child)).toMatchObject([{ type: 'run.completed' }]);
  });

  test('does not touch a sub-worker that waits for a person [BG-034]', async () => {
    // given a sub-worker that waits, and a parent that went on without it
    const { tool: deploy } = asking();
    const troupe = open({
      lead: [calling(spawn({ tools: ['deploy'] })), { throws: new Error('lead broke') }],
      helper: [calling({ name: 'deploy', arguments: {} }), 'Deployed.'],
    });
    // when the parent breaks
    const report = await troupe.runtime.run(leadWith(createSubworkerTool({ availableTools: [deploy] })), 'Go.', {
      runId: 'root',
    });
    expect(report.status).toBe('failed');
    await settle();
    // then it waits still, and completes when it is answered
    expect(await troupe.runtime.runs.get(child)).toMatchObject({ status: 'paused' });
    expect(await troupe.runtime.resume(child, true)).toMatchObject({ status: 'completed', text: 'Deployed.' });
    expect(ends(troupe, child)).toHaveLength(1);
  });
});
