/**
 * Every name that a model id may be known by, the most exact first: without the prefixes before each `/`, and each of
 * those without its date. `openrouter/openai/gpt-5-mini-2025-08-07` is at last also `gpt-5-mini`.
 */
export const namesOf = (model: string): string[] => {
  const names: string[] = [];
  for (let name = model.trim(); name !== ''; name = afterSlash(name)) names.push(name, undated(name));
  return [...new Set(names)];
};

const afterSlash = (name: string): string => (name.includes('/') ? name.slice(name.indexOf('/') + 1) : '');

/** The name without a date at its end: `-2025-08-07` or `-20250807`. */
export const undated = (name: string): string => name.replace(/-20\d\d(-?)[01]\d\1[0-3]\d$/, '');
