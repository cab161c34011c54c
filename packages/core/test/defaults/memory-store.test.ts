import { memoryStore } from '@troupe/core';
import type { ReadEvent } from '@troupe/protocol';
import { memoryStoreContract, runStoreContract } from '@troupe/testing/contracts';
import { describe, expect, test } from 'vitest';

runStoreContract('memoryStore', ({ now }) => memoryStore({ now }));
memoryStoreContract('memoryStore', () => memoryStore());

describe('memoryStore', () => {
  test('refuses a cursor that is none', () => {
    expect(() => [...(memoryStore().events({ after: 'yesterday' }) as Iterable<ReadEvent>)]).toThrow(
      expect.objectContaining({ code: 'store.cursor' }),
    );
  });
});
