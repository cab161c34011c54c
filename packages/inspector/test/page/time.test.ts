import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { inspect, inspectStore } from '../../src/index.ts';
import { browserPath, closeBrowser, picture, visit } from './browser.ts';
import { button, choose, isEnabled, look, openTab, row } from './look.ts';
import { openScene } from './scene.ts';

afterAll(closeBrowser);

describe.skipIf(browserPath === undefined)(
  'The page in time (skipped where there is no browser)',
  { timeout: 60_000 },
  () => {
    test('goes through the past: rows, chart and conversation follow, and the present comes back', async () => {
      const { page } = await look();
      await choose(page, 'lead');
      const slider = page.getByRole('slider', { name: 'Event of the tree' });
      const all = await page.locator('.rows [role=row]').count();
      expect(all).toBe(5);
      await page.getByRole('button', { name: 'To the first event' }).click();
      await expect.poll(() => page.locator('.rows [role=row]').count()).toBe(1);
      expect(await slider.getAttribute('aria-valuetext')).toMatch(/^event 1 of \d+, run\.(started|queued)$/);
      await page.keyboard.press('.');
      await page.locator('[data-state="agent.running.thinking"].active').waitFor();
      expect(await isEnabled(button(page, 'Pause'))).toBe(false);
      for (let index = 0; index < 3; index += 1) await page.keyboard.press('.');
      await openTab(page, 'Conversation');
      await page.locator('.entry.call', { hasText: 'read_file' }).waitFor();
      expect(await page.locator('.entry', { hasText: 'Four of us' }).count()).toBe(0);
      await picture(page, 'past');
      // dragging asks for one moment at a time, and ends where the hand is
      await slider.evaluate((input) => {
        const range = input as unknown as { value: string; dispatchEvent(event: Event): void };
        for (let value = 2; value <= 30; value += 1) {
          range.value = String(value);
          range.dispatchEvent(new Event('input', { bubbles: true }));
        }
      });
      await expect.poll(() => slider.getAttribute('aria-valuetext')).toMatch(/^event 30 of/);
      await expect.poll(() => page.locator('.rows [role=row]').count()).toBeGreaterThan(1);
      await page.keyboard.press('l');
      await expect.poll(() => page.locator('.rows [role=row]').count()).toBe(5);
      expect(await slider.getAttribute('aria-valuetext')).toBe('the present');
    });

    test('steps through what a machine heard, and goes to that moment', async () => {
      const { page } = await look();
      await choose(page, 'tester');
      await page.locator('[data-state="agent.completed"].active').waitFor();
      await page.keyboard.press('[');
      await page.keyboard.press('[');
      await page.locator('[data-state="agent.running"].active').waitFor();
      await page.getByRole('button', { name: 'Go to this moment' }).click();
      await page.locator('.time.past').waitFor();
      await page.getByRole('button', { name: 'Back to the present' }).or(page.locator('.time .live')).first().click();
      await page.locator('[data-state="agent.completed"].active').waitFor();
    });

    test('says that its connection is lost, connects again by itself, and has missed nothing', async () => {
      // given a page whose connection can be cut
      const sockets: { close(): Promise<void> }[] = [];
      let cut = false;
      const { runtime, rootId } = await openScene();
      const inspector = await inspect(runtime);
      onTestFinished(() => inspector.close());
      const { page } = await visit(inspector.url, {
        before: (context) =>
          context.routeWebSocket(/page\?token=/, (socket) => {
            if (cut) return void socket.close();
            socket.connectToServer();
            sockets.push(socket);
          }),
      });
      await choose(page, 'writer');
      // when it is, and a run goes on meanwhile
      cut = true;
      for (const socket of sockets) await socket.close();
      await page.getByText('Connection lost.').waitFor();
      expect(await isEnabled(button(page, 'Interrupt'))).toBe(false);
      await picture(page, 'lost');
      const run = await runtime.attach(rootId);
      const writers = run.questions.filter(({ tool }) => tool === 'drop_table');
      await run.answer(writers[0]?.id ?? '', true);
      await expect.poll(() => run.questions.length).toBe(1);
      expect(await row(page, 'writer').getByLabel('asks a person').count()).toBe(1);
      // then it is back by itself, with what it missed
      cut = false;
      await row(page, 'writer').getByLabel('completed').waitFor();
      await expect.poll(() => page.getByText('Connection lost.').count()).toBe(0);
      await page.locator('[data-state="agent.completed"].active').waitFor();
    });

    test('shows a stored file without its program', async () => {
      const { store, rootId, runtime } = await openScene();
      const run = await runtime.attach(rootId);
      await run.interrupt('Enough for today.');
      await run.ended;
      const inspector = await inspectStore(store, { name: 'runs.db' });
      onTestFinished(() => inspector.close());
      const { page, troubles } = await visit(inspector.url);
      await row(page, 'lead').getByLabel('interrupted').waitFor();
      await choose(page, 'tester');
      await openTab(page, 'Conversation');
      await page.locator('.entry', { hasText: 'Two tests fail, as expected.' }).first().waitFor();
      await page.getByRole('button', { name: 'One event back' }).click();
      await page.locator('.time.past').waitFor();
      await picture(page, 'stored');
      expect(troubles).toEqual([]);
    });
  },
);
