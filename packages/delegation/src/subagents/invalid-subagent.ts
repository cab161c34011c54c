import { FaultError } from '@troupe/protocol';
import { shortLine } from '../results/shorten.ts';

const shown = (value: unknown): string => {
  if (typeof value === 'number') return String(value);
  try {
    return shortLine(JSON.stringify(value) ?? typeof value, 120);
  } catch {
    return typeof value;
  }
};

/**
 * What is wrong with what was said of a sub-agent: which field, what it is, and what was expected, as a sentence for people and models.
 * The field is in `details`, too.
 */
export const invalidSubagent = (field: string, found: unknown, expected: string): FaultError =>
  new FaultError('subagent.invalid', `${field} is ${shown(found)}. Expected ${expected}.`, { details: { field } });
