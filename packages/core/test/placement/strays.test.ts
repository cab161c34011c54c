/**
 * Who is interrupted with a root: everybody below it that nobody let go, and of those that were let go the ones whom nobody has
 * answered since, wherever they and the runs above them are executed, rest, die, or have ended.
 */
import { type AnyAgent, defineAgent, defineTool, memoryStore, spawned } from '@troupe/core';
import { isTerminal, type RunStore, type StoredEvent } from '@troupe/protocol';
import { type Death, type Script, scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnyActorRef, InspectionEvent } from 'xstate';
import { z } from 'zod';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import type { AgentContext } from '../../src/agent/context.ts';
import { itemsOf } from '../../src/agent/rows.ts';
import { contextIn } from '../../src/run/checkpoint.ts';
import { calling, guardedTool, plain } from '../control/tools.ts';
import { watch } from '../recovery/processes.ts';
import { delegating, openFleet } from './fleet.ts';

type Place = 'local' | 'remote';
/**
 * A run: where it is executed, whether its call waits while it asks, how often it asks (`both`: the first time beside what it delegates),
 * what it delegates first, and whether it ends.
 */
type Node = { place: Place; onPaused: 'error' | 'bubble'; asks: number; both?: boolean; ends: boolean; kids: Node[] };
type Deed = {
  type: 'answer' | 'decline' | 'pause' | 'resume' | 'interrupt' | 'die' | 'drain' | 'killWorker';
  whom: number;
};

/** A run's job is its place among its siblings, and theirs above it. */
const nodeAt = (root: Node, job: string): Node =>
  job
    .split('.')
    .slice(1)
    .reduce((node, n) => node.kids[Number(n)] as Node, root);

/** A tree of runs: the root never ends by itself. */
const openTree = (root: Node) => {
  const { tool: erase } = guardedTool();
  const agents: AnyAgent[] = (['local', 'remote'] as const).map((place) => {
    const delegate = defineTool({
      name: 'delegate',
      description: '',
      inputSchema: z.object({ job: z.string() }),
      execute: ({ job }) =>
        spawned(
          nodeAt(root, job).kids.map(({ place, onPaused }, n) => ({
            agent: agents.find(({ name }) => name === place) as AnyAgent,
            job: `${job}.${n}`,
            onPaused,
          })),
        ),
      settle: (reports) => ({ content: reports.map(({ status }) => status).join() }),
    });
    return defineAgent({ name: place, instructions: '', tools: [delegate, erase], placement: place });
  });
  const script: Script = ({ messages }) => {
    const job = String(messages.find(({ role }) => role === 'user')?.content);
    const { kids, asks, both, ends } = nodeAt(root, job);
    const done = messages.filter(({ role }) => role === 'tool').length - Number(kids.length > 0);
    if (done < 0) {
      const erase = both && asks > 0 ? [{ name: 'erase', arguments: {} }] : [];
      return { calls: [{ name: 'delegate', arguments: { job } }, ...erase] };
    }
    if (done < asks) return calling('erase');
    return ends && job !== 'r' ? 'done' : { hang: true };
  };
  return { fleet: openFleet(agents), script, boss: agents[0] as AnyAgent };
};

/** What the events of a tree say of who is interrupted with its root. */
const reachedIn = (events: readonly StoredEvent[]): string[] => {
  const rootId = events[0]?.rootId ?? '';
  const of = Map.groupBy(events, ({ runId }) => runId);
  const hasEnded = (id: string): boolean => of.get(id)?.some(isTerminal) ?? false;
  const leftAt = (id: string): number => of.get(id)?.find(({ type }) => type === 'run.detached')?.rootSeq ?? 0;
  const parentOf = (id: string): string => id.split('/').slice(0, -2).join('/');
  /** The run that was let go of which a run is a part. */
  const ownerOf = (id: string): string => (id === rootId || leftAt(id) > 0 ? id : ownerOf(parentOf(id)));
  const isAnswered = (id: string): boolean =>
    events.some(
      ({ type, runId, rootSeq }) => type === 'question.answered' && rootSeq > leftAt(id) && ownerOf(runId) === id,
    );
  /** Whether the root's end comes down to a run, through those above it that hand it on. */
  const isReached = (id: string): boolean => {
    if (id === rootId) return true;
    if (leftAt(id) > 0 && isAnswered(id)) return false;
    for (let above = parentOf(id); ; above = parentOf(above)) {
      if (!hasEnded(above)) return isReached(above);
      if (leftAt(above) > 0) return false;
    }
  };
  return [...of.keys()].filter((id) => !hasEnded(id) && isReached(id)).toSorted();
};

const openIn = (events: readonly StoredEvent[]): string[] => {
  const ended = new Set(events.filter(isTerminal).map(({ runId }) => runId));
  return [...new Set(events.map(({ runId }) => runId))].filter((id) => !ended.has(id)).toSorted();
};

/** When one of the two processes dies by itself. */
type Fate = { who: 'program' | 'worker'; death: Death };

/** @param cut Which event the tree is forked at: the fork goes on, and it is the one that is interrupted. */
const play = async (root: Node, deeds: readonly Deed[], fate?: Fate, cut?: number) => {
  const { fleet, script, boss } = openTree(root);
  const { boot, serve, eventsOf, pass, check, statusOf, engine } = fleet;
  let program = boot(script, {}, fate?.who === 'program' ? fate.death : undefined);
  let workers = 0;
  const serveAnew = (death?: Death) => serve(`w${++workers}`, script, { concurrency: 20, ...(death && { death }) });
  let worker = await serveAnew(fate?.who === 'worker' ? fate.death : undefined);
  /** They are handed nothing any more, and execute what was let go there. */
  const drained: (typeof worker)[] = [];
  const start = () => program.runtime.start(boss, 'r', { runId: 'root' });
  start();

  /** Whoever has died is there again, with all that it had: what was let go, too, which nobody hands out. */
  const revive = async (): Promise<void> => {
    if (worker.mortal.dead) {
      engine.lose(`w${workers}`);
      worker = await serveAnew();
      await pass(8);
      await worker.runtime.recover();
    }
    for (const one of drained.filter(({ mortal }) => mortal.dead)) {
      drained.splice(drained.indexOf(one), 1);
      await pass(4);
      await worker.runtime.recover();
    }
    if (!program.mortal.dead) return;
    await pass(4);
    program = boot(script);
    if (statusOf('root')) await program.runtime.recover();
    else start();
  };
  const rest = async (): Promise<void> => {
    await settle(150);
    await pass(3);
    await settle(50);
    if (!worker.mortal.dead && !program.mortal.dead && !drained.some(({ mortal }) => mortal.dead)) return;
    await revive();
    await rest();
  };

  const act = async ({ type, whom }: Deed): Promise<void> => {
    const { runtime } = program;
    if (type === 'die') return program.mortal.die();
    if (type === 'killWorker') return worker.mortal.die();
    if (type === 'drain') {
      await worker.server.drain(0);
      drained.push(worker);
      worker = await serveAnew();
      return;
    }
    const open = openIn(eventsOf('root'));
    const id = open[whom % open.length] ?? 'root';
    if (type === 'interrupt' && id === 'root') return;
    const { questions } = await runtime.attach('root');
    const asked = questions[whom % Math.max(1, questions.length)];
    if (type !== 'answer' && type !== 'decline') watch((await runtime.attach(id))[type]());
    else if (asked) watch(runtime.answer(asked.id, type === 'answer'));
  };

  await rest();
  for (const deed of deeds) {
    await act(deed);
    await rest();
  }
  const rootId = cut === undefined ? 'root' : 'fork';
  if (cut !== undefined) {
    const begun = eventsOf('root').findIndex(({ runId, type }) => runId === 'root' && type === 'run.started');
    const events = eventsOf('root').slice(begun);
    // Who dies before that is stored has not forked it.
    for (let times = 0; times < 3 && !statusOf(rootId); times++) {
      watch(program.runtime.fork('root', { at: events[cut % events.length]?.id ?? '', runId: rootId }));
      await rest();
    }
  }
  const before = eventsOf(rootId);
  // Who dies before it has stored this has not been told.
  for (let times = 0; times < 3 && statusOf(rootId) !== 'interrupted'; times++) {
    watch((await program.runtime.attach(rootId)).interrupt('Enough.'));
    await rest();
    await rest();
  }
  for (const one of [program, worker, ...drained]) one.mortal.die();
  const ended = check(rootId, { open: true }).slice(before.length).filter(isTerminal);
  return { reached: reachedIn(before), interrupted: ended.map(({ runId }) => runId).toSorted() };
};

const run = (place: Place, more: Partial<Node> = {}): Node => ({
  place,
  onPaused: 'bubble',
  asks: 0,
  ends: true,
  kids: [],
  ...more,
});
const asker = (place: Place): Node => run(place, { asks: 1, onPaused: 'error' });

describe('whoever was let go, and nobody has answered, is interrupted with the root [BG-032]', () => {
  test.each(
    (['local', 'remote'] as const).flatMap((middle) =>
      (['local', 'remote'] as const).flatMap((low) =>
        (['local', 'remote'] as const).map((last) => ({ middle, low, last })),
      ),
    ),
  )(
    'below a child that has ended ($low, it: $last) of one ($middle) that waits for a person itself',
    async ({ middle, low, last }) => {
      const root = run('local', { kids: [run(middle, { asks: 1, kids: [run(low, { kids: [asker(last)] })] })] });
      const { interrupted } = await play(root, []);
      expect(interrupted).toEqual(['root', 'root/1-0/0', 'root/1-0/0/1-0/0/1-0/0']);
    },
  );

  test.each(['local', 'remote'] as const)(
    'while one below it (%s) asks, which was held and let go on',
    async (place) => {
      const middle = run(place, { onPaused: 'error', kids: [run(place, { asks: 1 })] });
      const held: Deed[] = [
        { type: 'pause', whom: 2 },
        { type: 'resume', whom: 2 },
      ];
      const { interrupted } = await play(run('local', { kids: [middle] }), held);
      expect(interrupted).toEqual(['root', 'root/1-0/0', 'root/1-0/0/1-0/0']);
    },
  );

  test.each([
    ['was interrupted', [{ type: 'interrupt', whom: 2 }]],
    [
      'was interrupted, while it was held',
      [
        { type: 'pause', whom: 1 },
        { type: 'resume', whom: 2 },
        { type: 'interrupt', whom: 2 },
      ],
    ],
  ] as const)('while it goes on since the one below it that asked %s', async (_how, deeds) => {
    const middle = run('local', { onPaused: 'error', ends: false, kids: [run('local', { asks: 1 })] });
    const { interrupted } = await play(run('local', { kids: [middle] }), deeds);
    expect(interrupted).toEqual(['root', 'root/1-0/0']);
  });

  test('of a child that has ended before it heard that its root is interrupted', async () => {
    const { tool } = guardedTool();
    const low = defineAgent({ name: 'asker', instructions: '', tools: [tool], placement: 'local' });
    const middle = defineAgent({
      name: 'middle',
      instructions: '',
      tools: [delegating(low, { onPaused: 'error' })],
      placement: 'remote',
    });
    const boss = defineAgent({ name: 'boss', instructions: '', tools: [delegating(middle)] });
    const { boot, serve, statusOf, pass } = openFleet([boss, middle, low]);
    const goOn = Promise.withResolvers<string>();
    const script: Script = ({ messages }, { agent }) => {
      if (agent === 'asker') return calling('erase');
      const isFirst = messages.at(-1)?.role !== 'tool';
      return isFirst ? { calls: [{ name: 'delegate', arguments: { jobs: ['go'] } }] } : goOn.promise;
    };
    const { runtime, mortal } = boot(script);
    await serve('w1', script);
    const root = runtime.start(boss, 'go', { runId: 'root' });
    await settle(200);
    // given a program that does not hear at once what was said elsewhere
    const { inbox } = mortal.store;
    mortal.store.inbox = () => [];
    goOn.resolve('done');
    await settle(200);
    expect(statusOf('root/1-0/0')).toBe('completed');
    watch(root.interrupt('Enough.'));
    await settle(200);
    mortal.store.inbox = inbox;
    await pass(3);
    await settle(200);
    expect(['root', 'root/1-0/0/1-0/0'].map(statusOf)).toEqual(['interrupted', 'interrupted']);
  });
});

describe('whoever was let go, and was answered since, is on its own [BG-032]', () => {
  const held: Deed = { type: 'pause', whom: 1 };
  test.each([
    ['itself', asker('local'), [{ type: 'answer', whom: 0 }]],
    ['itself, while it was held', asker('local'), [held, { type: 'answer', whom: 0 }]],
    [
      'itself, with no, while one below it asks on',
      run('local', { onPaused: 'error', asks: 1, both: true, kids: [run('local', { asks: 1 })] }),
      [{ type: 'decline', whom: 0 }],
    ],
    [
      'itself, while one below it was held and it was at work',
      run('local', { onPaused: 'error', asks: 1, both: true, kids: [run('local', { asks: 1 })] }),
      [
        { type: 'pause', whom: 2 },
        { type: 'answer', whom: 0 },
      ],
    ],
    [
      'below it, while all of it was held',
      run('local', { onPaused: 'error', kids: [run('local', { asks: 1 })] }),
      [held, { type: 'answer', whom: 0 }],
    ],
    [
      'below it, while all of it was held, by way of one that others execute',
      run('local', { onPaused: 'error', kids: [run('remote', { kids: [run('local', { asks: 1 }), run('local')] })] }),
      [held, { type: 'answer', whom: 0 }],
    ],
    [
      'below it, while it was held and the other was not',
      run('local', { onPaused: 'error', kids: [run('local', { asks: 1, ends: false })] }),
      [held, { type: 'resume', whom: 2 }, { type: 'answer', whom: 0 }],
    ],
  ] as const)('%s', async (_where, kid, deeds) => {
    const { interrupted } = await play(run('local', { kids: [{ ...kid, ends: false }] }), deeds);
    expect(interrupted).toEqual(['root']);
  });
});

test('who has ended since it was let go is told nothing that stays', async () => {
  const { fleet, script, boss } = openTree(run('local', { kids: [asker('local'), asker('remote')] }));
  const { boot, serve, statusOf, base } = fleet;
  const { runtime, mortal } = boot(script);
  const posted: string[] = [];
  const { commit } = mortal.store;
  mortal.store.commit = (steps) => {
    for (const { mail = [] } of steps) posted.push(...mail.map(({ id }) => id));
    return commit(steps);
  };
  await serve('w1', script);
  const root = runtime.start(boss, 'r', { runId: 'root' });
  await settle(200);
  for (const { id } of root.questions) watch(runtime.answer(id, true));
  await settle(200);
  expect(['root/1-0/0', 'root/1-0/1'].map(statusOf)).toEqual(['completed', 'completed']);
  posted.length = 0;
  await root.interrupt('Enough.');
  await settle(200);
  const receipts = posted.map((id) => base.receipt(id));
  expect(receipts).toEqual(receipts.map(() => ({ status: 'rejected', reason: 'The run has ended.' })));
});

test('where nobody may be let go nobody above hears of answers that it does not wait for', async () => {
  const { fleet, script, boss } = openTree(
    run('local', {
      kids: [
        run('remote', {
          kids: [run('remote', { kids: [run('remote', { asks: 1, ends: false }), run('local', { ends: false })] })],
        }),
      ],
    }),
  );
  const { boot, serve, engine } = fleet;
  const { runtime } = boot(script);
  await serve('w1', script);
  const root = runtime.start(boss, 'r', { runId: 'root' });
  await settle(200);
  const handed = engine.handed.length;
  watch(root.answer(root.questions[0]?.id ?? '', true));
  await settle(200);
  expect(engine.handed.slice(handed).map(({ runId }) => runId)).toEqual(['root/1-0/0/1-0/0/1-0/0']);
});

test('a child that others execute keeps the process of its parent alive while it works, though one below it was answered', async () => {
  const { fleet, script, boss } = openTree(
    run('local', { kids: [run('remote', { kids: [run('local', { asks: 1 }), run('local', { ends: false })] })] }),
  );
  const { boot, serve } = fleet;
  const { runtime, mortal } = boot(script);
  const alive = new Set<() => void>();
  const { changes } = mortal.store;
  const watched: NonNullable<RunStore['changes']> = (heard, options) => {
    if (options?.keepAlive !== false) alive.add(heard);
    const leave = changes(heard);
    return () => {
      alive.delete(heard);
      leave();
    };
  };
  Object.assign(mortal.store, { changes: watched });
  await serve('w1', script);
  const root = runtime.start(boss, 'r', { runId: 'root' });
  await settle(200);
  expect([root.questions.length, alive.size]).toEqual([1, 1]);
  watch(root.answer(root.questions[0]?.id ?? '', true));
  await settle(200);
  expect([root.questions.length, alive.size]).toEqual([0, 1]);
});

test('a fork lets a child leave that had left and ended, and that its parent had not heard of', async () => {
  const { fleet, script, boss } = openTree(run('local', { kids: [asker('remote')] }));
  const { boot, serve, eventsOf, statusOf, check, pass } = fleet;
  const { runtime, mortal } = boot(script);
  const worker = await serve('w1', script);
  // given a program that hears that its child asks, and nothing after that
  const { inbox } = mortal.store;
  mortal.store.inbox = async (owner) => (await inbox(owner)).filter(({ message }) => message.type !== 'child.left');
  runtime.start(boss, 'r', { runId: 'root' });
  await settle(200);
  watch(worker.runtime.answer('root/1-0/0/1-0?', true));
  await settle(200);
  expect(statusOf('root/1-0/0')).toBe('completed');
  mortal.store.inbox = inbox;
  const at = eventsOf('root').at(-1)?.id ?? '';
  expect(at).toContain('root/1-0/0');
  await runtime.fork('root', { at, runId: 'fork' });
  await settle(200);
  await pass(3);
  const settled = check('fork', { open: true }).filter(({ type }) => type === 'child.settled');
  expect(settled).toMatchObject([{ status: 'paused', exitReason: 'question' }]);
});

test('of those that were let go and have ended since a run keeps few: what it keeps does not grow with its turns', async () => {
  const { tool } = guardedTool();
  const low = defineAgent({ name: 'asker', instructions: '', tools: [tool] });
  const boss = defineAgent({ name: 'boss', instructions: '', tools: [delegating(low, { onPaused: 'error' })] });
  let most = 0;
  const asked: number[] = [];
  const { runtime, events } = openRuntime({
    agents: [boss, low],
    provider: scriptedProvider(({ messages }, { agent }) => {
      if (agent !== 'boss') return messages.at(-1)?.role === 'tool' ? 'done' : calling('erase');
      asked.push(messages.length);
      return { calls: [{ name: 'delegate', arguments: { jobs: ['go'] } }] };
    }),
    inspect: (event: InspectionEvent) => {
      if (event.type !== '@xstate.snapshot' || !/^root$|^fork\d+$/.test((event.actorRef as AnyActorRef).id)) return;
      const { run } = (event.snapshot as unknown as { context: AgentContext }).context;
      most = Math.max(most, itemsOf(run.strays ?? []).length);
    },
  });
  const budget = { turns: 80, toolCalls: 80, children: 80 };
  const root = runtime.start(boss, { input: 'go', budget }, { runId: 'root' });
  root.events$.subscribe(({ type, runId }) => {
    if (type === 'run.detached') void runtime.answer(`${runId}/1-0?`, true);
  });
  expect(await root.report).toMatchObject({ exitReason: 'max_turns', usage: { turns: 80 } });
  expect(most).toBeGreaterThan(30);
  expect(most).toBeLessThan(80);
  // and so do forks of it, which ask nobody for the turn that was in flight
  const began = [...events].filter(({ type, runId }) => type === 'turn.started' && runId === 'root') as StoredEvent[];
  const lengths = [...asked];
  for (let n = 30; n < 40; n++) {
    [most, asked.length] = [0, 0];
    const runId = `fork${n}`;
    const next = events.find((event) => 'rootSeq' in event && event.rootSeq === (began[n]?.rootSeq ?? 0) + 1);
    expect(next?.runId).not.toBe('root');
    await (await runtime.fork('root', { at: (next as StoredEvent).id, runId })).report;
    expect(asked).toEqual(lengths.slice(n + 1));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(80);
  }
});

test('a run that minds many writes them seldom while its calls end', async () => {
  const { tool } = guardedTool();
  const low = defineAgent({ name: 'asker', instructions: '', tools: [tool] });
  const nothing = plain('nothing');
  const boss = defineAgent({
    name: 'boss',
    instructions: '',
    tools: [delegating(low, { onPaused: 'error' }), nothing],
  });
  const store = memoryStore();
  const written: number[] = [];
  const { runtime } = openRuntime({
    open: true,
    store: {
      ...store,
      commit(steps) {
        for (const { runId, checkpoint } of steps)
          if (runId === 'root' && checkpoint) written.push(itemsOf(contextIn(checkpoint).strays ?? []).length);
        return store.commit(steps);
      },
    },
    provider: scriptedProvider(({ messages }, { agent }) => {
      if (agent !== 'boss') return calling('erase');
      const turns = messages.filter(({ role }) => role === 'assistant').length;
      if (turns === 0) return { calls: [{ name: 'delegate', arguments: { jobs: Array(200).fill('go') } }] };
      if (turns === 1) written.length = 0;
      return turns === 1 ? calling(...Array<string>(60).fill('nothing')) : 'done';
    }),
  });
  const budget = { children: 200, toolCalls: 100 };
  expect(await runtime.start(boss, { input: 'go', budget }, { runId: 'root' }).report).toMatchObject({ text: 'done' });
  // as its turn begins, is there, and is over; not once for each dozen of its calls
  expect(written).toEqual([200, 200, 200]);
});

const place = fc.constantFrom<Place>('local', 'remote');
const nodes = fc.letrec<{ node: Node; leaf: Node }>((tie) => {
  const own = {
    place,
    onPaused: fc.constantFrom('error' as const, 'error' as const, 'bubble' as const),
    asks: fc.nat(2),
    both: fc.boolean(),
    ends: fc.boolean(),
  };
  return {
    leaf: fc.record({ ...own, kids: fc.constant<Node[]>([]) }),
    node: fc.record({
      ...own,
      kids: fc.array(fc.oneof({ depthSize: 'small' }, tie('leaf'), tie('node')), { minLength: 1, maxLength: 2 }),
    }),
  };
});
const deed: fc.Arbitrary<Deed> = fc.record({
  type: fc.constantFrom<Deed['type'][]>(
    'answer',
    'answer',
    'decline',
    'pause',
    'pause',
    'resume',
    'resume',
    'interrupt',
    'die',
    'drain',
    'killWorker',
  ),
  whom: fc.nat(20),
});

const fates: fc.Arbitrary<Fate> = fc.record({
  who: fc.constantFrom('program' as const, 'worker' as const),
  death: fc.record({ afterCommit: fc.nat(60), as: fc.constantFrom('heard' as const, 'unheard' as const) }),
});

test(
  'who is interrupted with a root is what its events say, whoever asks, answers, holds, dies or rests before [BG-032, L9]',
  { timeout: 120_000 },
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(nodes.node, { minLength: 1, maxLength: 2 }),
        fc.array(deed, { maxLength: 5 }),
        fc.option(fates, { nil: undefined }),
        fc.option(fc.nat(200), { nil: undefined }),
        async (kids, deeds, fate, cut) => {
          const { reached, interrupted } = await play(run('local', { kids }), deeds, fate, cut);
          expect(interrupted).toEqual(reached);
        },
      ),
      { numRuns: Number(process.env.RUNS ?? 60) },
    ),
);
