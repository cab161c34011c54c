/** A page that looks at a store with more runs than it shows. */
import { createRuntime, memoryStore } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { inspect } from '../../src/index.ts';
import { clerk } from '../clerk.ts';
import { browserPath, closeBrowser, picture, visit } from './browser.ts';
import { choose, openTab, row } from './look.ts';

afterAll(closeBrowser);

/** 1,203 runs that have ended, the first of them `r1000`. */
const openPage = async () => {
  const store = memoryStore();
  const runtime = createRuntime({ provider: scriptedProvider(() => 'Done.'), model: 'test-model', store });
  onTestFinished(() => runtime.close());
  for (let n = 1_000; n < 2_203; n++) await runtime.run(clerk, `Tidy up room ${n}.`, { runId: `r${n}` });
  const inspector = await inspect(runtime, { name: 'rooms.ts' });
  onTestFinished(() => inspector.close());
  return { runtime, ...(await visit(inspector.url)) };
};

describe.skipIf(browserPath === undefined)(
  'A store with more runs than are shown (skipped where there is no browser)',
  { timeout: 60_000 },
  () => {
    test('says so, shows older ones when it is asked to, and finds one by its id', async () => {
      const { page, troubles, runtime } = await openPage();
      const shown = page.getByLabel('Runs shown');
      await expect.poll(() => shown.textContent()).toBe('1,000');
      const older = page.getByRole('button', { name: 'Show older runs' });
      await older.waitFor();
      await picture(page, 'older-runs');
      // one that is not shown is looked for by its id
      const filter = page.getByLabel('Filter runs by name, job or tool');
      await filter.fill('r1042');
      await page.getByText('No run matches of those that are shown.').waitFor();
      await picture(page, 'older-run-by-id');
      await page.getByRole('button', { name: /Look for a stored run/ }).click();
      await page.locator('.head h2', { hasText: 'clerk' }).waitFor();
      await expect.poll(() => shown.textContent()).toBe('1,001');
      await openTab(page, 'Events');
      await page.getByText('run.completed').first().waitFor();
      // and one that is not stored is said not to be
      await filter.fill('nobody');
      await page.getByRole('button', { name: /Look for a stored run/ }).click();
      await page.locator('.note', { hasText: 'No run "nobody" is stored here.' }).waitFor();
      await filter.fill('');
      // the rest comes at once, the oldest first, and there is nothing more to ask for
      await older.click();
      await expect.poll(() => shown.textContent()).toBe('1,203');
      await expect.poll(() => older.count()).toBe(0);
      await page.locator('.rows').evaluate((rows) => rows.scrollTo(0, 0));
      await expect.poll(() => page.locator('.rows [role=row]').first().textContent()).toContain('Tidy up room 1000.');
      // what starts now is shown with them
      await runtime.run(clerk, 'Tidy up the cellar.', { runId: 'cellar' });
      await filter.fill('cellar');
      await row(page, 'clerk').waitFor();
      await choose(page, 'clerk');
      expect(troubles).toEqual([]);
    });
  },
);
