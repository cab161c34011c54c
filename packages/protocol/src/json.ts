import { z } from 'zod';

/** Anything that survives `JSON.parse(JSON.stringify(value))`. */
export type JSONValue = string | number | boolean | null | JSONValue[] | { [key: string]: JSONValue };
export const JSONValue: z.ZodType<JSONValue> = z.json();

/** A JSON Schema, draft 2020-12 or draft 7. */
export type JSONSchema = { [keyword: string]: unknown };

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * A value as the JSON it would be after storing: functions and `undefined` are gone, dates are text.
 * What cannot be written as JSON at all (a cycle, a BigInt) becomes its text form.
 */
export const toJSON = (value: unknown): JSONValue => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  try {
    const text = JSON.stringify(value);
    return text === undefined ? null : (JSON.parse(text) as JSONValue);
  } catch {
    return String(value);
  }
};
