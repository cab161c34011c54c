import { defineAgent, defineTool, memoryStore, spawned } from '@troupe/core';
import type { Checkpoint, ReadEvent, RunRow, RunStore } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { replayOf } from '../../src/replay/replays.ts';
import { standingOf } from '../../src/replay/standing.ts';
import { placeOf } from '../../src/run/checkpoint.ts';
import { numbered } from '../recovery/program.ts';

/** A run with children that stand still until they are told to go on; some ask a person first. */
const wide = (calls: readonly number[], asking: number, concurrency: number | undefined, open = false) => {
  const store = memoryStore();
  const waiting: (() => void)[] = [];
  let asked = 0;
  const risky = defineTool({
    name: 'risky',
    description: '',
    inputSchema: numbered,
    confirm: true,
    execute: ({ n }) => `did ${n}`,
  });
  const leaf = defineAgent({ name: 'leaf', instructions: '', tools: [risky] });
  const spread = defineTool({
    name: 'spread',
    description: '',
    inputSchema: numbered,
    execute: ({ n }) => spawned(Array.from({ length: n }, (_, i) => ({ agent: leaf, job: `part ${i}` }))),
    settle: (reports) => ({ content: reports.map(({ status }) => status).join() }),
  });
  const lead = defineAgent({
    name: 'lead',
    instructions: '',
    tools: [spread],
    budget: { children: 100, ...(concurrency && { concurrency }) },
  });
  const provider = scriptedProvider(async ({ messages }, { agent }) => {
    if (messages.some(({ role }) => role === 'tool')) return 'Done.';
    if (agent === 'lead') return { calls: calls.map((n) => ({ name: 'spread', arguments: { n } })) };
    asked += 1;
    if (asked <= asking) return { calls: [{ name: 'risky', arguments: { n: asked } }] };
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
    });
    return 'Leaf done.';
  });
  const { runtime } = openRuntime({ provider, store, open });
  return { store, runtime, waiting, run: runtime.start(lead, 'Go.', { runId: 'r' }) };
};

const stateOf = ({ value, context }: { value: unknown; context: unknown }): unknown =>
  JSON.parse(JSON.stringify({ value, context }));

/** How many steps behind a stored run its checkpoint is; checks that both come to the same. */
const compare = async (store: RunStore, runId: string): Promise<number> => {
  const [stored, standing] = [(await store.checkpoint(runId)) as Checkpoint, await standingOf(store, runId)];
  const { snapshot, place, steps } = await replayOf(store, (await store.get(runId)) as RunRow);
  expect(standing && stateOf(standing as never)).toEqual(
    stateOf({ value: snapshot.value, context: snapshot.context.run }),
  );
  expect(standing && placeOf(standing)).toEqual(place);
  const { seq, heard } = placeOf(stored);
  const before = steps.findIndex((_, i) => {
    const said = steps.slice(0, i + 1).flatMap((step) => step.said).length;
    const quiet = steps.slice(0, i + 1).findLastIndex((step) => step.said.length > 0);
    return said === seq && i - quiet === heard;
  });
  return steps.length - 1 - before;
};

test('a stored run stands where a replay of it ends, though its checkpoint is older', { timeout: 60_000 }, async () => {
  let mostBehind = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
      fc.nat({ max: 4 }),
      fc.option(fc.integer({ min: 2, max: 6 }), { nil: undefined }),
      fc.infiniteStream(fc.nat()),
      async (calls, asking, concurrency, chance) => {
        const { store, run, waiting } = wide(calls, asking, concurrency);
        for (await settle(2); run.status !== 'completed'; await settle(2)) {
          mostBehind = Math.max(mostBehind, await compare(store, 'r'));
          const [pick = 0] = chance.take(1);
          const [question] = run.questions;
          if (question && (waiting.length === 0 || pick % 2 === 0)) await run.answer(question.id, true);
          else waiting.splice(pick % waiting.length, 1)[0]?.();
        }
        expect((await run.report).text).toBe('Done.');
      },
    ),
    { numRuns: 40 },
  );
  // Or nothing was compared with anything.
  expect(mostBehind).toBeGreaterThan(3);
});

/** A run of twenty children, some of which have ended since its checkpoint was written. */
const behind = async (open = false) => {
  const scene = wide([20], 0, undefined, open);
  for (await settle(2); (await compare(scene.store, 'r')) < 2; await settle(2)) scene.waiting.shift()?.();
  return scene;
};

test('it stands there also where it would be told in other words now, as a later version may', async () => {
  const { store, runtime } = await behind();
  const standing = await standingOf(store, 'r');
  const inOtherWords: RunStore = {
    ...store,
    *events(query) {
      for (const event of store.events(query) as Iterable<ReadEvent>)
        yield event.type === 'child.settled' ? { ...event, exitReason: 'error' } : event;
    },
  };
  expect(await standingOf(inOtherWords, 'r')).toEqual(standing);
  await runtime.close({ graceMs: 0 });
});

test('a run that is suspended leaves a checkpoint that says where it stands', async () => {
  const { store, runtime } = await behind(true);
  await runtime.close({ runs: 'suspend' });
  expect(await compare(store, 'r')).toBe(0);
});
