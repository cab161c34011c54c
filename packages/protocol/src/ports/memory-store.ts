import type { JSONValue } from '../json.ts';

/** One thing remembered. */
export type Memory = { scope: string; key: string; value: JSONValue };

/** What agents remember between runs, by scope. Implementations pass `memoryStoreContract` of `@troupe/testing`. */
export interface MemoryStore {
  /** The value, or `undefined` when nothing is remembered under that key. */
  read(scope: string, key: string): Promise<JSONValue | undefined> | JSONValue | undefined;
  write(scope: string, key: string, value: JSONValue): Promise<void> | void;
  /** Entries of the scope whose key or value contains the text, any case, in the order they were first written. */
  search(scope: string, text: string, options?: { limit?: number }): Promise<Memory[]> | Memory[];
  /** Forgets everything in the scope, or one key of it. */
  reset(scope: string, key?: string): Promise<void> | void;
}
