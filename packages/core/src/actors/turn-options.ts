import type { ModelOptions } from '@troupe/protocol';
import type { LiveRun } from '../run/live-run.ts';
import type { World } from '../runtime/world.ts';
import { lateProperties } from './late.ts';
import type { LazyAbort } from './lazy-abort.ts';

const withSignal = lateProperties<LazyAbort, Pick<ModelOptions, 'signal'>>({ signal: (abort) => abort.signal });

/** What a provider is told of the run that asks it. @param part Of the turn, where it is not the turn itself that is asked for. */
export const turnOptions = (
  { clock }: World,
  { runId, rootId, agent, depth }: LiveRun,
  turn: number,
  abort: LazyAbort,
  part = '',
): ModelOptions => {
  const key = `${runId}/${turn}${part && `/${part}`}`;
  return withSignal({ clock, context: { runId, rootId, agent: agent.name, turn, depth, key } }, abort);
};
