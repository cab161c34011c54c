/** Stored files: read without their program, and commanded where another process executes their runs. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRuntime } from '@troupe/core';
import { sqliteStore } from '@troupe/store-sqlite';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { inspectStore, type RunLine } from '../src/index.ts';
import { clerk } from './clerk.ts';
import { openPage, until } from './page.ts';
import { calling } from './program.ts';

const fileOf = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-inspector-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'runs.db');
};
/** A file with a run that has ended, and one that waits for a person, whose program is gone. */
const storedIn = async (path: string) => {
  const store = sqliteStore(path);
  const provider = scriptedProvider((_request, { turn, runId }) =>
    turn === 1 ? calling(runId === 'ended' ? 'look' : 'erase') : 'Done.',
  );
  const runtime = createRuntime({ provider, model: 'test-model', store, agents: [clerk] });
  await runtime.start(clerk, 'One.', { runId: 'ended' }).report;
  const { questions } = await runtime.start(clerk, 'Two.', { runId: 'waiting' }).report;
  await runtime.close({ runs: 'suspend' });
  await store.close();
  return questions;
};
const looking = async (path: string) => {
  const store = sqliteStore(path);
  const inspector = await inspectStore(store, { name: 'runs.db', logger: { warn() {}, error() {} } });
  onTestFinished(async () => {
    await inspector.close();
    await store.close();
  });
  return openPage(inspector.url);
};

describe('a stored file', () => {
  test('shows its runs, what they said, and where their machines were, at any moment', async () => {
    const path = fileOf();
    const [question] = await storedIn(path);
    const page = await looking(path);
    await until(() => (page.lines.get('waiting') as RunLine | undefined)?.pausedFor === 'question');
    expect(page.all('hello')[0]).toMatchObject({ source: 'store', name: 'runs.db', spawningPaused: null });
    expect(page.lines.get('ended')).toMatchObject({ status: 'completed', title: 'One.', turn: 2 });
    await until(() => page.questions().length === 1);
    expect(page.questions()).toMatchObject([{ id: question?.id }]);
    const ended = await page.watch('ended');
    expect(ended.chart).toMatchObject({ machineId: 'agent', active: ['agent', 'agent.completed'] });
    expect(ended.chart.steps.map(({ event }) => event)).toEqual([
      ...['xstate.init', 'turn.closed', 'call.settled', 'turn.closed', 'run.closed'],
    ]);
    expect(ended.entries.at(-1)).toMatchObject({ type: 'end', text: 'Done.' });
    expect(ended.can).toMatchObject({ pause: { status: 'rejected', reason: 'the run has ended: completed' } });
    page.say({ type: 'travel', rootId: 'ended', rootSeq: 4 });
    expect(await page.find('past')).toMatchObject({ lines: [{ id: 'ended', status: 'running', tools: ['look'] }] });
    const then = await page.find('details', ({ rootSeq }) => rootSeq === 4);
    expect(then.chart.active).toContain('agent.running.acting');
  });

  test('takes no command for what nobody executes, and is left as it is', async () => {
    const path = fileOf();
    const [question] = await storedIn(path);
    const page = await looking(path);
    await until(() => page.lines.has('waiting'));
    const none = { status: 'rejected', reason: expect.stringContaining('no process executes run "waiting"') };
    expect((await page.watch('waiting')).can).toMatchObject({
      steer: none,
      interrupt: none,
      raise: none,
      fork: { status: 'rejected', reason: expect.stringContaining('nobody could execute a fork') },
    });
    const answer = { type: 'answer', runId: 'waiting', questionId: question?.id ?? '', answer: true } as const;
    expect(await page.can(answer)).toEqual({ receipt: none });
    expect(await page.command(answer)).toEqual({ receipt: none });
    expect(await page.command({ type: 'pauseSpawning', runId: 'waiting' })).toEqual({ receipt: none });
    expect(await page.command({ type: 'fork', runId: 'ended', at: 'ended:3' })).toMatchObject({
      receipt: { status: 'rejected' },
    });
    const store = sqliteStore(path);
    onTestFinished(() => store.close());
    expect(store.get('waiting')).toMatchObject({ status: 'paused' });
  });

  test('follows what another process stores, and its runs hear what a person says', { timeout: 20_000 }, async () => {
    const path = fileOf();
    const program = fileURLToPath(new URL('other-process.ts', import.meta.url));
    const other = spawn(process.execPath, [program, path], { stdio: ['ignore', 'ignore', 'inherit'] });
    onTestFinished(() => void other.kill('SIGKILL'));
    const exited = new Promise((resolve) => other.once('exit', resolve));
    const page = await looking(path);
    await until(
      () => page.questions().length === 1,
      () => page.told.slice(-3),
    );
    const [question] = page.questions();
    const answer = { type: 'answer', runId: 'there', questionId: question?.id ?? '', answer: true } as const;
    expect(await page.can(answer)).toEqual({ receipt: { status: 'accepted' } });
    expect(await page.command({ type: 'raise', runId: 'there', budget: { turns: 8 } })).toEqual({
      receipt: { status: 'accepted' },
    });
    expect(await page.command(answer)).toEqual({ receipt: { status: 'accepted' } });
    await until(() => (page.lines.get('there') as RunLine).status === 'completed');
    expect(page.lines.get('there')).toMatchObject({
      gauges: expect.arrayContaining([expect.objectContaining({ kind: 'turns', limit: 8 })]),
    });
    await exited;
  });
});

test('a program ends though its inspector is open and looked at, unless it is told otherwise', {
  timeout: 20_000,
}, async () => {
  const program = fileURLToPath(new URL('short-program.ts', import.meta.url));
  const start = (...args: string[]) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    child.stdout.on('data', (part) => (said += String(part)));
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    return { child, exited, url: () => until(() => /http:\S+/.exec(said)?.[0]) };
  };
  const short = start();
  await openPage(await short.url());
  expect(await short.exited).toBe(0);
  const kept = start('keep');
  const page = await openPage(await kept.url());
  await until(() => (page.lines.get('short') as RunLine | undefined)?.status === 'completed');
  // long after its work is done
  expect(await Promise.race([kept.exited, new Promise((resolve) => setTimeout(resolve, 400, 'there'))])).toBe('there');
});
