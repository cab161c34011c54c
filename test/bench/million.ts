// A file with very many runs in it: what is looked up must not take longer for that.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, memoryStore } from '@troupe/core';
import type { Commit, JournalEntry, RunStore } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { median, timeOf } from './statistics.ts';
import { asking, leading, provider } from './work.ts';

export type Million = {
  runs: number;
  fileBytes: number;
  fillSeconds: number;
  /** Milliseconds: of the first time in a process that has just opened the file, and in the middle of the times after it. */
  looks: { what: string; firstMs: number; ms: number }[];
};

/** Runs of one tree: a lead and its children. */
const treeSize = 100;

/** A tree as the runtime wrote it, each run in one commit: what it said and heard, and how it ended. */
const recordTree = async (): Promise<Commit[]> => {
  const store = memoryStore();
  const runs = new Map<string, Commit>();
  const watched: RunStore = {
    ...store,
    commit(steps) {
      for (const step of steps) {
        const before = runs.get(step.runId);
        const journal = [...(before?.journal ?? []), ...(step.journal ?? [])] as JournalEntry[];
        const events = [...(before?.events ?? []), ...step.events];
        runs.set(step.runId, { ...step, expectedSeq: 0, epoch: 1, events, journal });
      }
      return store.commit(steps);
    },
  };
  const runtime = createRuntime({ provider, model: 'none', store: watched });
  const report = await runtime.run(leading(treeSize - 1, 0), 'go');
  if (report.status !== 'completed') throw new Error(`The tree ended ${report.exitReason}: ${report.fault?.message}`);
  await runtime.close();
  return [...runs.values()];
};

const fill = async (store: RunStore, trees: number, told: (runs: number) => void): Promise<void> => {
  const tree = await recordTree();
  const rootId = tree[0]?.rootId ?? '';
  const text = JSON.stringify(tree);
  const treeOf = (n: number) => JSON.parse(text.replaceAll(rootId, `run_${n}`)) as Commit[];
  for (let from = 0; from < trees; from += 50) {
    const many = Array.from({ length: Math.min(50, trees - from) }, (_, i) => treeOf(from + i));
    // What is asked for at once goes into one transaction.
    await Promise.all(many.map(async (each) => store.commit(each)));
    told((from + many.length) * treeSize);
  }
};

/** A run that waits for an answer, and has left its process. */
const leaveWaiting = async (path: string, runId: string): Promise<void> => {
  const store = sqliteStore({ path, durability: 'normal' });
  const runtime = createRuntime({ provider, model: 'none', store, agents: [asking()] });
  const report = await runtime.start(asking(), 'go', { runId }).report;
  if (report.status !== 'paused') throw new Error(`The run that asks is ${report.status}.`);
  await runtime.close({ runs: 'suspend' });
  await store.close();
};

const take = async <T>(all: AsyncIterable<T> | Iterable<T>): Promise<number> => {
  let count = 0;
  for await (const _ of all) count += 1;
  return count;
};

/** Each in a store that has just been opened, then again. */
const look = async (path: string, waiting: readonly string[], tree: string): Promise<Million['looks']> => {
  const store = sqliteStore({ path, durability: 'normal' });
  const runtime = createRuntime({ provider, model: 'none', store, agents: [asking()] });
  const left = [...waiting];
  const looks: [what: string, work: () => Promise<unknown>][] = [
    ['the newest 100 runs', () => runtime.runs.list({ limit: 100 })],
    ['the newest 100 that have completed', () => runtime.runs.list({ status: 'completed', limit: 100 })],
    ['all that wait for somebody', () => runtime.runs.list({ status: 'paused' })],
    [`a tree of ${treeSize} runs`, () => runtime.runs.tree(tree)],
    ['all events of that tree', () => take(store.events({ rootId: tree }))],
    ['a run brought back', async () => (await runtime.attach(left.shift() ?? '')).status],
  ];
  const found: Million['looks'] = [];
  for (const [what, work] of looks) {
    const firstMs = await timeOf(work);
    const times: number[] = [];
    for (let i = 0; i < waiting.length - 1; i++) times.push(await timeOf(work));
    found.push({ what, firstMs, ms: median(times) });
  }
  const answers: number[] = [];
  for (const runId of waiting)
    answers.push(
      await timeOf(async () => {
        const { status } = await runtime.resume(runId, true);
        if (status !== 'completed') throw new Error(`Run "${runId}" was answered and is ${status}.`);
      }),
    );
  const [firstMs = Number.NaN, ...later] = answers;
  found.push({ what: 'its answer given, until it has completed', firstMs, ms: median(later) });
  await runtime.close();
  await store.close();
  return found;
};

/** Takes minutes, and a file of some gigabytes. @param told How many runs there are by now. */
export const measureMillion = async (runs: number, told: (runs: number) => void): Promise<Million> => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-bench-million-'));
  const path = join(folder, 'runs.db');
  try {
    const trees = Math.ceil(runs / treeSize);
    const waiting = Array.from({ length: 8 }, (_, i) => `waits_${i}`);
    for (const runId of waiting) await leaveWaiting(path, runId);
    const store = sqliteStore({ path, durability: 'normal' });
    const fillMs = await timeOf(() => fill(store, trees, told));
    await store.close();
    const looks = await look(path, waiting, `run_${trees >> 1}`);
    return { runs: trees * treeSize, fileBytes: statSync(path).size, fillSeconds: fillMs / 1_000, looks };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
