/** A team at work, for the page to show: a lead, helpers that work, ask, fail and end, all stored in a real file. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, defineAgent, defineTool, type Runtime, spawned } from '@troupe/core';
import { sqliteStore } from '@troupe/store-sqlite';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { onTestFinished } from 'vitest';
import { z } from 'zod';

const readFile = defineTool({
  name: 'read_file',
  description: 'Reads a file.',
  inputSchema: z.object({ path: z.string() }),
  execute: ({ path }) => `// ${path}\nexport const retry = async (run, { attempts = 3 }) => { … }`,
});
const dropTable = defineTool({
  name: 'drop_table',
  description: 'Deletes a table.',
  inputSchema: z.object({ table: z.string() }),
  confirm: true,
  execute: ({ table }) => `${table} is gone.`,
});
const askUser = defineTool({
  name: 'ask_user',
  description: 'Asks.',
  inputSchema: z.object({ question: z.string(), answer: z.string().optional() }),
  askUser: true,
  inputKey: 'answer',
  execute: ({ answer }) => `They said: ${answer}`,
});
const runTests = defineTool({
  name: 'run_tests',
  description: 'Runs the tests.',
  inputSchema: z.object({ filter: z.string() }),
  execute: () => {
    throw new Error('2 of 14 tests failed: retry › stops after the last attempt');
  },
});

const helper = (name: string) =>
  defineAgent({
    name,
    instructions: `You are the ${name}.`,
    tools: [readFile, dropTable, askUser, runTests],
    budget: { turns: 6, toolCalls: 20, tokens: 40_000 },
  });
const helpers = ['researcher', 'writer', 'tester', 'archivist'].map(helper);

const delegate = defineTool({
  name: 'delegate',
  description: 'Hands tasks to helpers.',
  inputSchema: z.object({ to: z.array(z.string()) }),
  execute: ({ to }) =>
    spawned(
      to.flatMap((name) => {
        const agent = helpers.find((one) => one.name === name);
        return agent ? [{ agent, job: `${name}: look at the retry code, and say what you find` }] : [];
      }),
    ),
  settle: (reports) => ({ content: reports.map(({ agent, text }) => `${agent}: ${text}`).join('\n') }),
});

export const lead = defineAgent({
  name: 'lead',
  instructions: 'You lead.',
  tools: [delegate, readFile],
  budget: { turns: 20, toolCalls: 50, tokens: 400_000, costUsd: 5, activeMs: 600_000 },
});

const usage = (inputTokens: number, outputTokens: number) => ({
  inputTokens,
  outputTokens,
  costUsd: inputTokens / 1e6 + outputTokens / 1e5,
});
const call = (name: string, given: unknown) => ({ name, arguments: given });

const script: Record<string, Turn[]> = {
  lead: [
    {
      text: 'I will read the retry code first.',
      reasoning: 'The back-off doubles without a cap. Look at it before anybody is sent.',
      calls: [call('read_file', { path: 'src/retry.ts' })],
      usage: usage(812, 64),
    },
    {
      text: 'Four of us can look at it side by side.',
      calls: [call('delegate', { to: ['researcher', 'writer', 'tester', 'archivist'] })],
      usage: usage(1_940, 120),
    },
    { text: 'The back-off is capped at 30 s now, and the tests pass.', usage: usage(3_100, 300) },
  ],
  researcher: [
    { text: 'Reading the callers.', calls: [call('read_file', { path: 'src/queue.ts' })], usage: usage(700, 40) },
    { deltas: ['There are ', 'nine callers, ', 'and '], hang: true },
    { deltas: ['Only the public ones: '], hang: true },
  ],
  writer: [
    { calls: [call('drop_table', { table: 'retries_2024' })], usage: usage(640, 30) },
    { text: 'The old table is dealt with.', usage: usage(720, 44) },
  ],
  tester: [
    { calls: [call('run_tests', { filter: 'retry' })], usage: usage(520, 22) },
    { text: 'Two tests fail, as expected.', usage: usage(610, 60) },
  ],
  archivist: [
    { calls: [call('ask_user', { question: 'Which release is it for?' })], usage: usage(430, 18) },
    { text: 'Noted.', usage: usage(480, 12) },
  ],
};

export type Scene = { runtime: Runtime; store: ReturnType<typeof sqliteStore>; rootId: string };

/** The team, started: the researcher works until it is stopped, the writer and the archivist ask, the tester is done. */
export const openScene = async (): Promise<Scene> => {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-scene-'));
  const store = sqliteStore(join(folder, 'runs.db'));
  const provider = scriptedProvider(script);
  const runtime = createRuntime({ provider, model: 'openai/gpt-5-mini', store, agents: [lead, ...helpers] });
  onTestFinished(async () => {
    await runtime.close({ runs: 'interrupt', graceMs: 0 });
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });
  const job = {
    input: 'Find why the retry back-off grows without bound, and mend it',
    constraints: ['Touch nothing outside src/', 'Keep the public names'],
  };
  const run = runtime.start(lead, job);
  const isThere = async () => {
    const rows = await runtime.runs.list({ rootId: run.id });
    return run.questions.length === 2 && rows.some(({ agent, status }) => agent === 'tester' && status === 'completed');
  };
  while (!(await isThere())) await new Promise((resolve) => setTimeout(resolve, 5));
  return { runtime, store, rootId: run.id };
};
