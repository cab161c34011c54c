/**
 * A large file, checked while it is in use: by a process of its own, for SQLite cannot be asked to stop checking. A thread would hold up
 * the end of this process until it is through.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { connectReader } from './connect.ts';
import { damageIn } from './damage.ts';

const program = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './checker.ts' : './checker.js', import.meta.url),
);

const begin = (path: string): ChildProcess =>
  fork(program, [path], {
    // What this process was started with is not meant for it.
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' },
    stdio: 'ignore',
    serialization: 'json',
  });

/**
 * Checks a file, and keeps no process alive for it. Where no other process may be started it is checked here, at once.
 *
 * @param found Called if it is damaged, with what is wrong.
 * @returns How to stop.
 */
export const checkLater = (path: string, found: (damage: string) => void): (() => void) => {
  const tell = (damage: string | undefined): void => {
    if (damage !== undefined) found(damage);
  };
  const checkHere = (): void => {
    const db = connectReader(path);
    try {
      tell(damageIn(db));
    } finally {
      db.close();
    }
  };
  let child: ChildProcess;
  try {
    child = begin(path);
  } catch {
    checkHere();
    return () => {};
  }
  const stop = (): void => {
    process.off('exit', stop);
    child.removeAllListeners();
    // It may have been about to fail.
    child.on('error', () => {});
    child.kill();
  };
  process.once('exit', stop);
  child.once('message', ({ damage }: { damage?: string }) => {
    stop();
    tell(damage);
  });
  child.once('error', () => {
    stop();
    checkHere();
  });
  child.unref();
  child.channel?.unref();
  return stop;
};
