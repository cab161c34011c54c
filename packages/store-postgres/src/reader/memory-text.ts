/** How memories are compared with what is looked for: as JavaScript does it, in any case, by the letter. */
import type { JSONValue } from '@troupe/protocol';

const textOf = (value: JSONValue): string => (typeof value === 'string' ? value : JSON.stringify(value));

export const fold = (text: string): string => text.toLowerCase();

/** True when key or value contains `wanted`, which is folded already. */
export const contains = (key: string, value: JSONValue, wanted: string): boolean =>
  fold(key).includes(wanted) || fold(textOf(value)).includes(wanted);

/** PostgreSQL has no zero byte in a text. */
const withoutZero = (text: string): string => text.replaceAll('\u0000', ' ');

/** What the database looks through. */
export const folded = (key: string, value: JSONValue): string => withoutZero(fold(`${key}\n${textOf(value)}`));

/** What to ask the database for, which may find too much and never too little; `null` when it cannot help: half a character is none to it. */
export const phraseOf = (wanted: string): string | null => (wanted.isWellFormed() ? withoutZero(wanted) : null);
