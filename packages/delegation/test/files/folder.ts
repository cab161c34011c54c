/** Real files for the tests of file coordination, with times that the test decides. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '@troupe/core';
import { onTestFinished } from 'vitest';
import { fileRegistry } from '../../src/index.ts';

/** A new folder under its real name, gone when the test ends. */
export const folder = () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'troupe-files-')));
  onTestFinished(() => rmSync(root, { recursive: true }));
  let second = 0;
  return {
    root,
    path: (name: string) => join(root, name),
    /** Writes a file, a second later than the file before. */
    put(name: string, text = 'text'): string {
      const path = join(root, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      second += 1;
      utimesSync(path, second, second);
      return path;
    },
  };
};

/** A registry whose clock stands still, unless the test moves it. */
export const still = (options: Omit<Parameters<typeof fileRegistry>[0], 'clock'> = {}) =>
  fileRegistry({ ...options, clock: { ...systemClock, now: () => 1_000 } });
