import { defineAgent, defineTool, spawned } from '@troupe/core';
import { checkRunLaws, scriptedProvider } from '@troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { listOf } from './support/list-of.ts';
import { bootOnPostgres } from './support/on-postgres.ts';
import { openProxy } from './support/proxy.ts';
import { sharedServer } from './tools/postgres/server.ts';

const leaseMs = 3_000;
const silent = { warn: () => {}, error: () => {} };
const nothing = z.object({});

test('a worker that is cut off from the database stops by itself, acts on nothing afterwards, and another goes on [I2, L1–L7]', {
  timeout: 90_000,
}, async () => {
  const url = await sharedServer();
  const proxy = await openProxy(Number(new URL(url).port));
  const schema = `cut_${process.pid}`;
  /** Which worker did what, in order. */
  const deeds: string[] = [];
  const boot = (name: string, its: string) => {
    const act = defineTool({
      name: 'act',
      description: '',
      inputSchema: nothing,
      idempotent: true,
      execute: () => {
        deeds.push(name);
        return 'done';
      },
    });
    const worker = defineAgent({ name: 'worker', instructions: '', tools: [act] });
    const delegate = defineTool({
      name: 'delegate',
      description: '',
      inputSchema: nothing,
      execute: () => spawned([{ agent: worker, job: 'go' }]),
      settle: ([report]) => ({ content: report?.text ?? '' }),
    });
    const lead = defineAgent({ name: 'lead', instructions: '', tools: [delegate] });
    const gate = Promise.withResolvers<void>();
    const provider = scriptedProvider(async ({ messages }, { agent }) => {
      const said = messages.filter(({ role }) => role === 'tool').length;
      if (agent === 'lead') return said > 0 ? 'over' : { calls: [{ name: 'delegate', arguments: {} }] };
      if (said === 1) await gate.promise;
      return said < 3 ? { calls: [{ name: 'act', arguments: {} }] } : `by ${name}`;
    });
    const { runtime, store, close } = bootOnPostgres(
      { url: its, schema, pollMs: 50, timeoutMs: 2_000 },
      { provider, model: 'scripted', agents: [lead, worker], leaseMs, logger: silent },
    );
    onTestFinished(async () => {
      gate.resolve();
      await close(100);
    });
    return { runtime, store, provider, lead, open: gate.resolve };
  };
  const program = boot('program', url);
  const first = boot('first', proxy.url);
  await first.runtime.serve({ workerId: 'first' });
  const run = program.runtime.start(program.lead, 'go', { runId: 'root' });
  const turnsOf = ({ provider }: typeof first) => provider.requests.filter(({ context }) => context.agent === 'worker');
  await expect.poll(() => turnsOf(first).length, { timeout: 20_000 }).toBe(2);
  expect(deeds).toEqual(['first']);

  // nothing goes through any more, and nobody is told
  proxy.hang();
  const cutAt = performance.now();
  await expect.poll(() => turnsOf(first)[1]?.aborted, { timeout: 20_000 }).toBe(true);
  expect(performance.now() - cutAt).toBeLessThan(3 * leaseMs);
  const second = boot('second', url);
  second.open();
  await second.runtime.serve({ workerId: 'second' });
  expect((await run.report).text).toBe('over');

  // what the first wanted to do when it was cut off it does not do when it is back
  first.open();
  proxy.heal();
  proxy.cut();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(deeds).toEqual(['first', 'second', 'second']);
  const events = await listOf(program.store.events({ rootId: 'root' }));
  expect(checkRunLaws(events)).toEqual([]);
  expect(events.map(({ rootSeq }) => rootSeq)).toEqual(events.map((_, i) => i + 1));
});
