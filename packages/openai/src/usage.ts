import type { Usage } from '@troupe/protocol';

/** What servers report, on either wire and in the dialects of compatible servers. */
type Reported = { [name: string]: unknown };

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;

const inside = (reported: Reported, group: string, name: string): number | undefined => {
  const details = reported[group];
  return typeof details === 'object' && details !== null ? count((details as Reported)[name]) : undefined;
};

/** What a turn used. `costUsd` only where the server says it, as OpenRouter does. */
export const usageOf = (reported: object): Usage => {
  const all = reported as Reported;
  const cachedTokens =
    inside(all, 'prompt_tokens_details', 'cached_tokens') ??
    inside(all, 'input_tokens_details', 'cached_tokens') ??
    count(all.prompt_cache_hit_tokens);
  const reasoningTokens =
    inside(all, 'completion_tokens_details', 'reasoning_tokens') ??
    inside(all, 'output_tokens_details', 'reasoning_tokens');
  const costUsd = count(all.cost);
  const inputTokens = count(all.prompt_tokens) ?? count(all.input_tokens) ?? 0;
  const saidTokens = count(all.completion_tokens) ?? count(all.output_tokens) ?? 0;
  // xAI and Gemini leave the reasoning out of it, and count it in the total alone; others count so what came from a cache.
  const uncounted = (count(all.total_tokens) ?? 0) - inputTokens - saidTokens;
  const isReasoning =
    reasoningTokens === undefined
      ? !('cache_creation_input_tokens' in all || cachedTokens)
      : uncounted === reasoningTokens;
  const outputTokens =
    uncounted > 0 && inputTokens > 0 && saidTokens > 0 && isReasoning ? saidTokens + uncounted : saidTokens;
  return {
    inputTokens,
    outputTokens,
    ...(cachedTokens !== undefined && { cachedTokens }),
    ...(reasoningTokens !== undefined && { reasoningTokens }),
    ...(costUsd !== undefined && { costUsd }),
  };
};
