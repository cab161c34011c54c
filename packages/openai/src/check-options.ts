import { FaultError } from '@troupe/protocol';
import type { OpenAIOptions } from './openai-options.ts';

const known: Record<keyof OpenAIOptions, true> = {
  apiKey: true,
  baseURL: true,
  wire: true,
  headers: true,
  organization: true,
  project: true,
  fetch: true,
  timeoutMs: true,
  name: true,
  strictSchemas: true,
  tokenLimit: true,
  includeUsage: true,
  reasoningSummary: true,
};

/** The letters of an option, however they are written. */
const lettersOf = (option: string): string => option.replace(/[_-]/g, '').toLowerCase();
const spelt = new Map(Object.keys(known).map((option) => [lettersOf(option), option]));

const misconfigured = (found: string, expected: string): FaultError =>
  new FaultError('model.misconfigured', `openai() was given ${found}. Expected ${expected}.`);

/** Refuses what is no options, and options that are known by another spelling. Tells no value: it may be a key. @throws FaultError `model.misconfigured` */
export const checkOptions = (options: OpenAIOptions): void => {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const found = options === null ? 'null' : Array.isArray(options) ? 'a list' : `a ${typeof options}`;
    throw misconfigured(found, 'options: openai({ apiKey })');
  }
  for (const option of Object.keys(options)) {
    const meant = spelt.get(lettersOf(option));
    if (meant !== undefined && meant !== option)
      throw misconfigured(`the option "${option}", which there is not`, `"${meant}"`);
  }
  for (const option of ['apiKey', 'baseURL'] as const) {
    const type = typeof (options[option] ?? '');
    if (type !== 'string') throw misconfigured(`as ${option} ${type === 'object' ? 'an' : 'a'} ${type}`, 'text');
  }
};
