/** Starts other programs, and listens to what they say. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

export type Child = {
  readonly process: ChildProcess;
  /** What it has said. */
  readonly said: unknown[];
  /** What it complained about. */
  readonly errors: string[];
  /** Resolves when it has said this much. Rejects when it ends before. */
  says(lines: number): Promise<void>;
  /** Resolves with its exit code, `null` when it was killed. */
  readonly ended: Promise<number | null>;
  kill(): Promise<void>;
};

/**
 * Starts a program that says JSON, line by line. It is killed after the test.
 *
 * @param by What executes it. Default: this Node.
 */
export const startProgram = (
  file: string,
  args: readonly string[],
  options: SpawnOptions = {},
  by: readonly string[] = [process.execPath],
): Child => {
  const [command = '', ...before] = by;
  const process_ = spawn(command, [...before, file, ...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const said: unknown[] = [];
  const errors: string[] = [];
  const waiting = new Set<() => void>();
  const tell = () => {
    for (const each of waiting) each();
  };
  process_.stderr?.on('data', (chunk) => errors.push(String(chunk)));
  if (process_.stdout)
    createInterface(process_.stdout).on('line', (line) => {
      said.push(JSON.parse(line));
      tell();
    });
  let isOver = false;
  const ended = once(process_, 'close').then(([code]) => {
    isOver = true;
    tell();
    return code as number | null;
  });
  const kill = async () => {
    process_.kill('SIGKILL');
    await ended;
  };
  onTestFinished(kill);
  return {
    process: process_,
    said,
    errors,
    ended,
    kill,
    says: (lines) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (said.length < lines && !isOver) return;
          waiting.delete(look);
          if (said.length >= lines) resolve();
          else reject(new Error(`The child ended after ${said.length} lines: ${errors.join('')}`));
        };
        waiting.add(look);
        look();
      }),
  };
};
