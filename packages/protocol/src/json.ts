import * as z from 'zod';
import { redact } from './redact.ts';
import { shorten } from './shorten.ts';

/** Anything that survives `JSON.parse(JSON.stringify(value))`. */
export type JSONValue = string | number | boolean | null | JSONValue[] | { [key: string]: JSONValue };
export const JSONValue: z.ZodType<JSONValue> = z.json();

/** A JSON Schema, draft 2020-12 or draft 7. */
export type JSONSchema = { [keyword: string]: unknown };

const longestMessage = 500;

/**
 * The message of anything that was thrown. Of an object that is no `Error`, or whose message is no text, it is what it says of itself, as `name: message`, else its
 * JSON; without secrets, and at most 500 characters.
 */
export const messageOf = (error: unknown): string => {
  if (typeof error !== 'object' || error === null) return String(error);
  return (error instanceof Error ? textIn(error) : undefined) ?? saidBy(error);
};

/** The message of an `Error`, where it is a text: a class of its own may have put anything there. */
const textIn = (error: Error): string | undefined => {
  try {
    return typeof error.message === 'string' ? error.message : undefined;
  } catch {
    return undefined;
  }
};

const saidBy = (thrown: object): string => {
  try {
    const { name, message } = thrown as { name?: unknown; message?: unknown };
    const isNamed = typeof name === 'string' && name !== '' && name !== 'Error';
    if (typeof message === 'string' && message !== '') return shortened(isNamed ? `${name}: ${message}` : message);
    const json = JSON.stringify(thrown) ?? '{}';
    return shortened(json === '{}' ? String(thrown) : json);
  } catch {
    // A cycle, or a property that throws.
    return shortened(`an object that cannot be shown, with: ${namesIn(thrown)}`);
  }
};

const namesIn = (thrown: object): string => {
  try {
    return Object.keys(thrown).join(', ') || 'nothing';
  } catch {
    return 'nothing that can be seen';
  }
};

const shortened = (text: string): string => shorten(redact(text), longestMessage);

/**
 * JSON that a terminal cannot take for a command, and that says the same: control characters, and marks that turn the direction of writing
 * or break lines, are escapes, which `JSON.stringify` does not make of all of them.
 */
export const harmlessJSON = (json: string): string =>
  json.replaceAll(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

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
