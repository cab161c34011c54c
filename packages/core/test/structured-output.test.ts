import { memoryStore, textOf } from '@troupe/core';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRuntime } from '../../../test/support/open-runtime.ts';
import { call, leadOf, only, toolOf } from './lead.ts';

const Answer = z.object({ city: z.string(), people: z.number().int() });
const good = '{"city":"Köln","people":1}';

const open = (script: Turn[]) => {
  const provider = scriptedProvider(script);
  return { provider, ...openRuntime({ provider }) };
};
const lastAsked = (provider: ReturnType<typeof scriptedProvider>, n: number) =>
  String(provider.requests[n]?.request.messages.at(-1)?.content);

describe('[BG-085] with an output schema', () => {
  test('the model is told the schema, uses its tools first and answers then', async () => {
    const { runtime, provider } = open([{ calls: [call()] }, good]);
    const report = await runtime.run(leadOf({ outputSchema: Answer, tools: [toolOf()] }), 'Go.');
    expect(report).toMatchObject({ status: 'completed', text: good, data: { city: 'Köln', people: 1 } });
    for (const { request } of provider.requests) {
      expect(request.output).toMatchObject({ name: 'lead', schema: { type: 'object', required: ['city', 'people'] } });
      expect(request.tools.map(({ name }) => name)).toEqual(['echo']);
    }
  });

  test('text beside a call is not taken for the answer', async () => {
    const { runtime } = open([{ text: '{"city":"Bonn","people":2}', calls: [call()] }, good]);
    expect((await runtime.run(leadOf({ outputSchema: Answer, tools: [toolOf()] }), 'Go.')).data).toEqual({
      city: 'Köln',
      people: 1,
    });
  });

  test.each([
    ['alone', good],
    ['in a fence without a name', `\`\`\`\n${good}\n\`\`\``],
    ['in a fence', `Here:\n\`\`\`json\n${good}\n\`\`\`\nGood?`],
    ['in prose', `I would say ${good}, roughly.`],
    ['in prose over several lines', `The city:\n\n${good.replace(',', ',\n  ')}\n\nThat is all.`],
    ['behind brackets of the prose', `As in [1] and {the notes}: ${good}`],
    ['behind another fence', `\`\`\`json\n{"n":1}\n\`\`\`\nand so\n\`\`\`json\n${good}\n\`\`\``],
    ['behind JSON that does not fit', `From {"city":"Bonn"} and [1, 2] I get ${good} or {"city":"Bonn","people":2}.`],
  ])('an answer is found %s [HM-170]', async (_where, text) => {
    const { runtime } = open([text]);
    expect((await runtime.run(leadOf({ outputSchema: Answer }), 'Go.')).data).toEqual({ city: 'Köln', people: 1 });
  });

  test('an answer is found behind JSON of which its schema can make nothing', async () => {
    const { runtime } = open(['As in [1]: {"items":[1]}']);
    const outputSchema = z.any().refine((answer) => answer.items.length > 0);
    expect((await runtime.run(leadOf({ outputSchema }), 'Go.')).data).toEqual({ items: [1] });
  });

  test('the data is what the schema makes of the answer', async () => {
    const { runtime, events } = open(['{"city":" Köln ","extra":1}']);
    const outputSchema = z.object({ city: z.string().trim(), people: z.number().default(7) });
    expect((await runtime.run(leadOf({ outputSchema }), 'Go.')).data).toEqual({ city: 'Köln', people: 7 });
    expect(only(events, 'run.completed')[0]?.data).toEqual({ city: 'Köln', people: 7 });
  });

  test('an answer that does not fit is sent back with what was wrong', async () => {
    const { runtime, provider } = open(['{"city":"Köln","people":"many"}', good]);
    expect(await runtime.run(leadOf({ outputSchema: Answer }), 'Go.')).toMatchObject({
      status: 'completed',
      data: { people: 1 },
    });
    expect(lastAsked(provider, 1)).toMatch(/does not fit.*people: .*number/s);
    expect(provider.requests[1]?.request.messages.at(-2)).toMatchObject({
      role: 'assistant',
      content: '{"city":"Köln","people":"many"}',
    });
  });

  test('where nothing fits, what is wrong with the last of it is sent back', async () => {
    const { runtime, provider } = open(['As in [1]: {"city":"Köln","people":"many"}', good]);
    expect((await runtime.run(leadOf({ outputSchema: Answer }), 'Go.')).status).toBe('completed');
    expect(lastAsked(provider, 1)).toMatch(/people: .*number/);
  });

  test('an answer without JSON is sent back, too', async () => {
    const { runtime, provider } = open(['Köln has many.', good]);
    expect((await runtime.run(leadOf({ outputSchema: Answer }), 'Go.')).status).toBe('completed');
    expect(lastAsked(provider, 1)).toMatch(/holds no JSON/);
  });

  test.each([0, 1, 3])(
    'with %i retries the run fails after one attempt more, and gives no data',
    async (outputRetries) => {
      const { runtime, provider } = open(Array(9).fill('{"city":1}'));
      const report = await runtime.run(leadOf({ outputSchema: Answer, outputRetries }), 'Go.');
      expect(report).toMatchObject({
        status: 'failed',
        exitReason: 'invalid_output',
        text: null,
        partialText: '{"city":1}',
        fault: {
          code: 'model.invalid_output',
          message: expect.stringMatching(new RegExp(`after ${outputRetries + 1} attempts: .*city`)),
        },
      });
      expect('data' in report).toBe(false);
      expect(provider.requests).toHaveLength(outputRetries + 1);
    },
  );

  describe('and "keep" for what does not fit', () => {
    const keep = { outputSchema: Answer, outputMismatch: 'keep' } as const;

    test.each([
      [0, 'prose', 'Köln has many.', /holds no JSON/],
      [1, 'other data', '{"city":1}', /city: .*string/],
      [2, 'other data in a fence', '```json\n{"city":"Köln"}\n```', /people: /],
    ])(
      'after %i retries %s is an answer: its text, no data, and a warning that says why [HM-170]',
      async (outputRetries, _what, text, problem) => {
        const { runtime, provider, events } = open(Array(9).fill(text));
        const report = await runtime.run(leadOf({ ...keep, outputRetries }), 'Go.');
        expect(report).toMatchObject({ status: 'completed', exitReason: 'answered', text });
        expect(['data' in report, 'fault' in report, 'partialText' in report]).toEqual([false, false, false]);
        expect(provider.requests).toHaveLength(outputRetries + 1);
        const [warning, ...others] = only(events, 'warning.raised');
        expect(others).toEqual([]);
        expect(warning).toMatchObject({ code: 'output.invalid', message: expect.stringMatching(problem) });
        expect(warning?.message).toContain(`"lead" is kept as text`);
        expect(warning?.message).toContain(`after ${outputRetries + 1} attempts`);
        const end = only(events, 'run.completed')[0];
        expect([end?.text, end && 'data' in end]).toEqual([text, false]);
      },
    );

    test('an answer that fits after all is data, and nothing is warned of [HM-170]', async () => {
      const { runtime, types } = open(['Perhaps.', good]);
      expect(await runtime.run(leadOf(keep), 'Go.')).toMatchObject({ data: { city: 'Köln', people: 1 } });
      expect(types()).not.toContain('warning.raised');
    });

    test.each<[string, Turn[], string]>([
      ['is cut off', [{ text: 'Köl', finish: 'length' }], 'model_error'],
      ['is nothing', ['', ''], 'no_answer'],
    ])('an answer that %s is none: its run fails as ever [HM-170]', async (_what, script, exitReason) => {
      const { runtime, types } = open(script);
      expect(await runtime.run(leadOf({ ...keep, budget: { turns: 5 } }), 'Go.')).toMatchObject({
        status: 'failed',
        exitReason,
      });
      expect(types()).not.toContain('run.completed');
    });

    test.each([{ turns: 1 }, { tokens: 15 }])(
      'an answer that nobody can be asked for again, with %j, is the last one: it is judged as such [HM-170]',
      async (budget) => {
        const kept = await open(['Perhaps.']).runtime.run(leadOf({ ...keep, budget }), 'Go.');
        expect(kept).toMatchObject({ status: 'completed', text: 'Perhaps.' });
        const { outputMismatch: _, ...failing } = keep;
        const failed = await open(['Perhaps.']).runtime.run(leadOf({ ...failing, budget }), 'Go.');
        expect(failed).toMatchObject({ status: 'failed', exitReason: 'invalid_output' });
      },
    );

    test('the text is what is remembered, and a replay comes to the same [HM-170]', async () => {
      const memory = memoryStore();
      const { runtime, types } = openRuntime({ provider: scriptedProvider(['Perhaps.']), memory });
      const { runId } = await runtime.run(leadOf({ ...keep, outputRetries: 0 }), 'Go.');
      expect(await memory.read('agent:lead', 'last_output')).toBe('Perhaps.');
      expect(types().slice(-3)).toEqual(['warning.raised', 'memory.written', 'run.completed']);
      expect((await runtime.replay(runId)).snapshot.value).toBe('completed');
    });

    test("a job's own schema is held to the same [HM-170]", async () => {
      const { runtime } = open(['Perhaps.']);
      const agent = leadOf({ outputMismatch: 'keep', outputRetries: 0 });
      expect(await runtime.run(agent, { input: 'Go.', outputSchema: Answer })).toMatchObject({
        status: 'completed',
        text: 'Perhaps.',
      });
    });
  });

  test('a schema that waits is waited for', async () => {
    const outputSchema = z.object({ city: z.string().refine(async (city) => city === 'Köln', 'no such city') });
    const { runtime, provider } = open(['{"city":"Atlantis"}', '{"city":"Köln"}']);
    expect((await runtime.run(leadOf({ outputSchema }), 'Go.')).data).toEqual({ city: 'Köln' });
    expect(lastAsked(provider, 1)).toMatch(/city: no such city/);
  });

  test('an empty answer is no misfit: it is asked for as any other', async () => {
    const { runtime, provider } = open(['', good]);
    expect((await runtime.run(leadOf({ outputSchema: Answer, outputRetries: 0 }), 'Go.')).status).toBe('completed');
    expect(lastAsked(provider, 1)).toMatch(/no answer/);
  });

  test('[BG-086] the answer streams as any other', async () => {
    const { runtime } = open([{ deltas: ['{"city":"Köln",', '"people":1}'] }]);
    const run = runtime.start(leadOf({ outputSchema: Answer }), 'Go.');
    const heard: string[] = [];
    run.events$.pipe(textOf(run.id)).subscribe((text) => heard.push(text));
    await run.report;
    expect(heard).toEqual(['{"city":"Köln",', good]);
  });
});
