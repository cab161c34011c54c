import { memoryStore } from '@troupe/core';
import { expect, test } from 'vitest';
import { lead, openOffice, settle } from './office.ts';

const ends = [
  ['completed', 'count'],
  ['failed', 'fail now'],
  ['cancelled', 'hang on'],
] as const;

test.each(ends)(
  '[SB-049, B-42] that a run has %s is told first, then whoever waits is given it',
  async (state, task) => {
    const { manager } = openOffice();
    const seen: string[] = [];
    manager.events$.subscribe(({ type }) => seen.push(type));
    const { agentId } = await manager.spawn({ task, requester: { channel: null } });
    const waited = manager
      .collect({ agentId, timeoutMs: 5_000 })
      .then(([result]) => seen.push(`given: ${result?.state}`));
    await settle();
    await manager.cancel(agentId);
    await waited;
    expect(seen).toEqual(['spawning', 'started', state, `given: ${state}`]);
  },
);

test.each(ends)('[SB-049, B-42] that a run has %s is told first, then it is pushed', async (state, task) => {
  const base = memoryStore();
  const seen: string[] = [];
  const store: typeof base = {
    ...base,
    post: (...letter) => {
      if (JSON.stringify(letter).includes('[Sub-agent')) seen.push('pushed');
      return base.post(...letter);
    },
  };
  const { manager, runtime } = openOffice({ store });
  await (await runtime.session(lead, { sessionKey: 'chat' }).send('hello')).report;
  manager.events$.subscribe(({ type }) => seen.push(type));
  const { agentId } = await manager.spawn({ task, scope: 'chat' });
  await settle();
  await manager.cancel(agentId);
  await settle();
  expect(seen).toEqual(['spawning', 'started', state, 'pushed']);
});
