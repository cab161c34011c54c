// node test/tools/run.mjs node test/tools/mutants.mjs [--fits] [WORD...]
//
// Plants one fault after another in a copy of the workspace, and says which tests notice. A fault that no test notices fails.
// The tests of a fault end once five have noticed it. With words, only faults whose names contain one of them. With --fits nothing is
// planted: it is checked that each has its place.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { faults } from './faults.mjs';

/** @typedef {import('./faults.mjs').Fault} Fault */

const mostSuites = ['packages/core/test', 'packages/delegation/test'];
const root = fileURLToPath(new URL('../..', import.meta.url));
const [fits, words] = [process.argv.includes('--fits'), process.argv.slice(2).filter((word) => word !== '--fits')];
const chosen = faults.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
if (chosen.length === 0) throw new Error(`No fault has one of these words in its name: ${words.join(', ')}.`);

if (fits) {
  for (const fault of chosen) planted(root, fault);
  console.log(`faults to plant: ${chosen.length}, each has its place`);
  process.exit(0);
}

const copy = mkdtempSync(join(tmpdir(), 'troupe-mutants-'));
// Tests that try as another user read it, too.
chmodSync(copy, 0o755);
process.on('exit', () => rmSync(copy, { recursive: true, force: true }));
copyWorkspace();

const before = performance.now();
const { failed } = runTests(chosen.flatMap(({ suites = mostSuites }) => suites));
/** A test that never lets go of its thread cannot be told to stop: tests with a fault have three times as long as all without. */
const timeoutMs = 60_000 + 3 * Math.ceil(performance.now() - before);
if (failed.length > 0) {
  console.error(`Without any fault these fail already:\n${list(failed)}\nMend them first.`);
  process.exit(1);
}

const survivors = chosen.filter((fault) => {
  const { failed } = withFault(fault, () => runTests(fault.suites ?? mostSuites, { enough: 5, timeoutMs }));
  console.log(`\n${failed.length > 0 ? 'caught' : 'MISSED'} · ${fault.name}\n${list(failed)}`);
  return failed.length === 0;
});
console.log(`\n${chosen.length - survivors.length} of ${chosen.length} faults were caught.`);
process.exitCode = survivors.length === 0 ? 0 : 1;

/** The sources of every package, and what they depend on as links: to packages of the copy, and to the rest of this workspace. */
function copyWorkspace() {
  const isOurs = (/** @type {string} */ path) => !['node_modules', 'dist', 'coverage', '.git'].includes(basename(path));
  for (const entry of readdirSync(root)) {
    if (isOurs(entry)) cpSync(join(root, entry), join(copy, entry), { recursive: true, filter: isOurs });
  }
  const packages = readdirSync(join(root, 'packages')).map((name) => join('packages', name));
  for (const folder of ['.', ...packages]) linkModules(folder, packages);
}

/** @type {(folder: string, packages: string[]) => void} */
function linkModules(folder, packages) {
  const from = join(root, folder, 'node_modules');
  const to = join(copy, folder, 'node_modules');
  if (!existsSync(from)) return;
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from)) {
    if (entry !== '@troupe') symlinkSync(join(from, entry), join(to, entry));
  }
  if (!existsSync(join(from, '@troupe'))) return;
  mkdirSync(join(to, '@troupe'));
  for (const name of readdirSync(join(from, '@troupe'))) {
    const own = packages.find((path) => basename(path) === name);
    if (own) symlinkSync(join(copy, own), join(to, '@troupe', name));
  }
}

/** The file of a fault, as it is and with the fault. @type {(folder: string, fault: Fault) => { path: string, source: string, broken: string }} */
function planted(folder, { name, file, find, put }) {
  const path = join(folder, file);
  const source = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const places = source.split(find).length - 1;
  if (places !== 1)
    throw new Error(
      `"${name}" fits ${places} places in ${file}. Expected one: bring test/tools/faults.mjs up to date.`,
    );
  return { path, source, broken: source.replace(find, () => put) };
}

/** @type {<T>(fault: Fault, act: () => T) => T} */
function withFault(fault, act) {
  const { path, source, broken } = planted(copy, fault);
  try {
    writeFileSync(path, broken);
    return act();
  } finally {
    writeFileSync(path, source);
  }
}

/**
 * Runs suites in the copy, with fewer random worlds than usual.
 *
 * @type {(suites: string[], options?: { enough?: number, timeoutMs?: number }) => { failed: string[] }} `enough`: after so many failed tests, no more.
 */
function runTests(suites, { enough = 0, timeoutMs = 0 } = {}) {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const here = [...new Set(suites)].filter((suite) => existsSync(join(copy, suite)));
  const { stderr, error } = spawnSync(
    'vitest',
    ['run', '--reporter=json', `--outputFile=${report}`, `--bail=${enough}`, ...here],
    {
      cwd: copy,
      env: { RUNS: '150', ...process.env },
      encoding: 'utf8',
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      shell: process.platform === 'win32',
    },
  );
  // A fault that ends the process of the tests, or keeps it for ever, is caught, too.
  if (!existsSync(report))
    return { failed: [`The tests ended without a report: ${(error?.message ?? stderr).trim().slice(0, 2_000)}`] };
  /** @type {{ testResults: { name: string, message: string, assertionResults: { fullName: string, status: string }[] }[] }} */
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const failed = testResults.flatMap(({ name, message, assertionResults }) => {
    const file = relative(copy, name);
    const tests = assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName }) => `${file}: ${fullName}`);
    return tests.length === 0 && message ? [`${file}: ${message}`] : tests;
  });
  return { failed };
}

/** @type {(items: string[]) => string} */
function list(items) {
  const most = 12;
  const rest = items.length > most ? [`  … and ${items.length - most} more`] : [];
  return [...items.slice(0, most).map((item) => `  ${item}`), ...rest].join('\n');
}
