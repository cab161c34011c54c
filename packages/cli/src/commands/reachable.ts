import type { Runtime } from '@troupe/core';
import { isEnded, type RunRow } from '@troupe/protocol';
import { refusal } from './problem.ts';
import type { Workspace } from './workspace.ts';

/**
 * Where a command to a run goes: to the process that executes it, to the workers, of which one takes it up for this, or to this process,
 * which brings it to life with its agent file.
 */
export type Reach = 'elsewhere' | 'workers' | 'here';

/** Whether a run is executed by itself, or with one above it that is. */
const isPlaced = async (runs: Runtime['runs'], row: RunRow | undefined): Promise<boolean> => {
  if (!row || row.placed || row.detached || row.parentId === undefined) return row?.placed !== undefined;
  return isPlaced(runs, await runs.get(row.parentId));
};

/**
 * Finds out who executes a run.
 *
 * @throws FaultError `run.unknown`; `command.refused` when it has ended, or nobody executes it and no agent file was given
 */
export const reach = async ({ runtime, store, file, placement }: Workspace, runId: string): Promise<Reach> => {
  await runtime.attach(runId);
  const row = await runtime.runs.get(runId);
  if (row && isEnded(row.status)) throw refusal(`Run "${runId}" has ended: ${row.status}.`, runId);
  if ((await store.holder(runId)) !== null) return 'elsewhere';
  if (placement && (await isPlaced(runtime.runs, row))) return 'workers';
  if (file) return 'here';
  throw refusal(
    `Nobody executes run "${runId}" now: its process is gone, or has left it. Give the agent file of "${row?.agent}" to go on with it here: --file FILE.`,
    runId,
  );
};
