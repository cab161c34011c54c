import type { Activation } from '@troupe/protocol';
import { placementContract } from '@troupe/testing/contracts';
import { describe, expect, test, vi } from 'vitest';
import { SimulatedClock } from 'xstate';
import { inlinePlacement } from '../../src/index.ts';

const silent = { warn() {}, error() {} };
placementContract('inlinePlacement', ({ clock }) => inlinePlacement({ clock, logger: silent }));

const serving = { queues: ['q'], concurrency: 1, workerId: 'w' };
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('inlinePlacement', () => {
  test('says which run was rejected by whom, and asks again after 1, 2, 4 … 30 s', async () => {
    const clock = new SimulatedClock();
    const said: string[] = [];
    const placement = inlinePlacement({ clock, logger: { ...silent, error: (message) => said.push(message) } });
    const at: number[] = [];
    const run = async (): Promise<Activation> => {
      at.push(clock.now());
      throw new Error('the store is away');
    };
    await placement.serve({ run }, serving);
    await placement.dispatch({ runId: 'r', queue: 'q' });
    for (let second = 0; second < 100; second++) {
      await settled();
      clock.increment(1_000);
    }
    const pauses = at.slice(1).map((moment, i) => moment - (at[i] ?? 0));
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(said[0]).toBe('Run "r" could not be executed by worker "w", and is tried again: the store is away');
    await placement.close();
  });

  test('begins anew with the pauses once a run was executed', async () => {
    const clock = new SimulatedClock();
    const placement = inlinePlacement({ clock, logger: silent });
    const at: number[] = [];
    const run = async (): Promise<Activation> => {
      at.push(clock.now());
      if (at.length !== 3) throw new Error('the store is away');
      return 'idle';
    };
    await placement.serve({ run }, serving);
    for (let second = 0; second < 20; second++) {
      if (second % 10 === 0) await placement.dispatch({ runId: 'r', queue: 'q' });
      await settled();
      clock.increment(1_000);
    }
    expect(at.slice(0, 5)).toEqual([0, 1_000, 3_000, 10_000, 11_000]);
    await placement.close();
  });

  test('minds no logger that throws', async () => {
    const clock = new SimulatedClock();
    const run = vi.fn<() => Promise<Activation>>(async () => {
      throw new Error('the store is away');
    });
    const error = () => {
      throw new Error('the disk is full');
    };
    const placement = inlinePlacement({ clock, logger: { ...silent, error } });
    await placement.serve({ run }, serving);
    await placement.dispatch({ runId: 'r', queue: 'q' });
    await settled();
    clock.increment(1_000);
    await settled();
    expect(run).toHaveBeenCalledTimes(2);
    await placement.close();
  });

  test('hands a run to the server that has least to do', async () => {
    const placement = inlinePlacement({ clock: new SimulatedClock() });
    const seen: string[] = [];
    const run = (_runId: string, { workerId }: { workerId: string }) => {
      seen.push(workerId);
      return new Promise<Activation>(() => {});
    };
    for (const workerId of ['a', 'b']) await placement.serve({ run }, { ...serving, concurrency: 2, workerId });
    for (const runId of ['1', '2', '3', '4']) await placement.dispatch({ runId, queue: 'q' });
    await settled();
    expect(seen).toEqual(['a', 'b', 'a', 'b']);
    await placement.close();
  });

  test('waits for a moment that is further away than a timer can be set', async () => {
    const set = vi.fn<(callback: () => void, ms: number) => number>(() => 1);
    const placement = inlinePlacement({ clock: { now: () => 0, setTimeout: set, clearTimeout() {} } });
    await placement.dispatch({ runId: 'r', queue: 'q', notBefore: 2 ** 40 });
    await settled();
    expect(set.mock.calls.map(([, ms]) => ms)).toEqual([2 ** 31 - 1]);
    await placement.close();
  });
});
