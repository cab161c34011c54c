import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { browserPath, closeBrowser, picture } from './browser.ts';
import { button, choose, enabled, isEnabled, look, openTab, receipt, row } from './look.ts';
import type { Scene } from './scene.ts';

afterAll(closeBrowser);

describe.skipIf(browserPath === undefined)(
  'A person at the page (skipped where there is no browser)',
  { timeout: 60_000 },
  () => {
    test('answers a question with a button, and another with words', async () => {
      const { page, runtime, rootId } = await look();
      const questions = page.getByRole('region', { name: 'Open questions' });
      await questions.getByText('2 open questions').waitFor();
      await picture(page, 'questions');
      await questions.getByRole('button', { name: /writer · drop_table/ }).click();
      const yes = questions.getByRole('button', { name: 'yes', exact: true });
      await enabled(yes);
      await yes.click();
      await receipt(page, 'Answer “yes”: accepted').waitFor();
      await row(page, 'writer').getByLabel('completed').waitFor();
      await questions.getByLabel('Your answer').fill('4.2');
      await enabled(questions.getByRole('button', { name: 'Answer' }));
      await page.keyboard.press('Enter');
      await receipt(page, 'Answer: accepted').waitFor();
      await expect.poll(() => questions.count()).toBe(0);
      const told = (await runtime.attach(rootId)).questions;
      expect(told).toEqual([]);
    });

    test('declines a question', async () => {
      const { page } = await look();
      const questions = page.getByRole('region', { name: 'Open questions' });
      await questions.getByRole('button', { name: /archivist · ask_user/ }).click();
      const decline = questions.getByRole('button', { name: 'Decline' });
      await enabled(decline);
      await decline.click();
      await receipt(page, 'Decline: accepted').waitFor();
    });

    test('steers, pauses, resumes and interrupts; each button is what the machine says, and says why not', async () => {
      const { page, runtime, rootId } = await look();
      await choose(page, 'researcher');
      await enabled(button(page, 'Steer'));
      await button(page, 'Steer').click();
      const dialog = page.getByRole('dialog');
      expect(await isEnabled(dialog.getByRole('button', { name: 'Steer' }))).toBe(false);
      await dialog.getByLabel('What it hears').fill('Only the public callers, please.');
      await enabled(dialog.getByRole('button', { name: 'Steer' }));
      await picture(page, 'steer');
      await dialog.getByRole('button', { name: 'Steer' }).click();
      await receipt(page, 'Steer: accepted, takes effect after this turn').waitFor();
      await expect.poll(() => page.getByRole('dialog').count()).toBe(0);

      await page.keyboard.press('p');
      await receipt(page, 'Pause: accepted').waitFor();
      await row(page, 'researcher').getByLabel('waiting').waitFor();
      await enabled(button(page, 'Resume'));
      await button(page, 'Resume').click();
      await receipt(page, 'Resume: accepted').waitFor();

      await enabled(button(page, 'Interrupt'));
      await button(page, 'Interrupt').click();
      await dialog.getByLabel('Reason').fill('Enough was read.');
      await enabled(dialog.getByRole('button', { name: 'Interrupt' }));
      await dialog.getByRole('button', { name: 'Interrupt' }).click();
      await receipt(page, 'Interrupt: accepted').waitFor();
      await row(page, 'researcher')
        .getByLabel(/interrupted|failed/)
        .waitFor();
      await expect.poll(() => isEnabled(button(page, 'Pause'))).toBe(false);
      await button(page, 'Pause').click({ force: true });
      await receipt(page, 'Not now: the run has ended').waitFor();
      const { status } = (await runtime.runs.list({ rootId })).find(({ agent }) => agent === 'researcher') ?? {};
      expect(status).not.toBe('running');
    });

    test('raises a budget, and refuses one that is no more than it was', async () => {
      const { page, runtime, rootId } = await look();
      await choose(page, 'lead');
      await enabled(button(page, 'Raise budget'));
      await page.keyboard.press('b');
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Turns').fill('10');
      await dialog.locator('.trouble', { hasText: '20' }).waitFor();
      await picture(page, 'raise');
      await dialog.getByLabel('Turns').fill('33');
      await enabled(dialog.getByRole('button', { name: 'Raise' }));
      await dialog.getByRole('button', { name: 'Raise' }).click();
      await receipt(page, 'Raise budget: accepted').waitFor();
      await page.locator('.gauges', { hasText: '/ 33' }).waitFor();
      const { budget } = await startOf(runtime, rootId);
      expect(budget).toBeDefined();
    });

    test('takes a run along as a file, by its button or by a key', async () => {
      const { page } = await look();
      await choose(page, 'lead');
      await page.getByRole('button', { name: 'Export' }).click();
      const dialog = page.getByRole('dialog');
      await picture(page, 'export');
      const [html] = await Promise.all([
        page.waitForEvent('download'),
        dialog.getByRole('button', { name: /One HTML file/ }).click(),
      ]);
      expect(html.suggestedFilename()).toMatch(/\.html$/);
      expect(await readFile(await html.path(), 'utf8')).toMatch(/^<!doctype html>.*<title>lead/is);
      await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
      await choose(page, 'researcher');
      await page.keyboard.press('e');
      const [lines] = await Promise.all([
        page.waitForEvent('download'),
        dialog.getByRole('button', { name: /JSON lines/ }).click(),
      ]);
      const events = (await readFile(await lines.path(), 'utf8')).trim().split('\n');
      expect(new Set(events.map((line) => (JSON.parse(line) as { agent: string }).agent)).has('lead')).toBe(false);
    });

    test('pauses the spawning of a run and all below it; what the program itself has paused is told', async () => {
      const { page, runtime, rootId } = await look();
      await choose(page, 'lead');
      await enabled(button(page, 'Pause spawning'));
      await button(page, 'Pause spawning').click();
      const first = receipt(page, 'Pause spawning: accepted');
      await first.getByRole('button').click();
      await first.waitFor({ state: 'detached' });
      expect(await (await runtime.attach(rootId)).can({ type: 'resumeSpawning' })).toEqual({ status: 'accepted' });
      expect(runtime.spawningPaused).toBe(false);
      // those below say who keeps them from it
      await choose(page, 'researcher');
      await page.locator('.head', { hasText: 'Spawning paused by lead' }).waitFor();
      await enabled(button(page, 'Pause spawning'));
      runtime.pauseSpawning();
      await button(page, 'Steer').focus();
      await page.keyboard.press('n');
      await receipt(page, 'Pause spawning: accepted').waitFor();
      await page.getByText('Spawning paused by the program').waitFor();
      await page.locator('.head', { hasText: /Spawning paused(?! by)/ }).waitFor();
      await enabled(button(page, 'Allow spawning'));
    });

    test('forks from an event with another answer, and looks at the new tree', async () => {
      const { page, runtime, rootId } = await look();
      await choose(page, 'lead');
      await openTab(page, 'Conversation');
      const turn = page.locator('.entry.turn', { hasText: 'Four of us' });
      await turn.hover();
      await turn.getByRole('button', { name: 'Fork from here' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Instead of the model’s answer').fill('I can do this alone: the cap is missing.');
      await enabled(dialog.getByRole('button', { name: 'Fork', exact: true }));
      await picture(page, 'fork');
      await dialog.getByRole('button', { name: 'Fork', exact: true }).click();
      await receipt(page, 'Fork: accepted').waitFor();
      await expect.poll(() => page.locator('.rows [role=row][aria-level="1"]').count()).toBe(2);
      await page.locator('.head', { hasText: 'completed' }).waitFor();
      const roots = (await runtime.runs.list()).filter(({ depth }) => depth === 0);
      expect(roots.filter(({ runId }) => runId !== rootId)).toHaveLength(1);
    });
  },
);

const startOf = async (runtime: Scene['runtime'], rootId: string) => {
  for await (const event of runtime.events({ runId: rootId })) if (event.type === 'run.started') return event;
  throw new Error('It has not started.');
};
