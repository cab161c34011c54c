import { calcPrice, findProvider } from '@pydantic/genai-prices';
import type { Usage } from '@troupe/protocol';
import { undated } from './model-names.ts';
import { cachedOf } from './model-price.ts';

/** Names of servers that run on one's own machine: what they run costs nothing that a list could know. */
const ownServers = new Set([
  'ollama',
  'lmstudio',
  'lm-studio',
  'llamacpp',
  'llama.cpp',
  'llama-cpp',
  'vllm',
  'sglang',
  'local',
  'localhost',
]);

/**
 * US dollars by the list that comes with `@pydantic/genai-prices`, or `null` when it has no price per token for the model.
 * A prefix that names a vendor of the list is asked for that vendor's price; any other prefix is only a name for a provider.
 *
 * @see https://github.com/pydantic/genai-prices
 */
export const listedPrice = (model: string, usage: Usage): number | null => {
  const cut = model.indexOf('/');
  if (cut < 0) return ask(model, usage);
  const prefix = model.slice(0, cut);
  const rest = model.slice(cut + 1);
  if (ownServers.has(prefix.toLowerCase())) return null;
  if (prefix === '' || !findProvider({ providerId: prefix })) return listedPrice(rest, usage);
  // A vendor that does not sell the model must not get another vendor's price, unless it passes on what others sell.
  return ask(rest, usage, prefix) ?? (rest.includes('/') ? listedPrice(rest, usage) : null);
};

const ask = (model: string, usage: Usage, vendor?: string): number | null =>
  askExactly(model, usage, vendor) ?? (undated(model) === model ? null : askExactly(undated(model), usage, vendor));

const askExactly = (model: string, usage: Usage, vendor?: string): number | null => {
  const cached = cachedOf(usage);
  const tokens = {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    ...(cached > 0 && { cache_read_tokens: cached }),
  };
  const found = calcPrice(tokens, model, vendor === undefined ? {} : { providerId: vendor });
  // Speech models are in the list by the hour: a sum without any price per token would be a wrong 0.
  return found && ('input_mtok' in found.model_price || 'output_mtok' in found.model_price) ? found.total_price : null;
};
