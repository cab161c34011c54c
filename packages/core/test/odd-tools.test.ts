/** Tools that do what nobody expects of them: a tool's trouble is its call's, and no other's. */
import { defineAgent, defineTool, spawned, systemClock } from '@troupe/core';
import { keepSecret, messageOf } from '@troupe/protocol';
import { type Script, scriptedProvider } from '@troupe/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { leadOf, only } from './lead.ts';

const nothing = z.object({});
const once = (name: string, args: object = {}): Script => [{ calls: [{ name, arguments: args }] }, 'Done.'];

describe('a tool that is tried again', () => {
  const kid = defineAgent({ name: 'kid', instructions: '' });
  const going = (said: object | string) => {
    const seen: string[] = [];
    const work = defineTool({
      name: 'work',
      description: '',
      inputSchema: nothing,
      retries: 2,
      async execute(_input, { spawn }) {
        const { report } = await spawn(kid, 'work');
        const { runId, status } = await report;
        seen.push(`${runId} ${status}`);
        if (seen.length < 3) throw new Error('The upload failed.');
        return 'uploaded';
      },
    });
    const provider = scriptedProvider({ lead: once('work') as never, kid: [said, 'not asked'] as never });
    return { seen, work, ...openRuntime({ provider }) };
  };

  test.each([
    ['completed', 'the answer'],
    ['failed', { fault: { code: 'model.down', message: 'down' } }],
  ])('gets the child that it has started, and that has %s', async (status, said) => {
    const { runtime, work, seen, events } = going(said);
    const report = await runtime.run(leadOf({ tools: [work] }), 'Go.', { runId: 'r' });
    expect(seen).toEqual([`r/1-0/0 ${status}`, `r/1-0/0 ${status}`, `r/1-0/0 ${status}`]);
    expect(report.calls).toMatchObject([{ status: 'ok', result: 'uploaded' }]);
    expect(only(events, 'child.started')).toHaveLength(1);
  });
});

describe('a time that is longer than a timer of the platform', () => {
  const day = 24 * 3_600_000;
  afterEach(() => void vi.useRealTimers());

  test('is waited for', () => {
    vi.useFakeTimers();
    const rung = vi.fn<() => void>();
    systemClock.setTimeout(rung, 60 * day);
    vi.advanceTimersByTime(60 * day - 1);
    expect(rung).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(rung).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([60 * day, Number.POSITIVE_INFINITY])('of %d ms rings no more once it is taken back', (ms) => {
    vi.useFakeTimers();
    const rung = vi.fn<() => void>();
    const timer = systemClock.setTimeout(rung, ms);
    vi.advanceTimersByTime(30 * day);
    systemClock.clearTimeout(timer);
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(60 * day);
    expect(rung).not.toHaveBeenCalled();
  });

  test('leaves a tool and a run the time that they have', async () => {
    const slow = defineTool({
      name: 'slow',
      description: '',
      inputSchema: nothing,
      timeoutMs: Number.POSITIVE_INFINITY,
      execute: () => new Promise<string>((resolve) => setTimeout(resolve, 5, 'slow')),
    });
    const { runtime } = openRuntime({ provider: scriptedProvider(once('slow')), clock: systemClock });
    const report = await runtime.run(leadOf({ tools: [slow], budget: { deadlineMs: 30 * day } }), 'Go.');
    expect(report).toMatchObject({ status: 'completed', calls: [{ result: 'slow' }] });
  });
});

describe('a thrown error whose message is no text', () => {
  class Odd extends Error {
    constructor(message: unknown) {
      super();
      this.message = message as string;
    }
  }

  test.each([
    [undefined, 'Error'],
    [{ code: 4 }, '{"message":{"code":4}}'],
  ])('(%j) is the error of its call', async (message, said) => {
    let tries = 0;
    const odd = defineTool({
      name: 'odd',
      description: '',
      inputSchema: nothing,
      retries: 1,
      execute(): string {
        tries += 1;
        throw new Odd(message);
      },
    });
    const { runtime, events } = openRuntime({ provider: scriptedProvider(once('odd')) });
    const { calls } = await runtime.run(leadOf({ tools: [odd] }), 'Go.');
    expect(calls).toMatchObject([{ status: 'error' }]);
    expect(tries).toBe(2);
    expect(only(events, 'call.failed')).toMatchObject([{ error: said }]);
  });

  test('of a provider is told, too', async () => {
    const { runtime } = openRuntime({ provider: scriptedProvider([{ throws: new Odd({ code: 4 }) }]) });
    expect((await runtime.run(leadOf(), 'Go.')).fault?.message).toContain('{"code":4}');
  });
});

test('a secret that is the name of a field is told nowhere, and nothing else is lost', async () => {
  keepSecret('a key of many words');
  const secrets = ['a key of many words', 'sk-proj-abcdefgh12345678'];
  const long = 'x'.repeat(100);
  const usage = defineTool({
    name: 'usage',
    description: '',
    inputSchema: z.object({ headers: z.record(z.string(), z.string()) }),
    execute: () => ({ byKey: Object.fromEntries(secrets.map((secret, i) => [secret, `${long}${i}`])) }),
  });
  const { runtime, events } = openRuntime({
    provider: scriptedProvider(once('usage', { headers: { [secrets[1] ?? '']: long } })),
  });
  const { runId } = await runtime.run(leadOf({ tools: [usage] }), 'Go.');
  const { steps } = await runtime.replay(runId);
  const told = JSON.stringify([events, steps.map(({ heard }) => heard)]);
  for (const secret of secrets) expect(told).not.toContain(secret);
  expect(only(events, 'call.completed')).toMatchObject([
    { data: { byKey: { '[redacted]': `${long}0`, '[redacted]_': `${long}1` } } },
  ]);
});

describe('a tool that cannot say what is asked of it fails its call, and not the run', () => {
  const broken = () => {
    throw new Error('policy service down');
  };
  const q = z.object({ q: z.string().transform((text) => JSON.parse(text) as unknown) });

  test.each([
    ['its schema throws', { inputSchema: q, confirm: () => false }, { q: '{' }, 'JSON'],
    ['its confirm rejects', { inputSchema: q, confirm: (async () => broken()) as never }, { q: '1' }, undefined],
    ['its confirm throws', { inputSchema: q, confirm: broken }, { q: '1' }, undefined],
    ['its offered throws', { inputSchema: q, offered: broken }, { q: '1' }, 'policy service down'],
  ])('where %s', async (_, how, args, error) => {
    const tool = defineTool({ name: 'tool', description: '', execute: () => 'did it', ...how });
    const { runtime } = openRuntime({ provider: scriptedProvider(once('tool', args)) });
    const run = runtime.start(leadOf({ tools: [tool] }), 'Go.');
    const { status, questions, calls } = await run.report;
    if (error === undefined) expect({ status, asked: questions.length }).toEqual({ status: 'paused', asked: 1 });
    else
      expect({ status, calls }).toMatchObject({
        status: 'completed',
        calls: [{ result: expect.stringContaining(error) }],
      });
  });
});

test.each([undefined, 10_000])(
  'what a tool with timeoutMs %s left running can do nothing once its call has ended',
  async (timeoutMs) => {
    const late: string[] = [];
    const leaving = defineTool({
      name: 'leaving',
      description: '',
      inputSchema: nothing,
      ...(timeoutMs !== undefined && { timeoutMs }),
      execute(_input, context) {
        void settle().then(async () => {
          context.progress('late');
          await context
            .spawn(defineAgent({ name: 'kid', instructions: '' }), 'x')
            .catch((error: unknown) => late.push(messageOf(error)));
          late.push(String(context.signal.aborted));
        });
        return 'left';
      },
    });
    const { runtime, events } = openRuntime({
      provider: scriptedProvider(once('leaving')),
      clock: new SimulatedClock(),
    });
    await runtime.run(leadOf({ tools: [leaving] }), 'Go.');
    await settle();
    await settle();
    expect(late).toEqual([expect.stringContaining('has ended'), 'true']);
    expect(only(events, 'call.progressed')).toEqual([]);
  },
);

test.each([
  [z.object({ data: z.array(z.string()) }), { data: ['a'] }, { data: ['a'] }],
  [z.object({ content: z.string() }), { content: 'a' }, { content: 'a' }],
  // a result whose data fits is one
  [z.array(z.string()), { data: ['a'], content: 'An a.' }, ['a']],
])('an output may have fields of its own that are called as those of a result', async (outputSchema, output, data) => {
  const tool = defineTool({
    name: 'tool',
    description: '',
    inputSchema: nothing,
    outputSchema: outputSchema as never,
    execute: () => output as never,
  });
  const { runtime } = openRuntime({ provider: scriptedProvider(once('tool')) });
  const { calls } = await runtime.run(leadOf({ tools: [tool] }), 'Go.');
  expect(calls).toMatchObject([{ status: 'ok', data }]);
});

test.each<[string, () => never, string]>([
  ['an error', () => new Error('It did not work: sk-proj-abcdefgh12345678') as never, 'It did not work: [redacted]'],
  [
    'a generator',
    // what a program in JavaScript may do
    async function* () {
      yield 'never asked for';
    } as () => never,
    'an iterator',
  ],
])('a tool that gives back %s has failed', async (_, execute, error) => {
  const tool = defineTool({ name: 'tool', description: '', inputSchema: nothing, execute });
  const { runtime } = openRuntime({ provider: scriptedProvider(once('tool')) });
  const { calls } = await runtime.run(leadOf({ tools: [tool] }), 'Go.');
  expect(calls).toMatchObject([{ status: 'error', result: expect.stringContaining(error) }]);
});

test('a result that does not fit is none, though its schema takes anything that it does not know', async () => {
  const outputSchema = z.object({ value: z.string().optional() });
  const tool = defineTool({
    name: 'tool',
    description: '',
    inputSchema: nothing,
    outputSchema: outputSchema as never,
    execute: () => ({ content: 'said', data: { value: 5 } }),
  });
  const { runtime } = openRuntime({ provider: scriptedProvider(once('tool')) });
  const { calls } = await runtime.run(leadOf({ tools: [tool] }), 'Go.');
  expect(calls).toMatchObject([{ status: 'error', result: expect.stringContaining('expected string') }]);
});

describe('a tool that gives back "spawned" and makes no result of it', () => {
  test.each([
    ['that may be started', {}],
    ['that may not', { budget: { depth: 0 } }],
  ])('fails its call, and starts nothing: a child %s', async (_which, options) => {
    const kid = defineAgent({ name: 'kid', instructions: '' });
    const add = defineTool({
      name: 'add',
      description: '',
      inputSchema: nothing,
      execute: () => spawned([{ agent: kid, job: 'Add.' }]),
    });
    const provider = scriptedProvider({ lead: once('add') as never, kid: ['not asked'] as never });
    const { runtime, events } = openRuntime({ provider, ...options });
    const report = await runtime.run(leadOf({ tools: [add] }), 'Go.');
    expect(report).toMatchObject({ status: 'completed', calls: [{ status: 'error' }] });
    expect(report.calls[0]?.result).toMatch(/add.* gave back .*spawned.* and has no .*settle/);
    expect(only(events, 'child.started')).toHaveLength(0);
  });
});
