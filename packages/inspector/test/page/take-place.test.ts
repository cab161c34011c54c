import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readStamp, STAMP, takePlace } from '../../page/take-place.ts';

let home = '';
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'take-place-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** A folder with a stamp. */
const made = async (name: string, stamp: string): Promise<string> => {
  const folder = join(home, name);
  await mkdir(folder);
  await writeFile(join(folder, STAMP), stamp);
  return folder;
};
/** Builds aside, and takes the place, as often as there are stamps. */
const rivals = (target: string, round: number, stamps: string[]): Promise<unknown> =>
  Promise.all(
    stamps.map(async (stamp, index) => {
      const aside = await made(`aside-${round}-${index}`, stamp);
      await takePlace(target, { aside, stamp });
      await rm(aside, { recursive: true, force: true });
    }),
  );

describe('The place of the bundle', () => {
  test('is taken by one of however many come with the same, and nothing is left beside it', async () => {
    const target = await made('place', 'old');
    for (let round = 0; round < 40; round += 1) {
      await rivals(target, round, Array(8).fill(`round ${round}`));
      expect(await readStamp(target)).toBe(`round ${round}`);
    }
    expect(await readdir(home)).toEqual(['place']);
  });

  test('is one of theirs, whole, where they come with different ones', async () => {
    const target = join(home, 'place');
    for (let round = 0; round < 40; round += 1) {
      await rivals(target, round, ['a', 'b', 'c', 'd']);
      expect(await readStamp(target)).toMatch(/^[a-d]$/);
    }
    expect(await readdir(home)).toEqual(['place']);
  });

  test('is not taken where there is nothing to take it with, and that is said', async () => {
    const target = join(home, 'place');
    await expect(takePlace(target, { aside: join(home, 'nothing'), stamp: 'a' })).rejects.toThrow('ENOENT');
  });
});
