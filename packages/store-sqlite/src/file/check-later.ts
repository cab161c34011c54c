/**
 * A large file, checked while it is in use: by a process of its own, for SQLite cannot be asked to stop checking. A thread would hold up
 * the end of this process until it is through.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './checker.ts' : './checker.js', import.meta.url),
);

/**
 * True where a program can be started beside this one: of a single executable it would be the same again. So it is taken to be where
 * there is no `node:sea` to ask, as in Bun and Deno, which hence is found, not imported.
 */
export const canCheckLater = (): boolean => process.getBuiltinModule?.('node:sea')?.isSea() === false;

/** Those that are at work end with this process. */
const checkers = new Set<ChildProcess>();
const stopAll = (): void => {
  for (const checker of checkers) checker.kill();
};

const begin = (path: string): ChildProcess => {
  const { SystemRoot } = process.env;
  return fork(program, [path], {
    // What this process was started with, and what it knows, is not meant for it.
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: { ELECTRON_RUN_AS_NODE: '1', ...(SystemRoot !== undefined && { SystemRoot }) },
    stdio: 'ignore',
  });
};

/**
 * Checks a file, and keeps no process alive for it.
 *
 * @param found Called if it is damaged, with what is wrong.
 * @param failed Called if that cannot be found out.
 * @returns How to stop.
 */
export const checkLater = (path: string, found: (damage: string) => void, failed: () => void): (() => void) => {
  let checker: ChildProcess;
  try {
    checker = begin(path);
  } catch {
    failed();
    return () => {};
  }
  if (checkers.size === 0) process.on('exit', stopAll);
  checkers.add(checker);
  const stop = (): void => {
    checker.removeAllListeners();
    // It may have been about to fail.
    checker.on('error', () => {});
    checker.kill();
    checkers.delete(checker);
    if (checkers.size === 0) process.off('exit', stopAll);
  };
  checker.once('message', ({ damage }: { damage?: string }) => {
    stop();
    if (damage !== undefined) found(damage);
  });
  checker.once('error', () => {
    stop();
    failed();
  });
  // Who has ended it knows why.
  checker.once('exit', (code) => {
    stop();
    if (code !== null) failed();
  });
  checker.unref();
  checker.channel?.unref();
  return stop;
};
