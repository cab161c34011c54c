/** What a real browser makes of exports. */
import { createRequire } from 'node:module';
import { agentMachine } from '@troupe/core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMachine } from 'xstate';
import { toHTML, toMermaidChart, toMermaidSequence } from '../../src/index.ts';
import { browserPath, FLAGS } from '../page/browser-path.ts';
import { hostile, treeOf } from './stories.ts';

let browser: Browser;
beforeAll(async () => {
  if (browserPath) browser = await chromium.launch({ executablePath: browserPath, args: FLAGS });
}, 60_000);
afterAll(() => browser?.close());

/** The page in a browser that may reach nothing, and all that it asked for. */
const shown = async (
  content: string,
  colorScheme: 'light' | 'dark' = 'light',
): Promise<{ page: Page; asked: string[] }> => {
  const page = await browser.newPage({ colorScheme });
  const asked: string[] = [];
  await page.route('**', (route) => {
    asked.push(route.request().url());
    return route.abort();
  });
  page.on('pageerror', (error) => asked.push(String(error)));
  await page.setContent(content);
  return { page, asked };
};

describe.skipIf(browserPath === undefined)('a tree as HTML (skipped where there is no browser)', () => {
  test('shows its runs, what was said in them, and when, and asks for nothing', async () => {
    const { page, asked } = await shown(toHTML(await treeOf()));
    expect(await page.title()).toBe('lead Well said.: completed');
    expect(await page.locator('h1').textContent()).toBe('lead Well said. completed');
    expect(await page.locator('details.run').count()).toBe(3);
    expect(await page.locator('details.run details.run').count()).toBe(2);
    expect(await page.locator('.timeline .lane').count()).toBe(3);
    expect(await page.locator('.timeline .call').count()).toBe(4);
    const text = await page.locator('main').textContent();
    for (const said of ['failed: model_error', 'seen: Well said.', 'declined: Well said.', 'told by a person'])
      expect(text).toContain(said);
    // each run can be closed
    await page.locator('details.run > summary').first().click();
    expect(await page.locator('details.run details.run').first().isVisible()).toBe(false);
    expect(asked).toEqual([]);
    await page.close();
  }, 30_000);

  test('shows a hostile text as text', async () => {
    const { page, asked } = await shown(toHTML(await treeOf(hostile)));
    expect(await page.evaluate('window.hit')).toBeUndefined();
    expect(await page.locator('img, script').count()).toBe(0);
    expect(await page.locator('pre').allTextContents()).toContain(hostile);
    expect(asked).toEqual([]);
    await page.close();
  }, 30_000);

  test('is light or dark as the reader likes it, and fits a small screen', async () => {
    const file = toHTML(await treeOf('x'.repeat(500)));
    const looks = [];
    for (const scheme of ['light', 'dark'] as const) {
      const { page } = await shown(file, scheme);
      await page.setViewportSize({ width: 360, height: 640 });
      const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      looks.push({ background, overflow });
      await page.close();
    }
    expect(looks).toEqual([
      { background: 'rgb(255, 255, 255)', overflow: 0 },
      { background: 'rgb(18, 21, 27)', overflow: 0 },
    ]);
  }, 30_000);
});

describe.skipIf(browserPath === undefined)('Mermaid draws (skipped where there is no browser)', () => {
  let page: Page;
  beforeAll(async () => {
    page = await browser.newPage();
    const path = createRequire(import.meta.url).resolve('mermaid/dist/mermaid.min.js');
    await page.addScriptTag({ path });
  }, 60_000);
  afterAll(() => page?.close());

  /** The text of the drawing. */
  const drawn = async (diagram: string): Promise<string> => {
    const render = `mermaid.render('d' + Date.now(), ${JSON.stringify(diagram)}).then(({ svg }) => {
      document.body.innerHTML = svg;
      return document.body.textContent;
    })`;
    return String(await page.evaluate(render));
  };

  test('the chart of every run, with what is taken at once', async () => {
    const chart = toMermaidChart(agentMachine);
    // and what has ended is not left
    const finals = [...chart.matchAll(/^ *(s\d+) --> \[\*\]$/gm)].map(([, name]) => name);
    expect(finals).toHaveLength(3);
    for (const name of finals) expect(chart).not.toContain(` ${name} --> s`);
    const text = await drawn(chart);
    for (const state of ['deciding', 'thinking', 'acting', 'interrupting', 'completed']) expect(text).toContain(state);
    expect(text).toContain('always');
  }, 30_000);

  test('nested, parallel, final and history states, guards, and names that are no names', async () => {
    const machine = createMachine({
      id: 'odd',
      type: 'parallel',
      states: {
        'a "b" ]': {
          initial: 'one',
          states: {
            one: { on: { GO: [{ target: 'two', guard: 'may: be; #1' }, { target: 'two' }] }, after: { 500: 'end' } },
            two: { always: 'end', on: { BACK: '#odd.side.h', NOTHING: { actions: 'act' } } },
            end: { type: 'final' },
          },
        },
        side: {
          initial: 'x',
          states: { x: { invoke: { id: 'job', src: 'job', onDone: 'y' } }, y: {}, h: { type: 'history' } },
        },
      },
    });
    const chart = toMermaidChart(machine);
    expect(chart.split('\n').map((line) => line.trim())).toEqual([
      'stateDiagram-v2',
      'state "odd" as s0 {',
      'state "a #34;b#34; #93;" as s1 {',
      '[*] --> s2',
      'state "one" as s2',
      'state "two" as s3',
      'state "end" as s4',
      's4 --> [*]',
      '}',
      '--',
      'state "side" as s5 {',
      '[*] --> s6',
      'state "x" as s6',
      'state "y" as s7',
      'state "h" as s8',
      '}',
      '}',
      's2 --> s3 : GO (may#58; be#59; #35;1) / GO',
      's2 --> s4 : after 500',
      's3 --> s8 : BACK',
      's3 --> s4 : always',
      's6 --> s7 : done job',
      '',
    ]);
    expect(await drawn(chart)).toContain('may: be; #1');
  }, 30_000);

  test('the sequence of a tree, with what was said in it', async () => {
    const text = await drawn(toMermaidSequence(await treeOf(hostile)));
    expect(text).toContain('<img src=x onerror="window.hit=1">');
    expect(await page.evaluate('window.hit')).toBeUndefined();
  }, 30_000);
});
