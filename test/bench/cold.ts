// Cold start: a fresh process, without what Node has kept of compiled code, loads the packages as they are published and does its
// first delegation.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Project, withPrograms } from './packed.ts';
import { median, shuffled } from './statistics.ts';

type Start = { startMs: number; loadMs: number; runMs: number; doneMs: number };
export type Cold = {
  /** By adapter. */
  rounds: Record<string, Start>[];
  /** How many modules each adapter loads, by package. */
  modules: Record<string, Record<string, number>>;
  /** Milliseconds to import each package, one after another in the order of their dependencies. */
  importMs: Record<string, number>;
};

const run = promisify(execFile);

const { NODE_COMPILE_CACHE: _, ...environment } = process.env;

const node = async (args: readonly string[], cwd: string): Promise<string> =>
  (await run(process.execPath, args, { cwd, env: { ...environment, NODE_ENV: 'production' } })).stdout;

const last = <T>(output: string): T => JSON.parse(output.trim().split('\n').at(-1) ?? '') as T;

const inOrder = ['zod', 'xstate', '@troupe/protocol', '@troupe/core'];
const importing = `
  const ms = {};
  for (const name of ${JSON.stringify(inOrder)}) {
    const from = performance.now();
    await import(name);
    ms[name] = performance.now() - from;
  }
  console.log(JSON.stringify(ms));`;

export const measureCold = async ({ folder }: Project, names: readonly string[], rounds: number): Promise<Cold> => {
  const programs = withPrograms(folder);
  const paths = names.map((name) => [name, programs[name] ?? ''] as const);
  const worker = join(folder, 'cold-worker.mjs');
  const counting = ['--import', './loaded-modules.mjs', worker];
  const found: Cold = { rounds: [], modules: {}, importMs: {} };
  // Also fills the page cache.
  for (const [name, path] of paths) found.modules[name] = last(await node([...counting, path], folder));
  const imports: Record<string, number>[] = [];
  for (let i = 0; i < rounds; i++) {
    const round: Record<string, Start> = {};
    for (const [name, path] of shuffled(paths)) round[name] = last(await node([worker, path], folder));
    found.rounds.push(round);
    imports.push(last(await node(['--input-type=module', '--eval', importing], folder)));
  }
  for (const name of inOrder) found.importMs[name] = median(imports.map((each) => each[name] ?? Number.NaN));
  return found;
};
