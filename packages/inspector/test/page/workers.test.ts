/** A tree whose children are executed by a worker, at the page of the program that started it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, defineAgent, defineTool, inlinePlacement, spawned } from '@troupe/core';
import { sqliteStore } from '@troupe/store-sqlite';
import { scriptedProvider } from '@troupe/testing';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { inspect } from '../../src/index.ts';
import { browserPath, closeBrowser, picture, visit } from './browser.ts';
import { choose, enabled, openTab } from './look.ts';

afterAll(closeBrowser);

const erase = defineTool({
  name: 'erase',
  description: 'Erases.',
  inputSchema: z.object({}),
  confirm: true,
  execute: () => 'erased',
});
const digger = defineAgent({ name: 'digger', instructions: '' });
const asker = defineAgent({ name: 'asker', instructions: '', tools: [erase] });
const delegate = defineTool({
  name: 'delegate',
  description: 'Delegates.',
  inputSchema: z.object({}),
  execute: () =>
    spawned([
      { agent: digger, job: 'dig' },
      { agent: asker, job: 'ask' },
    ]),
  settle: (reports) => ({ content: reports.map(({ text }) => text).join(', ') }),
});
const lead = defineAgent({ name: 'lead', instructions: '', tools: [delegate] });

/** A program that leaves its children to a worker, both in processes of their own as far as they know. */
const open = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-inspector-'));
  // The last of all: what was begun first is undone last.
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const placement = inlinePlacement();
  const boot = () => {
    const store = sqliteStore({ path: join(folder, 'runs.db'), durability: 'normal' });
    const provider = scriptedProvider(({ messages }, { agent }) => {
      const isAnswered = messages.at(-1)?.role === 'tool';
      if (agent === 'lead') return isAnswered ? 'over' : { calls: [{ name: 'delegate', arguments: {} }] };
      return agent === 'asker' && !isAnswered ? { calls: [{ name: 'erase', arguments: {} }] } : 'done';
    });
    const runtime = createRuntime({
      provider,
      model: 'scripted',
      agents: [lead, digger, asker],
      store,
      placement,
    });
    onTestFinished(async () => {
      await runtime.close();
      await store.close();
    });
    return runtime;
  };
  const [program, worker] = [boot(), boot()];
  await worker.serve({ workerId: 'w1' });
  const inspector = await inspect(program, { open: false });
  onTestFinished(() => inspector.close());
  return { program, url: inspector.url };
};

describe.skipIf(browserPath === undefined)('Workers (skipped where there is no browser)', { timeout: 60_000 }, () => {
  test('what they execute is seen, asked and answered like anything else', async () => {
    const { program, url } = await open();
    const run = program.start(lead, 'go');
    await run.report;
    const { page, troubles } = await visit(url);
    const sums = () => page.locator('.sums').textContent();
    await expect.poll(sums).toMatch(/^open2ended1/);
    await choose(page, 'asker');
    await openTab(page, 'Events');
    await page.locator('.event', { hasText: 'question.asked' }).first().waitFor();
    await picture(page, 'workers');
    const yes = page.getByRole('region', { name: 'Open questions' }).getByRole('button', { name: 'yes', exact: true });
    await enabled(yes);
    await yes.click();
    expect((await run.ended).text).toBe('over');
    await page.locator('.event', { hasText: 'run.completed' }).first().waitFor();
    // what is told last is counted, too
    await expect.poll(sums).toMatch(/^open0ended3/);
    expect(troubles).toEqual([]);
  });
});
