import { defineAgent, defineTool, type Tool } from '@troupe/core';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { calling } from './tools.ts';

const asking = (tools: Tool[], ...turns: Turn[]) => {
  const agent = defineAgent({ name: 'clerk', instructions: 'Work.', tools });
  const provider = scriptedProvider(turns);
  return { agent, provider, ...openRuntime({ provider }) };
};

/** What the model was told by the tools of its last turn. */
const answersOf = (provider: ReturnType<typeof scriptedProvider>) =>
  provider.requests
    .at(-1)
    ?.request.messages.filter(({ role }) => role === 'tool')
    .map(({ content }) => content);

describe('what a person is asked', () => {
  const questionOf = async (tool: Tool, args: object) => {
    const { agent, runtime } = asking([tool], { calls: [{ name: tool.name, arguments: args, id: 'c1' }] });
    const { questions, runId, status, exitReason } = await runtime.run(agent, 'go');
    expect({ status, exitReason }).toEqual({ status: 'paused', exitReason: 'question' });
    return { question: questions[0]!, runId };
  };
  const inputSchema = z.object({
    path: z.string().optional(),
    question: z.string().optional(),
    user_input: z.string().optional(),
  });
  const define = (options: object) =>
    defineTool({ name: 'tool', description: 'Describes itself', inputSchema, execute: () => 'x', ...options });

  test('a confirmation has an id, tool, arguments and the options yes and no [BG-080]', async () => {
    const { question, runId } = await questionOf(define({ confirm: true }), { question: 'why' });
    expect(question).toEqual({
      id: `${runId}/1-0?`,
      runId,
      rootId: runId,
      callId: 'c1',
      kind: 'confirmation',
      tool: 'tool',
      arguments: { question: 'why' },
      prompt: 'Describes itself',
      options: ['yes', 'no'],
      askedAt: expect.any(Number),
    });
  });

  test.each([
    ['its own prompt, with the path', { confirm: true, prompt: 'Really?' }, { path: '/tmp/a' }, 'Really? (/tmp/a)'],
    ['its description, with the path', { confirm: true }, { path: '/tmp/a' }, 'Describes itself (/tmp/a)'],
    ['its name when there is nothing else', { confirm: true, description: '' }, {}, 'Confirm tool'],
    [
      'for input, the question of the call first',
      { askUser: true, prompt: 'Which?' },
      { question: 'Which colour?' },
      'Which colour?',
    ],
    ['for input, its own prompt second', { askUser: true, prompt: 'Which?' }, {}, 'Which?'],
    ['for input, its description last', { askUser: true }, {}, 'Describes itself'],
    ['for a hand-off, its own prompt', { handoff: true, prompt: 'Take over.' }, {}, 'Take over.'],
  ])('the prompt is %s [BG-080]', async (_what, options, args, prompt) => {
    const { question } = await questionOf(define(options), args);
    expect(question.prompt).toBe(prompt);
    expect(question.options).toEqual('confirm' in options ? ['yes', 'no'] : []);
  });
});

describe('a question for input', () => {
  const ask = (options: object = {}) =>
    defineTool({
      name: 'ask',
      description: 'Asks',
      inputSchema: z.object({ user_input: z.string().optional(), colour: z.string().optional() }),
      askUser: true,
      execute: (input) => JSON.stringify(input),
      ...options,
    });

  test.each([
    ['user_input', {}, 'blue', 'blue'],
    ['user_input', {}, { value: 'blue' }, 'blue'],
    ['colour', { inputKey: 'colour' }, 'red', 'red'],
  ])(
    'writes its answer into the argument %s, and the tool runs with it [BG-082]',
    async (key, options, answer, value) => {
      const { agent, runtime, provider } = asking([ask(options)], calling('ask'), 'Thanks.');
      const run = runtime.start(agent, 'go');
      const { questions } = await run.report;
      expect(questions).toMatchObject([{ kind: 'input', inputKey: key }]);
      await run.answer(questions[0]!.id, answer);
      expect(await run.ended).toMatchObject({ status: 'completed' });
      expect(answersOf(provider)).toEqual([JSON.stringify({ [key]: value })]);
    },
  );

  test('takes any text, words like no included, and can be declined [BG-082]', async () => {
    const { agent, runtime, provider } = asking([ask()], calling('ask'), calling('ask'), 'Done.');
    const run = runtime.start(agent, 'go');
    await run.answer((await run.report).questions[0]!.id, 'no');
    await settle();
    await run.answer(run.questions[0]!.id, { decline: 'ask somebody else' });
    await run.ended;
    expect(answersOf(provider)).toEqual([
      '{"user_input":"no"}',
      JSON.stringify({ error: 'Tool execution declined: ask somebody else' }),
    ]);
  });

  test('an answer that does not fit the tool is the error of its call, and the run goes on [BG-082]', async () => {
    const { agent, runtime, provider } = asking([ask()], calling('ask'), 'Then not.');
    const run = runtime.start(agent, 'go');
    await run.answer((await run.report).questions[0]!.id, { value: 7 });
    expect(await run.ended).toMatchObject({ status: 'completed', calls: [{ status: 'error' }] });
    expect(answersOf(provider)?.[0]).toMatch(/user_input/);
  });
});
