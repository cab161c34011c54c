import { FaultError } from '@troupe/protocol';
import type { SubagentFiles } from './imported-files.ts';

// Found, not imported: this package loads where there is no Node.
const fs = globalThis.process?.getBuiltinModule?.('fs');
const path = globalThis.process?.getBuiltinModule?.('path');

/** What `work` gives; `nothing` where there is no such file or folder. */
const ifThere = async <T>(work: Promise<T>, nothing: T): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return nothing;
    throw error;
  }
};

/**
 * The files below a folder of this machine. Nothing is written, and nothing is kept open.
 *
 * @throws FaultError `subagents.unreadable` where there are no files at all
 */
export const subagentFolder = (folder: string): SubagentFiles => {
  if (!fs || !path)
    throw new FaultError(
      'subagents.unreadable',
      `There is no file system here to read ${folder} from. Give the files as texts by their paths.`,
    );
  const { readFile, readdir } = fs.promises;
  const { join } = path;
  return {
    read: (name) => ifThere<string | undefined>(readFile(join(folder, name), 'utf8'), undefined),
    list: (name) => ifThere(readdir(join(folder, name)), []),
  };
};
