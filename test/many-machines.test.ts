import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRuntime, defineAgent, defineTool, spawned } from '@troupe/core';
import { isEnded, type StoredEvent } from '@troupe/protocol';
import { postgresStore } from '@troupe/store-postgres';
import { checkRunLaws, scriptedProvider } from '@troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { openCountingModel } from './crash/model-server.ts';
import { listOf } from './support/list-of.ts';
import { sharedServer } from './tools/postgres/server.ts';

const program = fileURLToPath(new URL('crash/program.ts', import.meta.url));

const openStore = async (schema: string) => {
  const store = postgresStore({ url: await sharedServer(), schema, pollMs: 50 });
  onTestFinished(() => store.close());
  return store;
};

test('killed with SIGKILL, a program of trees of 20 runs is gone on with by others, on machines that know nothing of each other [L1–L7, F-12, F-13]', {
  timeout: 120_000,
}, async () => {
  const schema = 'many_machines';
  const folder = mkdtempSync(join(tmpdir(), 'troupe-many-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const model = await openCountingModel();
  onTestFinished(() => model.close());
  const env = { ...process.env, DATABASE_URL: await sharedServer(), SCHEMA: schema };
  const live = (ms: number | null): Promise<{ code: number | null; stderr: string }> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [program, folder, model.url, ...(ms === null ? ['last'] : [])], { env });
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      if (ms !== null) child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), ms));
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, stderr }));
    });
  // when it is killed again and again, and then left alone
  for (const ms of [20, 150, 400]) expect(await live(ms)).toEqual({ code: null, stderr: '' });
  expect(await live(null)).toEqual({ code: 0, stderr: '' });
  // then every run has ended, lawfully
  const store = await openStore(schema);
  const rows = await store.list({ limit: Number.MAX_SAFE_INTEGER });
  expect(rows.filter(({ status }) => !isEnded(status))).toEqual([]);
  const stored = new Map<string, StoredEvent>();
  for (const [rootId, tree] of Map.groupBy(rows, (row) => row.rootId)) {
    const events = await listOf(store.events({ rootId }));
    expect(checkRunLaws(events)).toEqual([]);
    expect(tree).toHaveLength(20);
    for (const event of events) stored.set(event.id, event);
  }
  expect([...stored.values()].some(({ type }) => type === 'run.recovered')).toBe(true);
  // and what was told was stored, and told once; every call wrote once
  const linesOf = (name: string) => readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean);
  const told = linesOf('told.txt');
  expect(told.filter((line) => `${stored.get(line.split(' ')[0] ?? '')?.rootSeq}` !== line.split(' ')[1])).toEqual([]);
  expect(new Set(told).size).toBe(told.length);
  const written = linesOf('lines.txt');
  expect(new Set(written).size).toBe(written.length);
});

test('a tree goes on in another process, is answered and followed from a third, replayed and forked', {
  timeout: 30_000,
}, async () => {
  const schema = 'one_tree';
  // given an agent that asks a person before it delegates
  const scout = defineAgent({ name: 'scout', instructions: 'Look.' });
  const send = defineTool({
    name: 'send',
    description: 'Sends a scout.',
    inputSchema: z.object({ where: z.string() }),
    confirm: true,
    execute: ({ where }) => spawned([{ agent: scout, job: `Look at ${where}.` }]),
    settle: ([report]) => ({ content: report?.text ?? 'nothing' }),
  });
  const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [send] });
  const provider = () =>
    scriptedProvider((_request, { agent, turn }) => {
      if (agent === 'scout') return 'Waves.';
      if (turn === 1) return { calls: [{ name: 'send', arguments: { where: 'the sea' } }] };
      return 'The scout saw waves.';
    });
  const options = { model: 'm', agents: [lead, scout], leaseMs: 5_000 };
  const first = createRuntime({ ...options, provider: provider(), store: await openStore(schema) });
  const run = first.start(lead, 'Go.', { runId: 'tree' });
  expect((await run.report).status).toBe('paused');
  const [question] = run.questions;
  // when its process leaves, and another one takes it up
  await first.close();
  const second = createRuntime({ ...options, provider: provider(), store: await openStore(schema) });
  onTestFinished(() => second.close());
  await second.recover();
  // and somebody who executes nothing answers from a third
  const third = createRuntime({ ...options, provider: provider(), store: await openStore(schema) });
  onTestFinished(() => third.close());
  const seen = await third.attach('tree');
  const followed: string[] = [];
  const following = (async () => {
    for await (const event of third.events({ rootId: 'tree' })) {
      if ('live' in event) continue;
      followed.push(event.id);
      if (event.runId === 'tree' && event.type === 'run.completed') return;
    }
  })();
  expect(await seen.answer(question?.id ?? '', true)).toMatchObject({ status: 'accepted' });
  // then it comes to its end, told everywhere
  const report = await seen.ended;
  expect(report).toMatchObject({ status: 'completed', text: 'The scout saw waves.' });
  await following;
  const stored = await listOf((await openStore(schema)).events({ rootId: 'tree' }));
  expect(checkRunLaws(stored)).toEqual([]);
  expect(followed).toEqual(stored.map(({ id }) => id));
  // and can be told again, and gone on with in another way
  expect(await third.replay('tree')).toBeDefined();
  const answered = stored.find(({ type }) => type === 'question.answered');
  const fork = await third.fork('tree', { at: answered?.id ?? '', change: { answer: false } });
  expect((await fork.ended).calls[0]).toMatchObject({ tool: 'send', status: 'error' });
});
