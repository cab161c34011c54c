/** What `send` says, and when. */
import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import type { RunRow, RunStore } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { watch } from '../recovery/processes.ts';
import { silent } from '../recovery/program.ts';

const friend = defineAgent({ name: 'friend', instructions: 'Be kind.' });
type Store = ReturnType<typeof memoryStore>;
const boot = (base: Store, change: Partial<RunStore> = {}) => {
  const store = { ...base, lasting: true, changes: () => () => {}, ...change };
  const runtime = createRuntime({ provider: scriptedProvider(() => 'well'), model: 'm', store, logger: silent });
  return { runtime, session: runtime.session(friend, { sessionKey: 'k' }) };
};

describe('what a session is sent', () => {
  test('as its runtime is closed, and is refused, was not sent [F-14]', async () => {
    const base = memoryStore();
    const stored = Promise.withResolvers<void>();
    const here = boot(base, {
      async commit(steps) {
        await stored.promise;
        return base.commit(steps);
      },
    });
    const there = boot(base);
    const sent = watch(here.session.send('second'));
    await settle(50);
    await (await there.session.send('first')).ended;
    const closed = here.runtime.close();
    await settle(50);
    expect(sent.state).toBe('pending');
    stored.resolve();
    await closed;
    await settle(50);
    expect(sent.error).toMatchObject({ code: 'runtime.closed' });
    expect((base.list({ sentTo: 'k' }) as RunRow[]).map(({ job }) => job.input)).toEqual(['first']);
    await there.runtime.close();
  });

  test('under an id that somebody has claimed and not written is refused, once [BG-055]', async () => {
    const base = memoryStore();
    await base.claim('r', 'somebody', { leaseMs: 1e9 });
    let commits = 0;
    const { runtime, session } = boot(base, {
      commit(steps) {
        commits += 1;
        return base.commit(steps);
      },
    });
    await expect(session.send('hi', { runId: 'r' })).rejects.toMatchObject({ code: 'run.exists', runId: 'r' });
    expect(commits).toBe(1);
    await runtime.close();
  });

  test('interrupts where its signal is aborted before it is stored', async () => {
    const base = memoryStore();
    const stored = Promise.withResolvers<void>();
    const { runtime, session } = boot(base, {
      async commit(steps) {
        await stored.promise;
        return base.commit(steps);
      },
    });
    const abort = new AbortController();
    const sent = watch(session.send('hi', { signal: abort.signal }));
    await settle(50);
    abort.abort('Enough.');
    expect(sent.state).toBe('pending');
    stored.resolve();
    await settle(50);
    expect(await sent.value?.ended).toMatchObject({ status: 'interrupted' });
    await runtime.close();
  });
});
