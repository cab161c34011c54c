import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { isLive, isTerminal, type RunEvent, type StoredEvent } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { checkRunLaws, scriptedProvider } from '@troupe/testing';
import { lastValueFrom, type Observable, tap } from 'rxjs';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { openCountingModel } from './crash/model-server.ts';

const program = fileURLToPath(new URL('crash/program.ts', import.meta.url));
const waits = fileURLToPath(new URL('crash/waits.ts', import.meta.url));
const writer = fileURLToPath(new URL('../packages/store-sqlite/test/child.ts', import.meta.url));

const fresh = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-two-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};
const start = (file: string, ...args: string[]) => {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
};
/** A process that executes trees, and a runtime beside it that executes none. */
const beside = async () => {
  const folder = fresh();
  const model = await openCountingModel();
  onTestFinished(() => model.close());
  const child = start(program, folder, model.url);
  const store = sqliteStore(join(folder, 'runs.db'));
  const runtime = createRuntime({ provider: scriptedProvider([]), model: 'none', store });
  return { child, store, runtime };
};
const stored = (events$: Observable<RunEvent>) => {
  const events: StoredEvent[] = [];
  const completed = lastValueFrom(events$.pipe(tap((event) => !isLive(event) && events.push(event))));
  completed.catch(() => {});
  return { events, completed };
};

test('readers in one process follow a tree that another one executes, event by event [F-17]', {
  timeout: 30_000,
}, async () => {
  const { child, store, runtime } = await beside();
  const all = stored(runtime.events());
  const told = [];
  const trees: ReturnType<typeof stored>[] = [];
  for await (const event of runtime.events({})) {
    if (isLive(event)) continue;
    told.push(event);
    if (event.type === 'run.started' && event.depth === 0)
      trees.push(stored((await runtime.attach(event.runId)).events$));
    if (isTerminal(event) && event.depth === 0 && told.length > 100) break;
  }
  const [first] = told;
  // the stream of a run is at its end when the run is
  await trees[0]?.completed;
  child.kill('SIGKILL');
  const tree = told.filter(({ rootId }) => rootId === first?.rootId);
  expect(checkRunLaws(tree)).toEqual([]);
  expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
  expect(trees[0]?.events).toEqual(tree);
  // and a run of the other process can be looked at from here
  const run = await runtime.attach(first?.rootId ?? '');
  expect((await run.report).status).toBe('completed');
  await runtime.close();
  await all.completed;
  expect(all.events.slice(0, told.length)).toEqual(told);
  await store.close();
});

test('a command reaches a run that another process executes, and what came of it comes back [L7]', {
  timeout: 30_000,
}, async () => {
  const { child, store, runtime } = await beside();
  const accepted: string[] = [];
  for await (const event of runtime.events({})) {
    if (event.type !== 'run.started' || event.depth > 0) continue;
    const run = await runtime.attach(event.runId);
    const receipts = await Promise.all([run.steer('Hurry.'), run.interrupt('From elsewhere.')]);
    const report = await run.ended;
    const told: StoredEvent[] = [];
    for await (const each of store.events({ rootId: run.id })) told.push(each);
    expect(checkRunLaws(told)).toEqual([]);
    // A tree that was quicker says so.
    for (const receipt of receipts)
      if (receipt.status === 'rejected') expect(receipt.reason).toMatch(/has ended|about to end|interrupted/);
    if (receipts[1]?.status !== 'accepted') continue;
    accepted.push(run.id);
    expect(report).toMatchObject({ status: 'interrupted', exitReason: 'interrupted' });
    expect(told.at(-1)).toMatchObject({ type: 'run.interrupted', reason: 'From elsewhere.' });
    expect(told.filter(({ type }) => type === 'run.steered').length).toBe(Number(receipts[0]?.status !== 'rejected'));
    if (accepted.length === 3) break;
  }
  child.kill('SIGKILL');
  await runtime.close();
  await store.close();
});

test('a program whose run waits for a person ends, though somebody listens', { timeout: 30_000 }, async () => {
  const child = start(waits, fresh());
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});

test('a tree that two processes write at once loses no reader an event, and tells none twice [L6, F-17]', {
  timeout: 30_000,
}, async () => {
  const path = join(fresh(), 'runs.db');
  // given a process that writes eight runs below the root as fast as it can
  const child = start(writer, path, 'normal', 'write');
  // and the root itself, executed here
  const store = sqliteStore({ path, durability: 'normal' });
  const tool = defineTool({ name: 'work', description: '', inputSchema: z.object({}), execute: () => 'done' });
  const agent = defineAgent({ name: 'lead', instructions: '', tools: [tool] });
  const turns = 40;
  const provider = scriptedProvider([
    ...Array.from({ length: turns }, () => ({ calls: [{ name: 'work', arguments: {} }] })),
    'Done.',
  ]);
  const runtime = createRuntime({ provider, model: 'm', store, budget: { turns: turns + 1 } });
  for await (const _ of runtime.events({ rootId: 'tree' })) break;
  const told = stored(runtime.events$);
  const run = runtime.start(agent, 'go', { runId: 'tree' });
  const streams = [stored(run.events$), stored(runtime.events({ rootId: 'tree' })), stored(runtime.events())];
  const looped: StoredEvent[] = [];
  for await (const event of run) if (!isLive(event)) looped.push(event);
  await streams[0]?.completed;
  // Readers may find the end in the file before this process is told that it is stored.
  await run.ended;
  child.kill('SIGKILL');
  // then what this process told has gaps, and what it gave its readers has none
  const places = (events: readonly StoredEvent[]) => events.map(({ rootSeq }) => rootSeq);
  const [end] = places(told.events).slice(-1);
  expect(end).toBeGreaterThan(told.events.length);
  await runtime.close();
  for (const events of [...streams.map((stream) => stream.events), looped])
    expect(places(events).slice(0, end)).toEqual(Array.from({ length: end ?? 0 }, (_, i) => i + 1));
  expect(places(looped)).toHaveLength(end ?? 0);
  await store.close();
});
