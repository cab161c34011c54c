/** Ids of runs that are there already, in a store that cannot say so at once. */
import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import { isTerminal } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { expect, test } from 'vitest';
import { silent } from '../recovery/program.ts';
import { severalProcesses } from '../recovery/several.ts';

const clerk = defineAgent({ name: 'clerk', instructions: 'Be brief.' });
const later = async <T>(answer: T): Promise<T> => {
  await new Promise((resolve) => setImmediate(resolve));
  return answer;
};

const slowStore = () => {
  const inner = memoryStore();
  return {
    ...inner,
    get: async (runId: string) => later(inner.get(runId)),
    commit: async (commits: Parameters<typeof inner.commit>[0]) => inner.commit(await later(commits)),
  };
};

test('a run under the id of one that has ended, or that another process executes, is none: nothing is told of it, and nothing done [L1, BG-055]', async () => {
  const store = slowStore();
  const provider = scriptedProvider(({ messages }) =>
    messages.some(({ content }) => content === 'wait') ? { hang: true } : 'Done.',
  );
  const open = () => createRuntime({ provider, model: 'm', store, agents: [clerk], logger: silent });
  const [one, other] = [open(), open()];
  const ends: string[] = [];
  for (const { events$ } of [one, other]) events$.subscribe((event) => isTerminal(event) && ends.push(event.id));
  await one.start(clerk, 'go', { runId: 'r' }).ended;
  const waiting = one.start(clerk, 'wait', { runId: 'w' });
  while (provider.requests.length < 2) await later(null);
  for (const [runtime, runId] of [
    [one, 'r'],
    [other, 'r'],
    [other, 'w'],
  ] as const) {
    const again = runtime.start(clerk, 'go', { runId });
    await expect(again.report).rejects.toMatchObject({ code: 'run.exists', runId });
    await expect(again.ended).rejects.toMatchObject({ code: 'run.exists' });
  }
  expect(provider.requests.length).toBe(2);
  expect(ends).toEqual(['r:4']);
  expect(await (await other.attach('r')).report).toMatchObject({ status: 'completed', text: 'Done.' });
  expect(waiting.status).toBe('running');
  await one.close({ graceMs: 0 });
  await other.close({ graceMs: 0 });
});

test('what a session is sent under one id is one run, whoever sends it, one after another and at once [BG-055]', async () => {
  const store = slowStore();
  const provider = scriptedProvider(() => 'Done.');
  const open = () => createRuntime({ provider, model: 'm', store, agents: [clerk], logger: silent });
  const [one, other] = [open(), open()];
  const send = async (runtime: typeof one, runId: string, input = 'go') =>
    (await runtime.session(clerk, { sessionKey: 'k' }).send(input, { runId })).ended;
  for (const runtime of [one, one, other]) expect(await send(runtime, 'r')).toMatchObject({ text: 'Done.' });
  const ends = await Promise.all([one, other, one].map((runtime) => send(runtime, 's')));
  expect(ends.map(({ text }) => text)).toEqual(['Done.', 'Done.', 'Done.']);
  for (const runtime of [one, other])
    await expect(send(runtime, 'r', 'stay')).rejects.toMatchObject({ code: 'run.exists', runId: 'r' });
  expect((await one.runs.list({ sentTo: 'k' })).map(({ runId, after }) => [runId, after])).toEqual([
    ['s', 'r'],
    ['r', null],
  ]);
  await one.close({ graceMs: 0 });
  await other.close({ graceMs: 0 });
});

test('whoever sends or starts the same under one id may interrupt it by a signal, wherever it is executed [BG-055]', async () => {
  const { boot, pass, base } = severalProcesses();
  const processes = [0, 1].map(() => boot(() => ({ hang: true }), { agents: [clerk] }));
  const aborts = processes.map(() => new AbortController());
  await Promise.all(
    processes.map(({ runtime }, i) => {
      const signal = (aborts[i] as AbortController).signal;
      return runtime.session(clerk, { sessionKey: 'k' }).send('go', { runId: 'r', signal });
    }),
  );
  await pass();
  // whichever of them was first
  const isHere = processes.map(({ runtime }) =>
    runtime
      .session(clerk, { sessionKey: 'k' })
      .runs()
      .then(Boolean, () => false),
  );
  aborts[(await isHere[0]) ? 1 : 0]?.abort('Enough.');
  await pass(200, 5);
  expect(base.get('r')).toMatchObject({ status: 'interrupted' });
  const [here] = processes;
  here?.runtime.start(clerk, 'go', { runId: 's' });
  const again = new AbortController();
  here?.runtime.start(clerk, 'go', { runId: 's', signal: again.signal });
  await pass();
  again.abort('Enough.');
  await pass(200, 5);
  expect(base.get('s')).toMatchObject({ status: 'interrupted' });
  const before = new AbortController();
  before.abort('Enough.');
  here?.runtime.start(clerk, 'go', { runId: 't' });
  here?.runtime.start(clerk, 'go', { runId: 't', signal: before.signal });
  await pass(200, 5);
  expect(base.get('t')).toMatchObject({ status: 'interrupted' });
});
