/**
 * Live events as texts that PostgreSQL passes on. One that differs from the one before by what it adds is only that, so a text that
 * streams takes little more than itself.
 */
import { Buffer } from 'node:buffer';
import { LiveEvent } from '@troupe/protocol';

/** Bytes that one text may have, with some to spare for what is put around it: PostgreSQL takes fewer than 8,000. */
const mostBytes = 7_800;

export const fits = (text: string): boolean => Buffer.byteLength(text) <= mostBytes;

type Addition = [part: number, at: number, delta: string];
type Item = LiveEvent | Addition;

/** @param before The event before it in the same text. */
const itemOf = (event: LiveEvent, before: LiveEvent | undefined): Item =>
  before && event.type !== 'call.progressed' && before.type === event.type && isBeside(event, before)
    ? [event.part, event.at, event.delta]
    : event;

/** The same run at the same place. */
const isBeside = (one: LiveEvent, other: LiveEvent): boolean => one.runId === other.runId && one.seq === other.seq;

/** What is too long for any text is left out. */
export const pack = (events: readonly LiveEvent[]): string[] => {
  const texts: string[] = [];
  let items: string[] = [];
  let bytes = 2;
  let before: LiveEvent | undefined;
  const close = (): void => {
    if (items.length > 0) texts.push(`[${items.join()}]`);
    items = [];
    bytes = 2;
    before = undefined;
  };
  const add = (event: LiveEvent): boolean => {
    const item = JSON.stringify(itemOf(event, before));
    const size = Buffer.byteLength(item) + 1;
    if (bytes + size > mostBytes) return false;
    items.push(item);
    bytes += size;
    before = event;
    return true;
  };
  for (const event of events) {
    if (add(event)) continue;
    close();
    add(event);
  }
  close();
  return texts;
};

/** What is no live event is left out: anybody may say anything in a database. */
export const unpack = (items: readonly unknown[]): LiveEvent[] => {
  const events: LiveEvent[] = [];
  let before: LiveEvent | undefined;
  for (const item of items) {
    const [part, at, delta] = Array.isArray(item) ? (item as unknown[]) : [];
    before = eventIn(Array.isArray(item) ? { ...before, part, at, delta } : item);
    if (before) events.push(before);
  }
  return events;
};

const eventIn = (said: unknown): LiveEvent | undefined => {
  const { success, data } = LiveEvent.safeParse(said);
  return success ? data : undefined;
};
