import type { RunStore } from '@troupe/protocol';
import type { Contract, ContractOptions, Open } from './contract.ts';
import { declareContract } from './declare.ts';
import { checkpoints } from './run-store/checkpoints.ts';
import { claims } from './run-store/claims.ts';
import { commits } from './run-store/commits.ts';
import { journal } from './run-store/journal.ts';
import { lasting } from './run-store/lasting.ts';
import { mail } from './run-store/mail.ts';
import { pruning } from './run-store/pruning.ts';
import { reading } from './run-store/reading.ts';
import { refusals } from './run-store/refusals.ts';
import { rows } from './run-store/rows.ts';
import { sessionMail } from './run-store/session-mail.ts';
import { together } from './run-store/together.ts';

/**
 * The tests that every {@link RunStore} passes: call it in a vitest file of the adapter.
 *
 * @param open Opens a new, empty store. Leases are measured by the `now` that it is given.
 */
export const runStoreContract = <Store extends RunStore>(
  name: string,
  open: Open<Store>,
  options: ContractOptions<Store> = {},
): void =>
  declareContract(name, [...runStoreSentences, ...(options.reopen ? lasting(options.reopen) : [])], open, options);

/** What a {@link RunStore} promises, a sentence at a time. */
export const runStoreSentences: Contract<RunStore> = [
  ...claims,
  ...commits,
  ...refusals,
  ...together,
  ...checkpoints,
  ...journal,
  ...mail,
  ...sessionMail,
  ...rows,
  ...reading,
  ...pruning,
];
