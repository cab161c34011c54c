// What storing costs at full durability: what is acknowledged survives a power failure.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type AnyAgent, createRuntime } from '@troupe/core';
import type { Commit, Report, RunStore } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { openHandStore } from './hand-store.ts';
import { median, timeOf } from './statistics.ts';
import { leading, looping, provider } from './work.ts';

export type StoredTurns = {
  turns: number;
  ms: number;
  /** What the process wrote for a run, in bytes; 0 where nobody counts them. */
  bytes: number;
  /** The largest one. */
  checkpointBytes: number;
};
export type StoredDelegation = {
  ms: number;
  commits: number;
  /** A loop that writes its facts when they happen, one by one; one that makes the same commits. */
  factsMs: number;
  commitsMs: number;
};
export type Together = {
  /** Steps a second: of 100 runs at once; of the same steps, each committed alone by hand, and each alone by the store. */
  stepsPerSecond: number;
  handStepsPerSecond: number;
  aloneStepsPerSecond: number;
  /** How often as many as by hand, in each round. */
  ratios: number[];
};
export type Patient = { what: string; ms: number; eventsPerSecond: number; p99Ms: number };
export type Stored = {
  turns: StoredTurns[];
  delegation: StoredDelegation;
  together: Together;
  patient: Patient[];
};

const inFolder = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** A store in a file, whose commits can be written again by hand. */
const openWatched = (path: string) => {
  const store = sqliteStore(path);
  let seen: (readonly Commit[])[] = [];
  const watched: RunStore = {
    ...store,
    commit(steps) {
      seen.push(steps);
      return store.commit(steps);
    },
  };
  const takeSeen = () => {
    const taken = seen;
    seen = [];
    return taken;
  };
  return { watched, takeSeen, close: () => store.close() };
};

const completed = ({ status, exitReason, fault }: Pick<Report, 'status' | 'exitReason' | 'fault'>): void => {
  if (status !== 'completed') throw new Error(`A run ended ${exitReason}: ${fault?.message}`);
};

/** What all threads of this process have written, page cache included. */
const bytesWritten = (): number => {
  try {
    return Number(/^wchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
};

const bytesOfCheckpoint = ({ checkpoint }: Commit): number => (checkpoint ? JSON.stringify(checkpoint).length : 0);

const measureTurns = (turns: number, rounds: number): Promise<StoredTurns> =>
  inFolder(async (folder) => {
    const store = openWatched(join(folder, 'runs.db'));
    const runtime = createRuntime({ provider, model: 'none', store: store.watched });
    const agent = looping(turns);
    const [times, bytes]: [number[], number[]] = [[], []];
    let checkpointBytes = 0;
    for (let i = 0; i < rounds + Math.ceil(rounds / 3); i++) {
      const before = bytesWritten();
      times.push(await timeOf(async () => completed(await runtime.run(agent, 'go'))));
      bytes.push(bytesWritten() - before);
      checkpointBytes = Math.max(checkpointBytes, ...store.takeSeen().flat().map(bytesOfCheckpoint));
    }
    await runtime.close();
    await store.close();
    return { turns, ms: median(times.slice(-rounds)), bytes: median(bytes.slice(-rounds)), checkpointBytes };
  });

/** One event, with the row and the checkpoint as they stand then. */
const factsOf = (step: Commit): Commit[] => step.events.map((event) => ({ ...step, events: [event] }));

const measureDelegation = (rounds: number): Promise<StoredDelegation> =>
  inFolder(async (folder) => {
    const store = openWatched(join(folder, 'runs.db'));
    const runtime = createRuntime({ provider, model: 'none', store: store.watched });
    const agent = leading(1, 0);
    const [byFact, byCommit] = [openHandStore(join(folder, 'facts.db')), openHandStore(join(folder, 'commits.db'))];
    const times: { ms: number; factsMs: number; commitsMs: number; commits: number }[] = [];
    for (let i = 0; i < rounds + Math.ceil(rounds / 3); i++) {
      const ms = await timeOf(async () => completed(await runtime.run(agent, 'go')));
      const seen = store.takeSeen();
      const facts = seen.flat().flatMap(factsOf);
      const factsMs = await timeOf(() => facts.map((fact) => byFact.write([fact])));
      const commitsMs = await timeOf(() => seen.map((steps) => byCommit.write(steps)));
      times.push({ ms, factsMs, commitsMs, commits: seen.length });
    }
    await runtime.close();
    await store.close();
    byFact.close();
    byCommit.close();
    const middle = (key: keyof (typeof times)[number]) => median(times.slice(-rounds).map((each) => each[key]));
    return { ms: middle('ms'), factsMs: middle('factsMs'), commitsMs: middle('commitsMs'), commits: middle('commits') };
  });

/** 100 runs of ten turns at once, whose models answer at once: as many steps as there can be. */
const measureTogether = (rounds: number): Promise<Together> =>
  inFolder(async (folder) => {
    const store = openWatched(join(folder, 'runs.db'));
    const byHand = openHandStore(join(folder, 'by-hand.db'));
    const alone = sqliteStore(join(folder, 'alone.db'));
    const runtime = createRuntime({ provider, model: 'none', store: store.watched });
    const agent = looping(10);
    const found: Record<'together' | 'byHand' | 'alone', number>[] = [];
    for (let i = 0; i < rounds + 1; i++) {
      const ms = await timeOf(async () => {
        const runs = Array.from({ length: 100 }, () => runtime.run(agent, 'go'));
        (await Promise.all(runs)).forEach(completed);
      });
      const steps = store.takeSeen().flat();
      const some = new Set([...new Set(steps.map(({ runId }) => runId))].slice(0, 10));
      const fewer = steps.filter(({ runId }) => some.has(runId));
      const handMs = await timeOf(() => {
        for (const step of fewer) byHand.write([step]);
      });
      const aloneMs = await timeOf(async () => {
        for (const step of fewer) await alone.commit([step]);
      });
      found.push({
        together: (1_000 * steps.length) / ms,
        byHand: (1_000 * fewer.length) / handMs,
        alone: (1_000 * fewer.length) / aloneMs,
      });
    }
    await runtime.close();
    await store.close();
    byHand.close();
    await alone.close();
    const warm = found.slice(1);
    const middle = (key: keyof (typeof found)[number]) => median(warm.map((each) => each[key]));
    return {
      stepsPerSecond: middle('together'),
      handStepsPerSecond: middle('byHand'),
      aloneStepsPerSecond: middle('alone'),
      ratios: warm.map(({ together, byHand }) => together / byHand),
    };
  });

/** Runs whose models take their time, started together: what other work on the same thread has to wait for. */
const measurePatient = (what: string, agent: AnyAgent, width: number): Promise<Patient> =>
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
    const ms = await timeOf(async () => (await Promise.all(started.map((run) => run.ended))).forEach(completed));
    delay.disable();
    await runtime.close();
    await store.close();
    return { what, ms, eventsPerSecond: (events / ms) * 1_000, p99Ms: delay.percentile(99) / 1e6 };
  });

export const measureStored = async (rounds: number): Promise<Stored> => {
  const turns: StoredTurns[] = [];
  for (const size of [10, 100, 1_000]) turns.push(await measureTurns(size, Math.max(2, (rounds * 100) / size)));
  return {
    turns,
    delegation: await measureDelegation(rounds * 50),
    together: await measureTogether(rounds),
    patient: [
      await measurePatient('100 runs side by side', looping(10, 60), 100),
      await measurePatient('100 children at once', leading(100, 10, 60), 1),
    ],
  };
};
