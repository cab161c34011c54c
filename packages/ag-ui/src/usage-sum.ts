import type { TokenUsage } from '@ag-ui/core';
import { addUsage, noUsage, type StoredEvent, type Usage } from '@troupe/protocol';

/** What model calls used since it was cleared, by model: AG-UI wants of a run what it used itself, not the one that it goes on with. */
export const usageSum = () => {
  const asked = new Map<string, string>();
  const used = new Map<string, Usage>();
  const add = (model: string, usage: Usage): void => {
    used.set(model, addUsage(used.get(model) ?? noUsage, usage));
  };
  return {
    hear(event: StoredEvent): void {
      if (event.type === 'turn.started') asked.set(event.runId, event.model);
      if (event.type === 'turn.completed') add(event.model ?? asked.get(event.runId) ?? '', event.usage);
      if (event.type === 'turn.attempted' && event.usage) add(event.model, event.usage);
      if (event.type === 'context.compacted') add(event.model, event.usage);
    },
    clear: (): void => used.clear(),
    told: (): { usage?: TokenUsage[] } =>
      used.size === 0 ? {} : { usage: [...used].map(([model, usage]) => tokensOf(model, usage)) },
  };
};

const tokensOf = (model: string, usage: Usage): TokenUsage => {
  const { inputTokens, outputTokens, cachedTokens, reasoningTokens } = usage;
  return {
    ...(model !== '' && { model }),
    inputTokens,
    outputTokens,
    totalTokens: inputTokens + outputTokens,
    ...(cachedTokens !== undefined && { cachedInputTokens: cachedTokens }),
    ...(reasoningTokens !== undefined && { reasoningTokens }),
  };
};
