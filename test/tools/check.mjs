// node test/tools/run.mjs node test/tools/check.mjs
//
// Everything that is checked without running the code. Each step runs, whatever the one before it found.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const steps = {
  'format and lint': ['biome', 'check', '--error-on-warnings', '.'],
  'lint with types': ['oxlint', '--deny-warnings'],
  types: ['tsc', '-b'],
  'unused files, names and dependencies': ['knip', '--no-config-hints'],
  'import rules': ['node', 'test/tools/import-rules.mjs'],
  'faults to plant': ['node', 'test/tools/mutants.mjs', '--fits'],
};

const cwd = fileURLToPath(new URL('../..', import.meta.url));
const failed = Object.entries(steps).filter(([name, [command = '', ...args]]) => {
  console.log(`\n── ${name}: ${[command, ...args].join(' ')}`);
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' });
  if (error) console.error(error.message);
  return status !== 0;
});

const names = failed.map(([name]) => name).join(' · ');
console.log(`\n${failed.length === 0 ? 'Every check passed.' : `Failed: ${names}.`}`);
process.exitCode = failed.length === 0 ? 0 : 1;
