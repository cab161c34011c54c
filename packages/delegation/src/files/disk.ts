import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** What of a file shows that it was changed. */
export type FileStamp = { readonly mtimeMs: number; readonly size: number };

/** Where files are: this machine's disk, or another place that tools write to. */
export type Disk = {
  /** One name for one file, however it is reached. */
  resolve(path: string): string;
  /** `undefined` when there is no such file. Gets what `resolve` gave. */
  stat(path: string): FileStamp | undefined;
};

/** Links are followed as far as the path exists, so that a file has its name before it is there. */
const followed = (path: string): string => {
  try {
    return realpathSync.native(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(followed(parent), basename(path));
  }
};

/** The disk of this machine. Paths are relative to the working directory of the process. */
export const localDisk: Disk = {
  resolve: (path) => followed(resolve(path)),
  stat: (path) => {
    try {
      const { mtimeMs, size } = statSync(path);
      return { mtimeMs, size };
    } catch {
      return undefined;
    }
  },
};
