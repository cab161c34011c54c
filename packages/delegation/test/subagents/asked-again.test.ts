/** Calls that are executed again, as after a crash: what they brought about is found, not done once more. */
import { memoryStore } from '@troupe/core';
import { mortalStore } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openOffice, pass, settle } from './office.ts';

const call = (key: string, callId = 'call_1') => ({ runId: 'r', rootId: 'r', callId, key });

describe('a call that asks a manager again', () => {
  test('is known by its key, whatever id the model gave it [F-12]', async () => {
    const { manager } = openOffice();
    const first = await manager.spawn({ task: 'hang', origin: call('r/1-0') });
    const again = await manager.spawn({ task: 'hang', origin: call('r/1-0', 'call_2') });
    const other = await manager.spawn({ task: 'hang', origin: call('r/2-0') });
    expect(again).toEqual(first);
    expect(other.agentId).not.toBe(first.agentId);
  });

  test('without a key is known by its run and its id [F-12]', async () => {
    const { manager } = openOffice();
    const origin = { runId: 'r', rootId: 'r', callId: 'call_1' };
    const first = await manager.spawn({ task: 'hang', origin });
    expect(await manager.spawn({ task: 'hang', origin })).toEqual(first);
    expect((await manager.spawn({ task: 'hang', origin: { ...origin, callId: 'call_2' } })).agentId).not.toBe(
      first.agentId,
    );
  });

  test('has steered once [F-12]', async () => {
    const office = openOffice();
    const { manager } = office;
    const { agentId } = await manager.spawn({ task: 'hang' });
    await settle();
    const steer = { agentId, message: 'hang lower', origin: call('r/1-0') };
    const first = await manager.steer(steer);
    await pass(office, 2_000);
    expect(first).toMatchObject({ status: 'accepted' });
    expect(await manager.steer(steer)).toEqual(first);
    expect(await manager.steer({ ...steer, origin: call('r/2-0') })).not.toEqual(first);
  });
});

describe('a sub-agent that was being steered when its program died', () => {
  test('does what it was told, however far that had come [F-12, F-13]', async () => {
    for (let afterWrite = 1; ; afterWrite++) {
      const clock = new SimulatedClock();
      const store = { ...memoryStore({ now: () => clock.now() }), lasting: true };
      const first = mortalStore(store, { afterWrite, as: 'unheard' });
      const before = openOffice({ store: first.store, clock, leaseMs: 0 });
      void (async () => {
        const { agentId } = await before.manager.spawn({ task: 'hang' });
        await settle();
        await before.manager.steer({ agentId, message: 'count' });
      })();
      await settle(200);
      if (!first.dead) break;
      const after = openOffice({ store, clock, leaseMs: 0 });
      await after.manager.ready;
      await after.runtime.recover();
      await pass(after, 1_000);
      const { active, recent } = await after.manager.status();
      const runs = await after.runtime.runs.list();
      const steered = runs.some(({ job }) => job.input === 'count');
      expect([afterWrite, active.length, recent.length]).toEqual([
        afterWrite,
        steered ? 0 : runs.length,
        steered ? 1 : 0,
      ]);
    }
  });
});
