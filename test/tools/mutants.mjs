// node test/tools/run.mjs node test/tools/mutants.mjs [WORD...]
//
// Plants one fault after another in a copy of the workspace, and says which tests notice. A fault that no test notices fails.
// With words, only faults whose names contain one of them.
import { spawnSync } from 'node:child_process';
import {
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

/** @typedef {{ name: string, file: string, find: string, put: string }} Fault */

/** @type {Fault[]} */
const faults = [
  {
    name: 'drop a terminal event: a child that is interrupted tells no end',
    file: 'packages/core/src/runtime/engine.ts',
    find: 'recorder.record(run, [{ ...end, usage',
    put: "if (run.depth === 0 || end.type !== 'run.interrupted') recorder.record(run, [{ ...end, usage",
  },
  {
    name: 'count a failed child: it keeps its place in the quota',
    file: 'packages/core/src/runtime/quotas.ts',
    find: 'completed: state.completed + Number(event.completed),',
    put: 'completed: state.completed + 1,',
  },
  {
    name: 'skip a queued stop: a child that waits for its slot does not hear the interrupt',
    file: 'packages/core/src/actors/crew-actor.ts',
    find: 'for (const child of [...crew.children.values()]) child.send(command);',
    put: "for (const child of [...crew.children.values()])\n      if (command.type !== 'interrupt' || child.getSnapshot().value !== 'queued') child.send(command);",
  },
  {
    name: 'lose an answer: what was answered during a pause does not run afterwards',
    file: 'packages/core/src/agent/life.ts',
    find: 'startReady(step);',
    put: '',
  },
  {
    name: 'release a budget twice: a settled child gives its grant back two times',
    file: 'packages/core/src/agent/children.ts',
    find: 'run.reserved = takePool(run.reserved, child.reserved);',
    put: 'run.reserved = takePool(takePool(run.reserved, child.reserved), child.reserved);',
  },
  {
    name: 'hear a command twice: what came of a message is not stored with it',
    file: 'packages/core/src/runtime/inbox.ts',
    find: 'void run.receipts.push({ mailId: id, receipt });',
    put: 'void receipt;',
  },
  {
    name: 'forget in a journal: what a run was told by a person is not written down',
    file: 'packages/core/src/runtime/engine.ts',
    find: '    run.heard.push({',
    put: "    if (event.type !== 'answer') run.heard.push({",
  },
  {
    name: 'do again in a fork: how calls in flight had ended is not known',
    file: 'packages/core/src/replay/in-flight.ts',
    find: 'known[fact.index] = fact.outcome;',
    put: '',
  },
];

const suites = ['packages/core/test', 'packages/delegation/test'];
const root = fileURLToPath(new URL('../..', import.meta.url));
const words = process.argv.slice(2);
const chosen = faults.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
if (chosen.length === 0) throw new Error(`No fault has one of these words in its name: ${words.join(', ')}.`);

const copy = mkdtempSync(join(tmpdir(), 'troupe-mutants-'));
process.on('exit', () => rmSync(copy, { recursive: true, force: true }));
copyWorkspace();

const { failed } = runTests();
if (failed.length > 0) {
  console.error(`Without any fault these fail already:\n${list(failed)}\nMend them first.`);
  process.exit(1);
}

const survivors = chosen.filter((fault) => {
  const { failed } = withFault(fault, runTests);
  console.log(`\n${failed.length > 0 ? 'caught' : 'MISSED'} · ${fault.name} (${failed.length} tests)\n${list(failed)}`);
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

/** @type {<T>(fault: Fault, act: () => T) => T} */
function withFault({ name, file, find, put }, act) {
  const path = join(copy, file);
  const source = readFileSync(path, 'utf8');
  const places = source.split(find).length - 1;
  if (places !== 1)
    throw new Error(`"${name}" fits ${places} places in ${file}. Expected one: bring this file up to date.`);
  try {
    writeFileSync(
      path,
      source.replace(find, () => put),
    );
    return act();
  } finally {
    writeFileSync(path, source);
  }
}

/** Runs the suites in the copy, with fewer random worlds than usual. @returns {{ failed: string[] }} */
function runTests() {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const here = suites.filter((suite) => existsSync(join(copy, suite)));
  const { stderr } = spawnSync('vitest', ['run', '--reporter=json', `--outputFile=${report}`, ...here], {
    cwd: copy,
    env: { RUNS: '800', ...process.env },
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (!existsSync(report)) throw new Error(`The tests did not run: ${stderr}`);
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
