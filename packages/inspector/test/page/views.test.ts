import { createRuntime } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { inspect } from '../../src/index.ts';
import { browserPath, closeBrowser, picture, visit } from './browser.ts';
import { button, choose, enabled, look, openTab, row } from './look.ts';
import { lead } from './scene.ts';

afterAll(closeBrowser);

describe.skipIf(browserPath === undefined)('The page (skipped where there is no browser)', { timeout: 60_000 }, () => {
  test.each(['light', 'dark'] as const)('shows every view, asks nobody else, and has no errors: %s', async (scheme) => {
    const { page, troubles } = await look({ scheme });
    // the tree, with what each run does, has spent and is limited by
    expect(await row(page, 'writer').textContent()).toContain('asks a person');
    expect(await row(page, 'tester').locator('svg').first().getAttribute('aria-label')).toBe('completed');
    expect(await row(page, 'lead').textContent()).toMatch(/delegate[\s\S]*\d/);
    // the chart, drawn from the machine, with where it is and what it took last
    await choose(page, 'lead');
    await page.locator('[data-state="agent.running.acting"].active').waitFor();
    expect(await page.locator('.arrow').count()).toBeGreaterThan(25);
    expect(await page.locator('.arrow title', { hasText: 'always' }).count()).toBeGreaterThan(5);
    await page.locator('.arrow.taken').first().waitFor();
    await picture(page, `chart-${scheme}`);
    // the conversation
    await openTab(page, 'Conversation');
    await page.locator('.entry.turn', { hasText: 'Four of us can look at it side by side.' }).waitFor();
    expect(await page.locator('.entry.call', { hasText: 'read_file' }).textContent()).toContain('ok');
    await page.locator('.entry .chip', { hasText: 'researcher' }).waitFor();
    await picture(page, `conversation-${scheme}`);
    // what is painted
    for (const name of ['Timeline', 'Sequence'] as const) {
      await openTab(page, name);
      await expect.poll(() => inkOf(page)).toBeGreaterThan(1_000);
      await picture(page, `${name.toLowerCase()}-${scheme}`);
    }
    await openTab(page, 'Events');
    await page.getByRole('button', { name: 'Whole tree' }).click();
    await page.locator('.event', { hasText: 'question.asked' }).first().waitFor();
    await picture(page, `events-${scheme}`);
    // and what is streamed
    await choose(page, 'researcher');
    await openTab(page, 'Conversation');
    await enabled(button(page, 'Pause'));
    await button(page, 'Pause').click();
    await button(page, 'Resume').click();
    await page.locator('.entry.turn', { hasText: 'Only the public ones:' }).waitFor();
    await picture(page, `streaming-${scheme}`);
    expect(troubles).toEqual([]);
  });

  test('has every button of the selected run on the screen, however much there is to say of it', async () => {
    const { page, runtime, rootId } = await look();
    await (await runtime.attach(rootId)).pauseSpawning();
    await page.locator('.head .held').waitFor();
    for (const width of [1_280, 1_000]) {
      await page.setViewportSize({ width, height: 800 });
      for (const name of ['researcher', 'lead']) {
        await choose(page, name);
        await page.locator('.head .held', { hasText: 'Spawning paused' }).waitFor();
        const boxes = await page.getByRole('toolbar', { name: 'Actions' }).getByRole('button').all();
        expect(boxes).toHaveLength(7);
        for (const one of boxes) {
          const box = await one.boundingBox();
          expect((box?.x ?? width) + (box?.width ?? 0)).toBeLessThanOrEqual(width);
        }
        expect(await page.locator('.head').evaluate((head) => head.scrollWidth - head.clientWidth)).toBe(0);
      }
    }
  });

  test('shows how much of a budget runs below have used, though they still work', async () => {
    const { page } = await look();
    await choose(page, 'lead');
    const meter = page.getByRole('list', { name: 'Budget' }).getByRole('meter', { name: 'Tokens' });
    await expect
      .poll(() => meter.getAttribute('title'))
      .toMatch(/^Tokens: [\d.,K]+ of [\d.,K]+, [\d.,K]+ by runs below$/);
    const [own, below] = await Promise.all([0, 1].map((n) => meter.locator('i').nth(n).boundingBox()));
    expect(below?.width).toBeGreaterThan(0);
    expect(below?.x).toBeCloseTo((own?.x ?? 0) + (own?.width ?? 0), 0);
    await choose(page, 'tester');
    expect(await page.getByRole('list', { name: 'Budget' }).locator('i.below').count()).toBe(0);
  });

  test.each(['light', 'dark'] as const)(
    'can be read and used by everybody, as far as a program can tell: %s',
    async (scheme) => {
      const { page } = await look({ scheme });
      await choose(page, 'lead');
      await page.evaluate(axe.source);
      for (const name of ['Chart', 'Conversation', 'Timeline', 'Sequence', 'Events']) {
        await openTab(page, name);
        const found = await page.evaluate(
          `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html.slice(0, 160), failureSummary])))`,
        );
        expect(found, name).toEqual([]);
      }
      await page.keyboard.press('?');
      expect(await page.evaluate('axe.run("dialog").then(({ violations }) => violations.map(({ id }) => id))')).toEqual(
        [],
      );
    },
  );

  test('finds runs by name, status and agent', async () => {
    const { page } = await look();
    const names = () => page.locator('.rows .who b').allInnerTexts();
    await page.keyboard.press('/');
    await page.keyboard.type('archiv');
    await expect.poll(names).toEqual(['lead', 'archivist']);
    await page.getByLabel('Filter runs').fill('');
    await page.getByLabel('Status', { exact: true }).selectOption('asking');
    await expect.poll(names).toEqual(['lead', 'writer', 'archivist']);
    await page.getByLabel('Status', { exact: true }).selectOption('');
    await page.getByLabel('Agent', { exact: true }).selectOption('tester');
    await expect.poll(names).toEqual(['lead', 'tester']);
    await page.getByLabel('Agent', { exact: true }).selectOption('');
    await page.getByLabel('Filter runs').fill('no such run');
    await page.getByText('No run matches.').waitFor();
  });

  test('is used with keys alone', async () => {
    const { page } = await look();
    await row(page, 'lead').click();
    await page.keyboard.press('ArrowDown');
    await page.locator('.head h2', { hasText: 'researcher' }).waitFor();
    const focused = () => page.locator(':focus').getAttribute('aria-selected');
    expect(await focused()).toBe('true');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => page.locator('.rows [role=row]').count()).toBe(1);
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => page.locator('.rows [role=row]').count()).toBe(5);
    await page.keyboard.press('End');
    await page.locator('.head h2', { hasText: 'archivist' }).waitFor();
    await page.keyboard.press('2');
    expect(await page.getByRole('tab', { name: 'Conversation' }).getAttribute('aria-selected')).toBe('true');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys and words' }).waitFor();
    await picture(page, 'help');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    await page.keyboard.press('t');
    expect(await page.locator('html').getAttribute('data-theme')).toBe('light');
  });

  test('is light or dark as the system is, at once, until a person chooses', async () => {
    const { page } = await look({ scheme: 'light' });
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    await choose(page, 'lead');
    await openTab(page, 'Timeline');
    await page.locator('canvas').waitFor();
    const [light, drawnLight] = [await ground(), await commonest(page)];
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(ground).not.toBe(light);
    const dark = await ground();
    // what is drawn on a canvas, too
    await expect.poll(() => commonest(page)).not.toBe(drawnLight);
    // light was chosen, and dark: the system counts no more
    await page.keyboard.press('t');
    await expect.poll(ground).toBe(light);
    await page.keyboard.press('t');
    await expect.poll(ground).toBe(dark);
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await ground()).toBe(dark);
  });

  test('shows what a model wrote as text, whatever it is', async () => {
    const hostile = '</script><img src=x onerror="document.title=1"><b>bold</b>';
    const runtime = createRuntime({ provider: scriptedProvider(['<u>'.concat(hostile)]), model: 'm' });
    onTestFinished(() => runtime.close());
    const inspector = await inspect(runtime);
    onTestFinished(() => inspector.close());
    const { page, troubles } = await visit(inspector.url);
    await runtime.run({ ...lead, name: hostile }, hostile);
    await page.locator('.rows [role=row]').waitFor();
    await openTab(page, 'Conversation');
    await page.locator('.entry.end', { hasText: hostile }).waitFor();
    expect(await page.locator('img, .entry b, .entry u').count()).toBe(0);
    expect(troubles).toEqual([]);
  });
});

/** What the canvas shows: how many of its points are painted, and the colour of most of them, that of its texts and lines. */
const paintOf = (page: Page): Promise<{ points: number; colour: string }> =>
  page.locator('canvas').evaluate((element) => {
    const canvas = element as unknown as {
      width: number;
      height: number;
      getContext(kind: '2d'): {
        getImageData(x: number, y: number, width: number, height: number): { data: Uint8Array };
      };
    };
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const counts = new Map<string, number>();
    let points = 0;
    for (let index = 3; index < data.length; index += 4) {
      if (data[index] !== 0) points += 1;
      if (data[index] !== 255) continue;
      const colour = `${data[index - 3]} ${data[index - 2]} ${data[index - 1]}`;
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    return { points, colour: [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '' };
  });
const inkOf = async (page: Page): Promise<number> => (await paintOf(page)).points;
const commonest = async (page: Page): Promise<string> => (await paintOf(page)).colour;
