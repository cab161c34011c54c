import { memoryStore, textOf } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { createSubworkerTool } from '../src/index.ts';
import {
  calling,
  dataOf,
  eventsOf,
  leadWith,
  offeredTo,
  open,
  requestsOf,
  runsOf,
  settle,
  shownTo,
  spawn,
  tool,
} from './delegating.ts';

const availableTools = [tool('grep'), tool('search')];

describe('a sub-worker', () => {
  test('knows its instructions, its task and its tools, and nothing of its parent [BG-020]', async () => {
    // given a lead with instructions, tools and a conversation of its own
    const tools = [createSubworkerTool({ availableTools }), tool('secret')];
    const troupe = open({
      lead: [calling({ name: 'secret', arguments: {} }), calling(spawn({ tools: ['grep'], model: 'small' })), 'Done.'],
      helper: ['Helped.'],
    });
    await troupe.runtime.run(leadWith(tools), { input: 'The plan.', constraints: ['Be quiet.'] });
    // then its child is asked with what the call says, and no more
    const [asked, ...more] = requestsOf(troupe, 'helper');
    expect(more).toEqual([]);
    expect(asked?.request).toMatchObject({ model: 'small' });
    expect(asked?.request.messages).toEqual([
      { role: 'system', content: 'You help.' },
      { role: 'user', content: 'Help.' },
    ]);
    expect(asked?.request.tools.map(({ name }) => name)).toEqual(['grep']);
    expect(asked?.request).not.toHaveProperty('output');
  });

  test('remembers under its own name, so sub-workers of one name share what they know [BG-021]', async () => {
    // given a memory that holds something for helpers
    const memory = memoryStore();
    await memory.write('agent:helper', 'context', 'Mind the gap.');
    const troupe = open(
      { lead: [calling(spawn(), spawn({ name: 'other' })), 'Done.'], helper: ['Helped.'], other: ['Other.'] },
      { memory },
    );
    await troupe.runtime.run(leadWith(createSubworkerTool()), 'Go.');
    // then a helper is told, and nobody else
    expect(requestsOf(troupe, 'helper')[0]?.request.messages[1]).toEqual({
      role: 'system',
      content: 'Memory:\nMind the gap.',
    });
    expect(requestsOf(troupe, 'other')[0]?.request.messages).toHaveLength(2);
    // and each leaves its answer
    expect(await memory.read('agent:helper', 'last_output')).toBe('Helped.');
    expect(await memory.read('agent:other', 'last_output')).toBe('Other.');
  });

  test('has the settings and the context handling of its parent [BG-022]', async () => {
    // given a lead whose conversations are summarised beyond five messages
    const settings = { temperature: 0.2, maxOutputTokens: 100 };
    const grep = calling({ name: 'grep', arguments: {} });
    const troupe = open({
      lead: [calling(spawn({ tools: ['grep'] })), 'Done.'],
      helper: [grep, grep, 'A summary.', 'Helped.'],
    });
    const agent = leadWith(createSubworkerTool({ availableTools }), { settings, compaction: { maxMessages: 5 } });
    const report = await troupe.runtime.run(agent, 'Go.');
    // then so are those of its sub-worker, which is asked with the same settings
    expect(eventsOf(troupe, 'context.compacted').map(({ agent: name }) => name)).toEqual(['helper']);
    expect(requestsOf(troupe, 'helper')[0]?.request.settings).toEqual(settings);
    expect(dataOf(troupe, report)).toMatchObject({ status: 'completed' });
  });

  test('lives in the runtime of its parent: one provider, one store, one stream [BG-022, BG-036]', async () => {
    const store = memoryStore();
    const troupe = open({ lead: [calling(spawn()), 'Done.'], helper: ['Helped.'] }, { store });
    const report = await troupe.runtime.run(leadWith(createSubworkerTool()), 'Go.');
    const child = report.children[0]?.runId ?? '';
    expect(await store.get(child)).toMatchObject({ status: 'completed' });
    // and every event is told under the run that it belongs to, the child's between its parent's
    const told = troupe.events
      .filter((event) => !('live' in event))
      .map(({ runId, type }) => `${runId === child ? 'child' : 'lead'} ${type}`);
    const order = [
      'lead child.started',
      'child run.started',
      'child run.completed',
      'lead child.settled',
      'lead call.completed',
      'lead run.completed',
    ];
    expect(told.filter((line) => order.includes(line))).toEqual(order);
    expect(new Set(troupe.events.map(({ rootId }) => rootId))).toEqual(new Set([report.runId]));
  });

  test('speaks while it thinks, as runs at every depth do [BG-023]', async () => {
    const troupe = open({ lead: [calling(spawn()), 'Done.'], helper: [{ deltas: ['Hel', 'ped.'] }] });
    const run = troupe.runtime.start(leadWith(createSubworkerTool()), 'Go.');
    const said: string[] = [];
    run.events$.pipe(textOf(`${run.id}/1-0/0`)).subscribe((text) => said.push(text));
    await run.report;
    expect(said).toEqual(['Hel', 'Helped.']);
  });

  test('takes no more turns than the tool allows [BG-023]', async () => {
    const working = calling({ name: 'grep', arguments: {} });
    const troupe = open({ lead: [calling(spawn({ tools: ['grep'] })), 'Done.'], helper: [working, working, working] });
    const report = await troupe.runtime.run(leadWith(createSubworkerTool({ availableTools, maxIterations: 2 })), 'Go.');
    expect(requestsOf(troupe, 'helper')).toHaveLength(2);
    expect(dataOf(troupe, report)).toMatchObject({ status: 'failed', exit_reason: 'max_turns' });
  });

  test('makes no more tool calls than the tool allows [BG-023]', async () => {
    let runs = 0;
    const counted = tool('grep', { execute: () => `found ${++runs}` });
    const three = calling(...Array.from({ length: 3 }, () => ({ name: 'grep', arguments: {} })));
    const troupe = open({ lead: [calling(spawn({ tools: ['grep'] })), 'Done.'], helper: [three, 'Helped.'] });
    const spawnTool = createSubworkerTool({ availableTools: [counted], maxToolCalls: 2 });
    const report = await troupe.runtime.run(leadWith(spawnTool), 'Go.');
    expect(runs).toBe(2);
    expect(dataOf(troupe, report)).toMatchObject({ status: 'failed', exit_reason: 'max_tool_calls' });
  });

  test('has the structured-output retries of the tool [BG-023]', async () => {
    const agents = [createSubworkerTool(), createSubworkerTool({ structuredOutputRetries: 4 })].map(
      async ({ execute }) => {
        const spawned = await execute(
          { name: 'helper', instructions: '', task: '', tools: [], model: null } as never,
          {
            view: { defaultModel: 'm' },
          } as never,
        );
        return (spawned as { requests: { agent: { outputRetries: number } }[] }).requests[0]?.agent.outputRetries;
      },
    );
    expect(await Promise.all(agents)).toEqual([1, 4]);
  });

  test('has an id before it starts, made of its parent and the call [BG-025]', async () => {
    const troupe = open({
      lead: ['', calling(spawn(), spawn()), 'Done.'],
      helper: [{ throws: new Error('broken') }, 'Helped.'],
    });
    const run = troupe.runtime.start(leadWith(createSubworkerTool()), 'Go.', { runId: 'root' });
    const report = await run.report;
    // the first turn came to nothing, so these are the calls of the second
    const ids = ['root/2-0/0', 'root/2-1/0'];
    expect(eventsOf(troupe, 'child.requested').map(({ childId }) => childId)).toEqual(ids);
    expect(runsOf(troupe, 'helper')).toEqual(ids);
    for (const id of ids) {
      const asked = troupe.events.findIndex((event) => event.type === 'child.requested' && event.childId === id);
      expect(asked).toBeLessThan(troupe.events.findIndex(({ runId }) => runId === id));
    }
    // so that even a child that broke can be told of by its id
    expect(dataOf(troupe, report, 0)).toMatchObject({ run_id: ids[0], status: 'failed' });
    expect(dataOf(troupe, report, 1)).toMatchObject({ run_id: ids[1], status: 'completed' });
  });

  test('has a row like any run, with its job, from its start to its end [BG-026]', async () => {
    const troupe = open({ lead: [calling(spawn()), 'Done.'], helper: [{ text: 'Helped.', delayMs: 5_000 }] });
    const run = troupe.runtime.start(leadWith(createSubworkerTool()), 'Go.', { runId: 'root' });
    await settle();
    const child = 'root/1-0/0';
    expect(await troupe.runtime.runs.get(child)).toMatchObject({
      agent: 'helper',
      status: 'running',
      job: { input: 'Help.' },
      createdAt: 0,
    });
    troupe.clock.increment(5_000);
    await run.report;
    expect(await troupe.runtime.runs.get(child)).toMatchObject({
      status: 'completed',
      exitReason: 'answered',
      endedAt: 5_000,
    });
  });

  test('is linked to its parent in row, events and report [BG-027, B-71]', async () => {
    const call = { ...spawn(), id: 'the-call' };
    const troupe = open({ lead: [calling(call), 'Done.'], helper: ['Helped.'] });
    const report = await troupe.runtime.run(leadWith(createSubworkerTool()), 'Go.', { runId: 'root' });
    const child = 'root/1-0/0';
    const link = { rootId: 'root', parentId: 'root', callId: 'the-call', depth: 1 };
    // its row names parent, root and call, and stands below its parent in the tree
    expect(await troupe.runtime.runs.get(child)).toMatchObject(link);
    expect(await troupe.runtime.runs.tree('root')).toMatchObject({ runId: 'root', children: [{ runId: child }] });
    // so does each of its events
    const told = troupe.events.filter(({ runId }) => runId === child);
    expect(told.length).toBeGreaterThan(3);
    for (const event of told) expect(event).toMatchObject(link);
    // and the reports of both
    expect(report.children).toEqual([
      {
        runId: child,
        agent: 'helper',
        status: 'completed',
        exitReason: 'answered',
        usage: { inputTokens: 10, outputTokens: 5 },
      },
    ]);
    expect(report.calls[0]).toMatchObject({ callId: 'the-call', data: { run_id: child } });
    const own = await (await troupe.runtime.attach(child)).report;
    expect(own).toMatchObject({ runId: child, parentId: 'root', callId: 'the-call' });
  });

  test('works beside the others of its turn; the answers stand in call order [BG-037]', async () => {
    // given three children, of which the first takes longest
    const troupe = open({
      lead: [calling(spawn({ name: 'slow' }), spawn({ name: 'middle' }), spawn({ name: 'quick' })), 'Done.'],
      slow: [{ text: 'slow', delayMs: 3_000 }],
      middle: [{ text: 'middle', delayMs: 2_000 }],
      quick: [{ text: 'quick', delayMs: 1_000 }],
    });
    const run = troupe.runtime.start(leadWith(createSubworkerTool()), 'Go.');
    await settle();
    // then all three are asked at once
    expect(troupe.provider.requests.map(({ context }) => context.agent)).toEqual(['lead', 'slow', 'middle', 'quick']);
    for (let second = 0; second < 3; second++) {
      troupe.clock.increment(1_000);
      await settle();
    }
    await run.report;
    // and although the last one was done first, each answer stands where its call stands
    expect(eventsOf(troupe, 'child.settled').map(({ childAgent }) => childAgent)).toEqual(['quick', 'middle', 'slow']);
    expect(shownTo(troupe).map((text) => text.split('\n')[0])).toEqual(['slow', 'middle', 'quick']);
    expect(eventsOf(troupe, 'run.completed').at(-1)?.at).toBe(3_000);
  });

  test('is offered exactly the tools that its call asks for, one of each', async () => {
    const troupe = open({
      lead: [calling(spawn({ tools: ['search', 'grep', 'search'] })), 'Done.'],
      helper: ['Helped.'],
    });
    await troupe.runtime.run(leadWith(createSubworkerTool({ availableTools })), 'Go.');
    expect(offeredTo(troupe, 'helper')).toEqual([['search', 'grep']]);
  });
});
