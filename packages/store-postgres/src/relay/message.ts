/** What stores say to each other beside hints. */

export type Message = {
  /** The id of the store that says it. */
  by: string;
  /** Those who follow are to say so. */
  asks?: true;
  /** The trees that this store follows; `null` for all. */
  follows?: string[] | null;
  /** Of texts to one store: 1, 2, 3 … */
  number?: number;
  /** Trees of which something was stored; `null` where they are too many to be named. */
  stored?: string[] | null;
  /** Live events, packed. */
  live?: unknown[];
};

/** What else is given as the id of a store is not answered. */
const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');

/** Nothing where it is none: whoever may listen may say anything. */
export const messageIn = (text: string): Message | undefined => {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { by, asks, follows, number, stored, live } = (said ?? {}) as Record<keyof Message, unknown>;
  if (typeof by !== 'string' || !uuid.test(by)) return undefined;
  return {
    by,
    ...(asks === true && { asks }),
    ...((isTexts(follows) || follows === null) && { follows }),
    ...(typeof number === 'number' && { number }),
    ...((isTexts(stored) || stored === null) && { stored }),
    ...(Array.isArray(live) && { live }),
  };
};
