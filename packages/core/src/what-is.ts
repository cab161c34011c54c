/** What somebody was given, told apart and put into words: for definitions in plain JavaScript, where no type says it. */
import type { AnyAgent } from './define-agent.ts';
import type { Tool } from './define-tool.ts';

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** Whether it is what `defineAgent` makes, or was written out in full. */
export const isAgent = (value: unknown): value is AnyAgent =>
  isObject(value) &&
  typeof value.name === 'string' &&
  typeof value.instructions === 'string' &&
  Array.isArray(value.tools);

/** Whether a model can be told of it, and it can be executed. */
export const isTool = (value: unknown): value is Tool =>
  isObject(value) &&
  typeof value.name === 'string' &&
  typeof value.execute === 'function' &&
  isObject(value.inputJSONSchema);

/** What a value is, in words. Never what it holds, which may be a key, but for the names of agents, tools and functions. */
export const whatIs = (value: unknown): string => {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'function')
    return value.name ? `the function "${value.name}": was it meant to be called?` : 'a function';
  if (!isObject(value)) return `a ${typeof value}`;
  if (Array.isArray(value)) return 'a list';
  if (isAgent(value)) return `the agent "${value.name}"`;
  if (isTool(value)) return `the tool "${value.name}"`;
  if (typeof value.then === 'function') return 'a promise, which is to be awaited';
  const keys = Object.keys(value);
  if (keys.length === 0) return 'an object without anything in it';
  return `an object with ${keys.slice(0, 4).join(', ')}${keys.length > 4 ? ` and ${keys.length - 4} more` : ''}`;
};

/** The end of one sentence and no other: what a value is may end in a question. */
export const sentence = (text: string): string => (text.endsWith('?') ? text : `${text}.`);
