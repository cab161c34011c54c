/** What several processes on one store owe each other. */
import { defineAgent, defineTool } from '@troupe/core';
import type { Receipt } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { guardedTool } from '../control/tools.ts';
import { severalProcesses } from './several.ts';

const clerk = defineAgent({ name: 'clerk', instructions: '' });

describe('a letter', () => {
  test('that is left while the last run of its session ends elsewhere is delivered all the same [F-14]', async () => {
    const { boot, base, pass } = severalProcesses();
    const answer = Promise.withResolvers<string>();
    const one = boot(() => answer.promise, { agents: [clerk] });
    const other = boot(() => 'Well.', { agents: [clerk] });
    const run = await one.runtime.session(clerk, { sessionKey: 'k' }).send('go', { runId: 'r' });
    const there = other.runtime.session(clerk, { sessionKey: 'k' });
    await pass(200, 3);
    // given a letter that waits for the run elsewhere, which has ended before anybody there has looked
    await there.deliver({ id: 'a', text: 'Hello.' });
    await settle();
    answer.resolve('Done.');
    await settle();
    expect((await run.ended).status).toBe('completed');
    // then whoever has left it begins a run
    await pass(1_000, 5);
    expect(base.sessionInbox('k')).toEqual([]);
    const [newest] = base.list({ sentTo: 'k' }) as { runId: string; status: string }[];
    expect(newest).toMatchObject({ runId: 'wake_a', status: 'completed' });
  });
});

describe('a command', () => {
  test('to a run whose process has died arrives, however much others store meanwhile [HM-104]', async () => {
    const { boot, pass } = severalProcesses();
    const one = boot(() => ({ hang: true }), { agents: [clerk] });
    const other = boot(() => 'Well.', { agents: [clerk] });
    one.runtime.start(clerk, 'go', { runId: 'r' });
    await settle();
    const run = await other.runtime.attach('r');
    await pass(200, 3);
    one.mortal.die();
    let receipt: Receipt | undefined;
    void run.steer('hello').then((given) => {
      receipt = given;
    });
    const third = boot(() => 'Well.', { agents: [clerk] });
    for (let second = 0; second < 60 && !receipt; second++) {
      third.runtime.start(clerk, 'other', { runId: `other ${second}` });
      await pass(200, 5);
    }
    expect(receipt).toMatchObject({ status: expect.stringMatching(/accepted|deferred/) });
  });
});

describe('a lease', () => {
  test('of runs that begin after a long rest is theirs, however slow the first renewal is', async () => {
    const { boot, clock, pass } = severalProcesses();
    let isSlow = false;
    const { runtime } = boot(
      () => ({ hang: true }),
      { agents: [clerk] },
      (store) => ({
        renew: (owner, options) => {
          if (!isSlow) return store.renew(owner, options);
          return new Promise<void>((resolve) => clock.setTimeout(() => resolve(store.renew(owner, options)), 12_000));
        },
      }),
    );
    const first = runtime.start(clerk, 'go');
    await pass(1_000, 5);
    await first.interrupt();
    await pass(1_000, 3_600);
    isSlow = true;
    const second = runtime.start(clerk, 'go');
    let ended: unknown;
    second.ended.then(
      (report) => (ended = report),
      (error: unknown) => (ended = error),
    );
    await pass(1_000, 25);
    expect(ended).toBeUndefined();
    expect(second.status).toBe('running');
  });

  test('that is never renewed runs out: who works stops before others go on [L7]', async () => {
    const { boot, pass } = severalProcesses();
    const stopped: string[] = [];
    const workers = (who: string) =>
      defineAgent({
        name: 'worker',
        instructions: '',
        tools: [
          defineTool({
            name: 'work',
            description: 'Works.',
            idempotent: true,
            inputSchema: z.object({}),
            execute: (_input, { signal }) =>
              new Promise<string>((resolve) =>
                signal.addEventListener('abort', () => {
                  stopped.push(who);
                  resolve('stopped');
                }),
              ),
          }),
        ],
      });
    const script = () => ({ calls: [{ name: 'work', arguments: {} }] });
    const before = boot(script, { agents: [workers('before')] });
    before.runtime.start(workers('before'), 'go', { runId: 'r' });
    await settle();
    await before.runtime.close({ runs: 'suspend' });
    stopped.length = 0;
    const one = boot(script, { agents: [workers('one')] }, () => ({ renew: () => new Promise<void>(() => {}) }));
    await one.runtime.recover();
    await pass(1_000, 45);
    expect(stopped).toEqual(['one']);
  });
});

test('what could not be given back is not taken from a run that is brought back meanwhile [L7]', async () => {
  const { boot, base, clock, pass } = severalProcesses();
  const { tool: ask } = guardedTool('ask');
  const asker = defineAgent({ name: 'asker', instructions: '', tools: [ask] });
  const script = ({ messages }: { messages: readonly { role: string }[] }) =>
    messages.some(({ role }) => role === 'tool') ? 'Done.' : { calls: [{ name: 'ask', arguments: {} }] };
  const before = boot(script, { agents: [asker] });
  before.runtime.start(asker, 'go', { runId: 'r' });
  await settle();
  await before.runtime.close({ runs: 'suspend' });
  // given a store that fails once when the run is read, and once when its claim is given back
  const broken = new Set(['checkpoint', 'release']);
  let gate = Promise.resolve();
  const one = boot(script, { agents: [asker] }, (store) => ({
    checkpoint: async (runId) => {
      await gate;
      if (broken.delete('checkpoint')) throw new Error('no disk');
      return store.checkpoint(runId);
    },
    release: async (owner, runIds) => {
      if (runIds && broken.delete('release')) throw new Error('no disk');
      return store.release(owner, runIds);
    },
  }));
  broken.delete('checkpoint');
  const run = await one.runtime.attach('r');
  broken.add('checkpoint');
  const [question] = run.questions;
  expect(await run.answer(question?.id ?? '', true)).toMatchObject({ status: 'rejected' });
  await settle();
  // when it is brought back again, and that takes longer than the claim is to be given back after
  const opened = Promise.withResolvers<void>();
  gate = opened.promise;
  const answered = run.answer(question?.id ?? '', true);
  await settle();
  clock.increment(1_000);
  await settle();
  opened.resolve();
  expect(await answered).toMatchObject({ status: 'accepted' });
  await pass(200, 20);
  expect(base.get('r')).toMatchObject({ status: 'completed' });
});
