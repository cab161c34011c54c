import { EventType } from '@ag-ui/core';
import { createRuntime, defineAgent, defineTool, type Run, type Runtime, spawned } from '@troupe/core';
import type { Answer } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { agUiHandler } from '../src/index.ts';
import { eventsIn, input } from './served.ts';

const erased: string[] = [];
const erase = defineTool({
  name: 'erase',
  description: 'Erases a file.',
  inputSchema: z.object({ path: z.string() }),
  confirm: true,
  execute: ({ path }) => {
    erased.push(path);
    return `${path} is gone`;
  },
});
const helper = defineAgent({ name: 'helper', instructions: 'Help.', tools: [erase] });
const delegate = defineTool({
  name: 'delegate',
  description: 'Delegates.',
  inputSchema: z.object({}),
  execute: () => spawned(['a', 'b', 'c'].map((job) => ({ agent: helper, job }))),
  settle: (reports) => ({ content: reports.map(({ text }) => text).join(', ') }),
});
const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [delegate] });

/** Three helpers that wait for an approval each. `before` is called before an answer is given to the run. */
const asking = async (before: (id: string, runtime: Runtime) => unknown = () => {}) => {
  erased.length = 0;
  const provider = scriptedProvider(({ messages }, { agent, turn }) => {
    if (agent === 'lead') return turn === 1 ? { calls: [{ name: 'delegate', arguments: {} }] } : 'All done.';
    const path = String(messages.find(({ role }) => role === 'user')?.content);
    return turn === 1 ? { calls: [{ name: 'erase', arguments: { path } }] } : 'Done.';
  });
  const runtime = createRuntime({ model: 'scripted', provider });
  onTestFinished(() => runtime.close({ graceMs: 0 }));
  const hurried = (run: Run) => ({
    id: run.id,
    get status() {
      return run.status;
    },
    get questions() {
      return run.questions;
    },
    interrupt: (reason?: string) => run.interrupt(reason),
    answer: async (id: string, answer: Answer) => {
      await before(id, runtime);
      return run.answer(id, answer);
    },
    [Symbol.asyncIterator]: () => run[Symbol.asyncIterator](),
  });
  const handle = agUiHandler({
    runtime: {
      runs: runtime.runs,
      session: (agent: typeof lead, options) => runtime.session(agent, options),
      attach: async (runId) => hurried(await runtime.attach(runId)),
    },
    agent: lead,
  });
  const send = (body: object) =>
    handle(
      new Request('http://localhost/', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    );
  const asked = eventsIn(await (await send(input('Tidy up.'))).text()).at(-1);
  expect(asked).toMatchObject({ outcome: { interrupts: [{}, {}, {}] } });
  const resumeWith = (answers: readonly (readonly [string, unknown])[]) =>
    send(
      input('', {
        runId: 'run-2',
        messages: [],
        resume: answers.map(([interruptId, payload]) => ({ interruptId, status: 'resolved', payload })),
      }),
    );
  const resume = (answers: Record<string, unknown>) => resumeWith(Object.entries(answers));
  return { runtime, resume, resumeWith };
};
const [a, b, c] = ['run-1/1-0/0/1-0?', 'run-1/1-0/1/1-0?', 'run-1/1-0/2/1-0?'] as const;

describe('several answers', () => {
  test('of which one comes too late are given all the same, and it is said which; they alone go on', async () => {
    // given somebody who answers the second question just before it is answered here
    const { resume } = await asking((id, runtime) => (id === b ? runtime.answer(b, false) : undefined));
    // when all three are answered
    const response = await resume({ [a]: true, [b]: true, [c]: true });
    // then the first is not lost, nor the one behind it, and it is said what became of each
    expect([response.status, await response.json()]).toEqual([
      409,
      {
        type: EventType.RUN_ERROR,
        code: 'resume.rejected',
        message: `Interrupt "${b}": already answered. Given all the same, and stored: "${a}", "${c}". Send those again without what was refused, or with another answer to it, to hear how the run goes on.`,
        metadata: { troupe: { refused: [{ interruptId: b, reason: 'already answered' }], stored: [a, c] } },
      },
    ]);
    // and whoever does as it is told hears how the run goes on with them
    const events = eventsIn(await (await resume({ [a]: true, [c]: true })).text());
    expect(events.at(-1)).toMatchObject({ type: EventType.RUN_FINISHED, result: 'All done.' });
    expect(erased.toSorted()).toEqual(['a', 'c']);
  });

  test('of which one was answered otherwise before are not given: what is refused at once changes nothing', async () => {
    const { runtime, resume } = await asking();
    await runtime.answer(b, false);
    const response = await resume({ [a]: true, [b]: true, [c]: true });
    expect(await response.json()).toMatchObject({
      message: `Interrupt "${b}": already answered.`,
      metadata: { troupe: { stored: [] } },
    });
    expect((await runtime.attach('run-1')).questions.map(({ id }) => id)).toEqual([a, c]);
    expect(erased).toEqual([]);
  });

  test('of which two are to one question are given where they are the same; where they are not, none is', async () => {
    const { runtime, resumeWith } = await asking();
    const rest = [
      [b, true],
      [c, true],
    ] as const;
    const response = await resumeWith([[a, true], [a, false], ...rest]);
    expect([response.status, await response.json()]).toMatchObject([
      422,
      {
        code: 'resume.invalid',
        message: `Interrupt "${a}" is answered twice, in two ways. Expected one answer to each interrupt.`,
      },
    ]);
    expect((await runtime.attach('run-1')).questions.map(({ id }) => id)).toEqual([a, b, c]);
    const events = eventsIn(await (await resumeWith([[a, true], [a, true], ...rest])).text());
    expect(events.at(-1)).toMatchObject({ type: EventType.RUN_FINISHED, result: 'All done.' });
    expect(erased.toSorted()).toEqual(['a', 'b', 'c']);
  });
});
