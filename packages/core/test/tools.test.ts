import { defineTool, type Hook } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { call, leadOf, only, toolOf } from './lead.ts';

const open = () => {
  const provider = scriptedProvider([{ calls: [call()] }, 'Done.']);
  return { provider, ...openRuntime({ provider }) };
};
/** Runs one call of a tool, and gives what the model was told, the call as reported and the events. */
const callOnce = async (tool: Parameters<typeof toolOf>[0]) => {
  const { runtime, provider, events } = open();
  const report = await runtime.run(leadOf({ tools: [toolOf(tool)] }), 'Go.');
  expect(report.status).toBe('completed');
  return { told: provider.requests[1]?.request.messages.at(-1)?.content, call: report.calls[0], events };
};

describe('[BG-100] what a tool gives', () => {
  test.each<[string, unknown, string, unknown]>([
    ['text', 'Hi.', 'Hi.', undefined],
    ['nothing', undefined, '', undefined],
    ['an object', { n: [1] }, '{"n":[1]}', { n: [1] }],
    ['a number', 0, '0', 0],
    ['null', null, 'null', null],
    ['a result with both', { content: 'Hi.', data: { n: 1 } }, 'Hi.\n\n{"n":1}', { n: 1 }],
    [
      'what is not JSON yet',
      { at: new Date(0) },
      '{"at":"1970-01-01T00:00:00.000Z"}',
      { at: '1970-01-01T00:00:00.000Z' },
    ],
  ])('is told to the model and kept as data: %s', async (_what, output, text, data) => {
    const done = await callOnce({ execute: () => output });
    expect(done.told).toBe(text);
    expect(done.call).toMatchObject({ status: 'ok', result: text });
    expect(done.call?.data).toEqual(data);
    expect(only(done.events, 'call.completed')[0]).toMatchObject({ tool: 'echo', callId: 'call_1', result: text });
  });

  test('is an error with its data when it says so, told apart in event, report and conversation', async () => {
    const done = await callOnce({
      execute: () => ({ error: 'No such city.', data: { near: 'Bonn' }, content: 'Searched.' }),
    });
    const text = '{"error":"No such city.","data":{"near":"Bonn"},"partial":"Searched."}';
    expect(done.told).toBe(text);
    expect(done.call).toMatchObject({ status: 'error', result: text, data: { near: 'Bonn' } });
    expect(only(done.events, 'call.failed')[0]).toMatchObject({
      status: 'error',
      error: 'No such city.',
      result: text,
      data: { near: 'Bonn' },
    });
    expect(only(done.events, 'call.completed')).toEqual([]);
  });

  test.each([
    [
      'thrown',
      () => {
        throw new Error('boom');
      },
    ],
    [
      'thrown later',
      async () => {
        await settle(1);
        throw new Error('boom');
      },
    ],
    [
      'thrown that is no error',
      () => {
        // oxlint-disable-next-line typescript/only-throw-error -- tools may throw anything
        throw 'boom';
      },
    ],
  ])('is an error when it was %s', async (_how, execute) => {
    expect(await callOnce({ execute })).toMatchObject({ told: '{"error":"boom"}', call: { status: 'error' } });
  });
});

describe('[BG-101] hooks', () => {
  const hooks = (log: string[], ...names: string[]): Hook[] =>
    names.map((name) => ({
      name,
      run: async ({ tool, arguments: args }, result) => {
        await settle(1);
        log.push(`${name} ${tool} ${JSON.stringify(args)}${result ? ` → ${JSON.stringify(result)}` : ''}`);
      },
    }));
  const boom = (message: string): Hook => ({
    run: () => {
      throw new Error(message);
    },
  });

  test('run in order around the tool, the later ones with its result', async () => {
    const log: string[] = [];
    const execute = () => {
      log.push('execute');
      return 'Hi.';
    };
    expect((await callOnce({ execute, before: hooks(log, 'b1', 'b2'), after: hooks(log, 'a1', 'a2') })).told).toBe(
      'Hi.',
    );
    expect(log).toEqual([
      'b1 echo {"text":"a"}',
      'b2 echo {"text":"a"}',
      'execute',
      'a1 echo {"text":"a"} → {"content":"Hi."}',
      'a2 echo {"text":"a"} → {"content":"Hi."}',
    ]);
  });

  test('that throw before prevent the call', async () => {
    const log: string[] = [];
    const execute = () => {
      log.push('execute');
      return '';
    };
    expect((await callOnce({ execute, before: [boom('not today'), ...hooks(log, 'b2')] })).told).toBe(
      '{"error":"not today"}',
    );
    expect(log).toEqual([]);
  });

  test('come before the check of the input, which those after still hear of', async () => {
    const log: string[] = [];
    const provider = scriptedProvider([{ calls: [{ name: 'echo', arguments: { text: 1 } }] }, 'Done.']);
    const { runtime } = openRuntime({ provider });
    const execute = () => {
      log.push('execute');
      return '';
    };
    await runtime.run(leadOf({ tools: [toolOf({ execute, before: hooks(log, 'b'), after: hooks(log, 'a') })] }), 'Go.');
    expect(log).toEqual([
      'b echo {"text":1}',
      expect.stringMatching(/^a echo \{"text":1\} → \{"error":"The arguments of .* do not fit/),
    ]);
  });

  test('that throw after make an error of the result, and keep what there was', async () => {
    expect((await callOnce({ execute: () => 'Hi.', after: [boom('bad')] })).told).toBe(
      '{"error":"Post-hook error: bad","partial":"Hi."}',
    );
    expect(
      (await callOnce({ execute: () => ({ error: 'No.', data: 1 }), after: [boom('bad'), boom('worse')] })).told,
    ).toBe('{"error":"No. Post-hook error: bad Post-hook error: worse","data":1}');
  });
});

describe('[BG-104] the events of a call', () => {
  test.each([
    [200, { preview: 'x'.repeat(200), truncated: false }],
    [201, { preview: `${'x'.repeat(200)}…`, truncated: true }],
  ])('preview the first 200 characters of %i and have the whole result', async (length, expected) => {
    const { events } = await callOnce({ execute: () => 'x'.repeat(length) });
    expect(only(events, 'call.completed')[0]).toMatchObject({ ...expected, result: 'x'.repeat(length) });
  });

  test('preview as much as the tool says', async () => {
    const { events } = await callOnce({ execute: () => 'abcdef', previewLength: 3 });
    expect(only(events, 'call.completed')[0]).toMatchObject({ preview: 'abc…', truncated: true });
  });

  test('say the arguments at the start, and the error of a call that failed', async () => {
    const { events } = await callOnce({ execute: () => ({ error: 'No.' }) });
    expect(only(events, 'call.started')[0]).toMatchObject({ callId: 'call_1', tool: 'echo', arguments: { text: 'a' } });
    expect(only(events, 'call.failed')[0]).toMatchObject({ callId: 'call_1', tool: 'echo', error: 'No.' });
  });
});

describe('[BG-105] an output schema', () => {
  const City = z.object({ city: z.string(), people: z.number().default(0) });

  test('lets through what fits, as the schema makes it', async () => {
    expect((await callOnce({ outputSchema: City, execute: () => ({ city: 'Köln' }) })).told).toBe(
      '{"city":"Köln","people":0}',
    );
    expect(
      (await callOnce({ outputSchema: City, execute: () => ({ content: 'Found.', data: { city: 'Köln' } }) })).call,
    ).toMatchObject({ status: 'ok' });
  });

  test.each<[string, unknown]>([
    ['another type', { city: 1 }],
    ['text', 'Köln'],
    ['nothing', undefined],
    ['a result whose data does not fit', { data: { town: 'Köln' } }],
  ])('makes an error of what does not fit: %s', async (_what, output) => {
    const done = await callOnce({ outputSchema: City, execute: () => output });
    expect(done.call).toMatchObject({
      status: 'error',
      result: expect.stringMatching(/output of \\"echo\\" does not fit its schema/),
    });
  });

  test('leaves an error as it is', async () => {
    expect((await callOnce({ outputSchema: City, execute: () => ({ error: 'No.' }) })).told).toBe('{"error":"No."}');
  });
});

test('a tool is told of its run: ids, key and a view, and what is left of the budget', async () => {
  let seen: object | undefined;
  const { runtime } = open();
  const tool = toolOf({
    execute: (_input, { runId, callId, key, view }) => {
      seen = {
        runId,
        callId,
        key,
        view: {
          agent: view.agent,
          rootId: view.rootId,
          tools: view.tools,
          model: view.model,
          depth: view.depth,
          session: view.sessionKey,
          budget: view.budget,
        },
      };
      return '';
    },
  });
  await runtime.run(leadOf({ tools: [tool], budget: { turns: 4, tokens: 100 } }), 'Go.', {
    runId: 'r',
    sessionKey: 's',
  });
  expect(seen).toEqual({
    runId: 'r',
    callId: 'call_1',
    key: 'r/1-0',
    view: {
      agent: 'lead',
      rootId: 'r',
      tools: ['echo'],
      model: 'test-model',
      depth: 0,
      session: 's',
      budget: {
        granted: expect.objectContaining({ turns: 4, tokens: 100 }),
        left: { turns: 3, toolCalls: 19, tokens: 85 },
      },
    },
  });
});

test('a description may depend on the moment', async () => {
  const { runtime, provider } = open();
  const tool = defineTool({
    name: 'echo',
    inputSchema: z.object({ text: z.string() }),
    description: ({ budget }) => `${budget.left.turns} turns left`,
    execute: () => '',
  });
  await runtime.run(leadOf({ tools: [tool] }), 'Go.');
  expect(provider.requests.map(({ request }) => request.tools[0]?.description)).toEqual([
    '10 turns left',
    '9 turns left',
  ]);
});
