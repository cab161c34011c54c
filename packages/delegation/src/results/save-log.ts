import type { Diagnosis } from './diagnosis.ts';

/** Writes a log for its user alone, in place of one of that name, and gives back its path. `undefined` where there are no files. */
export const saveLog = async ({ fileName, text }: Diagnosis, folder?: string): Promise<string | undefined> => {
  // Found, not imported: this package loads where there is no Node.
  const find = globalThis.process?.getBuiltinModule;
  const [fs, os, path] = [find?.('fs'), find?.('os'), find?.('path')];
  if (!(fs && os && path)) return undefined;
  const { mkdir, writeFile } = fs.promises;
  const where = folder ?? path.join(os.homedir(), '.troupe', 'logs');
  await mkdir(where, { recursive: true, mode: 0o700 });
  const file = path.join(where, fileName);
  await writeFile(file, text, { mode: 0o600 });
  return file;
};
