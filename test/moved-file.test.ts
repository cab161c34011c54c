/** The file of a store is moved away while a program works on it. */
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, defineAgent } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { scriptedProvider } from '@troupe/testing';
import { expect, onTestFinished, test } from 'vitest';

const agent = defineAgent({ name: 'agent', instructions: '' });

test.each(['full', 'normal'] as const)(
  '[BG-052] a run says that it was not stored, and nobody waits for ever: %s',
  async (durability) => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-moved-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 'runs.db');
    const store = sqliteStore({ path, durability });
    const answer = Promise.withResolvers<void>();
    const provider = scriptedProvider(async ({ messages }) => {
      if (messages.at(-1)?.role === 'user' && JSON.stringify(messages).includes('wait')) await answer.promise;
      return 'Done.';
    });
    const logger = { warn: () => {}, error: () => {} };
    const runtime = createRuntime({ provider, model: 'none', store, logger });
    const over: string[] = [];
    runtime.events$.subscribe({ complete: () => over.push('events') });
    expect(await runtime.run(agent, 'go')).toMatchObject({ status: 'completed' });
    const run = runtime.start(agent, 'wait');
    const told: RunEvent['type'][] = [];
    run.events$.subscribe({ next: ({ type }) => told.push(type), complete: () => over.push('run') });
    await expect.poll(() => told.at(-1)).toBe('turn.started');

    renameSync(path, `${path}.away`);
    answer.resolve();
    expect(await run.report).toMatchObject({ status: 'failed', fault: { code: 'store.unavailable' } });
    expect(told.at(-1)).toBe('run.failed');

    await runtime.close();
    expect(over.toSorted()).toEqual(['events', 'run']);
    await store.close();
  },
);
