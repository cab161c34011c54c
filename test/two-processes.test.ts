import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRuntime } from '@troupe/core';
import { isLive, isTerminal } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { checkRunLaws, scriptedProvider } from '@troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { openCountingModel } from './crash/model-server.ts';

const program = fileURLToPath(new URL('crash/program.ts', import.meta.url));

test('a reader in one process follows a tree that another one executes, event by event [F-17]', {
  timeout: 30_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-two-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const model = await openCountingModel();
  onTestFinished(() => model.close());
  const child = spawn(process.execPath, [program, folder, model.url], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));

  const store = sqliteStore(join(folder, 'runs.db'));
  const runtime = createRuntime({ provider: scriptedProvider([]), model: 'none', store });
  const told = [];
  for await (const event of runtime.events({})) {
    if (!isLive(event)) told.push(event);
    if (isTerminal(event) && event.depth === 0 && told.length > 100) break;
  }
  child.kill('SIGKILL');
  const [first] = told;
  const tree = told.filter(({ rootId }) => rootId === first?.rootId);
  expect(checkRunLaws(tree)).toEqual([]);
  expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
  // and a run of the other process can be looked at from here
  const run = await runtime.attach(first?.rootId ?? '');
  expect((await run.report).status).toBe('completed');
  await runtime.close();
  await store.close();
});
