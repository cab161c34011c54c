import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished, type TestContext } from 'vitest';

/** A folder with these files, gone after the test: one of several at once names itself by its own `after`. */
export const folderWith = (files: Record<string, string | Buffer>, after = onTestFinished): string => {
  const root = mkdtempSync(join(tmpdir(), 'troupe-demo-'));
  after(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
};

export type Ended = { code: number | null; stdout: string; stderr: string };
/** Sees what was printed so far. */
export type Watch = (stdout: string, kill: (signal: NodeJS.Signals) => void) => void;

/**
 * Runs an example as a process, without the environment of whoever runs the tests.
 *
 * @param options.group In a group of its own, which signals go to: a terminal sends Ctrl-C to all of it.
 */
export const runExample = (
  name: string,
  args: readonly string[],
  { onTestFinished: after }: Pick<TestContext, 'onTestFinished'>,
  { env, watch, group = false }: { env: Record<string, string>; watch?: Watch | undefined; group?: boolean },
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const { PATH = '', HOME = '', SystemRoot = '', NODE_COMPILE_CACHE = '' } = process.env;
    const main = fileURLToPath(new URL(`../../examples/${name}/main.ts`, import.meta.url));
    const child = spawn(process.execPath, [main, ...args], {
      env: { PATH, HOME, SystemRoot, NODE_COMPILE_CACHE, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: group && process.platform !== 'win32',
    });
    const kill = (signal: NodeJS.Signals): void => {
      if (!group) return void child.kill(signal);
      try {
        process.kill(-(child.pid ?? 0), signal);
      } catch {
        child.kill(signal);
      }
    };
    after(() => kill('SIGKILL'));
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      watch?.(stdout, kill);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });

/** The stand-in for a model. */
export const rehearsal = { TROUPE_MODEL: 'rehearsal' };
