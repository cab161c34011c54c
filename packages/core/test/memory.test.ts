import { memoryStore } from '@troupe/core';
import type { JSONValue, MemoryStore, RunStore } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { call, leadOf, only, toolOf } from './lead.ts';

const open = (script: Parameters<typeof scriptedProvider>[0] = ['Done.'], memory: MemoryStore = memoryStore()) => {
  const provider = scriptedProvider(script);
  return { memory, provider, ...openRuntime({ provider, memory }) };
};
const firstMessages = ({ provider }: Pick<ReturnType<typeof open>, 'provider'>) =>
  provider.requests[0]?.request.messages;

describe('[BG-058] what is remembered under "context"', () => {
  test.each<[string, JSONValue, string]>([
    ['text as it is', 'The sky is blue.', 'Memory:\nThe sky is blue.'],
    ['anything else as JSON', { sky: ['blue'] }, 'Memory:\n{"sky":["blue"]}'],
    ['nothing, remembered on purpose', null, 'Memory:\nnull'],
  ])('is told behind the leading system messages: %s', async (_what, value, content) => {
    const opened = open();
    await opened.memory.write('agent:lead', 'context', value);
    await opened.runtime.run(leadOf(), {
      input: 'Go.',
      messages: [
        { role: 'system', content: 'House rules.' },
        { role: 'user', content: 'Hi.' },
      ],
    });
    expect(firstMessages(opened)).toEqual([
      { role: 'system', content: 'House rules.\n\nLead.' },
      { role: 'system', content: content },
      { role: 'user', content: 'Hi.' },
      { role: 'user', content: 'Go.' },
    ]);
  });

  test('is no message when there is nothing', async () => {
    const opened = open();
    await opened.runtime.run(leadOf(), 'Go.');
    expect(firstMessages(opened)).toHaveLength(2);
    expect(only(opened.events, 'memory.read')).toMatchObject([{ scope: 'agent:lead', key: 'context', found: false }]);
  });

  test("is looked for in the agent's own scope", async () => {
    const opened = open();
    await opened.memory.write('agent:lead', 'context', 'wrong');
    await opened.memory.write('shared', 'context', 'right');
    await opened.runtime.run(leadOf({ memoryScope: 'shared' }), 'Go.');
    expect(firstMessages(opened)?.[1]?.content).toBe('Memory:\nright');
  });

  test('is not looked for by a runtime without a memory, unless the agent names a scope', async () => {
    const { runtime, types } = openRuntime({ provider: scriptedProvider(() => 'Done.') });
    await runtime.run(leadOf(), 'Go.');
    expect(types()).not.toContain('memory.read');
    await runtime.run(leadOf({ name: 'other', memoryScope: 'mine' }), 'Go.');
    expect(types()).toContain('memory.read');
  });

  test('is not looked for, and nothing is written, where the agent says so, whatever the runtime has', async () => {
    const opened = open();
    await opened.memory.write('agent:lead', 'context', 'wrong');
    expect((await opened.runtime.run(leadOf({ memoryScope: null }), 'Go.')).status).toBe('completed');
    expect(firstMessages(opened)?.map(({ content }) => content)).toEqual(['Lead.', 'Go.']);
    expect(opened.types().filter((type) => type.startsWith('memory.'))).toEqual([]);
    expect(await opened.memory.read('agent:lead', 'last_output')).toBeUndefined();
  });

  test('is told once, also when the run was paused while it was read', async () => {
    const memory = memoryStore();
    let release: (value: string) => void = () => {};
    const slow = { ...memory, read: () => new Promise<string>((resolve) => (release = resolve)) };
    const opened = open(['Done.'], slow);
    const run = opened.runtime.start(leadOf(), 'Go.');
    await run.pause();
    release('first');
    await settle();
    await run.resume();
    release('second');
    await run.report;
    expect(firstMessages(opened)?.map(({ content }) => content)).toEqual(['Lead.', 'Memory:\nsecond', 'Go.']);
  });
});

describe('[BG-059] a run that completes', () => {
  test('writes its text', async () => {
    const { runtime, memory } = open();
    await runtime.run(leadOf(), 'Go.');
    expect(await memory.read('agent:lead', 'last_output')).toBe('Done.');
  });

  test.each<[string, JSONValue]>([
    ['{"n":1}', { n: 1 }],
    ['null', null],
    ['0', 0],
  ])('writes its data instead, if it has any: %s', async (text, data) => {
    const { runtime, memory } = open([text]);
    await runtime.run(leadOf({ outputSchema: z.union([z.object({ n: z.number() }), z.null(), z.number()]) }), 'Go.');
    expect(await memory.read('agent:lead', 'last_output')).toEqual(data);
  });

  test.each([
    ['failed', { fault: { code: 'model.unavailable' }, text: 'half' }],
    ['gave no answer', ''],
  ])('is the only one that writes: not one that %s', async (_how, turn) => {
    const { runtime, memory, types } = open(() => turn);
    await runtime.run(leadOf(), 'Go.');
    expect(await memory.read('agent:lead', 'last_output')).toBeUndefined();
    expect(types()).not.toContain('memory.written');
  });

  test('writes no secret', async () => {
    const { runtime, memory } = open(['The key is sk-abcdefgh12345.']);
    await runtime.run(leadOf(), 'Go.');
    expect(await memory.read('agent:lead', 'last_output')).toBe('The key is [redacted].');
  });
});

describe('[BG-053] memory', () => {
  test('is read before the first turn and written before the end', async () => {
    const { runtime, types } = open([{ calls: [call()] }, 'Done.']);
    await runtime.run(leadOf({ tools: [toolOf()] }), 'Go.');
    const told = types();
    expect(told.slice(0, 3)).toEqual(['run.started', 'memory.read', 'turn.started']);
    expect(told.slice(-3)).toEqual(['turn.completed', 'memory.written', 'run.completed']);
    expect(told.filter((type) => type.startsWith('memory.'))).toHaveLength(2);
  });

  test('that cannot be read or written is a warning, never a failed run', async () => {
    const broken = {
      ...memoryStore(),
      read: () => Promise.reject(new Error('no disk sk-abcdefgh12345')),
      write: () => Promise.reject(new Error('disk full')),
    };
    const { runtime, events, types } = open(['Done.'], broken);
    expect(await runtime.run(leadOf(), 'Go.')).toMatchObject({ status: 'completed', text: 'Done.' });
    expect(only(events, 'warning.raised')).toMatchObject([
      { code: 'memory.unreadable', message: expect.stringMatching(/"agent:lead".*no disk \[redacted\]/) },
      { code: 'memory.unwritable', message: expect.stringMatching(/"agent:lead".*disk full/) },
    ]);
    expect(types()).not.toContain('memory.read');
  });

  test("has nothing to do with a run's last event and its row: those change together", async () => {
    const store = memoryStore();
    const commits: [string[], string][] = [];
    const watched: RunStore = {
      ...store,
      commit: (steps) => {
        for (const { events, row } of steps) commits.push([events.map(({ type }) => type), row.status]);
        return store.commit(steps);
      },
    };
    const { runtime } = openRuntime({ provider: scriptedProvider(['Done.']), store: watched });
    await runtime.run(leadOf(), 'Go.');
    expect(commits.filter(([, status]) => status === 'completed')).toEqual([
      [['turn.completed', 'run.completed'], 'completed'],
    ]);
    expect(commits.at(-1)?.[1]).toBe('completed');
  });

  test('is not waited for by a run that is interrupted, and what comes late is not heard [L9]', async () => {
    let finish = (_value: string) => {};
    const slow = { ...memoryStore(), read: () => new Promise<string>((resolve) => (finish = resolve)) };
    const { runtime, provider } = open(['Done.'], slow);
    const run = runtime.start(leadOf(), 'Go.');
    await settle();
    await run.interrupt();
    expect(await run.ended).toMatchObject({ status: 'interrupted' });
    finish('too late');
    await settle();
    expect(provider.requests).toEqual([]);
    await expect(runtime.runs.get(run.id)).resolves.toMatchObject({ status: 'interrupted' });
  });

  test('is the empty text when a run ended without any', async () => {
    const memory = memoryStore();
    const { runtime } = open([{ text: '' }, { text: '' }], memory);
    await runtime.run(leadOf(), 'Go.');
    expect(await memory.read('agent:lead', 'last_output')).toBeUndefined();
  });
});
