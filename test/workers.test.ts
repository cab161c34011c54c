import { createRuntime, defineAgent, defineTool, spawned } from '@troupe/core';
import { pgBoss } from '@troupe/pg-boss';
import type { ModelProvider } from '@troupe/protocol';
import { type PostgresStoreOptions, postgresStore } from '@troupe/store-postgres';
import { checkRunLaws, scriptedProvider } from '@troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { listOf } from './support/list-of.ts';
import { placedRunsSuite } from './support/placed-runs.ts';
import { sharedServer } from './tools/postgres/server.ts';

const scout = defineAgent({ name: 'scout', instructions: 'Look.' });
const send = defineTool({
  name: 'send',
  description: 'Sends scouts.',
  inputSchema: z.object({ where: z.array(z.string()) }),
  execute: ({ where }) => spawned(where.map((place) => ({ agent: scout, job: place }))),
  settle: (reports) => ({ content: reports.map(({ text }) => text).join(', ') }),
});
const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [send] });

/** What is open is closed after the test, newest first. */
const closing = <Opened extends { close(): unknown }>(opened: Opened): Opened => {
  onTestFinished(async () => void (await opened.close()));
  return opened;
};

/** A process of the program: a runtime with connections of its own. */
const boot = async (
  schema: string,
  provider: ModelProvider,
  { leaseMs = 5_000, ...noticing }: Partial<PostgresStoreOptions> & { leaseMs?: number } = {},
) => {
  const url = await sharedServer();
  const store = closing(postgresStore({ url, schema, pollMs: 50, ...noticing }));
  const placement = closing(pgBoss({ url, schema: `${schema}_engine` }));
  const options = { model: 'm', agents: [lead, scout], leaseMs };
  return { store, runtime: closing(createRuntime({ ...options, provider, store, placement })) };
};

test('children go through pg-boss to workers on a store in PostgreSQL, and from one that leaves to the next [L1–L7]', {
  timeout: 60_000,
}, async () => {
  const schema = 'workers';
  // given a program that leads, and a worker whose scouts see nothing for a long time
  const leading = scriptedProvider({
    lead: [{ calls: [{ name: 'send', arguments: { where: ['sea', 'hill'] } }] }, 'Done.'],
  });
  const { runtime: program, store } = await boot(schema, leading);
  const slow = scriptedProvider({ scout: [{ hang: true }, { hang: true }] });
  const leaving = await (await boot(schema, slow)).runtime.serve({ workerId: 'leaving' });
  const run = program.start(lead, 'Look around.', { runId: 'root' });
  await expect.poll(() => slow.requests.length, { timeout: 20_000 }).toBe(2);
  // when another one comes, and the first is told to leave
  const quick = scriptedProvider(({ messages }) => `Saw the ${String(messages.at(-1)?.content)}.`);
  await (await boot(schema, quick)).runtime.serve({ workerId: 'staying' });
  await leaving.drain(10_000);
  // then the scouts are done there, and the program hears of it
  expect(await run.report).toMatchObject({ status: 'completed', text: 'Done.' });
  expect(leading.requests.at(-1)?.request.messages.at(-1)?.content).toBe('Saw the sea., Saw the hill.');
  expect(quick.requests.map(({ context }) => context.agent)).toEqual(['scout', 'scout']);
  expect(slow.requests.every(({ aborted }) => aborted)).toBe(true);
  expect(checkRunLaws(await listOf(store.events({ rootId: 'root' })))).toEqual([]);
});

// Nothing but hints, or nothing but looks, can be why it does not take as long as a third of a lease.
test.each([
  ['at once', { pollMs: 3_600_000 }],
  ['where no hint arrives a poll later', { hints: false, pollMs: 50 }],
])('a steer reaches a worker and its receipt comes back %s [I5]', { timeout: 60_000 }, async (_when, noticing) => {
  const schema = `steered_${noticing.pollMs}`;
  const options = { ...noticing, leaseMs: 60_000 };
  const leading = scriptedProvider({ lead: [{ calls: [{ name: 'send', arguments: { where: ['sea'] } }] }, 'Done.'] });
  const gate = Promise.withResolvers<string>();
  const scouting = scriptedProvider(({ messages }) =>
    scouting.requests.length === 1 ? gate.promise : `Heard: ${String(messages.at(-1)?.content)}`,
  );
  await (await boot(schema, scouting, options)).runtime.serve({ workerId: 'worker' });
  const { runtime: program } = await boot(schema, leading, options);
  const run = program.start(lead, 'Look around.', { runId: 'root' });
  await expect.poll(() => scouting.requests.length, { timeout: 20_000 }).toBe(1);
  const child = await program.attach('root/1-0/0');
  const from = performance.now();
  expect(await child.steer('Hurry.')).toEqual({ status: 'deferred', until: 'turn.completed' });
  gate.resolve('I see nothing yet.');
  // and so do the news of its end
  expect(await run.report).toMatchObject({ status: 'completed', text: 'Done.' });
  expect(performance.now() - from).toBeLessThan(10_000);
  expect(leading.requests.at(-1)?.request.messages.at(-1)?.content).toBe('Heard: Hurry.');
});

test('what a child streams on a worker is told in the program as it comes', { timeout: 60_000 }, async () => {
  const leading = scriptedProvider({ lead: [{ calls: [{ name: 'send', arguments: { where: ['sea'] } }] }, 'Done.'] });
  const told: string[] = [];
  const heard = Promise.withResolvers<void>();
  const streaming: ModelProvider = {
    name: 'streaming',
    async *takeTurn() {
      yield { type: 'text', delta: 'Water, ' };
      yield { type: 'text', delta: 'as far ' };
      await heard.promise;
      yield { type: 'text', delta: 'as I see.' };
      yield { type: 'finish', reason: 'stop' };
    },
  };
  const { runtime: program } = await boot('streaming', leading);
  const run = program.start(lead, 'Look around.', { runId: 'root' });
  run.events$.subscribe((event) => {
    if (event.runId !== 'root/1-0/0') return;
    told.push(event.type === 'text.streamed' ? event.delta : event.type);
    if (told.at(-1) === 'as far ') heard.resolve();
  });
  await (await boot('streaming', streaming)).runtime.serve({ workerId: 'worker' });
  expect(await run.report).toMatchObject({ status: 'completed' });
  // What came when the turn was over, or nearly, may be late: all of it stands in the turn.
  const toldInTime = told.filter((each) => each !== 'as I see.');
  expect(toldInTime).toEqual([
    ...['run.queued', 'run.started', 'turn.started'],
    ...['Water, ', 'as far '],
    ...['turn.completed', 'run.completed'],
  ]);
});

let grounds = 0;
placedRunsSuite('pg-boss on PostgreSQL', async () => {
  const url = await sharedServer();
  const schema = `placed_${process.pid}_${grounds++}`;
  return {
    async process() {
      const store = postgresStore({ url, schema, pollMs: 50 });
      const placement = pgBoss({ url, schema: `${schema}_engine` });
      const close = async () => {
        await placement.close();
        await store.close();
      };
      return { store, placement, close };
    },
    async close() {},
  };
});
