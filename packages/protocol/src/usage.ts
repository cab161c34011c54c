import * as z from 'zod';

const count = z.number().nonnegative();

/**
 * What model calls used. `cachedTokens` is a share of `inputTokens`, `reasoningTokens` a share of `outputTokens`.
 * `costUsd` is missing while no price is known.
 */
export const Usage = z.object({
  inputTokens: count,
  outputTokens: count,
  cachedTokens: count.optional(),
  reasoningTokens: count.optional(),
  costUsd: count.optional(),
});
export type Usage = z.infer<typeof Usage>;

export const noUsage: Usage = Object.freeze({ inputTokens: 0, outputTokens: 0 });

/** Tokens as a budget counts them: what went in plus what came out. */
export const tokensOf = (usage: Usage): number => usage.inputTokens + usage.outputTokens;

const add = (a: number | undefined, b: number | undefined) =>
  a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0);

/** The sum of two usages; a part that neither knows stays unknown. */
export const addUsage = (a: Usage, b: Usage): Usage => {
  const sum: Usage = { inputTokens: a.inputTokens + b.inputTokens, outputTokens: a.outputTokens + b.outputTokens };
  const cachedTokens = add(a.cachedTokens, b.cachedTokens);
  const reasoningTokens = add(a.reasoningTokens, b.reasoningTokens);
  const costUsd = add(a.costUsd, b.costUsd);
  if (cachedTokens !== undefined) sum.cachedTokens = cachedTokens;
  if (reasoningTokens !== undefined) sum.reasoningTokens = reasoningTokens;
  if (costUsd !== undefined) sum.costUsd = costUsd;
  return sum;
};

const less = (a: number, b = 0): number => Math.max(0, a - b);

/** What a usage has more than another. Nothing is less than 0. */
export const lessUsage = (a: Usage, b: Usage): Usage => ({
  inputTokens: less(a.inputTokens, b.inputTokens),
  outputTokens: less(a.outputTokens, b.outputTokens),
  ...(a.cachedTokens !== undefined && { cachedTokens: less(a.cachedTokens, b.cachedTokens) }),
  ...(a.reasoningTokens !== undefined && { reasoningTokens: less(a.reasoningTokens, b.reasoningTokens) }),
  ...(a.costUsd !== undefined && { costUsd: less(a.costUsd, b.costUsd) }),
});
