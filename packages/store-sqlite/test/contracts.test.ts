import { memoryStoreContract, runStoreContract } from '@troupe/testing/contracts';
import { openFresh, reopen } from './files.ts';

for (const durability of ['full', 'normal'] as const) {
  const open = (given: { now?: () => number } = {}) => openFresh({ durability, ...given });
  const close = (store: ReturnType<typeof open>) => store.close();
  runStoreContract(`sqliteStore, ${durability}`, ({ now }) => open({ now }), { close, reopen });
  memoryStoreContract(`sqliteStore, ${durability}`, () => open(), { close, reopen });
}
