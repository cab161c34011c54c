// A cell is one adapter in one scenario, in a process of its own.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Scenario } from './scenarios.ts';
import { shuffled } from './statistics.ts';
import type { Measured, Task } from './worker.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const ours = fileURLToPath(new URL('../../examples/bench-adapter/adapter.mjs', import.meta.url));

/** Where the adapters are, by name: ours, and the floors. */
export const adapters: Readonly<Record<string, string>> = {
  troupe: ours,
  ...Object.fromEntries(
    ['xstate-lean', 'xstate', 'handwritten'].map((name) => [name, join(here, 'floors', `${name}.mjs`)]),
  ),
};
/** What the targets are measured by. */
export const floor = 'xstate-lean';

/** Of one scenario in one round: what each adapter came to. */
export type Round = { scenario: string; cells: Record<string, Measured> };

const timeoutMs = 120_000;

const runCell = (task: Task): Promise<Measured> =>
  new Promise((resolve) => {
    let answer: Measured | undefined;
    let errors = '';
    const worker = fork(join(here, 'worker.ts'), [JSON.stringify(task)], {
      execArgv: ['--expose-gc', '--no-warnings'],
      env: { ...process.env, NODE_ENV: 'production' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    worker.stderr?.on('data', (text) => {
      errors = `${errors}${text}`.slice(-2_000);
    });
    worker.on('message', (told) => {
      answer = told as Measured;
    });
    const timer = setTimeout(() => {
      answer = { error: `It took more than ${timeoutMs / 1_000} s.` };
      worker.kill('SIGKILL');
    }, timeoutMs);
    worker.on('exit', (code, signal) => {
      clearTimeout(timer);
      resolve(answer ?? { error: `The worker ended (${signal ?? code}) without an answer. ${errors}` });
    });
  });

/** Measures adapters one after another, in any order. @param paths Where they are. @param told Called before each. */
export const runRound = async (
  { id, without }: Scenario,
  names: readonly string[],
  paths: Readonly<Record<string, string>>,
  pace: Pick<Task, 'warmMs' | 'sampleMs' | 'atLeast'>,
  told: (name: string) => void,
): Promise<Round> => {
  const cells: Round['cells'] = {};
  for (const name of shuffled(names.filter((each) => without?.[each] === undefined))) {
    told(name);
    cells[name] = await runCell({ adapterPath: paths[name] ?? '', scenario: id, ...pace });
  }
  return { scenario: id, cells };
};
