/** A program and its worker, killed after each of their commits: whoever comes after them brings the tree to the same end. */
import { defineAgent } from '@troupe/core';
import { isEnded, isTerminal, type Question } from '@troupe/protocol';
import type { Death, Script } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { calling, guardedTool } from '../control/tools.ts';
import { delegating, handingOver, openFleet } from './fleet.ts';

const scene = (onPaused: 'bubble' | 'error') => {
  const { tool, ran } = guardedTool();
  const leaf = defineAgent({ name: 'leaf', instructions: '' });
  const asker = defineAgent({ name: 'asker', instructions: '', tools: [{ ...tool, idempotent: true }] });
  const middle = defineAgent({
    name: 'middle',
    instructions: '',
    tools: [delegating((job) => (job === 'y' ? asker : leaf), { onPaused })],
  });
  const top = defineAgent({ name: 'top', instructions: '', tools: [delegating(middle)] });
  const script: Script = (request, context) =>
    context.agent === 'asker' && !request.messages.some(({ role }) => role === 'tool')
      ? calling('erase')
      : context.agent === 'asker'
        ? 'erased'
        : handingOver(request, context);
  return { agents: [top, middle, leaf, asker], top, script, ran };
};

/** Plays the scene while one of the two dies, and says how it ended. */
const play = async (who: 'program' | 'worker' | undefined, onPaused: 'bubble' | 'error', death?: Death) => {
  const { agents, top, script } = scene(onPaused);
  const { boot, serve, engine, base, clock, check, pass, statusOf } = openFleet(agents);
  let program = boot(script, {}, who === 'program' ? death : undefined);
  let worker = await serve('w0', script, { concurrency: 2, ...(who === 'worker' && death && { death }) });
  program.runtime.start(top, 'x y', { runId: 'root' });
  let commits = 0;
  for (let round = 0, lives = 1; round < 60 && !isEnded(statusOf('root') ?? 'running'); round++) {
    await settle(30);
    commits = Math.max(commits, (who === 'worker' ? worker : program).mortal.commits);
    if (worker.mortal.dead) {
      engine.lose(`w${lives - 1}`);
      worker = await serve(`w${lives++}`, script, { concurrency: 2 });
    }
    if (program.mortal.dead) {
      await pass(4);
      program = boot(script);
      if (base.get('root')) await program.runtime.recover();
      else program.runtime.start(top, 'x y', { runId: 'root' });
    }
    for (const { id } of await asked(program)) void program.runtime.answer(id, true);
    clock.increment(5_000);
  }
  const events = check('root', { open: onPaused === 'error' });
  // One that was let go may be answered at last, and end after it.
  const text = events.findLast(({ type, runId }) => type === 'run.completed' && runId === 'root');
  return { events, text, commits };
};
type Booted = ReturnType<ReturnType<typeof openFleet>['boot']>;
const asked = async ({ runtime, mortal }: Booted): Promise<readonly Question[]> => {
  if (mortal.dead || !(await mortal.store.get('root'))) return [];
  return (await runtime.attach('root')).questions;
};

describe.each([
  ['waits for a person', 'bubble', /^x!!, erased!!$/],
  // Whoever hears of the question only when it is answered has let nobody go.
  ['lets go who waits for a person', 'error', /^x!!, (paused: question|erased)!!$/],
] as const)('a tree on several processes that %s comes to the same end', (_what, onPaused, said) => {
  test('undisturbed', async () => {
    expect((await play(undefined, onPaused)).text).toMatchObject({ runId: 'root', text: expect.stringMatching(said) });
  });

  describe.each(['program', 'worker'] as const)('when its %s is killed', (who) => {
    test.each(['heard', 'unheard'] as const)('after each of its commits (%s)', async (as) => {
      const { commits } = await play(who, onPaused, { afterCommit: 10_000, as });
      expect(commits).toBeGreaterThan(5);
      for (let afterCommit = 1; afterCommit <= commits; afterCommit++) {
        const { events, text } = await play(who, onPaused, { afterCommit, as });
        expect(text, `${who} killed after commit ${afterCommit}`).toMatchObject({
          runId: 'root',
          text: expect.stringMatching(said),
        });
        const ends = events.filter(isTerminal).map(({ runId }) => runId);
        expect(new Set(ends).size).toBe(ends.length);
      }
    });
  });
});
