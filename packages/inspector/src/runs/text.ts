/** Texts cut to what a row, a lane or a page can show. */
import { type JSONValue, redact, toJSON } from '@troupe/protocol';

/** The longest text of a row or a happening. */
const longest = 200;

const cut = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, Math.max(0, length - 1))}…` : text;

/** The first line of what somebody said; anything but text as JSON. */
export const firstLine = (said: JSONValue | undefined): string => {
  const text = typeof said === 'string' ? said : JSON.stringify(said ?? '');
  return cut((text.trimStart().split('\n', 1)[0] ?? '').trimEnd(), longest);
};

const limits = { text: 2_000, items: 100, depth: 8 };

const shorter = (value: unknown, depth: number): unknown => {
  if (typeof value === 'string') return cut(value, limits.text);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= limits.depth) return '…';
  if (Array.isArray(value)) {
    const items = value.slice(0, limits.items).map((each) => shorter(each, depth + 1));
    return value.length > limits.items ? [...items, `… ${value.length - limits.items} more`] : items;
  }
  const entries = Object.entries(value);
  const kept = entries.slice(0, limits.items).map(([key, each]) => [key, shorter(each, depth + 1)]);
  return Object.fromEntries(
    entries.length > limits.items ? [...kept, ['…', `${entries.length - limits.items} more`]] : kept,
  );
};

/** Any value as JSON of a bearable size, without secrets: long texts, lists and deep data are cut. Never throws. */
export const shorten = (value: unknown): JSONValue => {
  try {
    return redact(shorter(toJSON(value ?? null), 0)) as JSONValue;
  } catch {
    return '(no JSON)';
  }
};
