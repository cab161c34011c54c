/** What no compiler has seen: mistakes of plain JavaScript are refused where they are made. */
import { agentLogic, createRuntime, defineAgent, defineTool, dispatched, spawned } from '@troupe/core';
import { FaultError } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRuntime } from '../../../test/support/open-runtime.ts';
import { leadOf, toolOf } from './lead.ts';

/** Calls something as a program without types does. */
const faultBy = (made: (...given: never[]) => unknown, ...given: unknown[]): FaultError => {
  try {
    Reflect.apply(made, undefined, given);
  } catch (error) {
    if (error instanceof FaultError) return error;
    throw error;
  }
  throw new Error('Nothing was thrown.');
};

const kid = defineAgent({ name: 'kid', instructions: '' });
const createSearchTool = () => toolOf();
const named = (options: object) => ({ name: 'lead', instructions: '', ...options });

describe('[BG-051] an agent is refused', () => {
  test.each<[string, unknown, RegExp]>([
    ['of nothing', undefined, /^defineAgent was given undefined\. Expected \{ name, instructions/],
    ['of a name alone', 'lead', /^defineAgent was given a string\./],
    ['without a name', { instructions: '' }, /needs a name; found undefined/],
    [
      'with what makes a tool',
      named({ tools: [createSearchTool] }),
      /^Agent "lead": tools\[0\] is the function "createSearchTool": was it meant to be called\? Expected a tool/,
    ],
    [
      'with an object for a tool',
      named({ tools: [toolOf(), { name: 'x', execute: () => '' }] }),
      /tools\[1\] is an object with name, execute\. Expected a tool, made by defineTool/,
    ],
    ['with the name of a tool', named({ tools: ['search'] }), /tools\[0\] is a string\. Expected a tool/],
    ['with nothing for a tool', named({ tools: [undefined] }), /tools\[0\] is undefined\. Expected a tool/],
    [
      'with the promise of a tool',
      named({ tools: [Promise.resolve(toolOf())] }),
      /tools\[0\] is a promise, which is to be awaited\./,
    ],
    ['with an agent for a tool', named({ tools: [kid] }), /tools\[0\] is the agent "kid"\. .*spawns it.*spawned\(/],
    ['with tools by name', named({ tools: { echo: toolOf() } }), /tools is an object with echo\. Expected a list/],
    ['with a tool for its tools', named({ tools: toolOf() }), /tools is the tool "echo"\. Expected a list/],
    ['with agents of its own', named({ agents: [kid] }), /given agents, which no agent has\. .*a tool that spawns/],
    ['with hooks', named({ before: [() => {}] }), /given before, which no agent has\. Hooks belong to a tool/],
    ['with settings that are none', named({ settings: null }), /settings is null\. Expected \{ … \}/],
    ['with a compaction that is none', named({ compaction: 20 }), /compaction is a number\. Expected \{ … \}/],
    ['with a heartbeat that is none', named({ heartbeat: [] }), /heartbeat is a list\. Expected \{ … \}/],
    ['with a model that is no text', named({ model: { id: 'm' } }), /model is an object with id\. Expected a model id/],
  ])('%s', (_what, options, message) => {
    expect(faultBy(defineAgent, options)).toMatchObject({
      code: 'agent.invalid',
      message: expect.stringMatching(message),
    });
  });

  test('with a raw shape for its answer, which is to become a schema', () => {
    expect(faultBy(defineAgent, named({ outputSchema: { city: z.string() } }))).toMatchObject({
      code: 'schema.invalid',
      message: expect.stringMatching(/outputSchema of agent "lead" is an object of schemas \(city\).*z\.object/),
    });
  });

  test('but not for an answer that is JSON of another kind', () => {
    expect(leadOf({ outputSchema: z.array(z.string()) }).outputJSONSchema).toMatchObject({ type: 'array' });
    expect(leadOf({ outputSchema: z.string() }).outputJSONSchema).toMatchObject({ type: 'string' });
  });
});

const made = (options: object) => ({ name: 'x', description: '', inputSchema: z.object({}), execute() {}, ...options });

describe('[BG-051] [BG-078] a tool is refused', () => {
  test.each<[string, unknown, RegExp]>([
    ['of nothing', undefined, /^defineTool was given undefined\. Expected \{ name, description, inputSchema, execute/],
    ['without a name', made({ name: undefined }), /its name is undefined\. Expected text/],
    ['without execute', made({ execute: undefined }), /^Tool "x": execute is undefined\. Expected a function/],
    ['with a hook that is a function', made({ before: [() => {}] }), /before\[0\] is a function, not a hook\. .*run\(/],
    ['with a hook that is none', made({ after: [{ name: 'log' }] }), /after\[0\] is an object with name, not a hook/],
    [
      'with a hook that is in no list',
      made({ before: { run() {} } }),
      /before is an object with run\. Expected a list/,
    ],
  ])('%s', (_what, options, message) => {
    expect(faultBy(defineTool, options)).toMatchObject({
      code: 'tool.invalid',
      message: expect.stringMatching(message),
    });
  });

  test.each<[string, object, RegExp]>([
    ['no schema', { inputSchema: undefined }, /^The inputSchema of tool "x" is undefined\. .*z\.object\(\{ … \}\)/],
    ['JSON Schema', { inputSchema: { type: 'object', properties: {} } }, /is written as JSON Schema\. .*z\.object/],
    ['a raw shape', { inputSchema: { q: z.string() } }, /is an object of schemas \(q\), not yet one.*z\.object/],
    [
      'a schema of an older zod',
      { inputSchema: { '~standard': { version: 1 } } },
      /a schema that yields no JSON Schema, as of an older zod\. .*4\.2/,
    ],
    [
      'parameters',
      { inputSchema: undefined, parameters: z.object({}) },
      /is undefined, and there is one named "parameters"\. Call it inputSchema: z\.object/,
    ],
    ['a text', { inputSchema: z.string() }, /is one of string, and models call tools with objects\. .*z\.object/],
    ['a text or a list', { inputSchema: z.union([z.string(), z.array(z.int())]) }, /is one of string or array, /],
  ])('with %s for its input', (_what, options, message) => {
    expect(faultBy(defineTool, made(options))).toMatchObject({
      code: 'schema.invalid',
      message: expect.stringMatching(message),
    });
  });

  test.each<[string, object]>([
    ['a description', { description: undefined }],
    ['a name that every vendor takes', { name: 'files.read now' }],
    ['one kind of input', { inputSchema: z.union([z.object({ a: z.int() }), z.object({ b: z.int() })]) }],
    [
      'input of one tag',
      {
        inputSchema: z.discriminatedUnion('of', [
          z.object({ of: z.literal('a') }),
          z.object({ of: z.literal('b'), n: z.int() }),
        ]),
      },
    ],
    ['input that is checked', { inputSchema: z.any() }],
  ])('but not for want of %s', (_what, options) => {
    expect(defineTool(made(options) as never).inputJSONSchema).toBeTypeOf('object');
  });
});

describe('[BG-051] what a tool hands over is refused at once', () => {
  test.each<[string, unknown, RegExp]>([
    ['one request, in no list', { agent: kid, job: '' }, /an object with agent, job\. Expected a list: spawned\(\[/],
    ['nothing', undefined, /^spawned\(\) was given undefined\. Expected a list/],
    ['the name of an agent', [{ agent: 'kid', job: '' }], /\[0\] whose agent is "kid"\. .*made by defineAgent/],
    [
      'an agent that was not defined',
      [
        { agent: kid, job: '' },
        { agent: { name: 'k', instructions: '' }, job: '' },
      ],
      /\[1\] whose agent is an object with name, instructions\. /,
    ],
    ['an agent without its job', [kid], /\[0\] that is the agent "kid"\. Expected \{ agent, job \}/],
  ])('as children: %s', (_what, requests, message) => {
    expect(faultBy(spawned, requests)).toMatchObject({
      code: 'spawn.invalid',
      message: expect.stringMatching(message),
    });
  });

  test.each<[string, unknown, RegExp]>([
    ['nothing to answer', { data: null }, /given the answer undefined\. Expected \{ data, answer \}.*a function/],
    ['an answer that is text', { data: null, answer: 'Begun.' }, /given the answer a string\. Expected/],
    ['nothing', undefined, /^dispatched\(\) was given undefined\. Expected/],
  ])('as background work: %s', (_what, dispatch, message) => {
    expect(faultBy(dispatched, dispatch)).toMatchObject({
      code: 'dispatch.invalid',
      message: expect.stringMatching(message),
    });
  });

  test.each([
    ['children', () => spawned({ agent: kid, job: '' } as never), 'Expected a list: spawned([{ agent, job }]).'],
    ['background work', () => dispatched({ data: null } as never), 'Expected { data, answer }'],
  ])('and the call says what was expected: %s', async (_what, execute, expected) => {
    const provider = scriptedProvider([{ calls: [{ name: 'echo', arguments: { text: '' } }] }, 'Done.']);
    const tool = toolOf({ execute, settle: () => ({}) });
    const { status, calls } = await openRuntime({ provider }).runtime.run(leadOf({ tools: [tool] }), 'Go.');
    expect({ status, calls }).toMatchObject({
      status: 'completed',
      calls: [{ status: 'error', result: expect.stringContaining(expected) }],
    });
  });
});

test.each<[string, unknown[], RegExp]>([
  ['nothing', [], /^spawn\(\) was given undefined\. Expected spawn\(agent, job\)/],
  [
    'a request',
    [{ agent: kid, job: '' }],
    /^spawn\(\) was given an object with agent, job\. Expected spawn\(agent, job\)/,
  ],
  ['the name of an agent', ['kid', ''], /^spawn\(\) was given only the name of an agent, as text\./],
  ['an agent without a job', [kid], /^The job for "kid" has no input\./],
])('[BG-051] a tool that starts %s is told what was expected', async (_what, given, message) => {
  const provider = scriptedProvider([{ calls: [{ name: 'echo', arguments: { text: '' } }] }, 'Done.']);
  const tool = toolOf({ execute: async (_input, { spawn }) => String(await Reflect.apply(spawn, undefined, given)) });
  const { status, calls, children } = await openRuntime({ provider }).runtime.run(leadOf({ tools: [tool] }), 'Go.');
  const error = JSON.parse(calls[0]?.result ?? '{}').error;
  expect({ status, error, children }).toEqual({
    status: 'completed',
    error: expect.stringMatching(message),
    children: [],
  });
});

describe('[BG-051] what a tool makes of its runs in plain JavaScript is its result', () => {
  const calling = [{ calls: [{ name: 'echo', arguments: { text: '' } }] }, 'Done.'];
  test.each<[string, unknown, string]>([
    ['text', 'Both are fine.', 'Both are fine.'],
    ['a list', [1, 2], '[1,2]'],
    ['an object of its own', { content: 'x', runs: 2 }, '{"content":"x","runs":2}'],
    ['a result', { content: 'Fine.', data: { n: 1 } }, 'Fine.\n\n{"n":1}'],
    ['nothing', undefined, ''],
  ])('by settle: %s', async (_what, made, result) => {
    const tool = toolOf({ execute: () => spawned([]), settle: () => made as never });
    const { runtime } = openRuntime({ provider: scriptedProvider(calling) });
    expect((await runtime.run(leadOf({ tools: [tool] }), 'Go.')).calls).toMatchObject([{ status: 'ok', result }]);
  });

  test.each<[string, unknown]>([
    ['text', 'Begun.'],
    ['a promise of it', Promise.resolve('Begun.')],
    ['a result', { content: 'Begun.' }],
  ])('by the answer of background work: %s', async (_what, answer) => {
    const tool = toolOf({
      execute: (_input, { view }) => (view.unit ? 'Later.' : dispatched({ data: null, answer: () => answer as never })),
    });
    const { runtime } = openRuntime({
      provider: scriptedProvider((call) => (call.messages.length > 2 ? 'Done.' : calling[0]) as never),
    });
    const session = runtime.session(leadOf({ tools: [tool] }), { sessionKey: 's' });
    const { calls } = await session.send('Go.').then((run) => run.report);
    expect(calls).toMatchObject([{ status: 'ok', result: 'Begun.' }]);
    await session.idle();
  });
});

describe('[BG-051] what is no agent is refused', () => {
  const agent = named({ name: 'clerk' });
  const open = () => openRuntime({ provider: scriptedProvider(() => 'Done.') });

  test.each<[string, unknown, RegExp]>([
    ['options of one', agent, /an object with name, instructions\. Expected an agent made by defineAgent\(/],
    ['its name', 'clerk', /was given only a name, as text\. Expected an agent made by defineAgent/],
    ['nothing', undefined, /was given undefined\. Expected an agent/],
    ['a tool', toolOf(), /was given the tool "echo"\. Expected an agent/],
  ])('by runs and sessions: %s', async (_what, given, message) => {
    const { runtime, events } = open();
    const refused = { code: 'agent.invalid', message: expect.stringMatching(message) };
    expect(faultBy(runtime.run, given, 'Go.')).toMatchObject(refused);
    expect(faultBy(runtime.start, given, 'Go.', { runId: 'r1' })).toMatchObject(refused);
    expect(faultBy(runtime.session, given, { sessionKey: 's' })).toMatchObject(refused);
    expect([events, await runtime.runs.list()]).toEqual([[], []]);
  });

  test('but not a copy of one that was defined', async () => {
    const copy = { ...kid, instructions: 'Otherwise.' };
    expect(await open().runtime.run(copy, 'Go.')).toMatchObject({ status: 'completed' });
  });

  test('and by a machine that is to invoke it, as is what is no runtime', () => {
    const { runtime } = open();
    expect(faultBy(agentLogic, agent, runtime)).toMatchObject({
      code: 'agent.invalid',
      message: expect.stringMatching(/^agentLogic was given an object with name, instructions\. Expected an agent/),
    });
    expect(faultBy(agentLogic, kid, { runtime })).toMatchObject({
      code: 'runtime.invalid',
      message: expect.stringMatching(
        /^agentLogic was given as its runtime an object with runtime\. Expected what createRuntime/,
      ),
    });
  });

  test('and so is a session without a key', () => {
    expect(faultBy(open().runtime.session, kid)).toMatchObject({
      code: 'session.invalid',
      message: expect.stringContaining('needs a sessionKey'),
    });
  });

  const provider = scriptedProvider(() => 'Done.');
  test.each<[string, unknown, RegExp]>([
    ['of nothing', undefined, /^createRuntime was given undefined\. Expected options, with a model provider/],
    ['of a key', 'sk-4711', /^createRuntime was given a string\. Expected options/],
    ['with agents by name', { provider, agents: { kid } }, /as "agents" an object with kid\. Expected a list/],
    ['with one agent', { provider, agents: kid }, /as "agents" the agent "kid"\. Expected a list/],
    [
      'with options of an agent',
      { provider, agents: [kid, agent] },
      /as "agents\[1\]" an object with name, instructions\. Expected an agent made by defineAgent/,
    ],
    ['with a model that is no text', { provider, model: ['m'] }, /model is a list\. Give a model id/],
  ])('by a runtime: %s', (_what, options, message) => {
    expect(faultBy(createRuntime, options)).toMatchObject({
      code: 'runtime.invalid',
      message: expect.stringMatching(message),
    });
  });
});
