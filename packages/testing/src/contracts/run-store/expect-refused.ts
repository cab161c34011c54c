import type { Commit, RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import { take } from '../run-writer.ts';

/** What a store knows of the runs of some steps. */
const knownOf = async (store: RunStore, steps: readonly Commit[]): Promise<unknown> => {
  const known: unknown[] = [await store.list()];
  for (const { runId, rootId } of steps)
    known.push(
      await store.get(runId),
      await store.checkpoint(runId),
      await take(store, { runId }),
      await take(store, { rootId }),
    );
  return known;
};

/** Expects a commit to be refused because of one run, and to have left nothing behind. */
export const expectRefused = async (
  store: RunStore,
  commit: Commit | readonly Commit[],
  code: 'store.fenced' | 'store.conflict' | 'store.ended' | 'store.overtaken',
  runId?: string,
): Promise<void> => {
  const steps = 'runId' in commit ? [commit] : commit;
  const before = await knownOf(store, steps);
  await expect((async () => store.commit(steps))()).rejects.toMatchObject({
    code,
    runId: runId ?? steps[0]?.runId,
    message: expect.stringContaining(runId ?? steps[0]?.runId ?? ''),
  });
  expect(await knownOf(store, steps)).toEqual(before);
};
