// npm run bench -- [--quick] [--rounds N] [--only S3,S4,cold] [--adapters troupe,xstate-lean] [--json] [--million]
//
// What Troupe itself costs: scripted agents whose models answer at once, beside the same work done by a loop written by hand and by
// XState alone, which limit nothing, store little and tell nothing. Absolute times say more about a machine than about the code; ratios
// inside one round, and growth, say what must hold. Every cell is a process of its own that checks that the work was done.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { adapters, runRound } from './cells.ts';
import { measureCold } from './cold.ts';
import { type Flags, help, readFlags } from './flags.ts';
import { measureLooking } from './looking.ts';
import { measureMillion } from './million.ts';
import { installPacked, type Project, withPrograms } from './packed.ts';
import { measurePlaced } from './placed.ts';
import type { Results } from './results.ts';
import { scenarios } from './scenarios.ts';
import { measureSize } from './size.ts';
import { measureStored } from './stored.ts';
import { tablesOf } from './table.ts';
import { verdicts } from './targets.ts';

/** The version of a package that is installed here. */
const versionOf = (name: string): string => {
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  while (!folder.endsWith(join('node_modules', name))) folder = dirname(folder);
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
};

const commit = (): string => {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
};

const load = (): string =>
  loadavg()
    .map((value) => value.toFixed(1))
    .join(' ');

const machine = (): Results['machine'] => ({
  commit: commit(),
  Node: process.version,
  ...Object.fromEntries(['xstate', 'rxjs', 'zod'].map((name) => [name, versionOf(name)])),
  processors: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
  memory: `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
  date: new Date().toISOString(),
  'load before': load(),
});

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`);
};

/** Troupe is measured as users get it: packed and installed. Where that cannot be, its sources are, and it is said. */
const runScenarios = async (flags: Flags, results: Results): Promise<void> => {
  if (flags.scenarios.length === 0) return;
  const packages = ['protocol', 'core', 'store-sqlite'];
  const project = await attempt(results, 'Troupe, packed and installed', () => installPacked(packages));
  results.machine.Troupe = project ? 'as published' : 'from its sources';
  const troupe = project && withPrograms(project.folder).troupe;
  try {
    await runRounds(flags, results, { ...adapters, ...(troupe !== undefined && { troupe }) });
  } finally {
    project?.remove();
  }
};

const runRounds = async (flags: Flags, results: Results, paths: typeof adapters): Promise<void> => {
  const pace = flags.quick ? { warmMs: 100, sampleMs: 100, atLeast: 1 } : { warmMs: 400, sampleMs: 400, atLeast: 5 };
  for (let i = 1; i <= flags.rounds; i++)
    for (const scenario of scenarios.filter(({ id }) => flags.scenarios.includes(id))) {
      const told = (name: string) => progress(`round ${i} of ${flags.rounds}: ${scenario.id} ${name}`);
      results.rounds.push(await runRound(scenario, flags.adapters, paths, pace, told));
    }
};

/** Measures one part; what stands in its way is told, and the others go on. */
const attempt = async <T>(results: Results, what: string, measure: () => Promise<T>): Promise<T | undefined> => {
  progress(what);
  try {
    return await measure();
  } catch (error) {
    results.missing.push({ what, why: error instanceof Error ? error.message : String(error) });
    return undefined;
  }
};

const runPacked = async (flags: Flags, results: Results, project: Project): Promise<void> => {
  if (flags.parts.has('cold')) {
    const rounds = flags.quick ? 3 : 9;
    const cold = await attempt(results, 'cold start', () => measureCold(project, flags.adapters, rounds));
    if (cold) results.cold = cold;
  }
  if (flags.parts.has('size')) {
    const size = await attempt(results, 'size', () => measureSize(project));
    if (size) results.size = size;
  }
  project.remove();
};

const runParts = async (flags: Flags, results: Results): Promise<void> => {
  if (flags.parts.has('stored')) {
    const stored = await attempt(results, 'what storing costs', () => measureStored(flags.quick ? 1 : 5));
    if (stored) results.stored = stored;
  }
  if (flags.parts.has('cold') || flags.parts.has('size')) {
    const project = await attempt(results, 'core, packed and installed', () => installPacked(['protocol', 'core']));
    if (project) await runPacked(flags, results, project);
  }
  if (flags.parts.has('million')) {
    const told = (runs: number) => progress(`stored ${runs.toLocaleString('en')} runs`);
    const million = await attempt(results, 'very many runs', () => measureMillion(flags.runs, told));
    if (million) results.million = million;
  }
  if (flags.parts.has('placed')) {
    const placed = await attempt(results, 'what children on workers cost', () => measurePlaced());
    if (placed) results.placed = placed;
  }
  if (flags.parts.has('looking')) {
    const looking = await attempt(results, 'what looking costs', measureLooking);
    if (looking) results.looking = looking;
  }
};

const main = async (): Promise<void> => {
  const flags = readFlags(process.argv.slice(2));
  if (flags === 'help') return console.log(help);
  const results: Results = { machine: machine(), rounds: [], missing: [] };
  await runScenarios(flags, results);
  await runParts(flags, results);
  progress('');
  results.machine['load after'] = load();
  for (const { scenario, cells } of results.rounds)
    for (const [name, cell] of Object.entries(cells))
      if ('error' in cell) results.missing.push({ what: `${scenario} of ${name}`, why: cell.error });
  console.log(flags.json ? JSON.stringify({ ...results, targets: verdicts(results) }, null, 2) : tablesOf(results));
  // A target that is missed is a finding; what could not be measured is a failure.
  process.exitCode = results.missing.length > 0 ? 1 : 0;
};

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
