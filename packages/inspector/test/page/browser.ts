/** A real browser that goes to a page, and tells what is wrong with it. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { browserPath, FLAGS } from './browser-path.ts';

export { browserPath };

/** Pictures of what a test saw are left here. */
const pictures = join(tmpdir(), 'troupe-inspector-pictures');

type Look = {
  scheme?: 'light' | 'dark';
  width?: number;
  height?: number;
  /** What is done to the browser before it goes anywhere. */
  before?: (context: BrowserContext) => Promise<void>;
};

let launched: Promise<Browser> | undefined;

/** One browser for all tests of a file, with an empty profile for each of them. */
const openContext = async ({ scheme = 'light', width = 1_280, height = 800 }: Look = {}): Promise<BrowserContext> => {
  launched ??= chromium.launch({ executablePath: browserPath ?? '', args: FLAGS });
  const context = await (await launched).newContext({ viewport: { width, height }, colorScheme: scheme });
  context.setDefaultTimeout(10_000);
  onTestFinished(() => context.close());
  return context;
};

/** Call it after the last test of a file. */
export const closeBrowser = async (): Promise<void> => {
  const browser = await launched;
  launched = undefined;
  await browser?.close();
};

/** A page at an address, and what went wrong on it: errors, and requests to anybody else. */
export const visit = async (url: string, look: Look = {}) => {
  const context = await openContext(look);
  await look.before?.(context);
  const page = await context.newPage();
  const troubles: string[] = [];
  watchFor(page, new URL(url).host, troubles);
  await page.goto(url);
  return { page, troubles };
};

const watchFor = (page: Page, host: string, troubles: string[]) => {
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('console', (message) => {
    // A connection that is lost on purpose is told there, too.
    if (message.type() === 'error' && !message.text().includes('WebSocket')) troubles.push(message.text());
  });
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (asked.host !== host && asked.protocol !== 'data:' && asked.protocol !== 'blob:')
      troubles.push(`asked ${request.url()}`);
  });
};

/** Leaves a picture of a page. */
export const picture = async (page: Page, name: string): Promise<void> => {
  await mkdir(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
};
