import type { ModelSettings } from '@troupe/protocol';

/** How much a sub-agent's model thinks before it answers. */
export type Thinking = 'off' | 'basic' | 'extended';

const words: ReadonlyMap<unknown, Thinking> = new Map<unknown, Thinking>([
  ...(['off', 'false', 'none', 'disabled', false] as const).map((word) => [word, 'off'] as const),
  ...(['basic', 'on', 'true', 'default', 'standard', true] as const).map((word) => [word, 'basic'] as const),
  ...(['extended', 'deep'] as const).map((word) => [word, 'extended'] as const),
]);

/** What may be said of it, for errors. */
export const thinkingChoices = '"off", "basic" or "extended"';

/** The level that a word or a boolean stands for; `undefined`: none. */
export const thinkingIn = (value: unknown): Thinking | undefined =>
  words.get(typeof value === 'string' ? value.trim().toLowerCase() : value);

const efforts = { off: 'off', basic: 'medium', extended: 'high' } as const;

/** The setting that every provider understands: what it means for a model that cannot think is the provider's matter. */
export const reasoningOf = (thinking: Thinking): NonNullable<ModelSettings['reasoning']> => efforts[thinking];
