/**
 * What a run's machine hears, as it is stored: JSON without secrets, and without what stands in the events that came of it.
 * A text that an event of the same step holds, too, is stored once: `{ "$said": [seq, …path] }` says where.
 */
import { type JournalEntry, messageOf, redact, redactNames, type StoredEvent } from '@troupe/protocol';
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
      // What stands under a secret has another name where it is stored.
    } else if (isObject(value) && redactNames(value) === value)
      for (const key in value) look(value[key], [...place, key]);
  };
  for (const [index, draft] of said.entries()) look(draft, [before + index + 1]);
  return places;
};

/** What came of what was heard, the events that the run had before, and where its long texts stand: looked for once there is one. */
type Said = { readonly drafts: readonly object[]; readonly before: number; places: Map<string, Place> | undefined };

const foldText = (text: string, said: Said): unknown => {
  if (text.length < shortest) return redact(text);
  said.places ??= textsIn(said.drafts, said.before);
  const place = said.places.get(text);
  return place ? { [mark]: place } : redact(text);
};

const foldItems = (items: unknown[], said: Said): unknown[] => {
  let copy: unknown[] | undefined;
  for (let i = 0; i < items.length; i++) {
    const folded = fold(items[i], said);
    if (folded === items[i]) continue;
    copy ??= [...items];
    copy[i] = folded;
  }
  return copy ?? items;
};

const foldFields = (fields: Record<string, unknown>, said: Said): Record<string, unknown> => {
  let copy: Record<string, unknown> | undefined;
  let looksLikePlace = false;
  for (const key in fields) {
    if (key === mark) looksLikePlace = true;
    const folded = fold(fields[key], said);
    if (folded === fields[key]) continue;
    copy ??= { ...fields };
    copy[key] = folded;
  }
  const safe = redactNames(copy ?? fields);
  // What looks like a place and is none is marked as such.
  return looksLikePlace ? { [mark]: [0, safe] } : safe;
};

const fold = (value: unknown, said: Said): unknown => {
  if (typeof value === 'string') return foldText(value, said);
  if (Array.isArray(value)) return foldItems(value, said);
  return isObject(value) ? foldFields(value, said) : value;
};

/** @param drafts What came of it, in order. @param before Events that the run had until then. */
export const foldHeard = (heard: Heard, drafts: readonly object[], before: number): Heard =>
  fold(heard, { drafts, before, places: undefined }) as Heard;

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
