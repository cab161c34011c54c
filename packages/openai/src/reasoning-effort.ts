import type { ModelSettings } from '@troupe/protocol';

/** The word for an effort in a request. */
type Effort = 'none' | 'minimal' | 'low' | 'medium' | 'high';

/** What each family of models takes for "no reasoning", the first that fits. `undefined`: there is nothing to turn off. */
const off: readonly (readonly [RegExp, Effort | undefined])[] = [
  [/^(gpt-[34]|chatgpt-|gpt-5(\.\d+)?-chat)/, undefined],
  // These always reason; this is the least of it.
  [/^(o\d|gpt-oss|gpt-5-codex)/, 'low'],
  [/^gpt-5(-pro|\.\d+-pro)/, undefined],
  [/^gpt-5(-|$)/, 'minimal'],
];

/** How hard a model should think, in the vendor's words; `undefined` leaves the model's own default. */
export const effortOf = (reasoning: ModelSettings['reasoning'], model: string): Effort | undefined => {
  if (reasoning !== 'off') return reasoning;
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  const family = off.find(([pattern]) => pattern.test(name));
  return family ? family[1] : 'none';
};
