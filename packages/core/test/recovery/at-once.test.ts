/** Very many runs that wait are brought back side by side: while one waits for its store the others go on. */
import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import { FaultError } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { guardedTool } from '../control/tools.ts';
import { silent } from './program.ts';

const { tool: ask } = guardedTool('ask');
const clerk = defineAgent({ name: 'clerk', instructions: 'Ask.', tools: [ask] });

/** Forty runs that wait for a person and five that a session was sent, all left by a process that is gone; and the claims on them. */
const left = async (isLost: (rootId: string) => boolean = () => false) => {
  const store = { ...memoryStore(), lasting: true };
  const provider = scriptedProvider(({ messages }) =>
    messages.at(-1)?.role === 'tool' ? 'Done.' : { calls: [{ name: 'ask', arguments: {} }] },
  );
  const open = (given = store) =>
    createRuntime({ provider, model: 'm', store: given, agents: [clerk], leaseMs: 0, logger: silent });
  const before = open();
  for (let i = 10; i < 50; i++) await before.start(clerk, 'go', { runId: `r${i}` }).report;
  const session = before.session(clerk, { sessionKey: 's' });
  for (let i = 1; i <= 5; i++) await session.send('go', { runId: `s${i}` });
  await settle();
  await before.close({ runs: 'suspend' });
  const claims: { runId: string; go(): void; fail(): void }[] = [];
  const claim: typeof store.claim = async (runId, owner, options) => {
    await new Promise<void>((go, reject) =>
      claims.push({ runId, go, fail: () => reject(new FaultError('store.unavailable', 'no disk')) }),
    );
    return store.claim(runId, owner, options);
  };
  const list: typeof store.list = (filter) => {
    if (filter?.rootId !== undefined && isLost(filter.rootId)) throw new FaultError('store.unavailable', 'no disk');
    return store.list(filter);
  };
  return { runtime: open({ ...store, claim, list }), claims };
};

describe('recover()', () => {
  test('brings many trees back at once, those of a session one after another, and tells of them in their order [L7]', async () => {
    const { runtime, claims } = await left();
    const recovering = runtime.recover();
    await settle();
    expect(claims).toHaveLength(32);
    const seen: string[] = [];
    let most = 0;
    while (seen.length < 45) {
      most = Math.max(most, claims.length);
      expect(claims.filter(({ runId }) => runId.startsWith('s')).length).toBeLessThanOrEqual(1);
      // the last that came is answered first
      const { runId, go } = claims.pop() ?? { runId: 'nobody', go() {} };
      seen.push(runId);
      go();
      await settle();
    }
    expect(most).toBe(32);
    const { recovered, skipped } = await recovering;
    expect(skipped).toEqual([]);
    const ids = recovered.map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted());
    expect(ids).toHaveLength(45);
    expect(seen.filter((runId) => runId.startsWith('s'))).toEqual(['s1', 's2', 's3', 's4', 's5']);
    await runtime.close({ runs: 'suspend' });
  });

  test('says which could not be brought back, and brings all others [L7]', async () => {
    const { runtime, claims } = await left();
    const recovering = runtime.recover();
    await settle();
    for (let n = 0; n < 45; n++) {
      const next = claims.shift();
      if (next?.runId === 'r17') next.fail();
      else next?.go();
      await settle();
    }
    const { recovered, skipped } = await recovering;
    expect(skipped).toEqual([{ runId: 'r17', reason: 'no disk' }]);
    expect(recovered).toHaveLength(44);
    await runtime.close({ runs: 'suspend' });
  });

  test('begins with no other once its runtime is closed [L7]', async () => {
    const { runtime, claims } = await left();
    const recovering = runtime.recover();
    await settle();
    const closing = runtime.close({ runs: 'suspend' });
    for (const { go } of claims.splice(0)) go();
    await settle();
    await closing;
    const { recovered, skipped } = await recovering;
    expect(recovered).toEqual([]);
    expect(skipped.every(({ reason }) => reason.includes('runtime is closed'))).toBe(true);
    expect(claims).toEqual([]);
  });

  test('rejects where the store cannot be read, and begins with no other', async () => {
    const { runtime, claims } = await left((rootId) => rootId === 'r40');
    const recovering = runtime.recover().catch((error: unknown) => error);
    await settle();
    const begun = claims.length;
    for (const { go } of claims.splice(0)) go();
    await settle();
    expect(await recovering).toMatchObject({ message: 'no disk' });
    expect(begun).toBeLessThan(45);
    const last = claims.length;
    for (const { go } of claims.splice(0)) go();
    await settle();
    expect([last < 32, claims]).toEqual([true, []]);
    await runtime.close({ runs: 'suspend' });
  });
});
