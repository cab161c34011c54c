import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createActor } from 'xstate';
import { z } from 'zod';
import { controlActor } from '../../src/screen/control.ts';
import { keysMachine } from '../../src/screen/keys-machine.ts';

/** A run that asks, and keys for it. */
const asking = async () => {
  const deploy = defineTool({
    name: 'deploy',
    description: '',
    inputSchema: z.object({}),
    confirm: true,
    execute: () => 'deployed',
  });
  const agent = defineAgent({ name: 'clerk', instructions: '', tools: [deploy] });
  const provider = scriptedProvider([{ calls: [{ name: 'deploy', arguments: {} }] }, 'Done.']);
  const runtime = createRuntime({ provider, model: 'm' });
  onTestFinished(() => runtime.close());
  const run = runtime.start(agent, 'go', { runId: 'r' });
  await run.report;
  const control = controlActor({ runtime });
  const keys = createActor(keysMachine.provide({ actors: { control } })).start();
  onTestFinished(() => void keys.stop());
  const runs = [{ runId: 'r', status: run.status }];
  keys.send({ type: 'told', runs, questions: run.questions });
  const press = (text: string): void => {
    for (const letter of text) keys.send({ type: 'key.text', text: letter });
  };
  const notice = (): string => keys.getSnapshot().context.notice;
  return { runtime, run, keys, press, notice };
};

test('an answer reaches its run', async () => {
  const { run, keys, press, notice } = await asking();
  press('yes');
  keys.send({ type: 'key.enter' });
  expect((await run.ended).text).toBe('Done.');
  expect(notice()).toBe('');
});

test('an answer that is not taken opens the question again, with the reason', async () => {
  const { keys, press, notice } = await asking();
  press('hm');
  keys.send({ type: 'key.enter' });
  await vi.waitFor(() => expect(notice()).toMatch(/^Not answered: the answer is not clear/));
  expect(keys.getSnapshot().value).toBe('answering');
});

test.each([
  ['s', 'hurry\n', 'run.steered'],
  [' ', '', 'run.resumed'],
  ['i', 'y', 'run.interrupted'],
])('the key %j does what it says, or says why not', async (key, more, type) => {
  const { run, runtime, keys, press, notice } = await asking();
  keys.send({ type: 'key.escape' });
  press(key);
  press(more.trim());
  if (more.endsWith('\n')) keys.send({ type: 'key.enter' });
  // a run that waits for an answer is not resumed without one
  if (type === 'run.resumed') await vi.waitFor(() => expect(notice()).toBe('Not resumed: the run waits for an answer'));
  else {
    const types: string[] = [];
    for await (const event of runtime.events({ runId: run.id })) {
      types.push(event.type);
      if (event.type === type) break;
    }
    expect(types.at(-1)).toBe(type);
  }
});

test('a run that is gone is said to be', async () => {
  const { keys, press, notice } = await asking();
  keys.send({ type: 'told', runs: [{ runId: 'nowhere', status: 'running' }], questions: [] });
  press(' ');
  await vi.waitFor(() => expect(notice()).toMatch(/^Not paused: There is no run "nowhere"/));
});

test('the spawning of a run is held and let go again; what is so already is said', async () => {
  const { run, runtime, keys, press, notice } = await asking();
  keys.send({ type: 'key.escape' });
  const tell = (spawningPaused: boolean): void =>
    keys.send({ type: 'told', runs: [{ runId: 'r', status: run.status, spawningPaused }], questions: [] });
  press('p');
  await vi.waitFor(() => expect(notice()).toBe('It and all below it start no children now.'));
  // the screen has not heard of it yet
  press('p');
  await vi.waitFor(() => expect(notice()).toBe('Not kept from starting children: spawning is paused already'));
  tell(true);
  press('p');
  await vi.waitFor(() => expect(notice()).toBe('It may start children again.'));
  expect(await run.can({ type: 'resumeSpawning' })).toMatchObject({ reason: 'spawning is not paused' });
  expect(runtime.spawningPaused).toBe(false);
});

test('what comes back after the screen is closed is not told', async () => {
  const { keys, press, notice } = await asking();
  press('hm');
  keys.send({ type: 'key.enter' });
  keys.stop();
  await new Promise((resolve) => setImmediate(resolve));
  expect(notice()).toBe('');
});
