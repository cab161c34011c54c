/** Files of lines. Found, not imported: this package loads where there is no Node. */
import { FaultError, messageOf } from '@troupe/protocol';

/** Where lines go: any `Writable` of Node, as `process.stdout`, a socket, or what `fs.createWriteStream` gives. */
export type LineTarget = {
  /** @returns False when it has enough for now, and says `drain` once it can take more. */
  write(text: string, written?: (error?: Error | null) => void): boolean;
  on(event: 'drain' | 'error' | 'close', listener: (error?: Error) => void): unknown;
  off(event: 'drain' | 'error' | 'close', listener: (error?: Error) => void): unknown;
};

const lineFeed = 10;

const fileSystem = (path: string) => {
  const fs = globalThis.process?.getBuiltinModule?.('fs');
  if (fs) return fs;
  throw new FaultError('jsonl.invalid', `There are no files here to find "${path}" among. Give a stream instead.`);
};

/**
 * Opens a file to add lines to, readable for its user alone when it is new. Its folder must be there. Half a line, as a process that died
 * leaves it, is ended.
 *
 * @throws FaultError `jsonl.invalid`
 */
export const openLines = (path: string): LineTarget & { end(): unknown } => {
  const fs = fileSystem(path);
  try {
    const fd = fs.openSync(path, 'a+', 0o600);
    const { size } = fs.fstatSync(fd);
    const last = new Uint8Array([lineFeed]);
    if (size > 0) fs.readSync(fd, last, 0, 1, size - 1);
    const stream = fs.createWriteStream(path, { fd });
    if (last[0] !== lineFeed) stream.write('\n');
    return stream;
  } catch (cause) {
    throw unusable(path, cause, 'Expected a file that may be written, in a folder that exists');
  }
};

/** The text of a file, in pieces. @throws FaultError `jsonl.invalid` */
export async function* readText(path: string): AsyncGenerator<string> {
  const fs = fileSystem(path);
  try {
    for await (const piece of fs.createReadStream(path, 'utf8')) yield String(piece);
  } catch (cause) {
    throw unusable(path, cause, 'Expected a file that may be read');
  }
}

const unusable = (path: string, cause: unknown, expected: string): FaultError =>
  new FaultError('jsonl.invalid', `"${path}" cannot be used for events: ${messageOf(cause)}. ${expected}.`, { cause });
