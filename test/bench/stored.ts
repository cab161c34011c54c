// What storing costs: the same work with `sqliteStore`, and its facts written by a plain loop over `node:sqlite`.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  /** Median milliseconds of one run, stored and by the loop. */
  ms: number;
  loopMs: number;
  /** Of one run: commits, bytes in the write-ahead log, and the largest checkpoint. */
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
    const loop = openLoop(join(folder, 'loop.db'));
    const [times, loopTimes, bytes]: [number[], number[], number[]] = [[], [], []];
    let checkpointBytes = 0;
    for (let i = 0; i < rounds + 2; i++) {
      seen = [];
      const runtime = createRuntime({ provider, model: 'none', store: watching });
      const size = sizeOf(folder);
      const from = performance.now();
      const report = await runtime.run(agent, 'go');
      times.push(performance.now() - from);
      bytes.push(sizeOf(folder) - size);
      if (report.status !== 'completed') throw new Error(`${report.exitReason}: ${report.fault?.message}`);
      await runtime.close();
      for (const { checkpoint } of seen.flat())
        if (checkpoint) checkpointBytes = Math.max(checkpointBytes, JSON.stringify(checkpoint).length);
      const began = performance.now();
      for (const steps of seen) loop.write(steps);
      loopTimes.push(performance.now() - began);
    }
    await store.close();
    loop.close();
    const last = (all: number[]) => median(all.slice(-rounds));
    return { ms: last(times), loopMs: last(loopTimes), commits: seen.length, bytes: last(bytes), checkpointBytes };
  });

const sizeOf = (folder: string): number =>
  ['runs.db', 'runs.db-wal'].reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );

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
