// A set-up of every test file of the workspace: whatever its runs tell, AG-UI's own client takes the order in which toAgUi tells it. The
// file whose runs do not fails, and says in which test, which run and which rule. Programs that a test starts are not heard.
import type * as core from '@troupe/core';
import { afterAll, expect, vi } from 'vitest';
import { gatherLogs, type Log } from './logs.ts';

/** Held for a whole file, the events of the longest would cost more than all checks. */
const heldAtMost = 2_000;

const refusals: string[] = [];
let check: ((told: readonly Log[]) => void) | undefined;
// Only where something is told: to load the translation takes longer than most files tell.
const load = async () => {
  const { refusalsOf } = await import('./refusals.ts');
  check = (told) => refusals.push(...told.flatMap((log) => refusalsOf(log)));
  return check;
};

export const logs = gatherLogs(heldAtMost, () => {
  if (check) check(logs.take('ended'));
  else void load();
});

// The sources of core know nothing of it, and a test that makes a runtime has nothing to do for it.
vi.mock('../../core/src/runtime/create-runtime.ts', async (original) => {
  const real = await original<Pick<typeof core, 'createRuntime'>>();
  const createRuntime: typeof core.createRuntime = (options) => {
    const runtime = real.createRuntime(options);
    logs.listen(runtime.events$, { store: options.store, test: expect.getState().currentTestName });
    return runtime;
  };
  return { ...real, createRuntime };
});

afterAll(async () => {
  const told = logs.take('all');
  if (told.length > 0) (await load())(told);
  expect(refusals, 'AG-UI refuses what runs of this file tell, as toAgUi translates it.').toEqual([]);
});
