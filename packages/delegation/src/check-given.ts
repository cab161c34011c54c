/** Whether what somebody was given is what it takes: for programs in plain JavaScript, where no type says it. */
import type { Tool } from '@troupe/core';
import { FaultError } from '@troupe/protocol';

/** What was given instead, in a word or two. Never what it holds, which may be a key. */
export const kindOf = (value: unknown): string => {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'function') return 'a function, which may be one to be called';
  if (typeof value !== 'object') return `a ${typeof value}`;
  return Array.isArray(value) ? 'a list' : `an object with ${Object.keys(value).slice(0, 4).join(', ') || 'nothing'}`;
};

/** Who was given it, and the code of its refusals. */
type Taker = { readonly who: string; readonly code: string };

/** @throws FaultError of the taker's code */
export const checkOptions = (options: unknown, { who, code }: Taker): void => {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return;
  throw new FaultError(code, `The options of ${who} are ${kindOf(options)}. Expected { … }, or nothing.`);
};

/** The tools of an option, which may be absent. @throws FaultError of the taker's code */
export const toolsIn = (option: string, given: readonly Tool[] | undefined, { who, code }: Taker): readonly Tool[] => {
  if (given === undefined) return [];
  const details = { field: option };
  if (!Array.isArray(given))
    throw new FaultError(code, `The option ${option} of ${who} is ${kindOf(given)}. Expected a list of tools.`, {
      details,
    });
  for (const [index, tool] of given.entries()) {
    const { name, execute } = Object(tool);
    if (typeof name === 'string' && typeof execute === 'function') continue;
    throw new FaultError(
      code,
      `The option ${option} of ${who} has at [${index}] ${kindOf(tool)}. Expected a tool, made by defineTool({ … }) or by one of the functions that make one.`,
      { details },
    );
  }
  return given;
};
