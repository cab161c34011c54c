import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inlinePlacement } from '@troupe/core';
import { sqliteStore } from '@troupe/store-sqlite';
import { placedRunsSuite } from '../../../../test/support/placed-runs.ts';

placedRunsSuite('inlinePlacement on SQLite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-placed-'));
  const placement = inlinePlacement();
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
