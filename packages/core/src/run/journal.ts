/**
 * What a run's machine hears, as it is stored: JSON without secrets, and without what stands in the events that came of it.
 * A text that an event of the same step holds, too, is stored once: `{ "$said": [seq, …path] }` says where.
 */
import { type JournalEntry, messageOf, redact, type StoredEvent } from '@troupe/protocol';
import type { AnyEventObject } from 'xstate';

type Heard = JournalEntry['heard'];
type Place = [seq: number, ...path: string[]];

/** Texts of fewer characters stay where they are: where they stand in an event takes as much. */
const shortest = 64;
const mark = '$said';

/** An event of XState as JSON: an error is what it says. */
export const heardOf = (event: AnyEventObject): Heard =>
  event.error instanceof Error ? { ...event, error: messageOf(event.error) } : event;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** Where each long text stands in what was said. */
const textsIn = (said: readonly object[], before: number): Map<string, Place> => {
  const places = new Map<string, Place>();
  const look = (value: unknown, place: Place): void => {
    if (typeof value === 'string') {
      if (value.length >= shortest && !places.has(value)) places.set(value, place);
    } else if (isObject(value)) for (const key in value) look(value[key], [...place, key]);
  };
  for (const [index, draft] of said.entries()) look(draft, [before + index + 1]);
  return places;
};

/** @param said What came of it, in order. @param before Events that the run had until then. */
export const foldHeard = (heard: Heard, said: readonly object[], before: number): Heard => {
  let places: Map<string, Place> | undefined;
  const fold = (value: unknown): unknown => {
    if (typeof value === 'string') {
      if (value.length >= shortest) {
        places ??= textsIn(said, before);
        const place = places.get(value);
        if (place) return { [mark]: place };
      }
      return redact(value);
    }
    if (!isObject(value)) return value;
    let copy: Record<string, unknown> | undefined;
    for (const key in value) {
      const folded = fold(value[key]);
      if (folded === value[key]) continue;
      copy ??= (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
      copy[key] = folded;
    }
    // What looks like a place and is none is marked as such.
    return mark in value ? { [mark]: [0, copy ?? value] } : (copy ?? value);
  };
  return fold(heard) as Heard;
};

/** @param event An event of the run, by its `seq`. */
export const unfoldHeard = (heard: Heard, event: (seq: number) => StoredEvent | undefined): Heard => {
  const unfold = (value: unknown): unknown => {
    if (!isObject(value)) return value;
    if (mark in value) {
      const [seq, ...path] = value[mark] as [number, ...unknown[]];
      if (seq === 0) return unfoldEach(path[0] as object);
      return path.reduce<unknown>((found, key) => (isObject(found) ? found[String(key)] : undefined), event(seq));
    }
    return unfoldEach(value);
  };
  const unfoldEach = (value: object): unknown =>
    Array.isArray(value)
      ? value.map(unfold)
      : Object.fromEntries(Object.entries(value).map(([key, each]) => [key, unfold(each)]));
  return unfold(heard) as Heard;
};
