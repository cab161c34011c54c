import { type ModelPart, noUsage, type Usage } from '@troupe/protocol';
import type { RunFact } from '../agent/context.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { World } from '../runtime/world.ts';

const isCount = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0;

/** A usage as providers give it: what is no number of 0 or more counts as nothing, or no budget would hold any more. */
export const usageIn = (told: Usage): Usage => {
  const given: Partial<Usage> = told;
  let isSound = given.inputTokens !== undefined && given.outputTokens !== undefined;
  for (const kind in given) isSound &&= given[kind as keyof Usage] === undefined || isCount(given[kind as keyof Usage]);
  if (isSound) return told;
  return { ...noUsage, ...Object.fromEntries(Object.entries(given).filter(([, value]) => isCount(value))) };
};

/** A usage with what it costs, where that is known. */
export const priced = (world: Pick<World, 'priceOf'>, model: string, usage: Usage): Usage => {
  const costUsd = world.priceOf(model, usage);
  return costUsd === null ? usage : { ...usage, costUsd };
};

/**
 * An attempt that came to nothing, as the run is told of it: under the id that the run knows the model by, which is what prices
 * go by, and with what it used.
 *
 * @param asked The id that the provider was asked for.
 * @param soFar What the provider had told of this attempt before.
 */
export const attempted = (
  world: Pick<World, 'priceOf'>,
  run: Pick<LiveRun, 'model'>,
  asked: string,
  part: Extract<ModelPart, { type: 'attempt' }>,
  soFar: Usage,
): RunFact => {
  const { type: _, usage: told, ...attempt } = part;
  const model = attempt.model === asked ? run.model : attempt.model;
  const used = told ? usageIn(told) : soFar === noUsage ? undefined : soFar;
  return {
    type: 'model.attempted',
    attempt: { ...attempt, model, ...(used && { usage: priced(world, model, used) }) },
    costUsd: used ? world.priceOf(model, used) : null,
  };
};
