import { describe, expect, test } from 'vitest';
import { type Contract, openTime } from '../../src/contracts/contract.ts';
import { memoryStoreContract, runStoreContract } from '../../src/contracts/index.ts';
import { memoryStoreSentences } from '../../src/contracts/memory-store-contract.ts';
import { lasting } from '../../src/contracts/run-store/lasting.ts';
import { runStoreSentences } from '../../src/contracts/run-store-contract.ts';
import { memoryBugs, referenceMemory } from './reference-memory.ts';
import { referenceStore } from './reference-store.ts';
import { lastingBugs, type StoreBug, storeBugs } from './store-bugs.ts';

runStoreContract('a plain RunStore', ({ now }) => referenceStore(now), {
  reopen: (store, { now }) => referenceStore(now, undefined, store.closed()),
});
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
const broken = async <Port>(
  contract: Contract<Port>,
  open: (now: () => number) => Port,
): Promise<string | undefined> => {
  for (const [sentence, check] of contract) {
    const time = openTime();
    const kept = await check(async () => open(time.now), time).then(
      () => true,
      () => false,
    );
    if (!kept) return sentence;
  }
  return undefined;
};

describe('the contract of a RunStore', () => {
  test.each(storeBugs)('finds: %s', async (bug) => {
    expect(await broken(runStoreSentences, (now) => referenceStore(now, bug))).toBeDefined();
  });

  test.each(lastingBugs)('finds, of a store that lasts: %s', async (bug: StoreBug) => {
    const reopened = lasting<ReturnType<typeof referenceStore>>((store, { now }) =>
      referenceStore(now, bug, store.closed()),
    );
    expect(await broken(runStoreSentences, (now) => referenceStore(now, bug))).toBeUndefined();
    expect(await broken(reopened, (now) => referenceStore(now, bug))).toBeDefined();
  });
});

describe('the contract of a MemoryStore', () => {
  test.each(memoryBugs)('finds: %s', async (bug) => {
    expect(await broken(memoryStoreSentences, () => referenceMemory(bug))).toBeDefined();
  });
});
