// One process measures one adapter in one scenario: fork it with --expose-gc and one argument, a `Task` as JSON. It answers with
// one message. Work that was not done is an error: the last text, model and tool calls, and all that children were heard saying.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { scenarios } from './scenarios.ts';
import { asked, closeGate, type Tree, trees } from './script.mjs';
import { median, timeOf } from './statistics.ts';

export type Task = {
  adapterPath: string;
  scenario: string;
  warmMs: number;
  sampleMs: number;
  /** Samples that are taken, however long they take; one is enough of a run that takes longer than a second. */
  atLeast: number;
};

export type Times = {
  /** Microseconds of one run: the median sample, and the fastest. */
  us: number;
  bestUs: number;
  /** All threads: compiler and garbage collector, too. */
  cpuUs: number;
  peakRssMb: number;
  storedBytes?: number;
};
export type Waiting = { heapBytes: number; leftBytes: number; waitMs: number; releaseMs: number };
/** Per run; of `Waiting` the bytes are per child. */
export type Measured = { times: Times } | { waiting: Waiting } | { error: string };

type Handle = {
  run(input: string, told?: { onDelta(text: string): void }): Promise<string>;
  close(): unknown;
};
type Adapter = { setup(): unknown; build(spec: object, options: { persist?: string }): Promise<Handle> };

const settled = async (): Promise<number> => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await sleep(15);
  }
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};

const inShort = (value: unknown): string => {
  const text = String(JSON.stringify(value));
  return text.length > 80 ? `${text.slice(0, 80)}… (${text.length} characters)` : text;
};

const check = <T extends string | number>(what: string, found: T, expected: T | undefined): void => {
  if (found === expected) return;
  throw new Error(`Wrong work: ${what} was ${inShort(found)}, expected ${inShort(expected)}.`);
};

const openCounts = (tree: Tree) => {
  Object.assign(asked, { model: 0, tool: 0 });
  return (runs: number): void => {
    check('the number of model calls', asked.model, tree.asks.model * runs);
    check('the number of tool calls', asked.tool, tree.asks.tool * runs);
  };
};

const measureTimes = async (handle: Handle, tree: Tree, task: Task): Promise<Times> => {
  const once = async (): Promise<void> => {
    let heard = '';
    const onDelta = (text: string): void => {
      heard += text;
    };
    const told = tree.says === undefined ? undefined : { onDelta };
    check('the last text', await handle.run('start', told), 'done');
    if (told) check('what the child was heard saying', heard, tree.says);
  };
  const until = async (ms: number, atLeast: number, work: () => Promise<void>): Promise<void> => {
    const from = performance.now();
    for (let i = 0; i < atLeast || performance.now() - from < ms; i++) await work();
  };

  const checkFirst = openCounts(tree);
  const firstMs = await timeOf(once);
  checkFirst(1);
  const slow = firstMs > 1_000;
  let lastMs = firstMs;
  if (!slow)
    await until(task.warmMs, task.atLeast, async () => {
      lastMs = await timeOf(once);
    });
  const batch = Math.max(1, Math.min(500, Math.floor(4 / lastMs)));
  globalThis.gc?.();

  const samples: number[] = [];
  const checkAll = openCounts(tree);
  const cpuFrom = process.cpuUsage();
  await until(task.sampleMs, slow ? 1 : task.atLeast, async () => {
    const ms = await timeOf(async () => {
      for (let i = 0; i < batch; i++) await once();
    });
    samples.push((ms * 1_000) / batch);
  });
  const cpu = process.cpuUsage(cpuFrom);
  const runs = samples.length * batch;
  checkAll(runs);
  return {
    us: median(samples),
    bestUs: Math.min(...samples),
    cpuUs: (cpu.user + cpu.system) / runs,
    peakRssMb: process.resourceUsage().maxRSS / 1_024,
  };
};

const measureWaiting = async (handle: Handle, tree: Tree, size: number, atLeast: number): Promise<Waiting> => {
  const once = async (): Promise<Waiting> => {
    const checkCounts = openCounts(tree);
    const gate = closeGate(size);
    const before = await settled();
    const from = performance.now();
    const run = handle.run('start');
    await Promise.race([
      gate.full,
      run.then(() => Promise.reject(new Error('The run ended though its children wait.'))),
    ]);
    const waitMs = performance.now() - from;
    const during = await settled();
    const releasedAt = performance.now();
    gate.open();
    check('the last text', await run, 'done');
    const releaseMs = performance.now() - releasedAt;
    checkCounts(1);
    const after = await settled();
    return { heapBytes: (during - before) / size, leftBytes: (after - before) / size, waitMs, releaseMs };
  };
  // What is compiled and cached for good belongs to no child.
  await once();
  const rounds: Waiting[] = [];
  for (let i = 0; i < Math.min(3, atLeast); i++) rounds.push(await once());
  const middle = (key: keyof Waiting) => median(rounds.map((round) => round[key]));
  return {
    heapBytes: middle('heapBytes'),
    leftBytes: middle('leftBytes'),
    waitMs: middle('waitMs'),
    releaseMs: middle('releaseMs'),
  };
};

const bytesOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const measure = async (task: Task): Promise<Measured> => {
  const scenario = scenarios.find(({ id }) => id === task.scenario);
  if (!scenario) throw new Error(`There is no scenario "${task.scenario}".`);
  const { default: adapter } = (await import(task.adapterPath)) as { default: Adapter };
  await adapter.setup();
  const folder = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
  const path = join(folder, 'runs.db');
  const tree: Tree = trees[scenario.tree](scenario.size);
  try {
    const handle = await adapter.build(tree.lead, scenario.stored ? { persist: path } : {});
    if (scenario.measure === 'waiting') {
      const waiting = await measureWaiting(handle, tree, scenario.size, task.atLeast);
      await handle.close();
      return { waiting };
    }
    let runs = 0;
    const counted: Handle = {
      ...handle,
      run(input, told) {
        runs += 1;
        return handle.run(input, told);
      },
    };
    const times = await measureTimes(counted, tree, task);
    await handle.close();
    return { times: { ...times, ...(scenario.stored && { storedBytes: bytesOf(path) / runs }) } };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const tell = (answer: Measured): void => {
  process.send?.(answer, () => process.exit(0));
};
process.on('uncaughtException', (error) => tell({ error: String(error.stack) }));
if (process.argv[2])
  measure(JSON.parse(process.argv[2]) as Task).then(tell, (error: unknown) =>
    tell({ error: error instanceof Error ? String(error.stack) : String(error) }),
  );
