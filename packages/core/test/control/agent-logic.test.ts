import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type AnyAgent, agentLogic, defineAgent } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import { type Script, scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { createActor, createMachine, setup, toPromise } from 'xstate';
import { z } from 'zod';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { calling, delegating, gatedTool, guardedTool, ofType } from './tools.ts';

const open = (script: Script) => openRuntime({ provider: scriptedProvider(script) });
/** A machine that does nothing but run an agent. */
const host = (logic: ReturnType<typeof agentLogic<never>>) =>
  setup({ actors: { agent: logic } }).createMachine({
    initial: 'busy',
    states: {
      busy: {
        invoke: { id: 'agent', src: 'agent', input: 'go' as never, onDone: { target: 'done' }, onError: 'broken' },
        on: { leave: 'left' },
      },
      done: { type: 'final', output: ({ event }: never) => (event as { output: unknown }).output } as never,
      left: {},
      broken: {},
    },
    output: ({ event }: { event: { output?: unknown } }) => event.output,
  } as never);
const clerk = (tools: AnyAgent['tools'] = []) => defineAgent({ name: 'clerk', instructions: 'Work.', tools });

test('the example of two composed agents runs', async () => {
  const path = fileURLToPath(new URL('../../../../examples/compose.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path]);
  expect(stdout).toBe('On ants\n\nAnts are many. They carry things.\n');
});

test('a run is invoked with a job, tells its machine everything, and gives its report as output', async () => {
  const counter = defineAgent({ name: 'counter', instructions: 'Count.', outputSchema: z.object({ n: z.number() }) });
  const { runtime, events } = open(['{"n": 3}']);
  const actor = createActor(agentLogic(counter, runtime), { input: { input: 'count', metadata: { from: 'test' } } });
  const emitted: RunEvent[] = [];
  actor.on('*', (event) => void emitted.push(event));
  const report = await toPromise(actor.start());
  expect(report).toMatchObject({ status: 'completed', data: { n: 3 } });
  expect(report.data!.n + 1).toBe(4);
  expect(emitted).toEqual(events);
  expect(ofType(events, 'run.started')).toMatchObject([{ job: { input: 'count', metadata: { from: 'test' } } }]);
});

test('a failed run is an output, not an error [L5]', async () => {
  const { runtime } = open([{ fault: { code: 'model.refused' } }]);
  const actor = createActor(host(agentLogic(clerk(), runtime) as never)).start();
  await toPromise(actor);
  expect(actor.getSnapshot().value).toBe('done');
});

test('a job that is wrong is an error', async () => {
  const { runtime } = open([]);
  const actor = createActor(agentLogic(clerk(), runtime), { input: { input: 'x', budget: { turns: -1 } } });
  const failed = new Promise((resolve) => actor.subscribe({ error: resolve }));
  actor.start();
  expect(await failed).toMatchObject({ code: 'budget.invalid' });
});

describe('commands sent to it', () => {
  test('reach its run: steer, pause, resume, answer [BG-081]', async () => {
    const { tool } = guardedTool();
    const { runtime, events } = open([{ hang: true }, calling('erase'), 'Done.']);
    const actor = createActor(agentLogic(clerk([tool]), runtime), { input: 'go' }).start();
    const [runId] = (await runtime.runs.list()).map((row) => row.runId);
    const run = await runtime.attach(runId!);
    await settle();
    actor.send({ type: 'pause' });
    await settle();
    expect(run.status).toBe('paused');
    actor.send({ type: 'steer', text: 'Gently.' });
    actor.send({ type: 'resume' });
    const { questions } = await run.report;
    actor.send({ type: 'answer', questionId: questions[0]!.id, answer: true, by: 'user' });
    expect(await toPromise(actor)).toMatchObject({ status: 'completed', text: 'Done.' });
    expect(ofType(events, 'run.steered')).toMatchObject([{ text: 'Gently.' }]);
  });

  test('interrupt ends its run, and the report says so', async () => {
    const { runtime } = open([{ hang: true }]);
    const actor = createActor(agentLogic(clerk(), runtime), { input: 'go' }).start();
    await settle();
    actor.send({ type: 'interrupt', reason: 'Enough.' });
    expect(await toPromise(actor)).toMatchObject({ status: 'interrupted', exitReason: 'interrupted' });
  });
});

test('stopped by its machine, its run ends as interrupted, reason stopped, and everything below with it [L2, L9]', async () => {
  const gate = gatedTool('slow');
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [gate.tool] });
  const { runtime, events } = open({ clerk: [calling('ask_leaf')], leaf: [calling('slow')] });
  const actor = createActor(host(agentLogic(clerk([delegating(leaf)]), runtime) as never)).start();
  await settle();
  actor.send({ type: 'leave' });
  expect(actor.getSnapshot().value).toBe('left');
  await settle();
  expect(gate.open[0]!.context.signal.aborted).toBe(true);
  expect(ofType(events, 'run.interrupted').map(({ agent, exitReason }) => [agent, exitReason])).toEqual([
    ['leaf', expect.stringMatching(/stopped|parent_interrupted/)],
    ['clerk', 'stopped'],
  ]);
});

describe('its persisted snapshot', () => {
  test('is its status and its run’s id, and re-attaches in the same runtime', async () => {
    // given a machine whose agent waits for a person
    const { tool, ran } = guardedTool();
    const { runtime } = open([calling('erase'), 'Done.']);
    const first = createActor(agentLogic(clerk([tool]), runtime), { input: 'go' }).start();
    const [row] = await runtime.runs.list();
    await (await runtime.attach(row!.runId)).report;
    const persisted = first.getPersistedSnapshot();
    expect(JSON.parse(JSON.stringify(persisted))).toEqual({ status: 'active', runId: row!.runId });
    // when another actor is made from it
    const second = createActor(agentLogic(clerk([tool]), runtime), { snapshot: persisted, input: 'unused' }).start();
    await settle();
    expect(await runtime.runs.list()).toHaveLength(1);
    await runtime.answer(`${row!.runId}/1-0?`, true);
    // then both hear the same end
    const [one, two] = await Promise.all([toPromise(first), toPromise(second)]);
    expect(one).toMatchObject({ runId: row!.runId, status: 'completed', text: 'Done.' });
    expect(two).toEqual(one);
    expect(ran()).toBe(1);
  });

  test('of an ended run holds the report: nothing is started again', async () => {
    const { runtime } = open(['Done.']);
    const logic = agentLogic(clerk(), runtime);
    const first = createActor(logic, { input: 'go' }).start();
    const report = await toPromise(first);
    const second = createActor(logic, {
      snapshot: JSON.parse(JSON.stringify(first.getPersistedSnapshot())),
      input: 'unused',
    }).start();
    expect(second.getSnapshot()).toMatchObject({ status: 'done', output: report });
    expect(await runtime.runs.list()).toHaveLength(1);
  });

  test('of a run that is not in the store is an error', async () => {
    const { runtime } = open([]);
    const actor = createActor(agentLogic(clerk(), runtime), {
      snapshot: { status: 'active', output: undefined, error: undefined, runId: 'gone' } as never,
      input: 'unused',
    });
    const failed = new Promise((resolve) => actor.subscribe({ error: resolve }));
    actor.start();
    expect(await failed).toMatchObject({ code: 'run.unknown', message: expect.stringContaining('"gone"') });
  });
});

test('a machine that stops right after starting leaves nothing behind [L1]', async () => {
  const { runtime, types } = open([{ hang: true }]);
  const machine = createMachine({ invoke: { src: agentLogic(clerk(), runtime), input: 'go' } } as never);
  createActor(machine).start().stop();
  await settle();
  expect(types().filter((type) => /^run\.(completed|failed|interrupted)$/.test(type))).toEqual(['run.interrupted']);
});

test('an event that is no command does nothing to a run', async () => {
  const { runtime } = open(['Done.']);
  const actor = createActor(agentLogic(clerk(), runtime), { input: 'go' });
  actor.start();
  actor.send({ type: 'nothing known' } as never);
  expect(await toPromise(actor)).toMatchObject({ status: 'completed' });
});
