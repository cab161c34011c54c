import type { Tool } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { createSubworkerTool } from '../src/index.ts';
import { calling, dataOf, eventsOf, leadWith, open, requestsOf, settle, shownTo, spawn, tool } from './delegating.ts';

/** A tool that ends only when it is aborted. */
const endless = () => {
  const seen = { started: 0, aborted: 0 };
  const made = tool('wait', {
    execute: (_input, { signal }) =>
      new Promise((_resolve, reject) => {
        seen.started += 1;
        signal.addEventListener('abort', () => {
          seen.aborted += 1;
          reject(new Error('aborted'));
        });
      }),
  });
  return { seen, tool: made };
};

/** Lead, middle, helper: the helper is three runs deep when it does what `helper` says. */
const threeDeep = (
  availableTools: readonly Tool[],
  ...helper: Extract<Parameters<typeof open>[0], readonly unknown[]>
) => {
  const inner = createSubworkerTool({ availableTools });
  const tools = availableTools.map(({ name }) => name);
  const troupe = open({
    lead: [calling(spawn({ name: 'middle', tools: ['spawn_subworker'] })), 'Done.'],
    middle: [calling(spawn({ tools })), 'Middle.'],
    helper,
  });
  const lead = leadWith(createSubworkerTool({ availableTools: [inner] }));
  return { troupe, run: troupe.runtime.start(lead, 'Go.', { runId: 'root' }) };
};

const helper = 'root/1-0/0/1-0/0';

describe('interrupting a run', () => {
  test('reaches the model call of its deepest sub-worker at once, and charges it [F-05]', async () => {
    const { troupe, run } = threeDeep([], { hang: true, usage: { inputTokens: 100 } });
    await settle();
    // when the root is interrupted
    await run.interrupt('Enough.');
    // then the request was aborted, before anything else could happen
    expect(requestsOf(troupe, 'helper').map(({ aborted }) => aborted)).toEqual([true]);
    const report = await run.report;
    expect(report).toMatchObject({ status: 'interrupted', exitReason: 'interrupted' });
    expect(report.usage.total.inputTokens).toBe(120);
    // and children end first, saying whose interrupt it was
    expect(eventsOf(troupe, 'run.interrupted').map(({ runId, exitReason }) => [runId, exitReason])).toEqual([
      [helper, 'parent_interrupted'],
      ['root/1-0/0', 'parent_interrupted'],
      ['root', 'interrupted'],
    ]);
  });

  test('aborts the tools of its deepest sub-worker, and starts nothing more [F-05]', async () => {
    const { seen, tool: wait } = endless();
    const { troupe, run } = threeDeep(
      [wait],
      calling({ name: 'wait', arguments: {} }, { name: 'wait', arguments: {} }),
    );
    await settle();
    expect(seen).toEqual({ started: 2, aborted: 0 });
    await run.interrupt();
    expect(seen.aborted).toBe(2);
    await run.report;
    expect(troupe.provider.requests).toHaveLength(3);
    // every call is answered, at every level
    expect(eventsOf(troupe, 'call.failed').map(({ tool: name, cancelled }) => [name, cancelled])).toEqual([
      ['wait', true],
      ['wait', true],
      ['spawn_subworker', true],
      ['spawn_subworker', true],
    ]);
  });

  test('of a sub-worker ends what is below it, and its parent goes on', async () => {
    const { troupe, run } = threeDeep([], { hang: true });
    await settle();
    await run.child('root/1-0/0').interrupt();
    const report = await run.report;
    expect(report).toMatchObject({ status: 'completed', text: 'Done.' });
    expect(dataOf(troupe, report)).toMatchObject({
      run_id: 'root/1-0/0',
      status: 'interrupted',
      exit_reason: 'interrupted',
    });
    expect(await troupe.runtime.runs.get(helper)).toMatchObject({
      status: 'interrupted',
      exitReason: 'parent_interrupted',
    });
  });

  test('ends a sub-worker that waits for its turn, once [F-06]', async () => {
    const troupe = open({ lead: [calling(spawn(), spawn())], helper: [{ hang: true }] });
    const run = troupe.runtime.start(leadWith(createSubworkerTool(), { budget: { concurrency: 1 } }), 'Go.', {
      runId: 'root',
    });
    await settle();
    await run.interrupt();
    await run.report;
    expect(troupe.types('root/1-1/0')).toEqual(['run.queued', 'run.interrupted']);
  });

  test('by closing the runtime says so in every run', async () => {
    const { troupe, run } = threeDeep([], { hang: true });
    await settle();
    await troupe.runtime.close();
    expect(await run.report).toMatchObject({ status: 'interrupted', exitReason: 'closed' });
    expect(troupe.types(helper).at(-1)).toBe('run.interrupted');
  });
});

describe('steering a sub-worker', () => {
  test('that thinks is heard before its next turn', async () => {
    const { troupe, run } = threeDeep(
      [tool('grep')],
      { calls: [{ name: 'grep', arguments: {} }], delayMs: 1_000 },
      'Helped.',
    );
    await settle();
    expect(await run.child(helper).steer('Mind the date.')).toEqual({ status: 'deferred', until: 'turn.completed' });
    troupe.clock.increment(1_000);
    expect(await run.report).toMatchObject({ status: 'completed' });
    expect(requestsOf(troupe, 'helper').at(-1)?.request.messages.at(-1)).toEqual({
      role: 'user',
      content: 'Mind the date.',
    });
    // and by nobody else
    expect(JSON.stringify(requestsOf(troupe, 'middle').at(-1))).not.toContain('Mind the date.');
  });

  test('whose child works is deferred until the call is answered', async () => {
    const { troupe, run } = threeDeep([], { text: 'Helped.', delayMs: 1_000 });
    await settle();
    expect(await run.child('root/1-0/0').steer('Mind the date.')).toEqual({
      status: 'deferred',
      until: 'call.settled',
    });
    troupe.clock.increment(1_000);
    await run.report;
    expect(requestsOf(troupe, 'middle').at(-1)?.request.messages.at(-1)?.content).toBe('Mind the date.');
  });
});

describe('pausing a run', () => {
  test('holds its deepest sub-worker, until the run is resumed', async () => {
    // given a helper that thinks
    const { troupe, run } = threeDeep([], { text: 'Never heard.', delayMs: 1_000 }, 'Helped.');
    await settle();
    // when the root is paused
    expect(await run.pause()).toEqual({ status: 'accepted' });
    await settle();
    troupe.clock.increment(60_000);
    await settle();
    // then everything below it waits, and the request was aborted
    expect((await troupe.runtime.runs.list({ status: 'paused' })).map(({ runId }) => runId).toSorted()).toEqual([
      'root',
      'root/1-0/0',
      helper,
    ]);
    expect(requestsOf(troupe, 'helper').map(({ aborted }) => aborted)).toEqual([true]);
    // and when it is resumed, everything goes on
    await run.resume();
    const report = await run.report;
    expect(report).toMatchObject({ status: 'completed', text: 'Done.' });
    expect(shownTo(troupe, 'middle')[0]).toMatch(/^Helped\./);
    expect(troupe.types(helper).filter((type) => type === 'run.started')).toHaveLength(1);
  });

  test('may be done to one sub-worker alone: its parent waits, the siblings go on', async () => {
    const troupe = open({
      lead: [calling(spawn(), spawn({ name: 'other' })), 'Done.'],
      helper: [{ text: 'Never heard.', delayMs: 1_000 }, 'Helped.'],
      other: [{ text: 'Other.', delayMs: 1_000 }],
    });
    const run = troupe.runtime.start(leadWith(createSubworkerTool()), 'Go.', { runId: 'root' });
    await settle();
    const child = run.child('root/1-0/0');
    await child.pause();
    troupe.clock.increment(1_000);
    await settle();
    expect([run.status, child.status, run.child('root/1-1/0').status]).toEqual(['running', 'paused', 'completed']);
    await child.resume();
    expect((await run.report).calls.map(({ status }) => status)).toEqual(['ok', 'ok']);
  });

  test.each(['turn.completed', 'call.started', 'child.started'])(
    'at %s holds the sub-worker that is about to start',
    async (moment) => {
      // given a lead that is paused while it spawns
      const troupe = open({ lead: [calling(spawn()), 'Done.'], helper: ['Helped.', 'Helped.'] });
      const run = troupe.runtime.start(leadWith(createSubworkerTool()), 'Go.', { runId: 'root' });
      troupe.runtime.events$.subscribe((event) => {
        if (event.type === moment && event.runId === 'root') void run.pause();
      });
      await settle();
      // then its child is held, too
      expect(run.status).toBe('paused');
      expect(await troupe.runtime.runs.get('root/1-0/0')).toMatchObject({ status: 'paused' });
      expect(eventsOf(troupe, 'turn.completed').filter(({ agent }) => agent === 'helper')).toEqual([]);
      // and goes on with it
      await run.resume();
      expect(await run.report).toMatchObject({ status: 'completed', text: 'Done.' });
    },
  );
});
