import { describe, expect, test } from 'vitest';
import type { Contract } from '../../src/contracts/contract.ts';
import { memoryStoreContract, runStoreContract } from '../../src/contracts/index.ts';
import { memoryStoreSentences } from '../../src/contracts/memory-store-contract.ts';
import { runStoreSentences } from '../../src/contracts/run-store-contract.ts';
import { memoryBugs, referenceMemory } from './reference-memory.ts';
import { referenceStore, storeBugs } from './reference-store.ts';

runStoreContract('a plain RunStore', () => referenceStore());
memoryStoreContract('a plain MemoryStore', () => referenceMemory());

const closed: unknown[] = [];
memoryStoreContract('a MemoryStore that can be opened again', async () => referenceMemory(), {
  reopen: (store) => store,
  close: (store) => {
    closed.push(store);
  },
});
test('closes what it opened', () => {
  expect(closed.length).toBe(memoryStoreSentences.length + 1);
});

/** The sentences that a port does not keep. Stops at the first. */
const broken = async <Port>(contract: Contract<Port>, open: () => Port): Promise<string | undefined> => {
  for (const [sentence, check] of contract) {
    const kept = await check(open).then(
      () => true,
      () => false,
    );
    if (!kept) return sentence;
  }
  return undefined;
};

describe('the contract of a RunStore', () => {
  test.each(storeBugs)('finds: %s', async (bug) => {
    expect(await broken(runStoreSentences, () => referenceStore(bug))).toBeDefined();
  });
});

describe('the contract of a MemoryStore', () => {
  test.each(memoryBugs)('finds: %s', async (bug) => {
    expect(await broken(memoryStoreSentences, () => referenceMemory(bug))).toBeDefined();
  });
});
