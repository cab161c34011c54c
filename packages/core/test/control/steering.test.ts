import { defineAgent } from '@troupe/core';
import { type ScriptedProvider, scriptedProvider } from '@troupe/testing';
import { expect, test } from 'vitest';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { calling, delegating, gatedTool, guardedTool, ofType, plain } from './tools.ts';

const heard = (provider: ScriptedProvider, n: number): string[] =>
  provider.requests[n]?.request.messages.filter(({ role }) => role === 'user').map(({ content }) => String(content)) ??
  [];

test('steering a run that waits for an answer is deferred until it has one, and reaches the next turn [F-04]', async () => {
  // given a child that waits for a person, and its parent that waits for it
  const { tool } = guardedTool();
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [tool] });
  const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [delegating(leaf)] });
  const provider = scriptedProvider({
    root: [calling('ask_leaf'), 'Root done.'],
    leaf: [calling('erase'), 'Leaf done.'],
  });
  const { runtime, events } = openRuntime({ provider });
  const run = runtime.start(root, 'go');
  const { questions } = await run.report;
  const child = run.child(`${run.id}/1-0/0`);
  // when both are steered
  expect(await child.steer('Hurry.')).toEqual({ status: 'deferred', until: 'question.answered' });
  expect(await run.steer('Be brief.')).toEqual({ status: 'deferred', until: 'question.answered' });
  expect([run.status, run.questions]).toEqual(['paused', questions]);
  // then each text is in the turn after the answer, behind the results of the calls
  await run.answer(questions[0]!.id, true);
  expect(await run.ended).toMatchObject({ status: 'completed' });
  expect(provider.requests[2]?.request.messages.slice(-2)).toMatchObject([
    { role: 'tool' },
    { role: 'user', content: 'Hurry.' },
  ]);
  expect(provider.requests[3]?.request.messages.slice(-2)).toMatchObject([
    { role: 'tool' },
    { role: 'user', content: 'Be brief.' },
  ]);
  expect(ofType(events, 'run.steered').map(({ agent, text }) => [agent, text])).toEqual([
    ['leaf', 'Hurry.'],
    ['root', 'Be brief.'],
  ]);
});

test('steering while the model speaks is deferred until the turn is completed, and an answer does not end the run then [F-04]', async () => {
  let speak: (turn: string) => void = () => {};
  const turns = [new Promise<string>((resolve) => (speak = resolve)), Promise.resolve('Second.')];
  const provider = scriptedProvider(() => turns.shift()!);
  const { runtime } = openRuntime({ provider });
  const run = runtime.start(defineAgent({ name: 'clerk', instructions: 'Work.' }), 'go');
  await settle();
  expect(await run.steer('In French.')).toEqual({ status: 'deferred', until: 'turn.completed' });
  expect(await run.steer('Politely.')).toEqual({ status: 'deferred', until: 'turn.completed' });
  speak('First.');
  expect(await run.ended).toMatchObject({ text: 'Second.', usage: { turns: 2 } });
  expect(heard(provider, 1)).toEqual(['go', 'In French.', 'Politely.']);
});

test('steering while a tool works is deferred until it is settled [F-04]', async () => {
  const gate = gatedTool('slow');
  const provider = scriptedProvider([calling('slow'), 'Done.']);
  const { runtime } = openRuntime({ provider });
  const run = runtime.start(defineAgent({ name: 'clerk', instructions: 'Work.', tools: [gate.tool] }), 'go');
  await settle();
  expect(await run.steer('Faster.')).toEqual({ status: 'deferred', until: 'call.settled' });
  gate.open[0]!.finish();
  await run.ended;
  expect(heard(provider, 1)).toEqual(['go', 'Faster.']);
});

test('steering a run that was paused by a command is deferred until it is resumed [F-04]', async () => {
  const provider = scriptedProvider([{ hang: true }, 'Done.']);
  const { runtime } = openRuntime({ provider });
  const run = runtime.start(defineAgent({ name: 'clerk', instructions: 'Work.' }), 'go');
  await settle();
  await run.pause();
  expect(await run.steer('Again.')).toEqual({ status: 'deferred', until: 'resumed' });
  await run.resume();
  expect(await run.ended).toMatchObject({ status: 'completed', text: 'Done.' });
  expect(heard(provider, 1)).toEqual(['go', 'Again.']);
});

test('steering a run that waits in the queue is accepted: it hears it in its first turn', async () => {
  const gate = gatedTool('slow');
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [gate.tool] });
  const root = defineAgent({
    name: 'root',
    instructions: 'Root.',
    tools: [delegating(leaf, { count: 2 })],
    budget: { concurrency: 1 },
  });
  const provider = scriptedProvider({
    root: [calling('ask_leaf'), 'Done.'],
    leaf: [calling('slow'), 'First.', 'Second.'],
  });
  const { runtime } = openRuntime({ provider });
  const run = runtime.start(root, 'go');
  await settle();
  const second = run.child(`${run.id}/1-0/1`);
  expect(second.status).toBe('queued');
  expect(await second.steer('Mind the gap.')).toEqual({ status: 'accepted' });
  gate.open[0]!.finish();
  await run.ended;
  expect(heard(provider, 3)).toEqual(['work', 'Mind the gap.']);
});

test('steering a run that ends, or has ended, is rejected, and says why', async () => {
  const memory = { read: () => undefined, write: () => new Promise<void>(() => {}), search: () => [], reset: () => {} };
  const provider = scriptedProvider(() => 'Done.');
  const { runtime } = openRuntime({ provider, memory });
  const run = runtime.start(defineAgent({ name: 'clerk', instructions: 'Work.' }), 'go');
  await settle();
  // the answer is there, and is being remembered
  expect(await run.steer('Wait.')).toEqual({ status: 'rejected', reason: 'the run is about to end' });
  expect(await run.pause()).toEqual({ status: 'rejected', reason: 'the run is about to end' });
  await run.interrupt();
  await run.ended;
  expect(await run.steer('Wait.')).toEqual({ status: 'rejected', reason: 'the run has ended: interrupted' });
});

test('what was steered is in the conversation of the report, once', async () => {
  const gate = gatedTool('slow');
  const { runtime } = openRuntime({ provider: scriptedProvider([calling('slow'), 'Done.']) });
  const run = runtime.start(
    defineAgent({ name: 'clerk', instructions: 'Work.', tools: [gate.tool, plain('other')] }),
    'go',
  );
  await settle();
  await run.steer('Once.');
  gate.open[0]!.finish();
  const { messages } = await run.ended;
  expect(messages.filter(({ content }) => content === 'Once.')).toHaveLength(1);
});
