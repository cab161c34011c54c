import type { StoredEvent } from '@troupe/protocol';
import type { Draft } from '../agent/context.ts';

/** Whether two values are the same JSON: keys in any order, those without a value left out. */
export const isSame = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  for (const key in left) if (!isSame(left[key], right[key])) return false;
  for (const key in right) if (right[key] !== undefined && left[key] === undefined) return false;
  return true;
};

/**
 * Whether an event is what a draft became. Previews may be cut where a secret stands that is known since: they do not count, what
 * they are previews of does.
 */
export const isSaid = ({ type, ...data }: Draft, event: StoredEvent): boolean =>
  type === event.type &&
  Object.entries(data).every(([key, value]) => {
    if (key === 'preview' || key === 'truncated') return true;
    const stored = (event as unknown as Record<string, unknown>)[key];
    if (key === 'question') return isSame({ ...(value as object), askedAt: 0 }, { ...(stored as object), askedAt: 0 });
    return isSame(value, stored);
  });
