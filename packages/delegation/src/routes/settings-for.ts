import type { ModelSettings } from '@troupe/protocol';
import type { Route } from './route-of.ts';

/** Settings that every provider understands. */
const common: readonly string[] = ['temperature', 'maxOutputTokens', 'reasoning'];

/**
 * The parent's settings as a child on this route takes them over. Settings in a vendor's own words, such as filters of who may
 * serve a request, mean nothing elsewhere: where the route clears them, they are left out.
 *
 * @param keep Names that are kept all the same.
 */
export const settingsFor = (
  { filters }: Pick<Route, 'filters'>,
  settings: ModelSettings,
  keep: readonly string[] = [],
): ModelSettings =>
  filters === 'inherited'
    ? settings
    : Object.fromEntries(Object.entries(settings).filter(([name]) => common.includes(name) || keep.includes(name)));
