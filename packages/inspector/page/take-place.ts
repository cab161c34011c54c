import { randomUUID } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Beside what a folder holds: what it was made of. */
export const STAMP = 'sources.txt';

export const readStamp = (folder: string): Promise<string | undefined> =>
  readFile(join(folder, STAMP), 'utf8').catch(() => undefined);

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;
/** What `rename` says where the place is taken, by a folder that is not empty: `EPERM` is Windows. */
const taken: unknown[] = ['ENOTEMPTY', 'EEXIST', 'EPERM'];
/** A place that is taken as often as this is not taken by others who build the same. */
const mostAttempts = 50;

/**
 * Puts the folder `aside` in the place of `target`, whatever else does the same at the same time: whoever finds a folder of its own
 * stamp there leaves it there. `aside` is still there then, and its maker's to remove. Between two of them there may be nothing for a moment.
 */
export const takePlace = async (
  target: string,
  { aside, stamp }: { aside: string; stamp: string },
  attempt = 1,
): Promise<void> => {
  if ((await readStamp(target)) === stamp) return;
  const before = `${target}-${randomUUID()}`;
  try {
    await rename(target, before).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
    });
    // Somebody has put the same there since it was looked at: that stays.
    await rename((await readStamp(before)) === stamp ? before : aside, target);
  } catch (error) {
    // What stood there before is better than nothing.
    await rename(before, target).catch(() => {});
    if (!taken.includes(codeOf(error)) || attempt === mostAttempts) throw error;
    await takePlace(target, { aside, stamp }, attempt + 1);
  } finally {
    await rm(before, { recursive: true, force: true });
  }
};
