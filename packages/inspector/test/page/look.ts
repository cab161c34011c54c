/** How tests look at the page, and what they press. */
import type { Locator, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { inspect } from '../../src/index.ts';
import { visit } from './browser.ts';
import { openScene } from './scene.ts';

export const row = (page: Page, name: string): Locator => page.locator('.rows [role=row]', { hasText: name }).first();
export const receipt = (page: Page, text: string): Locator => page.locator('.note', { hasText: text });
export const button = (page: Page, name: string): Locator =>
  page.getByRole('toolbar', { name: 'Actions' }).getByRole('button', { name, exact: true });
export const isEnabled = async (of: Locator): Promise<boolean> => (await of.getAttribute('aria-disabled')) !== 'true';
export const enabled = (of: Locator) => expect.poll(() => isEnabled(of), { timeout: 10_000 }).toBe(true);
export const choose = async (page: Page, name: string) => {
  await row(page, name).click();
  await page.locator('.head h2', { hasText: name }).waitFor();
};
export const openTab = (page: Page, name: string) => page.getByRole('tab', { name }).click();

/** The scene, and a page that looks at it. */
export const look = async (options: { scheme?: 'light' | 'dark' } = {}) => {
  const scene = await openScene();
  const inspector = await inspect(scene.runtime, { name: 'retry-review.ts' });
  onTestFinished(() => inspector.close());
  const visited = await visit(inspector.url, options);
  await row(visited.page, 'archivist').waitFor();
  return { ...scene, ...visited, inspector };
};
