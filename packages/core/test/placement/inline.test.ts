import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inlinePlacement } from '@troupe/core';
import { sqliteStore } from '@troupe/store-sqlite';
import { expect, test } from 'vitest';
import { startProgram } from '../../../../test/support/children.ts';
import { placedRunsSuite } from '../../../../test/support/placed-runs.ts';

placedRunsSuite('inlinePlacement on SQLite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-placed-'));
  const placement = inlinePlacement({ logger: { warn() {}, error() {} } });
  return {
    async process() {
      const store = sqliteStore({ path: join(folder, 'runs.db'), durability: 'normal' });
      return { store, placement, close: () => store.close() };
    },
    async close() {
      await placement.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});

test('a program that only waits for a child that others execute does not end before it has', {
  timeout: 30_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-placed-'));
  const program = startProgram(fileURLToPath(new URL('./alive.ts', import.meta.url)), [
    join(folder, 'runs.db'),
    'serve',
  ]);
  expect(await program.ended).toBe(0);
  expect([program.said, program.errors]).toEqual([['over'], []]);
  rmSync(folder, { recursive: true, force: true });
});
