import { createServer } from 'node:net';
import { createWebSocketInspector } from '@statelyai/inspect';
import { createInspectorServer } from '@statelyai/inspect/server';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { createActor, createMachine } from 'xstate';
import { inspectActors } from '../../src/index.ts';
import { browserPath, closeBrowser, picture, visit } from './browser.ts';

afterAll(closeBrowser);

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

const door = createMachine({
  id: 'door',
  initial: 'shut',
  states: { shut: { on: { OPEN: 'open' } }, open: { on: { CLOSE: 'shut' } } },
});

describe.skipIf(browserPath === undefined)(
  'The page as a viewer of @statelyai/inspect (skipped where there is no browser)',
  () => {
    test('shows actors and their charts in the frame of its server', { timeout: 60_000 }, async () => {
      // given the server of @statelyai/inspect, with our page as its url, and a program that sends to it
      const inspector = await inspectActors();
      onTestFinished(() => inspector.close());
      const port = await freePort();
      const server = createInspectorServer({ port, url: inspector.url, autoOpen: false });
      onTestFinished(() => server.stop());
      const producer = createWebSocketInspector({ url: `ws://localhost:${port}` });
      onTestFinished(() => producer.stop());
      const actor = createActor(door, { inspect: producer.inspect }).start();
      const { page } = await visit(`http://localhost:${port}/`);
      // then its actor is there, with its machine
      const frame = page.frameLocator('iframe');
      await frame.locator('.rows [role=row]', { hasText: 'door' }).waitFor();
      await frame.locator('[data-state="door.shut"].active').waitFor();
      // and follows what happens
      actor.send({ type: 'OPEN' });
      await frame.locator('[data-state="door.open"].active').waitFor();
      await frame.locator('.arrow.taken').waitFor({ state: 'attached' });
      expect(await frame.locator('.step.selected').textContent()).toContain('OPEN');
      await picture(page, 'viewer');
    });

    test('shows actors that are sent to its own hub', { timeout: 60_000 }, async () => {
      const inspector = await inspectActors();
      onTestFinished(() => inspector.close());
      const producer = createWebSocketInspector({ url: inspector.inspectUrl });
      onTestFinished(() => producer.stop());
      const { page, troubles } = await visit(inspector.url);
      const actor = createActor(door, { inspect: producer.inspect }).start();
      await page.locator('[data-state="door.shut"].active').waitFor();
      actor.send({ type: 'OPEN' });
      await page.locator('[data-state="door.open"].active').waitFor();
      expect(troubles).toEqual([]);
    });
  },
);
