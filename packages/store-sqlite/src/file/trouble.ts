/** What SQLite complains about, and what to do about it. Used on both sides of the writer: it may import nothing heavy. */

/** The primary result codes that this package tells apart. @see https://www.sqlite.org/rescode.html */
const codes = {
  permission: 3,
  busy: 5,
  locked: 6,
  readOnly: 8,
  diskError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
} as const;

/** The primary result code of an error, or what it would be; `undefined` when it is neither SQLite's nor the file system's. */
const codeOf = (error: unknown): number | undefined => {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('errcode' in error && typeof error.errcode === 'number') return error.errcode & 0xff;
  return 'syscall' in error ? codes.permission : undefined;
};

/** True when the file is not what SQLite has written. */
export const isDamage = (error: unknown): boolean => {
  const code = codeOf(error);
  return code === codes.corrupt || code === codes.notADatabase;
};

/** True when waiting may help: somebody else has the file. */
export const isBusy = (error: unknown): boolean => {
  const code = codeOf(error);
  return code === codes.busy || code === codes.locked;
};

/** True when nothing can be written whatever is written, so that trying again piece by piece is in vain. */
export const isOutage = (error: unknown): boolean => {
  const code = codeOf(error);
  return code !== undefined && code !== codes.full && code in advice;
};

const advice: Record<number, string> = {
  [codes.permission]: 'See that this process may write the file and its folder.',
  [codes.busy]: 'Another process has been writing to it for too long: try again, or stop one of the two.',
  [codes.locked]: 'Another process has been writing to it for too long: try again, or stop one of the two.',
  [codes.readOnly]: 'See that this process may write the file and its folder.',
  [codes.diskError]: 'See that the disk works and that the file is on a local one.',
  [codes.corrupt]: 'The file is damaged: close the store and open it again to have it checked.',
  [codes.full]: 'Make room on its disk, prune old runs, or raise maxBytes if it was given; then try again.',
  [codes.cannotOpen]: 'See that the path names a file in a folder that exists and that this process may write.',
  [codes.notADatabase]: 'The file is damaged: close the store and open it again to have it checked.',
};

/** A complaint as a fault, in plain data. */
export type Trouble = { code: 'store.unavailable'; message: string; retryable: boolean };

/** What failed, in one sentence, and what to do in another. Nothing was written. */
export const troubleOf = (error: unknown, path: string, doing: 'opened' | 'read' | 'written'): Trouble => {
  const code = codeOf(error);
  const why = error instanceof Error ? error.message : String(error);
  const hint = code === undefined ? undefined : advice[code];
  return {
    code: 'store.unavailable',
    message: `The store "${path}" could not be ${doing}: ${why}.${hint === undefined ? '' : ` ${hint}`}`,
    retryable: code === codes.busy || code === codes.locked || code === codes.full,
  };
};
