import {
  consoleLogger,
  createRuntime,
  credentialPool,
  defineAgent,
  defineTool,
  dispatched,
  memoryStore,
  spawned,
  withCredentials,
  withRetry,
} from '@troupe/core';
import {
  FaultError,
  type JSONValue,
  keepSecret,
  type ModelPart,
  type ModelProvider,
  type RunEvent,
} from '@troupe/protocol';
import { type Script, scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { call, leadOf, only, storedIn, toolOf } from './lead.ts';

const key = 'sk-abcdefgh12345678';
const plain = 'correct horse battery';
keepSecret(plain);
const secrets = /sk-abcdefgh|correct horse/;
const textOf = (...values: unknown[]) => JSON.stringify(values);

/** A lead whose tool adds a secret to what it gives along: to a child, or to a unit that never comes to an end. */
const passingOn = (to: 'child' | 'unit') => {
  const store = { ...memoryStore(), lasting: true };
  const instructions = `Log in with ${key}.`;
  const given: JSONValue[] = [];
  const child = (text: JSONValue) => defineAgent({ name: 'helper', instructions: String(text) });
  const tool = defineTool({
    name: 'echo',
    description: '',
    inputSchema: z.object({ text: z.string() }),
    idempotent: true,
    execute: (_input, { view }) => {
      if (to === 'child') return spawned([{ agent: child(instructions), data: instructions, job: 'Go.' }]);
      if (!view.unit) return dispatched({ data: instructions, answer: () => ({ content: 'sent' }) });
      given.push(view.unit.data);
      return new Promise<never>(() => {});
    },
    settle: ([report]) => ({ content: String(report?.text) }),
    rebuild: child,
  });
  const script: Script = ({ messages }, { agent }) => {
    if (agent !== 'lead') return { hang: true };
    return messages.at(-1)?.role === 'user' ? { calls: [call('go')] } : 'Done.';
  };
  const lead = leadOf({ tools: [tool] });
  const stored = async (): Promise<string> => {
    const rows = await store.list({});
    return textOf(
      rows,
      rows.map(({ runId }) => [store.checkpoint(runId), store.journal(runId), storedIn(store, runId)]),
    );
  };
  return { lead, agents: [lead], store, script, stored, given };
};

describe('[BG-056] an unexpected error', () => {
  test('in the model ends the run as failed, its secrets blanked in event, row and report', async () => {
    const provider = scriptedProvider([{ throws: new RangeError(`no access with ${key} or ${plain}`) }]);
    const { runtime, events } = openRuntime({ provider });
    const report = await runtime.run(leadOf(), 'Go.');
    expect(report).toMatchObject({
      status: 'failed',
      fault: { message: 'no access with [redacted] or [redacted]', details: { errorType: 'RangeError' } },
    });
    const row = await runtime.runs.get(report.runId);
    expect(row).toMatchObject({ status: 'failed', exitReason: report.exitReason });
    expect(textOf(events, row, report)).not.toMatch(secrets);
  });

  test('inside the run ends it with exit reason "error", and the report still arrives', async () => {
    const agent = leadOf({
      tools: [
        toolOf({
          description: () => {
            throw new Error(`bad ${key}`);
          },
        }),
      ],
    });
    const { runtime, types } = openRuntime({ provider: scriptedProvider(['Done.']) });
    const report = await runtime.run(agent, 'Go.');
    expect(report).toMatchObject({ status: 'failed', fault: { message: 'bad [redacted]' } });
    expect(types().filter((type) => type.startsWith('run.'))).toEqual(['run.started', 'run.failed']);
  });

  test('of the store ends the run with exit reason "error", and nobody is left waiting', async () => {
    const memory = memoryStore();
    const logged: unknown[] = [];
    let commits = 0;
    const store = {
      ...memory,
      commit: (commit: Parameters<typeof memory.commit>[0]) => {
        if (++commits > 1) throw new Error(`disk of ${key} full`);
        return memory.commit(commit);
      },
    };
    // Its end is in no store, so the laws of stored events do not hold for it: no openRuntime here.
    const runtime = createRuntime({
      provider: scriptedProvider(['Done.']),
      model: 'm',
      store,
      logger: { warn: () => {}, error: (...args) => logged.push(args) },
    });
    onTestFinished(() => runtime.close({ graceMs: 0 }));
    const told: RunEvent[] = [];
    const run = runtime.start(leadOf(), 'Go.');
    run.events$.subscribe((event) => told.push(event));
    const report = await run.report;
    expect(report).toMatchObject({
      status: 'failed',
      exitReason: 'error',
      fault: { code: 'store.unavailable', message: expect.stringContaining('disk of [redacted] full') },
    });
    expect(told.at(-1)?.type).toBe('run.failed');
    expect(textOf(logged, told, report)).not.toMatch(secrets);
  });
});

describe('a secret is kept out', () => {
  test('of every event, live ones included, and of every stored row', async () => {
    const store = memoryStore();
    const provider = scriptedProvider([
      { reasoning: key, text: `Using ${plain}.`, calls: [call(key)] },
      `It is ${key}.`,
    ]);
    const { runtime, events } = openRuntime({ provider, store });
    const report = await runtime.run(
      leadOf({
        tools: [
          toolOf({
            execute: ({ text }, { progress }) => {
              progress(text);
              return { content: text, data: { deep: [text, plain] } };
            },
          }),
        ],
      }),
      {
        input: `Log in with ${key}.`,
        constraints: [plain],
        metadata: { token: key },
        messages: [{ role: 'user', content: plain }],
      },
    );
    expect(report.status).toBe('completed');
    await settle();
    expect(only(events, 'call.progressed')).toHaveLength(1);
    expect(textOf(events)).not.toMatch(secrets);
    expect(
      textOf(
        await runtime.runs.get(report.runId),
        await runtime.runs.list(),
        storedIn(store, report.runId),
        store.journal(report.runId),
      ),
    ).not.toMatch(secrets);
    expect([report.text, report.calls[0]?.result]).toEqual(['It is [redacted].', expect.not.stringMatching(secrets)]);
  });

  test('of what is streamed, however a model cuts it, and all that is streamed is what it said', async () => {
    const text = `It is ${key}, or ${plain}: yes`;
    const parts = [text.split(''), text.split(/(?=[ -])/), text.match(/.{1,3}/g) ?? []];
    for (const deltas of parts) {
      const provider: ModelProvider = {
        name: 'cutting',
        async *takeTurn() {
          for (const delta of deltas) yield { type: 'reasoning', delta };
          for (const delta of deltas) yield { type: 'text', delta };
          yield { type: 'finish', reason: 'stop' };
        },
      };
      const { runtime, events } = openRuntime({ provider });
      const { status } = await runtime.run(leadOf(), 'Go.');
      expect(status).toBe('completed');
      const said = 'It is [redacted], or [redacted]: yes';
      for (const type of ['text.streamed', 'reasoning.streamed'] as const) {
        const told = only(events, type).map(({ delta }) => delta);
        expect(told.length).toBeGreaterThan(5);
        expect(told.join('')).toBe(said);
      }
      // Reasoning is told before what is said after it.
      expect(only(events, 'reasoning.streamed').at(-1)?.part).toBeLessThan(only(events, 'text.streamed')[0]?.part ?? 0);
    }
  });

  test('of what is streamed behind an attempt that came to nothing, and between two thoughts', async () => {
    const parts: ModelPart[][] = [
      [{ type: 'text', delta: 'Hello' }],
      [
        { type: 'text', delta: `${key} is it, ` },
        { type: 'text', delta: 'or sk-abc' },
        { type: 'reasoning', delta: 'hm, sk-' },
        { type: 'text', delta: 'defgh12345678.' },
        { type: 'reasoning', delta: 'abcdefgh12345678' },
        { type: 'finish', reason: 'stop' },
      ],
    ];
    const provider: ModelProvider = {
      name: 'trying again',
      async *takeTurn() {
        yield* parts.shift() ?? [];
        if (parts.length > 0) throw new FaultError('model.stream_cut', 'cut', { retryable: true });
      },
    };
    const { runtime, events } = openRuntime({ provider: withRetry(provider, { baseMs: 0 }) });
    expect((await runtime.run(leadOf(), 'Go.')).status).toBe('completed');
    expect(only(events, 'text.streamed').map(({ delta }) => delta)).toEqual([
      'Hello',
      '[redacted] is it, ',
      'or ',
      '[redacted].',
    ]);
    expect(only(events, 'reasoning.streamed').map(({ delta }) => delta)).toEqual(['hm, ', '[redacted]']);
  });

  test('of what a run had said when it was interrupted, or its model broke off, in the middle of one', async () => {
    for (const how of ['interrupted', 'failed']) {
      const provider: ModelProvider = {
        name: 'broken off',
        async *takeTurn() {
          yield { type: 'text', delta: 'It is ' };
          yield { type: 'text', delta: plain.slice(0, -3) };
          if (how === 'interrupted') await new Promise(() => {});
        },
      };
      const { runtime, events } = openRuntime({ provider });
      const run = runtime.start(leadOf(), 'Go.');
      await settle();
      if (how === 'interrupted') await run.interrupt();
      expect(await run.ended).toMatchObject({ status: how, partialText: 'It is ' });
      expect(textOf(events)).not.toMatch(secrets);
    }
  });

  test('of a preview that ends in the middle of one', async () => {
    const result = `${'x'.repeat(190)} ${plain}, and more`;
    const provider = scriptedProvider([{ calls: [call('go')] }, 'Done.']);
    const { runtime, events } = openRuntime({ provider });
    await runtime.run(leadOf({ tools: [toolOf({ execute: () => result })] }), 'Go.');
    const [{ preview, truncated } = {}] = only(events, 'call.completed');
    expect([preview, truncated]).toEqual([`${'x'.repeat(190)} [redacted…`, true]);
  });

  test('of where a run stands and what it heard; a call that held one is not executed with less after a restart', async () => {
    const store = memoryStore();
    const executed: string[] = [];
    const tool = toolOf({ confirm: true, execute: ({ text }) => executed.push(text) });
    const script: Script = ({ messages }) => {
      const [said] = messages.filter(({ role }) => role === 'tool');
      return said ? `I was told: ${String(said.content)}` : { calls: [call(key)] };
    };
    const open = () =>
      createRuntime({ provider: scriptedProvider(script), model: 'm', store, agents: [leadOf({ tools: [tool] })] });
    const first = open();
    await first.start(leadOf({ tools: [tool] }), 'Go.', { runId: 'r' }).report;
    expect(store.checkpoint('r')).toMatchObject({ context: { calls: [[{ arguments: { text: '[redacted]' } }]] } });
    expect(textOf(store.checkpoint('r'), store.journal('r'))).not.toMatch(secrets);
    await first.close({ runs: 'suspend' });
    const second = open();
    onTestFinished(() => second.close({ graceMs: 0 }));
    const report = await second.resume('r', true);
    expect(report.text).toContain('the arguments of \\"echo\\" held a secret');
    expect(executed).toEqual([]);
  });

  test('of how agents of children are made again; such a child goes on without it after a restart [B-40]', async () => {
    const { lead, agents, store, script, stored } = passingOn('child');
    const first = createRuntime({ provider: scriptedProvider(script), model: 'm', store, agents });
    first.start(lead, 'Go.', { runId: 'r' });
    await settle();
    expect(await stored()).toContain('"made":');
    expect(await stored()).not.toMatch(secrets);
    await first.close({ runs: 'suspend' });
    const provider = scriptedProvider(({ messages }) => `Told: ${String(messages[0]?.content)}`);
    const second = createRuntime({ provider, model: 'm', store, agents });
    onTestFinished(() => second.close({ graceMs: 0 }));
    await second.recover();
    await settle();
    expect((await second.runs.get('r/1-0/0'))?.status).toBe('completed');
    expect(provider.requests[0]?.request.messages[0]?.content).toBe('Log in with [redacted].');
  });

  test('of what units are given; one that did not begin before a restart is not executed with less [B-40]', async () => {
    const { lead, agents, store, script, stored, given } = passingOn('unit');
    const first = createRuntime({ provider: scriptedProvider(script), model: 'm', store, agents });
    first.start(lead, 'Go.', { runId: 'r' });
    await settle();
    expect(given).toEqual([`Log in with ${key}.`]);
    expect(await stored()).toContain('"made":');
    expect(await stored()).not.toMatch(secrets);
    await first.close({ runs: 'suspend' });
    const second = createRuntime({ provider: scriptedProvider(() => 'Heard.'), model: 'm', store, agents });
    onTestFinished(() => second.close({ graceMs: 0 }));
    await second.recover();
    await settle();
    expect(given).toHaveLength(1);
    const [unit] = (await second.runs.list()).filter(({ origin }) => origin);
    expect((await (await second.attach(unit?.runId ?? '')).ended).calls[0]?.result).toContain('held a secret');
  });

  test('but the model still gets what it was given to work with', async () => {
    const provider = scriptedProvider(['Done.']);
    const { runtime } = openRuntime({ provider });
    await runtime.run(leadOf(), `Log in with ${key}.`);
    expect(provider.requests[0]?.request.messages.at(-1)?.content).toBe(`Log in with ${key}.`);
  });

  test('and a run with one in its job can be started again under its id', async () => {
    const { runtime, types } = openRuntime({ provider: scriptedProvider(['Done.']) });
    await runtime.run(leadOf(), `Log in with ${key}.`, { runId: 'r' });
    expect((await runtime.run(leadOf(), `Log in with ${key}.`, { runId: 'r' })).text).toBe('Done.');
    expect(types().filter((type) => type === 'run.started')).toHaveLength(1);
  });

  test('of questions, steering and reasons', async () => {
    const provider = scriptedProvider([{ calls: [call(key, 'ask')] }]);
    const { runtime, events } = openRuntime({ provider });
    const run = runtime.start(
      leadOf({ tools: [toolOf({ name: 'ask', askUser: true, prompt: `Is it ${plain}?` })] }),
      'Go.',
    );
    const { questions } = await run.report;
    await run.steer(`Try ${key}.`);
    await run.interrupt(`Leaked ${key}.`);
    expect(textOf(events, questions, run.questions, await run.ended)).not.toMatch(secrets);
  });

  test('when a credential of a pool turns up in a fault, whatever its shape', async () => {
    const pool = credentialPool([{ id: 'first', apiKey: 'no-known-shape-1' }]);
    const provider = withCredentials(pool, (apiKey) => ({
      async *takeTurn(): AsyncGenerator<ModelPart> {
        yield { type: 'text', delta: 'Half' };
        throw new FaultError('model.unauthorized', `401 for ${apiKey}`, {
          details: { header: apiKey },
          cause: new Error(apiKey),
        });
      },
    }));
    const { runtime, events } = openRuntime({ provider });
    const report = await runtime.run(leadOf(), 'Go.');
    expect(report.fault).toMatchObject({
      code: 'model.unauthorized',
      message: '401 for [redacted]',
      details: { credentialId: 'first' },
    });
    expect(textOf(report, events)).not.toContain('no-known-shape-1');
  });

  test('of the log', () => {
    const [warn, error] = [vi.spyOn(console, 'warn').mockReturnValue(), vi.spyOn(console, 'error').mockReturnValue()];
    consoleLogger.warn(`with ${key}`, { deep: [plain] });
    consoleLogger.error(`with ${key}`);
    expect([warn.mock.calls, error.mock.calls]).toEqual([
      [['with [redacted]', { deep: ['[redacted]'] }]],
      [['with [redacted]']],
    ]);
    warn.mockRestore();
    error.mockRestore();
  });
});
