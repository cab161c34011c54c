import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import type { Budget, RunEvent } from '@troupe/protocol';
import { checkRunLaws, scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { calling, delegating, gatedTool, ofType, plain } from './tools.ts';

const clerk = (budget: Budget, tools = [plain('look')]) =>
  defineAgent({ name: 'clerk', instructions: 'Work.', tools, budget });
/** A runtime whose model waits until it is told what to say. */
const talking = (options: Partial<Parameters<typeof openRuntime>[0]> = {}) => {
  const waiting: ((turn: object | string) => void)[] = [];
  const provider = scriptedProvider(() => new Promise((resolve) => waiting.push(resolve)));
  const opened = openRuntime({ provider, ...options });
  const say = async (turn: object | string) => {
    await settle();
    waiting.shift()?.(turn);
    await settle();
  };
  return { ...opened, provider, say };
};

describe('raising a limit', () => {
  test('lets a run go on that would have ended, is told and stored, and is warned of again', async () => {
    const { runtime, events, say } = talking();
    const run = runtime.start(clerk({ turns: 2, warnAt: 0.5 }), 'go');
    await say(calling('look'));
    // its last turn: it was told so, and warned of it
    expect(await run.raise({ turns: 4 })).toEqual({ status: 'accepted' });
    await say(calling('look'));
    await say(calling('look'));
    await say(calling('look'));
    expect(await run.ended).toMatchObject({ status: 'failed', exitReason: 'max_turns', usage: { turns: 4 } });
    expect(ofType(events, 'budget.raised')).toMatchObject([{ budget: { turns: 4 }, by: 'user' }]);
    expect(ofType(events, 'budget.warned').map(({ kind, limit }) => [kind, limit])).toEqual([
      ['turns', 2],
      ['turns', 4],
    ]);
  });

  test('gives a tree more of a pool at its top, for children that start from then on [L4]', async () => {
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
    const lead = defineAgent({
      name: 'lead',
      instructions: 'Lead.',
      tools: [delegating(leaf)],
      budget: { tokens: 1_000, descendants: 1 },
    });
    const { runtime, events, say } = talking();
    const run = runtime.start(lead, 'go');
    await say(calling('ask_leaf'));
    const child = run.child(`${run.id}/1-0/0`);
    // what a child has of it is carved from what its parent has
    for (const budget of [{ tokens: 5_000 }, { depth: 9 }] as Budget[])
      expect(await child.raise(budget)).toMatchObject({
        status: 'rejected',
        reason: expect.stringContaining(`raise it at the top, run "${run.id}"`),
      });
    expect(await child.raise({ turns: 30 })).toEqual({ status: 'accepted' });
    expect(await run.raise({ tokens: 5_000, descendants: 2 })).toEqual({ status: 'accepted' });
    await say('Leaf done.');
    await say(calling('ask_leaf'));
    await say('Leaf done again.');
    await say('Done.');
    expect(await run.ended).toMatchObject({ status: 'completed', children: [{}, {}] });
    expect(ofType(events, 'child.refused')).toEqual([]);
  });

  test('starts children that wait for a slot', async () => {
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
    const lead = defineAgent({
      name: 'lead',
      instructions: 'Lead.',
      tools: [delegating(leaf, { count: 3 })],
      budget: { concurrency: 1 },
    });
    const { runtime, provider, say } = talking();
    const run = runtime.start(lead, 'go');
    await say(calling('ask_leaf'));
    expect(provider.requests).toHaveLength(2);
    expect(await run.raise({ concurrency: 2 })).toEqual({ status: 'accepted' });
    await settle();
    expect(provider.requests).toHaveLength(3);
    for (const text of ['a', 'b', 'c', 'Done.']) await say(text);
    expect(await run.ended).toMatchObject({ status: 'completed' });
  });

  test.each([
    ['activeMs', { activeMs: 1_000 }, { activeMs: 5_000 }],
    ['deadlineMs', { deadlineMs: 1_000 }, { deadlineMs: 5_000 }],
    ['idleMs', { idleMs: 1_000 }, { idleMs: 5_000 }],
  ] as [string, Budget, Budget][])('of time moves its alarm: %s', async (_kind, budget, more) => {
    const simulated = new SimulatedClock();
    const clock = Object.assign(simulated, { now: () => (simulated as any)._now as number });
    const { runtime } = talking({ clock });
    const run = runtime.start(clerk(budget), 'go');
    await settle();
    clock.increment(500);
    expect(await run.raise(more)).toEqual({ status: 'accepted' });
    clock.increment(4_000);
    await settle();
    expect(run.status).toBe('running');
    clock.increment(2_000);
    expect(await run.ended).toMatchObject({ status: 'failed', usage: { activeMs: expect.any(Number) } });
  });

  test.each([
    ['a lower one', { turns: 1 }, 'is 3 already'],
    ['the same', { turns: 3 }, 'is 3 already'],
    ['one that there is not', { tokens: 10 }, 'is not limited'],
    ['an earlier deadline', { deadlineMs: 5 }, 'no later than it does now'],
    ['none', {}, 'no limit was given'],
  ] as [string, Budget, string][])('is refused for %s, and says why', async (_what, budget, reason) => {
    const { runtime, events, say } = talking();
    const run = runtime.start(clerk({ turns: 3, deadlineMs: 60_000 }), 'go');
    await settle();
    expect(await run.raise(budget)).toEqual({ status: 'rejected', reason: expect.stringContaining(reason) });
    await say('Done.');
    expect(await run.raise({ turns: 9 })).toEqual({ status: 'rejected', reason: 'the run has ended: completed' });
    expect(ofType(events, 'budget.raised')).toEqual([]);
  });

  test('leaves a limit as it is that is given as undefined [L4]', async () => {
    const { runtime, events } = talking();
    const run = runtime.start(clerk({ turns: 2, tokens: 100 }), 'go');
    await settle();
    expect(await run.raise({ turns: undefined, tokens: 1_000 })).toEqual({ status: 'accepted' });
    // it is limited still, so it can be raised
    expect(await run.raise({ turns: 3 })).toEqual({ status: 'accepted' });
    expect(await run.raise({ turns: undefined })).toMatchObject({
      status: 'rejected',
      reason: expect.stringContaining('no limit was given'),
    });
    expect(ofType(events, 'budget.raised').map(({ budget }) => budget)).toEqual([{ tokens: 1_000 }, { turns: 3 }]);
    await run.interrupt();
  });

  test('rejects what is no budget', async () => {
    const { runtime, say } = talking();
    const run = runtime.start(clerk({ turns: 3 }), 'go');
    for (const none of [null, undefined])
      await expect(run.raise(none as never)).rejects.toMatchObject({ code: 'budget.invalid' });
    await expect(run.raise({ turns: -1 })).rejects.toMatchObject({ code: 'budget.invalid' });
    await expect(run.can({ type: 'raise', budget: { turns: 0.5 } })).rejects.toMatchObject({ code: 'budget.invalid' });
    await say('Done.');
  });

  test('is replayed and forked with the rest, and a restart keeps it', async () => {
    const store = Object.assign(memoryStore(), { lasting: true });
    const first = talking({ store, open: true });
    const run = first.runtime.start(clerk({ turns: 2, deadlineMs: 60_000 }), 'go');
    await first.say(calling('look'));
    await run.raise({ turns: 3, deadlineMs: 90_000 });
    await settle();
    expect((await first.runtime.replay(run.id)).snapshot.context.run.allowance.limits.turns).toBe(3);
    const [raised] = ofType(first.events, 'budget.raised');
    await first.runtime.close({ runs: 'suspend' });
    // What it tells begins in the middle of a run: the whole is checked below.
    const provider = scriptedProvider(() => calling('look'));
    const agents = [clerk({ turns: 2, deadlineMs: 60_000 })];
    const runtime = createRuntime({ provider, model: 'test-model', store, agents });
    onTestFinished(() => runtime.close());
    const fork = await runtime.fork(run.id, { at: raised!.id });
    const { recovered } = await runtime.recover();
    const there = recovered.find(({ id }) => id === run.id);
    expect(await there?.ended).toMatchObject({ exitReason: 'max_turns', usage: { turns: 3 } });
    expect(await fork.ended).toMatchObject({ exitReason: 'max_turns', usage: { turns: 3 } });
    for (const rootId of [run.id, fork.id])
      expect(checkRunLaws([...(store.events({ rootId }) as Iterable<RunEvent>)])).toEqual([]);
  });
});

describe('run.can', () => {
  test('says what a command would come to, and does nothing', async () => {
    const gate = gatedTool('slow');
    const { runtime, say, events } = talking();
    const run = runtime.start(clerk({ turns: 3 }, [gate.tool]), 'go');
    await settle();
    expect(await run.can({ type: 'steer', text: 'x' })).toEqual({ status: 'deferred', until: 'turn.completed' });
    expect(await run.can({ type: 'raise', budget: { turns: 9 } })).toEqual({ status: 'accepted' });
    expect(await run.can({ type: 'resume' })).toEqual({ status: 'rejected', reason: 'the run is not paused' });
    expect(await run.can({ type: 'interrupt' })).toEqual({ status: 'accepted' });
    expect(await run.can({ type: 'answer', questionId: `${run.id}/1-0?`, answer: true })).toMatchObject({
      status: 'rejected',
      reason: expect.stringContaining('no open question'),
    });
    expect(await run.can({ type: 'answer', questionId: 'other/1-0?', answer: true })).toMatchObject({
      status: 'rejected',
      reason: expect.stringContaining('is not asked below'),
    });
    await say(calling('slow'));
    expect(await run.can({ type: 'steer', text: 'x' })).toEqual({ status: 'deferred', until: 'call.settled' });
    gate.open[0]!.finish();
    await say('Done.');
    expect(await run.can({ type: 'pause' })).toEqual({ status: 'rejected', reason: 'the run has ended: completed' });
    expect(ofType(events, 'run.steered')).toEqual([]);
  });

  test('says before what the command says after, at any moment of a run, here and of what is stored', async () => {
    const asks = fc.constantFrom(
      { type: 'pause' } as const,
      { type: 'resume' } as const,
      { type: 'steer', text: 'x' } as const,
      { type: 'raise', budget: { turns: 50 } } as const,
      { type: 'pauseSpawning' } as const,
      { type: 'resumeSpawning' } as const,
    );
    await fc.assert(
      fc.asyncProperty(fc.array(asks, { maxLength: 6 }), async (list) => {
        const store = memoryStore();
        const { runtime, say } = talking({ store });
        const agent = clerk({ turns: 9 });
        const run = runtime.start(agent, 'go');
        const reader = openRuntime({ provider: scriptedProvider([]), store, agents: [agent] }).runtime;
        await settle();
        for (const ask of list) {
          const there = await reader.attach(run.id);
          const before = await run.can(ask);
          expect(await there.can(ask)).toEqual(before);
          const { type } = ask;
          const after =
            type === 'steer'
              ? await run.steer('x')
              : type === 'raise'
                ? await run.raise(ask.budget)
                : await run[type]();
          expect(after).toEqual(before);
          await settle(4);
        }
        await run.resume();
        while (run.status !== 'completed') await say('Done.');
        expect(await (await reader.attach(run.id)).can({ type: 'pause' })).toEqual({
          status: 'rejected',
          reason: 'the run has ended: completed',
        });
      }),
      { numRuns: 25 },
    );
  });

  test('says that nobody here could carry it out', async () => {
    const store = Object.assign(memoryStore(), { lasting: true });
    const first = talking({ store, open: true });
    const run = first.runtime.start(clerk({ turns: 3 }), 'go');
    await settle();
    await first.runtime.close({ runs: 'suspend' });
    const { runtime } = openRuntime({ provider: scriptedProvider([]), store });
    const there = await runtime.attach(run.id);
    expect(await there.can({ type: 'pause' })).toMatchObject({
      status: 'rejected',
      reason: expect.stringContaining('is of agent "clerk", which is not known here'),
    });
    await runtime.close();
    expect(await there.can({ type: 'pause' })).toEqual({ status: 'rejected', reason: 'the runtime is closed' });
  });
});
