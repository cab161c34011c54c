/** The spawning of a run that another process executes, paused at the page: what the two share is a stored file. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sqliteStore } from '@troupe/store-sqlite';
import type { Page } from 'playwright-core';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { inspectStore } from '../../src/index.ts';
import { browserPath, closeBrowser, picture, visit } from './browser.ts';
import { button, choose, enabled, openTab, receipt, row } from './look.ts';

afterAll(closeBrowser);

/** A run that waits for a person in a program of its own, and where its file is looked at. */
const elsewhere = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-inspector-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'runs.db');
  const program = fileURLToPath(new URL('../lead-process.ts', import.meta.url));
  const other = spawn(process.execPath, [program, path], { stdio: ['ignore', 'ignore', 'inherit'] });
  onTestFinished(() => void other.kill('SIGKILL'));
  const exited = new Promise((resolve) => other.once('exit', resolve));
  const store = sqliteStore(path);
  const inspector = await inspectStore(store, { name: 'runs.db' });
  onTestFinished(async () => {
    await inspector.close();
    await store.close();
  });
  return { store, url: inspector.url, exited };
};

const held = (page: Page) => row(page, 'lead').getByRole('img', { name: 'spawning paused' });
const headHeld = (page: Page) => page.locator('.head .held');
const answer = async (page: Page) => {
  const yes = page.getByRole('region', { name: 'Open questions' }).getByRole('button', { name: 'yes', exact: true });
  await enabled(yes);
  await yes.click();
};

describe.skipIf(browserPath === undefined)('Spawning (skipped where there is no browser)', { timeout: 60_000 }, () => {
  test('is paused for a run of another process, seen by whoever comes later, and allowed again', async () => {
    const { store, url, exited } = await elsewhere();
    const { page, troubles } = await visit(url);
    await choose(page, 'lead');
    expect([await held(page).count(), await headHeld(page).count()]).toEqual([0, 0]);
    await enabled(button(page, 'Pause spawning'));
    await button(page, 'Pause spawning').click();
    await receipt(page, 'Pause spawning: accepted').waitFor();
    await held(page).waitFor();
    await headHeld(page).getByText('Spawning paused').waitFor();
    await picture(page, 'spawning-paused');
    // it is still so after a reload, and for a viewer who comes now
    await page.reload();
    await choose(page, 'lead');
    await held(page).waitFor();
    const late = await visit(url, { scheme: 'dark' });
    await choose(late.page, 'lead');
    await headHeld(late.page).getByText('Spawning paused').waitFor();
    await picture(late.page, 'spawning-paused-dark');
    // the run that wants a child is refused it, and goes on
    await answer(page);
    await openTab(page, 'Events');
    await page.locator('.event', { hasText: 'child.refused' }).first().waitFor();
    // until somebody allows it again, with a key
    await enabled(button(late.page, 'Allow spawning'));
    await late.page.keyboard.press('n');
    await receipt(late.page, 'Allow spawning: accepted').waitFor();
    await expect.poll(() => held(page).count()).toBe(0);
    await enabled(button(page, 'Pause spawning'));
    await answer(page);
    await row(page, 'clerk').getByLabel('completed').waitFor();
    await row(page, 'lead').getByLabel('completed').waitFor();
    await exited;
    expect(store.get('led')).toMatchObject({ status: 'completed' });
    expect([...troubles, ...late.troubles]).toEqual([]);
  });

  test('was paused at moments of the past, where nothing can be changed', async () => {
    const { url } = await elsewhere();
    const { page } = await visit(url);
    await choose(page, 'lead');
    for (const name of ['Pause spawning', 'Allow spawning']) {
      await enabled(button(page, name));
      await button(page, name).click();
      await receipt(page, `${name}: accepted`).waitFor();
    }
    await enabled(button(page, 'Pause spawning'));
    await page.keyboard.press(',');
    await headHeld(page).waitFor();
    await held(page).waitFor();
    await button(page, 'Pause spawning').click({ force: true });
    await receipt(page, 'Not now: you look at the past').waitFor();
    await page.keyboard.press('l');
    await expect.poll(() => held(page).count()).toBe(0);
  });
});
