/** The command, as a shell runs it, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { openSignals } from '../src/signals.ts';
import { troupeCommand } from '../src/troupe-command.ts';

export const bin = fileURLToPath(new URL('../src/troupe.ts', import.meta.url));
export const office = fileURLToPath(new URL('office.ts', import.meta.url));
export const background = fileURLToPath(new URL('background.ts', import.meta.url));

/** A folder that goes with the test. */
export const freshFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-cli-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

export type Ended = { code: number; stdout: string; stderr: string };

/** Signals that nobody sends. */
export const noSignals = () => openSignals({ process: new EventEmitter(), leave: () => {} });

/** Runs it in this process, where nothing is a terminal. */
export const troupe = async (
  folder: string,
  args: readonly string[],
  { stdin = '', environment = {} }: { stdin?: string; environment?: Record<string, string> } = {},
): Promise<Ended> => {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
  input.end(stdin);
  const code = await troupeCommand(args, { input, output, errors, folder, environment, signals: noSignals() });
  return { code, stdout: String(output.read() ?? ''), stderr: String(errors.read() ?? '') };
};

/** Starts it as a process of its own. @param typed What it reads, from an input that stays open. */
export const startTroupe = (
  folder: string,
  args: readonly string[],
  env: Record<string, string> = {},
  typed?: string,
) => {
  const child: ChildProcess = spawn(process.execPath, [bin, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: [typed === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.write(typed ?? '');
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  const looks = new Set<() => void>();
  child.stdout?.on('data', (text: Buffer) => {
    stdout += String(text);
    for (const look of looks) look();
  });
  child.stderr?.on('data', (text: Buffer) => {
    stderr += String(text);
    for (const look of looks) look();
  });
  const ended = new Promise<Ended>((resolve) => {
    // As shells tell it.
    child.on('close', (code, signal) =>
      resolve({ code: signal ? 128 + constants.signals[signal] : (code ?? -1), stdout, stderr }),
    );
  });
  return {
    child,
    ended,
    /** What it has said so far. */
    stdout: () => stdout,
    /** Resolves once it has said this, on either stream. */
    said: (what: RegExp): Promise<void> =>
      Promise.race([
        new Promise<void>((resolve) => {
          const look = (): void => {
            if (what.test(stdout + stderr)) resolve();
          };
          looks.add(look);
          look();
        }),
        ended.then((all) => {
          if (!what.test(all.stdout + all.stderr)) throw new Error(`It ended, and never said ${what}: ${all.stderr}`);
        }),
      ]),
  };
};

/** Lines of JSON. */
export const linesOf = (text: string): any[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** Waits until so many events of a type are stored of a run and what is below it. */
export const untilTold = async (folder: string, runId: string, type: string, count = 1): Promise<void> => {
  for (;;) {
    const { stdout } = await troupe(folder, ['runs', 'events', runId, '--type', type, '--json']);
    if (linesOf(stdout).length >= count) return;
  }
};
