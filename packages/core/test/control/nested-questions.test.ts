import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { awaiting, calling, delegating, gatedTool, guardedTool, ofType, plain } from './tools.ts';

describe.each([
  ['a call that is its children', delegating],
  ['a call that awaits its children', awaiting],
] as const)('through %s', (_what, ask) => {
  test('a question two levels down is asked at the root, answered there, and no sibling runs again [F-01, BG-028, B-71]', async () => {
    // given root → middle → leaf, where the leaf asks and the middle has a sibling call
    const { tool, ran } = guardedTool();
    let siblings = 0;
    const sibling = plain('sibling', { execute: () => `sibling ${++siblings}` });
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [tool] });
    const middle = defineAgent({ name: 'middle', instructions: 'Middle.', tools: [ask(leaf), sibling] });
    const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [ask(middle)] });
    const provider = scriptedProvider({
      root: [calling('ask_middle'), 'Root done.'],
      middle: [calling('ask_leaf', 'sibling'), 'Middle done.'],
      leaf: [calling('erase'), 'Leaf done.'],
    });
    const { runtime, events } = openRuntime({ provider });
    const run = runtime.start(root, 'go');
    // when nothing can go on without a person
    const report = await run.report;
    // then the root says so, with the leaf's question
    expect(report).toMatchObject({ status: 'paused', exitReason: 'question', text: null });
    const leafId = `${run.id}/1-0/0/1-0/0`;
    expect(report.questions).toMatchObject([{ runId: leafId, rootId: run.id, tool: 'erase', id: `${leafId}/1-0?` }]);
    expect([run.status, run.child(`${run.id}/1-0/0`).status, run.child(leafId).status]).toEqual([
      'paused',
      'paused',
      'paused',
    ]);
    expect(run.child(leafId).questions).toEqual(report.questions);
    // when it is answered at the root
    expect(await run.answer(report.questions[0]!.id, 'yes')).toEqual({ status: 'accepted' });
    // then the leaf goes on, and everything ends
    expect(await run.ended).toMatchObject({ status: 'completed', text: 'Root done.', questions: [] });
    expect([ran(), siblings, provider.requests.length]).toEqual([1, 1, 6]);
    expect(ofType(events, 'run.completed').map(({ agent }) => agent)).toEqual(['leaf', 'middle', 'root']);
    expect(ofType(events, 'run.resumed').map(({ agent, by }) => [agent, by])).toEqual(
      expect.arrayContaining([['leaf', 'answer']]),
    );
  });

  test('the question of a child is answered by the child’s run id, too [BG-028, B-71]', async () => {
    const { tool } = guardedTool();
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [tool] });
    const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [ask(leaf)] });
    const { runtime } = openRuntime({
      provider: scriptedProvider({ root: [calling('ask_leaf'), 'Root done.'], leaf: [calling('erase'), 'Leaf done.'] }),
    });
    const run = runtime.start(root, 'go');
    await run.report;
    expect(await runtime.resume(`${run.id}/1-0/0`, true)).toMatchObject({
      runId: `${run.id}/1-0/0`,
      status: 'completed',
      text: 'Leaf done.',
    });
    expect(await run.ended).toMatchObject({ status: 'completed', text: 'Root done.' });
  });

  test('a paused root still works where something can go on: only a tree that stands still is settled [F-01]', async () => {
    // given a child that asks beside a tool that works
    const { tool } = guardedTool();
    const gate = gatedTool('slow');
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [tool] });
    const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [ask(leaf), gate.tool] });
    const { runtime } = openRuntime({
      provider: scriptedProvider({
        root: [calling('ask_leaf', 'slow'), 'Root done.'],
        leaf: [calling('erase'), 'Leaf done.'],
      }),
    });
    const run = runtime.start(root, 'go');
    let settled = false;
    const report = run.report.then((value) => {
      settled = true;
      return value;
    });
    await settle();
    // then the question can be seen, but the root is not settled
    expect([run.questions.length, run.status, settled]).toEqual([1, 'running', false]);
    // until the tool has ended, too
    gate.open[0]!.finish();
    expect(await report).toMatchObject({ status: 'paused' });
    await run.answer(run.questions[0]!.id, true);
    expect(await run.ended).toMatchObject({ status: 'completed' });
  });
});

describe('two children of one agent that ask at the same time', () => {
  const two = (ask: typeof delegating | typeof awaiting) => {
    const erased: string[] = [];
    const erase = plain('erase', {
      confirm: true,
      execute: (_input, { runId }) => {
        erased.push(runId);
        return 'erased';
      },
    });
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [erase] });
    const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [ask(leaf)] });
    const provider = scriptedProvider((request, { agent, runId }) => {
      if (request.messages.at(-1)?.role !== 'tool')
        return agent === 'root' ? calling('ask_leaf', 'ask_leaf') : calling('erase');
      return agent === 'root' ? 'Root done.' : `${runId.endsWith('1-0/0') ? 'first' : 'second'} done.`;
    });
    return { root, erased, ...openRuntime({ provider }) };
  };

  test.each([
    ['first', [0, 1], delegating],
    ['last', [1, 0], delegating],
    ['first', [0, 1], awaiting],
    ['last', [1, 0], awaiting],
  ] as const)(
    'are answered the %s one first: %j; each answer reaches its own call [F-02, BG-037]',
    async (_what, order, ask) => {
      const { root, runtime, erased } = two(ask);
      const run = runtime.start(root, 'go');
      const { questions } = await run.report;
      expect(questions.map(({ runId }) => runId)).toEqual([`${run.id}/1-0/0`, `${run.id}/1-1/0`]);
      // when one is answered, only its run goes on
      expect(await run.answer(questions[order[0]]!.id, true)).toEqual({ status: 'accepted' });
      await settle();
      expect(erased).toEqual([questions[order[0]]!.runId]);
      expect(run.questions).toEqual([questions[order[1]]]);
      expect(run.status).toBe('paused');
      // when the other one is, too, the root ends, its answers in call order
      await run.answer(questions[order[1]]!.id, true);
      const report = await run.ended;
      expect(report.calls.map(({ result }) => result)).toEqual(['first done.', 'second done.']);
      expect(erased).toHaveLength(2);
    },
  );

  test('cannot both be meant by an answer without a question’s id [F-02]', async () => {
    const { root, runtime } = two(delegating);
    const run = runtime.start(root, 'go');
    await run.report;
    await expect(runtime.resume(run.id, true)).rejects.toMatchObject({
      code: 'question.ambiguous',
      message: expect.stringContaining('1-1/0/1-0?'),
    });
    expect(await runtime.resume(`${run.id}/1-1/0`, false)).toMatchObject({ status: 'completed' });
    expect(await runtime.resume(run.id, false)).toMatchObject({ status: 'completed', text: 'Root done.' });
  });
});

describe('with onPaused "error"', () => {
  const lettingGo = (rootTurns: Parameters<typeof scriptedProvider>[0] & object = ['Root done.'] as never) => {
    const { tool, ran } = guardedTool();
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [tool] });
    const gate = gatedTool('slow');
    const root = defineAgent({
      name: 'root',
      instructions: 'Root.',
      tools: [delegating(leaf, { onPaused: 'error' }), gate.tool],
    });
    const provider = scriptedProvider({
      root: [calling('ask_leaf'), ...(rootTurns as never[])],
      leaf: [calling('erase'), 'Leaf done.'],
    });
    return { root, ran, gate, provider, ...openRuntime({ provider }) };
  };

  test('the call fails, the run goes on, and the child stays answerable by its run id, reporting to nobody [BG-032, BG-028]', async () => {
    // given a child that asks
    const { root, ran, runtime, events, provider } = lettingGo();
    const report = await runtime.run(root, 'go');
    // then the run completes without it; the call says that it did not succeed
    const childId = `${report.runId}/1-0/0`;
    expect(report).toMatchObject({
      status: 'completed',
      text: 'Root done.',
      questions: [{ runId: childId }],
      calls: [{ status: 'error' }],
      children: [{ runId: childId, status: 'paused', exitReason: 'question' }],
    });
    expect(provider.requests.at(-1)?.request.messages.at(-1)?.content).toContain('paused');
    expect(await runtime.runs.get(childId)).toMatchObject({ status: 'paused', parentId: report.runId });
    expect(ofType(events, 'run.detached')).toMatchObject([{ runId: childId }]);
    // when it is answered by its own id
    expect(await runtime.resume(childId, true)).toMatchObject({
      runId: childId,
      status: 'completed',
      text: 'Leaf done.',
    });
    expect(ran()).toBe(1);
    // then its parent hears nothing more
    expect(ofType(events, 'child.settled')).toHaveLength(1);
    expect((await runtime.runs.get(report.runId))?.usage).toEqual(report.usage);
  });

  test('interrupting the root ends a child that was not answered yet [L2]', async () => {
    const { root, runtime, gate } = lettingGo([calling('slow')] as never);
    const run = runtime.start(root, 'go');
    await settle();
    expect(gate.open).toHaveLength(1);
    await run.interrupt();
    await run.ended;
    expect(await runtime.runs.get(`${run.id}/1-0/0`)).toMatchObject({
      status: 'interrupted',
      exitReason: 'parent_interrupted',
    });
  });

  test('interrupting the root does not reach a child that was answered: it is its own root [L2]', async () => {
    const { root, runtime } = lettingGo([calling('slow')] as never);
    const run = runtime.start(root, 'go');
    await settle();
    const childId = `${run.id}/1-0/0`;
    const child = await runtime.attach(childId);
    await Promise.all([child.answer(`${childId}/1-0?`, true), run.interrupt()]);
    expect(await child.ended).toMatchObject({ status: 'completed', text: 'Leaf done.' });
    expect(await run.ended).toMatchObject({ status: 'interrupted' });
  });

  test('a tool that awaits its child sees it paused, and goes on [BG-032]', async () => {
    const { tool } = guardedTool();
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [tool] });
    const ask = plain('ask', {
      execute: async (_input, context) =>
        (await (await context.spawn(leaf, 'work', { onPaused: 'error' })).report).status,
    });
    const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [ask] });
    const { runtime } = openRuntime({
      provider: scriptedProvider({ root: [calling('ask'), 'Root done.'], leaf: [calling('erase'), 'Leaf done.'] }),
    });
    const report = await runtime.run(root, 'go');
    expect(report).toMatchObject({ status: 'completed', calls: [{ result: 'paused' }] });
    expect(await runtime.resume(`${report.runId}/1-0/0`, true)).toMatchObject({ status: 'completed' });
  });

  test('a child whose question nobody answered ends with the runtime [L1]', async () => {
    const { root, runtime } = lettingGo();
    const { runId } = await runtime.run(root, 'go');
    await runtime.close();
    expect(await runtime.runs.get(`${runId}/1-0/0`)).toMatchObject({ status: 'interrupted', exitReason: 'closed' });
  });
});

describe('a question of a run that is being interrupted', () => {
  /** A root with a call that asks, behind one that is a child and closes when the test says so. */
  const closing = (child: 'hangs' | 'asks') => {
    const { tool } = guardedTool();
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [tool] });
    const gate = Promise.withResolvers<void>();
    const ask = {
      ...delegating(leaf),
      settle: async () => {
        await gate.promise;
        return { content: 'It was closed.' };
      },
    };
    const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [ask, tool] });
    const provider = scriptedProvider({
      root: [calling('ask_leaf', 'erase')],
      leaf: [child === 'asks' ? calling('erase') : { hang: true }],
    });
    return { ...openRuntime({ provider, clock: new SimulatedClock() }), root, gate };
  };

  test.each(['hangs', 'asks'] as const)(
    'is closed, though it was asked behind a call that is not: a child that %s [F-01, F-02]',
    async (child) => {
      const { runtime, root, gate } = closing(child);
      const run = runtime.start(root, 'go');
      await settle();
      const asked = run.questions;
      expect(asked.map(({ callId }) => callId)).toHaveLength(child === 'asks' ? 2 : 1);
      const seen: number[] = [];
      run.questions$.subscribe((questions) => void seen.push(questions.length));
      await run.interrupt('enough');
      await settle();
      // then it is interrupting still, asks nobody, and takes no answer
      expect(run.status).toBe('interrupting');
      expect(run.questions).toEqual([]);
      expect(seen.at(-1)).toBe(0);
      for (const { id } of asked) expect(await run.answer(id, true)).toMatchObject({ status: 'rejected' });
      await expect(runtime.resume(run.id, true)).rejects.toMatchObject({ code: 'question.unknown' });
      // and a report is that of its end
      const report = run.report;
      gate.resolve();
      expect(await report).toMatchObject({ status: 'interrupted', questions: [] });
    },
  );

  test('is not told to be open when it is told after that [F-01]', async () => {
    const store = memoryStore();
    const gate = Promise.withResolvers<void>();
    let isSlow = false;
    const commit: typeof store.commit = async (steps) => {
      if (isSlow) await gate.promise;
      return store.commit(steps);
    };
    const { tool } = guardedTool();
    const slow = gatedTool('slow');
    const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [slow.tool, tool] });
    const provider = scriptedProvider(() => {
      isSlow = true;
      return calling('slow', 'erase');
    });
    const { runtime } = openRuntime({ provider, store: { ...store, commit } });
    const run = runtime.start(root, 'go');
    await settle();
    const seen: number[] = [];
    run.questions$.subscribe((questions) => void seen.push(questions.length));
    const told = run.interrupt('enough');
    await settle();
    gate.resolve();
    await told;
    await run.ended;
    expect(seen).toEqual([0]);
  });

  test('is closed after a restart, too [F-02, L7]', async () => {
    const store = { ...memoryStore(), lasting: true };
    const { tool } = guardedTool();
    const gate = Promise.withResolvers<void>();
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
    const ask = {
      ...delegating(leaf),
      settle: async () => {
        await gate.promise;
        return { content: 'It was closed.' };
      },
    };
    const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [ask, tool] });
    const live = () =>
      createRuntime({
        provider: scriptedProvider({ root: [calling('ask_leaf', 'erase')], leaf: [{ hang: true }] }),
        model: 'm',
        store,
        agents: [root, leaf],
        clock: new SimulatedClock(),
      });
    const first = live();
    const begun = first.start(root, 'go', { runId: 'r' });
    await settle();
    await begun.interrupt('enough');
    await settle();
    await first.close({ runs: 'suspend' });
    const second = live();
    await second.recover();
    const run = await second.attach('r');
    expect([run.status, run.questions]).toEqual(['interrupting', []]);
    gate.resolve();
    expect(await run.ended).toMatchObject({ status: 'interrupted' });
    await second.close();
  });
});
