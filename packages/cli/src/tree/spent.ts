import { tokensOf } from '@troupe/protocol';
import { type RunNode, usageWithin } from './tree.ts';

/** The limit of a run that is closest to being used up. `share` is 1 when it is. */
export type Spent = { kind: 'turns' | 'toolCalls' | 'tokens' | 'costUsd'; share: number };

/** How far a run is with its budget; `null` where nothing that can be counted is limited. Pools count everything below it. */
export const spentOf = (run: RunNode): Spent | null => {
  const { limits, turns, toolCalls } = run;
  const pooled = limits.tokens === undefined && limits.costUsd === undefined ? run.usage : usageWithin(run);
  const spent = { turns, toolCalls, tokens: tokensOf(pooled), costUsd: pooled.costUsd ?? 0 };
  let fullest: Spent | null = null;
  for (const kind of ['turns', 'toolCalls', 'tokens', 'costUsd'] as const) {
    const limit = limits[kind];
    if (limit === undefined) continue;
    const share = limit === 0 ? 1 : spent[kind] / limit;
    if (fullest === null || share > fullest.share) fullest = { kind, share };
  }
  return fullest;
};
