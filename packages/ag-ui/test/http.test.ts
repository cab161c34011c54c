import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventType } from '@ag-ui/core';
import { createRuntime, defineAgent, defineTool, spawned } from '@troupe/core';
import { sqliteStore } from '@troupe/store-sqlite';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { agUiHandler, agUiResponse } from '../src/index.ts';
import { expectOrdered } from './ordering.ts';
import { client, eventsIn, input, post, serve } from './served.ts';

const calling = (name: string, args: object = {}): Turn => ({ calls: [{ name, arguments: args }] });

/** A tool that a person must approve, and how often it ran. */
const eraser = () => {
  let ran = 0;
  const tool = defineTool({
    name: 'erase',
    description: 'Erases a file.',
    inputSchema: z.object({ path: z.string() }),
    confirm: true,
    prompt: 'Erase it?',
    execute: () => `erased ${++ran}`,
  });
  return { tool, ran: () => ran };
};
const helper = (tools: Parameters<typeof defineAgent>[0]['tools'] = []) =>
  defineAgent({ name: 'helper', instructions: 'Help.', tools });
const leadOf = (child: ReturnType<typeof helper>) =>
  defineAgent({
    name: 'lead',
    instructions: 'Lead.',
    tools: [
      defineTool({
        name: 'delegate',
        description: 'Delegates.',
        inputSchema: z.object({}),
        execute: () => spawned([{ agent: child, job: 'look' }]),
        settle: ([report]) => ({ content: report?.text ?? 'nothing' }),
      }),
    ],
  });

describe('a front end with AG-UI’s own client', () => {
  test('hears a tree of runs over HTTP, and has the conversation afterwards', async () => {
    // given a lead whose child thinks aloud and streams
    const provider = scriptedProvider({
      lead: [calling('delegate'), { deltas: ['The ', 'answer ', 'is 42.'] }],
      helper: [{ reasoning: 'Hm.', deltas: ['Forty', '-two.'] }],
    });
    const { url } = await serve(leadOf(helper()), { provider });
    const { run, say, agent } = client(url);
    // when it is asked
    say('What is the answer?');
    const { result, events } = await run({ runId: 'asked' });
    // then the client has heard everything in its order, and knows who said what
    expectOrdered(events);
    expect(result).toBe('The answer is 42.');
    expect(events.filter(({ type }) => type.startsWith('SUBAGENT'))).toMatchObject([
      { subagentRunId: 'asked/1-0/0', name: 'helper', description: 'look', parentToolCallId: 'asked/1-0' },
      { result: 'Forty-two.', outcome: { type: 'success' } },
    ]);
    expect(agent.messages).toMatchObject([
      { role: 'user', content: 'What is the answer?' },
      { id: 'asked/1', role: 'assistant', toolCalls: [{ id: 'asked/1-0', function: { name: 'delegate' } }] },
      { role: 'tool', toolCallId: 'asked/1-0', content: 'Forty-two.' },
      { role: 'reasoning', content: 'Hm.', subagentRunId: 'asked/1-0/0' },
      { role: 'assistant', name: 'helper', content: 'Forty-two.', subagentRunId: 'asked/1-0/0' },
      { id: 'asked/2', role: 'assistant', name: 'lead', content: 'The answer is 42.' },
    ]);
    expect(events.at(-1)).toMatchObject({ usage: [{ inputTokens: 30, outputTokens: 15, totalTokens: 45 }] });
  });

  test('is asked for an approval deep in the tree, gives it, and hears how the run goes on', async () => {
    const { tool, ran } = eraser();
    const provider = scriptedProvider({
      lead: [calling('delegate'), 'All done.'],
      helper: [calling('erase', { path: 'a' }), 'It is gone.'],
    });
    const { url } = await serve(leadOf(helper([tool])), { provider });
    const { run, say, agent } = client(url);
    say('Tidy up.');
    const asked = await run({ runId: 'first' });
    expectOrdered(asked.events);
    expect(agent.pendingInterrupts).toMatchObject([
      {
        id: 'first/1-0/0/1-0?',
        reason: 'tool_call',
        message: 'Erase it? (a)',
        toolCallId: 'first/1-0/0/1-0',
        subagentRunId: 'first/1-0/0',
        responseSchema: { required: ['approved'] },
        metadata: { troupe: { tool: 'erase', arguments: { path: 'a' } } },
      },
    ]);
    expect(asked.events.find(({ type }) => type === EventType.SUBAGENT_FINISHED)).toMatchObject({
      outcome: { type: 'suspended', interruptIds: ['first/1-0/0/1-0?'] },
    });
    // when it is approved
    const resume = [{ interruptId: 'first/1-0/0/1-0?', status: 'resolved' as const, payload: { approved: true } }];
    const answered = await run({ runId: 'second', resume });
    // then the same child goes on under the new AG-UI run, and the call is not told again
    expectOrdered(answered.events);
    expect(answered.result).toBe('All done.');
    expect(ran()).toBe(1);
    expect(answered.events[0]).toMatchObject({ type: EventType.RUN_STARTED, threadId: 'thread', runId: 'second' });
    expect(answered.events.filter(({ type }) => type === EventType.SUBAGENT_STARTED)).toMatchObject([
      { subagentRunId: 'first/1-0/0', name: 'helper' },
    ]);
    expect(
      answered.events.flatMap((event) => (event.type === EventType.TOOL_CALL_RESULT ? [event.toolCallId] : [])),
    ).toEqual(['first/1-0/0/1-0', 'first/1-0']);
    // and what is sent again changes nothing, and is heard again
    const again = await post(url, input('', { runId: 'second', messages: [], resume }));
    expect(eventsIn(await again.text())).toEqual(answered.events);
    expect(ran()).toBe(1);
    // but another answer comes too late
    const other = [{ interruptId: 'first/1-0/0/1-0?', status: 'cancelled' }];
    const late = await post(url, { ...input(''), runId: 'third', resume: other });
    expect([late.status, await late.json()]).toEqual([
      409,
      {
        type: 'RUN_ERROR',
        code: 'resume.rejected',
        message: 'Interrupt "first/1-0/0/1-0?": already answered.',
        metadata: {
          troupe: { refused: [{ interruptId: 'first/1-0/0/1-0?', reason: 'already answered' }], stored: [] },
        },
      },
    ]);
  });

  test('goes on with its thread: the session knows what was said, and only what is new is sent to it', async () => {
    const provider = scriptedProvider(['Hello Ann.', 'You are Ann.', 'Hello.']);
    const { url } = await serve(helper(), { provider });
    const { run, say } = client(url);
    say('I am Ann.');
    await run();
    say('Who am I?');
    expect((await run()).result).toBe('You are Ann.');
    expect(provider.requests[1]?.request.messages.map(({ content }) => content)).toEqual([
      expect.stringContaining('Help.'),
      'I am Ann.',
      'Hello Ann.',
      'Who am I?',
    ]);
    // while another thread begins anew
    const other = client(url, 'another');
    other.say('Hello?');
    await other.run();
    expect(provider.requests[2]?.request.messages).toHaveLength(2);
  });

  test('hears why a run failed, and that one was interrupted', async () => {
    const { url, runtime } = await serve(helper(), {
      provider: scriptedProvider([
        { deltas: ['Well'], fault: { code: 'model.refused', message: 'Not me.' } },
        { hang: true },
      ]),
    });
    const failed = eventsIn(await (await post(url, input('go'))).text());
    expectOrdered(failed);
    expect(failed.at(-1)).toMatchObject({ type: EventType.RUN_ERROR, message: 'Not me.', code: 'model_error' });
    const stream = await post(url, input('go on', { runId: 'run-2' }));
    await (await runtime.attach('run-2')).interrupt();
    const interrupted = eventsIn(await stream.text());
    expectOrdered(interrupted);
    expect(interrupted.at(-1)).toMatchObject({ type: EventType.RUN_FINISHED, outcome: { type: 'cancelled' } });
  });
});

describe('a request', () => {
  test('that is sent again gets the run that is there: nothing is asked twice', async () => {
    const provider = scriptedProvider(['Once.']);
    const { url } = await serve(helper(), { provider });
    const [first, second] = await Promise.all([post(url, input('go')), post(url, input('go'))]);
    const [one, two] = [eventsIn(await first.text()), eventsIn(await second.text())];
    expect(one.at(-1)).toMatchObject({ result: 'Once.' });
    expect(two.at(-1)).toEqual(one.at(-1));
    expect(provider.requests).toHaveLength(1);
  });

  test('for a thread that is busy waits for its turn', async () => {
    const { promise: firstAnswer, resolve: answerFirst } = Promise.withResolvers<string>();
    const provider = scriptedProvider((_request, { runId }) => (runId === 'run-2' ? 'Second.' : firstAnswer));
    const { url } = await serve(helper(), { provider });
    const first = await post(url, input('one'));
    const second = await post(url, input('two', { runId: 'run-2' }));
    answerFirst('First.');
    const events = eventsIn(await second.text());
    expectOrdered(events);
    expect(events[1]).toMatchObject({ type: EventType.CUSTOM, name: 'troupe.run.queued' });
    expect(events.at(-1)).toMatchObject({ result: 'Second.' });
    await first.text();
  });

  test('without answers is refused while its thread waits for some; all of them are wanted, of this thread, in a form that is clear', async () => {
    const { tool } = eraser();
    const provider = scriptedProvider([
      {
        calls: [
          { name: 'erase', arguments: { path: 'a' } },
          { name: 'erase', arguments: { path: 'b' } },
        ],
      },
      'Done.',
    ]);
    const { url } = await serve(helper([tool]), { provider });
    await (await post(url, input('go'))).text();
    const entry = (interruptId: string, payload: unknown = true) => ({ interruptId, status: 'resolved', payload });
    const refused = async (more: object, body = input('more', { runId: 'run-2' })) => {
      const response = await post(url, { ...body, ...more });
      const { code, message } = (await response.json()) as { code: string; message: string };
      return `${response.status} ${code}: ${message}`;
    };
    const first = 'run-1/1-0?';
    const open = eventsIn(await (await post(url, input('go'))).text()).at(-1);
    expect(open).toMatchObject({ outcome: { type: 'interrupt', interrupts: [{ id: first }] } });
    expect(await refused({})).toBe(
      `409 resume.missing: The thread waits for answers to "${first}". Answer all of them in resume, or cancel them there.`,
    );
    expect(await refused({ resume: [entry('run-1/9-0?'), entry(first)] })).toContain('409 resume.rejected');
    expect(await refused({ resume: [entry('run-1/9-0?')] })).toContain('409 resume.missing');
    expect(await refused({ resume: [entry('nobody/1-0?')] })).toContain('404 resume.unknown');
    expect(await refused({ resume: [entry('nonsense')] })).toContain('404 resume.unknown');
    expect(await refused({ threadId: 'another', resume: [entry(first)] })).toContain('404 resume.unknown');
    expect(await refused({ resume: [entry(first, { approved: true, editedArgs: {} })] })).toContain(
      'Expected a payload of { "approved": true } or { "approved": false }.',
    );
    expect(await refused({ resume: [{ interruptId: first, status: 'resolved' }] })).toContain('with no payload');
  });

  test('that leaves changes no run, unless that was asked for', async () => {
    const gate = Promise.withResolvers<void>();
    const provider = scriptedProvider(async () => {
      await gate.promise;
      return 'Done.';
    });
    const { handler, runtime } = await serve(helper(), { provider });
    const headers = { 'content-type': 'application/json' };
    const request = { method: 'POST', headers, body: JSON.stringify(input('go')) };
    const reader = (await handler(new Request('http://localhost/', request))).body!.getReader();
    await reader.read();
    await reader.cancel();
    gate.resolve();
    expect(await (await runtime.attach('run-1')).ended).toMatchObject({ status: 'completed', text: 'Done.' });
  });

  test('that leaves interrupts its run where that was asked for', async () => {
    const { url, runtime } = await serve(
      helper(),
      { provider: scriptedProvider([{ hang: true }]) },
      { onDisconnect: 'interrupt' },
    );
    const leaver = new AbortController();
    const response = await post(url, input('go'), { signal: leaver.signal });
    await response.body?.getReader().read();
    leaver.abort();
    expect(await (await runtime.attach('run-1')).ended).toMatchObject({ status: 'interrupted' });
  });

  test('may answer after a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-ag-ui-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const { tool, ran } = eraser();
    const life = (turns: Turn[]) => {
      const store = sqliteStore(join(folder, 'runs.db'));
      const runtime = createRuntime({ provider: scriptedProvider(turns), model: 'm', store, agents: [helper([tool])] });
      const handler = agUiHandler({ runtime, agent: helper([tool]) });
      const ask = async (body: unknown) => {
        const headers = { 'content-type': 'application/json' };
        const request = new Request('http://localhost/', { method: 'POST', headers, body: JSON.stringify(body) });
        return eventsIn(await (await handler(request)).text());
      };
      const end = async () => {
        await runtime.close();
        await store.close();
      };
      return { ask, end, runtime };
    };
    // given a run that asks, in a program that ends
    const before = life([calling('erase', { path: 'a' })]);
    const asked = await before.ask(input('go'));
    expect(asked.at(-1)).toMatchObject({ outcome: { type: 'interrupt' } });
    await before.end();
    // when the answer comes to another program
    const after = life(['Gone.']);
    const resume = [{ interruptId: 'run-1/1-0?', status: 'resolved', payload: true }];
    const answered = await after.ask(input('', { runId: 'run-2', messages: [], resume: resume as never }));
    // then the run goes on there
    expectOrdered(answered);
    expect(answered.at(-1)).toMatchObject({ runId: 'run-2', result: 'Gone.' });
    expect(ran()).toBe(1);
    await after.end();
  });
});

describe('a run that is there', () => {
  test('is streamed from its start, by its own id, until its runtime suspends it', async () => {
    const runtime = createRuntime({ provider: scriptedProvider([{ hang: true }]), model: 'm' });
    const run = runtime.start(helper(), 'go', { runId: 'there' });
    const response = agUiResponse(run);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const text = response.text();
    await runtime.close({ runs: 'suspend' });
    const events = eventsIn(await text);
    expectOrdered(events);
    expect(events[0]).toMatchObject({ threadId: 'there', runId: 'there' });
    expect(events.at(-1)).toMatchObject({ type: EventType.RUN_ERROR, code: 'run.suspended' });
  });

  test('that cannot be read any more says so, and nothing that a stranger should not know', async () => {
    const broken = {
      async *[Symbol.asyncIterator]() {
        yield* [];
        throw new Error('disk on fire');
      },
      interrupt: async () => {},
    };
    const events = eventsIn(await agUiResponse(broken).text());
    expect(events).toMatchObject([
      { type: EventType.RUN_STARTED },
      { type: EventType.RUN_ERROR, code: 'run.unreadable', message: 'The events of the run could not be read.' },
    ]);
  });
});
