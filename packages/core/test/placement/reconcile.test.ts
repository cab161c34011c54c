import type { Script } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { leaseMs } from '../recovery/processes.ts';
import { gated, lead, openFleet } from './fleet.ts';

/** Processes that share an engine, or have one each, and how often each of them has looked for what was lost. */
const openLookers = (engineId?: string) => {
  const fleet = openFleet();
  const placement = {
    ...fleet.engine.placement,
    caps: { maxDetectMs: 0, ...(engineId !== undefined && { engine: engineId }) },
  };
  const looking = async (workerId: string, script?: Script) => {
    const process = fleet.boot(script, { placement });
    let looks = 0;
    const { list } = process.mortal.store;
    process.mortal.store.list = (filter) => {
      looks += 1;
      return list(filter);
    };
    const server = await process.runtime.serve({ workerId, concurrency: 4 });
    await settle();
    /** Looks since it was last asked. */
    const taken = (): number => {
      const before = looks;
      looks = 0;
      return before;
    };
    return { ...process, server, taken };
  };
  const minute = async () => {
    for (let i = 0; i < 4; i++) {
      fleet.clock.increment(15_000);
      await settle(20);
    }
  };
  return { ...fleet, placement, looking, minute };
};

describe('what an engine has lost is looked for [I6]', () => {
  test('by each process once when it begins, and from then on by one of those that share it', async () => {
    const { looking, minute } = openLookers('ours');
    const [one, two, three] = [await looking('w1'), await looking('w2'), await looking('w3')];
    expect([one.taken(), two.taken(), three.taken()]).toEqual([1, 1, 1]);
    await minute();
    expect([one.taken(), two.taken(), three.taken()]).toEqual([4, 0, 0]);
    await one.runtime.close();
    await minute();
    expect(new Set([two.taken(), three.taken()])).toEqual(new Set([0, 4]));
  });

  test('by another one when that one is killed, within a minute', async () => {
    const { looking, minute, engine, boot, check } = openLookers('ours');
    const [one, two] = [await looking('w1'), await looking('w2')];
    const { runtime } = boot();
    one.mortal.die();
    engine.lose('w1');
    engine.forget();
    const run = runtime.start(lead, 'a', { runId: 'root' });
    await settle(50);
    engine.forget(false);
    two.taken();
    await minute();
    expect(two.taken()).toBeGreaterThan(0);
    await expect(run.report).resolves.toMatchObject({ status: 'completed' });
    check('root');
  });

  test('by every process whose engine is its own', async () => {
    const { looking, minute } = openLookers();
    const [one, two] = [await looking('w1'), await looking('w2')];
    await minute();
    expect([one.taken(), two.taken()]).toEqual([5, 5]);
  });

  test('by the same process as long as that lives, and no lease is longer for it, or shorter', async () => {
    const { looking, minute, base, boot, clock, placement } = openLookers('ours');
    const { script } = gated();
    const { runtime } = boot(script, { placement });
    const [one, two] = [await looking('w1', script), await looking('w2')];
    runtime.start(lead, 'a', { runId: 'root' });
    await settle(100);
    two.taken();
    for (let i = 0; i < 4; i++) await minute();
    expect(two.taken()).toBe(0);
    // when it is killed just after it has looked
    expect(base.holder('root/1-0/0')).not.toBeNull();
    one.mortal.die();
    clock.increment(leaseMs);
    expect(base.holder('root/1-0/0')).toBeNull();
  });

  test('some hundred rows at a time, however many there are', async () => {
    const { looking, base, boot, engine, check } = openLookers('ours');
    engine.forget();
    const { runtime } = boot();
    const jobs = Array.from({ length: 1_100 }, (_, i) => `j${i}`);
    const run = runtime.start(lead, jobs.join(' '), { runId: 'root' });
    await settle(50);
    expect([...(base.list({ limit: 2_000 }) as Iterable<unknown>)]).toHaveLength(1_101);
    engine.forget(false);
    const worker = await looking('w1');
    expect(worker.taken()).toBeGreaterThanOrEqual(3);
    await settle(3_000);
    await expect(run.report).resolves.toMatchObject({ status: 'completed' });
    check('root');
  });
});
