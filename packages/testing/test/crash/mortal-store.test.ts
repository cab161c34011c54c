/** A store of a process that dies: nothing comes of what it asks for then, and nothing of what it is told. */
import { createRuntime, defineAgent, memoryStore, type Runtime } from '@troupe/core';
import type { MemoryStore, RunStore } from '@troupe/protocol';
import { exploreCrashes, type Life, mortalStore, scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { writeEnded, writeRun } from '../../src/contracts/run-writer.ts';

const later = () => new Promise<void>((resolve) => setImmediate(resolve));
const hasAnswer = (asked: unknown): Promise<boolean> =>
  Promise.race([Promise.resolve(asked).then(() => true), later().then(() => false)]);
const readAll = async (values: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> => {
  for await (const _ of values);
};

describe('once its process is dead', () => {
  const asks: Record<string, (store: RunStore & MemoryStore) => unknown> = {
    get: (store) => store.get('r'),
    list: (store) => store.list(),
    holder: (store) => store.holder('r'),
    checkpoint: (store) => store.checkpoint('r'),
    quotas: (store) => store.quotas(),
    cursor: (store) => store.cursor(),
    inbox: (store) => store.inbox('owner'),
    claim: (store) => store.claim('r', 'owner', { leaseMs: 1 }),
    prune: (store) => store.prune({ olderThan: Number.MAX_SAFE_INTEGER, keep: 0 }),
    events: (store) => readAll(store.events({})),
    journal: (store) => readAll(store.journal('r')),
    read: (store) => store.read('s', 'k'),
  };

  test.each(Object.entries(asks))('a store answers nothing: %s', async (_, ask) => {
    const inner = memoryStore();
    await writeEnded(inner, 'r', 1);
    const alive = mortalStore(memoryStore());
    expect(await hasAnswer(ask(alive.store))).toBe(true);
    const mortal = mortalStore(inner);
    mortal.die();
    expect(await hasAnswer(ask(mortal.store))).toBe(false);
    expect(await inner.get('r')).toBeDefined();
  });

  test('nobody there hears what others have stored and told', () => {
    const listeners: (() => void)[] = [];
    const inner: RunStore & MemoryStore = {
      ...memoryStore(),
      changes: (heard) => {
        listeners.push(heard);
        return () => {};
      },
      live: {
        tell: () => {},
        listen: (_rootId, heard) => {
          listeners.push(heard);
          return () => {};
        },
      },
    };
    const mortal = mortalStore(inner);
    let heard = 0;
    mortal.store.changes?.(() => (heard += 1));
    mortal.store.live?.listen(undefined, () => (heard += 1));
    for (const listener of listeners) listener();
    expect(heard).toBe(2);
    mortal.die();
    for (const listener of listeners) listener();
    expect(heard).toBe(2);
  });
});

test('a store that is of a class is taken like any other', async () => {
  const inner = memoryStore();
  class Store {
    readonly #inner = inner;
    get lasting() {
      return this.#inner.lasting;
    }
    get(runId: string) {
      return this.#inner.get(runId);
    }
  }
  for (const [name, member] of Object.entries(inner))
    if (!(name in Store.prototype)) Object.assign(Store.prototype, { [name]: member });
  const { store } = mortalStore(new Store() as unknown as RunStore & MemoryStore);
  await (await writeRun(store, { runId: 'r' })).say('a');
  expect(await store.get('r')).toMatchObject({ runId: 'r' });
  expect(store.lasting).toBe(false);
});

test('a store without a prototype is taken like any other', async () => {
  const inner: RunStore & MemoryStore = Object.assign(Object.create(null) as object, memoryStore());
  const { store } = mortalStore(inner);
  await (await writeRun(store, { runId: 'r' })).say('a');
  expect(await store.get('r')).toMatchObject({ runId: 'r' });
  expect(store.lasting).toBe(false);
});

test('exploreCrashes closes its stores, also where something was found', async () => {
  let open = 0;
  await expect(
    exploreCrashes({
      openStore: () => {
        open += 1;
        return memoryStore();
      },
      closeStore: () => {
        open -= 1;
      },
      program: () => {
        throw new Error('bug');
      },
      start: () => ({ id: 'r' }),
    }),
  ).rejects.toThrow('bug');
  expect(open).toBe(0);
});

describe('a store that cannot be closed', () => {
  const closing = {
    openStore: () => memoryStore(),
    closeStore: () => Promise.reject(new Error('busy')),
    start: (runtime: Runtime) => runtime.start(defineAgent({ name: 'tester', instructions: '' }), 'Go.'),
  };

  test('hides nothing that exploreCrashes has found', async () => {
    const program = (): Runtime => {
      throw new Error('bug');
    };
    await expect(exploreCrashes({ ...closing, program })).rejects.toThrow('bug');
  });

  test('is told of where nothing was found', async () => {
    const program = ({ store, clock, model }: Life<RunStore & MemoryStore>): Runtime =>
      createRuntime({ provider: model(scriptedProvider(() => 'Done.')), model: 'm', store, clock, leaseMs: 0 });
    await expect(exploreCrashes({ ...closing, program })).rejects.toThrow('busy');
  });
});
