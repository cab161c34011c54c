/**
 * A folder that agents may look into and nothing else: no path, no `..` and no symbolic link leads out of it.
 * Generated files, dependencies and files that usually hold secrets are not there.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';

const leftOut = new Set([
  'node_modules',
  '.git',
  '.hg',
  '.svn',
  'dist',
  'coverage',
  '.cache',
  '.next',
  '.venv',
  '__pycache__',
]);
const secret = /^(\.env(\..+)?|\.npmrc|\.netrc|id_(rsa|dsa|ecdsa|ed25519)|.+\.(pem|key|p12|pfx))$/i;
const notSecret = /\.(example|sample|template)$/i;

/** Larger files are not read. */
export const maxFileBytes = 2_000_000;
/** Deeper or fuller folders are not looked at to the end. */
const maxDepth = 24;
const maxFiles = 20_000;

/** Why a path cannot be looked at, in words for a model. */
export class FolderError extends Error {}

export type FileEntry = { path: string; bytes: number };

export class Folder {
  /** The real path of the folder. */
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** @throws {FolderError} when there is no such folder, or it cannot be read. */
  static async open(path: string): Promise<Folder> {
    try {
      const root = await realpath(path);
      if (!(await stat(root)).isDirectory()) throw new FolderError(`"${path}" is a file; give the path of a folder.`);
      await readdir(root);
      return new Folder(root);
    } catch (error) {
      if (error instanceof FolderError) throw error;
      throw new FolderError(
        codeOf(error) === 'ENOENT'
          ? `There is no folder "${path}".`
          : `The folder "${path}" cannot be read (${codeOf(error)}).`,
      );
    }
  }

  get name(): string {
    return basename(this.root);
  }

  /** The path as it is told to models: inside the folder, with `/`. */
  shown(path: string): string {
    return relative(this.root, path).split(sep).join('/') || '.';
  }

  /** The real path of something in the folder. */
  private async inside(path: string): Promise<string> {
    const asked = resolve(this.root, path);
    if (!this.holds(asked)) throw new FolderError(`"${path}" is outside of the folder.`);
    let real: string;
    try {
      real = await realpath(asked);
    } catch (error) {
      throw new FolderError(
        codeOf(error) === 'ENOENT' ? `There is no "${path}".` : `"${path}" cannot be read (${codeOf(error)}).`,
      );
    }
    if (!this.holds(real)) throw new FolderError(`"${path}" leads out of the folder.`);
    if (this.shown(real).split('/').some(isLeftOut)) throw new FolderError(`"${path}" is left out of this review.`);
    return real;
  }

  private holds(path: string): boolean {
    const way = relative(this.root, path);
    return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
  }

  /** The files at or below `path`, in order of their paths. Symbolic links are not followed. */
  async files(path: string, signal?: AbortSignal): Promise<{ files: FileEntry[]; complete: boolean }> {
    const start = await this.inside(path);
    const files: FileEntry[] = [];
    let complete = true;
    const walk = async (folder: string, depth: number): Promise<void> => {
      signal?.throwIfAborted();
      // A folder that cannot be read is a folder without files; what can be read is still worth a review.
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      entries.sort((a, b) => (a.name < b.name ? -1 : 1));
      for (const entry of entries) {
        if (isLeftOut(entry.name)) continue;
        if (files.length >= maxFiles || depth > maxDepth) {
          complete = false;
          return;
        }
        const inner = join(folder, entry.name);
        if (entry.isDirectory()) await walk(inner, depth + 1);
        else if (entry.isFile()) {
          const found = await lstat(inner).catch(() => null);
          if (found?.isFile()) files.push({ path: this.shown(inner), bytes: found.size });
        }
      }
    };
    const found = await stat(start);
    if (found.isFile()) return { files: [{ path: this.shown(start), bytes: found.size }], complete };
    await walk(start, 0);
    return { files, complete };
  }

  /** The text of a file. */
  async text(path: string): Promise<string> {
    const real = await this.inside(path);
    const handle = await openPlain(real, path);
    try {
      const found = await handle.stat();
      if (found.isDirectory()) throw new FolderError(`"${path}" is a folder; list it instead.`);
      if (!found.isFile()) throw new FolderError(`"${path}" is not a plain file.`);
      if (found.size > maxFileBytes)
        throw new FolderError(`"${path}" has ${found.size} bytes; files above ${maxFileBytes} are not read.`);
      const bytes = await handle.readFile();
      if (isBinary(bytes)) throw new FolderError(`"${path}" is not text (${found.size} bytes).`);
      return bytes.toString('utf8').replace(/^\ufeff/, '');
    } catch (error) {
      if (error instanceof FolderError) throw error;
      throw new FolderError(`"${path}" cannot be read (${codeOf(error)}).`);
    } finally {
      await handle.close();
    }
  }
}

const isLeftOut = (name: string): boolean => leftOut.has(name) || (secret.test(name) && !notSecret.test(name));

/** Never waits for the other end of a pipe, and never follows a link that was put there in the meantime. */
const openPlain = async (real: string, path: string): Promise<FileHandle> => {
  try {
    return await open(real, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0));
  } catch (error) {
    throw new FolderError(
      codeOf(error) === 'EISDIR'
        ? `"${path}" is a folder; list it instead.`
        : `"${path}" cannot be read (${codeOf(error)}).`,
    );
  }
};

/** A zero byte near the start, or bytes that are no UTF-8. */
const isBinary = (bytes: Buffer): boolean => {
  const start = bytes.subarray(0, 8_000);
  if (start.includes(0)) return true;
  const text = start.toString('utf8');
  const broken = text.split('\ufffd').length - 1;
  // The cut may have gone through one letter.
  return broken > 1 + text.length / 50;
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error);
