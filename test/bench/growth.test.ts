// The short form of `npm run bench`: how costs grow, on any machine and however much else it does. A step that looks at everything
// before it, or at every sibling, makes ten times as many take ten times as long each.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AnyAgent, createRuntime, memoryStore, type Session } from '@troupe/core';
import type { Commit, RunStore } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { bound, growthOf, ownTimeOf } from '../support/growth.ts';
import { asking, leading, looping, provider, sending, spreading } from './work.ts';

/** A path in a folder that goes with the test. */
const pathOf = (name: string): string => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-growth-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, name);
};

const run = async (agent: AnyAgent, store: RunStore = memoryStore()): Promise<void> => {
  const runtime = createRuntime({ provider, model: 'none', store });
  const { status, fault } = await runtime.run(agent, 'go');
  await runtime.close();
  expect({ status, fault }).toEqual({ status: 'completed', fault: undefined });
};

/** One large run to as many small ones as make the same work. */
const growth = async (agentFor: (size: number) => AnyAgent, few: number, many: number): Promise<number> => {
  const [small, large] = [agentFor(few), agentFor(many)];
  const smallOnes = async (): Promise<void> => {
    for (let i = 0; i < many / few; i++) await run(small);
  };
  return growthOf(smallOnes, () => run(large));
};

/** Characters of all that a run hands to its store, and of its largest checkpoint. */
const storedBy = async (agent: AnyAgent) => {
  const memory = memoryStore();
  const found = { characters: 0, checkpoint: 0 };
  const commit = (steps: readonly Commit[]) => {
    for (const step of steps) {
      found.characters += JSON.stringify(step).length;
      found.checkpoint = Math.max(found.checkpoint, JSON.stringify(step.checkpoint ?? null).length);
    }
    return memory.commit(steps);
  };
  await run(agent, { ...memory, commit });
  return found;
};

// Seconds of its own thread, which on a busy machine are minutes.
describe('the cost of a run', { timeout: 180_000 }, () => {
  test('a child costs as much beside two thousand as beside a hundred', async () => {
    expect(await growth((size) => leading(size, 0), 100, 2_000)).toBeLessThan(bound);
  });

  test('so it does where one call has them all, and most of them wait', async () => {
    expect(await growth((size) => spreading(size, 20), 200, 16_000)).toBeLessThan(bound);
  });

  test('a run costs as much beside three thousand that wait for a person as it does alone', async () => {
    const runtime = createRuntime({ provider, model: 'none' });
    const [single, clerk] = [looping(0), asking()];
    const some = async (): Promise<void> => {
      for (let i = 0; i < 300; i++) await runtime.run(single, 'go');
    };
    /** The shortest of a few: what is collected in between is not of one run. */
    const shortest = async (): Promise<number> =>
      Math.min(...[await ownTimeOf(some), await ownTimeOf(some), await ownTimeOf(some)]);
    await some();
    const alone = await shortest();
    for (let i = 0; i < 3_000; i++) expect((await runtime.start(clerk, 'go').report).status).toBe('paused');
    expect((await shortest()) / alone).toBeLessThan(bound);
    await runtime.close({ graceMs: 0 });
  });

  const talk = async (
    agent: AnyAgent,
    sessions: number,
    messages: number,
    after: (session: Session<unknown>) => unknown,
  ): Promise<void> => {
    const runtime = createRuntime({ provider, model: 'none', maxWakes: Number.POSITIVE_INFINITY });
    for (let i = 0; i < sessions; i++) {
      const session = runtime.session(agent, { sessionKey: `${i}` });
      for (let n = 0; n < messages; n++) {
        await (await session.send('go')).ended;
        await after(session);
      }
    }
    await runtime.close();
  };

  test('the four-hundredth message to a session costs as much as the twentieth', async () => {
    const [few, many] = [() => talk(looping(0), 20, 20, () => {}), () => talk(looping(0), 1, 400, () => {})];
    expect(await growthOf(few, many)).toBeLessThan(bound);
  });

  test('so does it to wait until the session is at rest, whatever it has sent to the background before', async () => {
    const atRest = (session: Session<unknown>) => session.idle();
    const [few, many] = [() => talk(sending(), 20, 20, atRest), () => talk(sending(), 1, 400, atRest)];
    expect(await growthOf(few, many)).toBeLessThan(bound);
  });

  test.each([
    ['in memory', memoryStore],
    ['in SQLite', () => sqliteStore({ path: pathOf('runs.db'), durability: 'normal' })],
  ])('a session is forgotten as fast beside four thousand runs as beside a hundred: %s', async (_where, open) => {
    const store = open();
    const runtime = createRuntime({ provider, model: 'none', store });
    const agent = looping(0);
    let others = 0;
    const forgetting = async (beside: number): Promise<number> => {
      for (; others < beside; others++) await runtime.run(agent, 'go');
      const keys = Array.from({ length: 300 }, (_, i) => `${beside} ${i}`);
      for (const sessionKey of keys) await (await runtime.session(agent, { sessionKey }).send('go')).ended;
      return ownTimeOf(async () => {
        for (const sentTo of keys) expect(await runtime.runs.prune({ olderThan: 0, sentTo })).toBe(1);
      });
    };
    const few = Math.min(await forgetting(100), await forgetting(200));
    const many = Math.min(await forgetting(4_000), await forgetting(4_100));
    expect(many / few).toBeLessThan(2 * bound);
    await runtime.close();
    if ('close' in store) await store.close();
  });

  test('a stored child is read as fast beside four thousand as beside a hundred', async () => {
    const stored = async (size: number) => {
      const runtime = createRuntime({ provider, model: 'none', store: memoryStore() });
      const { children } = await runtime.run(spreading(size, 20), 'go');
      const readSome = async (): Promise<void> => {
        for (let i = 0; i < 5; i++)
          for (const { runId } of children.slice(0, 100)) await (await runtime.attach(runId)).report;
      };
      return { runtime, readSome };
    };
    const [few, many] = [await stored(100), await stored(4_000)];
    expect(await growthOf(few.readSome, many.readSome, 2 * bound)).toBeLessThan(2 * bound);
    await Promise.all([few.runtime.close(), many.runtime.close()]);
  });

  test('the four-hundredth turn costs as much as the twentieth', async () => {
    expect(await growth((size) => looping(size), 20, 400)).toBeLessThan(bound);
  });

  test('each turn hands its store as much, however many came before; a checkpoint stays as small', async () => {
    const [few, many] = [await storedBy(looping(20)), await storedBy(looping(400))];
    expect(many.characters / 400).toBeLessThan(1.05 * (few.characters / 20));
    expect(many.checkpoint).toBeLessThan(1.05 * few.checkpoint);
  });

  test('each child hands its store as much, however many run beside it and end one by one', async () => {
    const bySize = async (size: number) => (await storedBy(spreading(size, 20, { inLine: true }))).characters / size;
    expect(await bySize(800)).toBeLessThan(1.05 * (await bySize(50)));
  });
});
