// Found, not imported: this package loads where there is no Node, and nothing there has a file.
const fs = globalThis.process?.getBuiltinModule?.('fs');
const path = globalThis.process?.getBuiltinModule?.('path');

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
const followed = (name: string, files: NonNullable<typeof fs>, names: NonNullable<typeof path>): string => {
  try {
    return files.realpathSync.native(name);
  } catch {
    const parent = names.dirname(name);
    return parent === name ? name : names.join(followed(parent, files, names), names.basename(name));
  }
};

/** From the root, and as it was given: what stands above a link is above what that leads to, but on Windows, which cuts `..` off before it looks. */
const whole = (name: string, { isAbsolute, resolve, sep }: NonNullable<typeof path>): string => {
  if (sep === '\\') return resolve(name);
  return isAbsolute(name) ? name : `${process.cwd()}/${name}`;
};

/** The disk of this machine. Paths are relative to the working directory of the process. */
export const localDisk: Disk = {
  resolve: (name) => (fs && path ? followed(whole(name, path), fs, path) : name),
  stat: (name) => {
    try {
      const found = fs?.statSync(name);
      return found && { mtimeMs: found.mtimeMs, size: found.size };
    } catch {
      return undefined;
    }
  },
};
