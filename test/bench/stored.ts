// What storing costs: the same work with `sqliteStore`, and its facts written by a plain loop over `node:sqlite`.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { type AnyAgent, createRuntime } from '@troupe/core';
import type { Commit, ModelProvider, RunStore } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';

const inFolder = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const median = (times: number[]): number => times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;

export type Stored = {
  /** Median milliseconds of one run, stored; by a loop that writes each fact when it happens; by one that makes the same commits. */
  ms: number;
  factsMs: number;
  commitsMs: number;
  /** Of one run: commits, bytes that the process wrote (0 where nobody counts them), and the largest checkpoint. */
  commits: number;
  bytes: number;
  checkpointBytes: number;
};

/** Runs an agent `rounds` times on a store in a file, and writes the facts of each run again by hand. */
export const measureStored = (agent: AnyAgent, provider: ModelProvider, rounds: number): Promise<Stored> =>
  inFolder(async (folder) => {
    const store = sqliteStore(join(folder, 'runs.db'));
    let seen: (readonly Commit[])[] = [];
    const watching: RunStore = {
      ...store,
      commit: (steps) => {
        seen.push(steps);
        return store.commit(steps);
      },
    };
    const [byFact, byCommit] = [openLoop(join(folder, 'facts.db')), openLoop(join(folder, 'commits.db'))];
    const [times, factTimes, commitTimes, bytes]: [number[], number[], number[], number[]] = [[], [], [], []];
    let checkpointBytes = 0;
    const runtime = createRuntime({ provider, model: 'none', store: watching });
    for (let i = 0; i < rounds + Math.ceil(rounds / 3); i++) {
      seen = [];
      const before = bytesWritten();
      const from = performance.now();
      const report = await runtime.run(agent, 'go');
      times.push(performance.now() - from);
      bytes.push(bytesWritten() - before);
      if (report.status !== 'completed') throw new Error(`${report.exitReason}: ${report.fault?.message}`);
      for (const { checkpoint } of seen.flat())
        if (checkpoint) checkpointBytes = Math.max(checkpointBytes, JSON.stringify(checkpoint).length);
      const facts = seen.flatMap((steps) => steps.flatMap(factsOf));
      factTimes.push(timeOf(() => facts.map((fact) => byFact.write([fact]))));
      commitTimes.push(timeOf(() => seen.map((steps) => byCommit.write(steps))));
    }
    await runtime.close();
    await store.close();
    byFact.close();
    byCommit.close();
    const last = (all: number[]) => median(all.slice(-rounds));
    const [ms, factsMs, commitsMs] = [last(times), last(factTimes), last(commitTimes)];
    return { ms, factsMs, commitsMs, commits: seen.length, bytes: last(bytes), checkpointBytes };
  });

const timeOf = (work: () => unknown): number => {
  const from = performance.now();
  work();
  return performance.now() - from;
};

/** One event, with the row and the checkpoint as they stand then. */
const factsOf = (step: Commit): Commit[] => step.events.map((event) => ({ ...step, events: [event] }));

/** What all threads of this process have written, page cache included. */
const bytesWritten = (): number => {
  try {
    return Number(/^wchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
};

export type Crowd = { ms: number; eventsPerSecond: number; p99Ms: number };

/** Runs agents side by side on a store in a file, and watches the event loop. */
export const measureCrowd = (agent: AnyAgent, provider: ModelProvider, width: number): Promise<Crowd> =>
  inFolder(async (folder) => {
    const store = sqliteStore(join(folder, 'runs.db'));
    const runtime = createRuntime({ provider, model: 'none', store });
    let events = 0;
    runtime.events$.subscribe(() => {
      events += 1;
    });
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const started = Array.from({ length: width }, () => runtime.start(agent, 'go'));
    await new Promise((resolve) => setImmediate(resolve));
    delay.enable();
    const from = performance.now();
    const reports = await Promise.all(started.map((run) => run.ended));
    const ms = performance.now() - from;
    delay.disable();
    const failed = reports.find(({ status }) => status !== 'completed');
    if (failed) throw new Error(`${failed.exitReason}: ${failed.fault?.message}`);
    await runtime.close();
    await store.close();
    return { ms, eventsPerSecond: (events / ms) * 1_000, p99Ms: delay.percentile(99) / 1e6 };
  });

/** Rows, events and checkpoints in three tables, one transaction for each commit, as durable as the store. */
const openLoop = (path: string) => {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
    CREATE TABLE runs(run_id TEXT PRIMARY KEY, data TEXT);
    CREATE TABLE events(id INTEGER PRIMARY KEY, root_id TEXT, root_seq INTEGER, run_id TEXT, seq INTEGER, data TEXT,
      UNIQUE(root_id, root_seq), UNIQUE(run_id, seq));
    CREATE TABLE checkpoints(run_id TEXT PRIMARY KEY, data TEXT);`);
  const run = db.prepare('INSERT INTO runs VALUES (?, ?) ON CONFLICT(run_id) DO UPDATE SET data = excluded.data');
  const event = db.prepare('INSERT INTO events(root_id, root_seq, run_id, seq, data) VALUES (?, ?, ?, ?, ?)');
  const keep = db.prepare(
    'INSERT INTO checkpoints VALUES (?, ?) ON CONFLICT(run_id) DO UPDATE SET data = excluded.data',
  );
  const drop = db.prepare('DELETE FROM checkpoints WHERE run_id = ?');
  const places = new Map<string, number>();
  return {
    write(steps: readonly Commit[]): void {
      db.exec('BEGIN IMMEDIATE');
      for (const { runId, rootId, events, row, checkpoint } of steps) {
        for (const one of events) {
          const place = (places.get(rootId) ?? 0) + 1;
          places.set(rootId, place);
          event.run(rootId, place, runId, one.seq, JSON.stringify(one));
        }
        run.run(runId, JSON.stringify(row));
        if (checkpoint) keep.run(runId, JSON.stringify(checkpoint));
        else drop.run(runId);
      }
      db.exec('COMMIT');
    },
    close: () => db.close(),
  };
};
