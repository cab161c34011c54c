import type { JobData } from '@troupe/protocol';
import * as z from 'zod';

const Delegation = z.object({
  /** 0-based. */
  index: z.int().nonnegative(),
  count: z.int().positive(),
  role: z.enum(['leaf', 'orchestrator']),
  /** Of a task that is tried again with another model: which of the fallbacks this is, from 1. */
  fallback: z.int().positive().optional(),
});

/** Which task of how many a delegated run is, and whether it may delegate itself. */
export type Delegation = z.infer<typeof Delegation>;

/** What a job says of its delegation; `undefined` for runs that were started in another way. */
export const delegationOf = ({ metadata }: Pick<JobData, 'metadata'>): Delegation | undefined =>
  metadata?.delegation === undefined ? undefined : Delegation.safeParse(metadata.delegation).data;

/** What a run was asked, as text. */
export const goalOf = ({ input }: Pick<JobData, 'input'>): string =>
  typeof input === 'string' ? input : JSON.stringify(input);
