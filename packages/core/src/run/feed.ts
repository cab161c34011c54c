/**
 * What is told, in order and on a clean stack: events of one tree go out one after another, stored ones once they are
 * acknowledged, live ones behind the stored ones they follow (L6). A subscriber never runs inside a transition (L8).
 */
import type { RunEvent } from '@troupe/protocol';
import { Subject } from 'rxjs';

export type Feed = {
  readonly events$: Subject<RunEvent>;
  /** Tells events behind everything before them. */
  push(events: readonly RunEvent[]): void;
  /** Holds everything after it until the events are known that stand here. */
  reserve(): (events: readonly RunEvent[]) => void;
  /** True while something waits to be told. */
  isBusy(): boolean;
};

type Slot = { events: readonly RunEvent[] | null };

/** @param told Called for each event before subscribers are, for the runtime's own bookkeeping. */
export const openFeed = (told: (event: RunEvent) => void): Feed => {
  const events$ = new Subject<RunEvent>();
  let slots: Slot[] = [];
  let scheduled = false;

  const flush = () => {
    scheduled = false;
    while (slots.length > 0 && slots[0]?.events) {
      const ready = slots;
      slots = [];
      let i = 0;
      for (; i < ready.length; i++) {
        const { events } = ready[i] as Slot;
        if (!events) break;
        for (const event of events) {
          told(event);
          events$.next(event);
        }
      }
      slots = [...ready.slice(i), ...slots];
    }
  };
  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(flush);
  };

  return {
    events$,
    isBusy() {
      return slots.length > 0;
    },
    push(events) {
      slots.push({ events });
      schedule();
    },
    reserve() {
      const slot: Slot = { events: null };
      slots.push(slot);
      return (events) => {
        slot.events = events;
        schedule();
      };
    },
  };
};
