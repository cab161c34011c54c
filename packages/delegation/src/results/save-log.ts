/** The one file of this package that needs a file system. */
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Diagnosis } from './diagnosis.ts';

/** Writes a log for its user alone, in place of one of that name, and gives back its path. */
export const saveLog = async (
  { fileName, text }: Diagnosis,
  folder = join(homedir(), '.troupe', 'logs'),
): Promise<string> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, fileName);
  await writeFile(path, text, { mode: 0o600 });
  return path;
};
