/** What looking at a program costs it, and how smooth the page is: measured by the inspector's own benchmark, in processes of its own. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

type Spent = { cpu: number; eventsPerSecond: number };
type Measured = {
  alone: Spent;
  page: Record<string, { spent: Spent; frames: { fps: number; p95Ms: number } }>;
  stately: { spent: Spent };
};

const program = fileURLToPath(new URL('../../packages/inspector/test/bench/main.ts', import.meta.url));

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** CPU as a share of one core. @throws Error where there is no browser */
export const measureLooking = async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [program, '--json'], { maxBuffer: 1_000_000 });
  const { alone, page, stately } = JSON.parse(stdout) as Measured;
  const tabs = Object.values(page);
  const added = mean(tabs.map(({ spent }) => spent.cpu)) - alone.cpu;
  return {
    alone: alone.cpu,
    ours: added,
    theirs: stately.spent.cpu - alone.cpu,
    eventsPerSecond: alone.eventsPerSecond,
    slowestFps: Math.min(...tabs.map(({ frames }) => frames.fps)),
  };
};
