import { type Checkpoint, noUsage, tokensOf } from '@troupe/protocol';
import type { ChildEnd, Loss } from '../agent/context.ts';
import type { LiveRun } from '../run/live-run.ts';

/** A run as it was found in the store, to be brought back: its checkpoint, and what is to be said about it then. */
export type FoundRun = LiveRun & {
  checkpoint: Checkpoint;
  warnings: { code: string; message: string }[];
  lost?: Loss;
  /** It waited in the store, and was not lost by anybody. */
  rested: boolean;
};

/** The end of a child that its parent did not hear of. */
export const endFrom = ({ runId, ledger }: Pick<LiveRun, 'runId' | 'ledger'>): ChildEnd => ({
  childId: runId,
  status: ledger.status === 'completed' || ledger.status === 'interrupted' ? ledger.status : 'failed',
  exitReason: ledger.exitReason ?? 'error',
  usage: ledger.usage.total,
  byModel: ledger.usage.byModel,
  spent: {
    tokens: tokensOf(ledger.usage.total),
    costUsd: ledger.usage.total.costUsd ?? 0,
    descendants: ledger.children.length,
  },
});

/** The end of a child of which nothing is stored. */
export const lostChild = (childId: string): ChildEnd => ({
  childId,
  status: 'failed',
  exitReason: 'error',
  usage: noUsage,
  byModel: {},
  spent: { tokens: 0, costUsd: 0, descendants: 0 },
});
