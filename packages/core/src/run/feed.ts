/**
 * What is told, in order and on a clean stack: events of one tree go out one after another, stored ones once they are
 * acknowledged, live ones behind the stored ones they follow (L6). A subscriber never runs inside a transition (L8).
 */
import type { RunEvent } from '@troupe/protocol';
import { Subject } from 'rxjs';

export type Feed = {
  readonly events$: Subject<RunEvent>;
  /** Tells an event behind everything before it. */
  push(event: RunEvent): void;
  /** The same, at once where nothing waits to be told. Only on a clean stack: no machine makes a step, no subscriber is being told. */
  tell(event: RunEvent): void;
  /** Holds everything after it until the events are known that stand here. */
  reserve(): (events: readonly RunEvent[]) => void;
  /** True while something waits to be told. */
  isBusy(): boolean;
};

/** `open`: more may be added to it. */
type Slot = { events: RunEvent[]; open: true } | { events: readonly RunEvent[] | null; open: false };

/** A turn of what is left to do on a clean stack. `queueMicrotask` of Node takes three times as long: it keeps a record of each. */
const ready = Promise.resolve();

/** @param told Called for each event before subscribers are, for the runtime's own bookkeeping. */
export const openFeed = (told: (event: RunEvent) => void): Feed => {
  const events$ = new Subject<RunEvent>();
  const slots: Slot[] = [];
  let scheduled = false;

  const tellOne = (event: RunEvent): void => {
    told(event);
    events$.next(event);
  };
  const flush = () => {
    scheduled = false;
    for (let slot = slots[0]; slot?.events; slot = slots[0]) {
      // What is told from now on comes behind it, and is added to it no more.
      slots.shift();
      for (const event of slot.events) tellOne(event);
    }
  };
  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    void ready.then(flush);
  };

  const push = (event: RunEvent): void => {
    const last = slots.at(-1);
    if (last?.open) last.events.push(event);
    else slots.push({ events: [event], open: true });
    schedule();
  };

  return {
    events$,
    isBusy() {
      return slots.length > 0;
    },
    tell(event) {
      if (slots.length > 0) push(event);
      else tellOne(event);
    },
    push,
    reserve() {
      const slot: { events: readonly RunEvent[] | null; open: false } = { events: null, open: false };
      slots.push(slot);
      return (events) => {
        slot.events = events;
        schedule();
      };
    },
  };
};
