/** The rules of AG-UI, as its own client checks them. */
import { enforceEvents, verifyEvents } from '@ag-ui/client';
import { type AGUIEvent, EventType } from '@ag-ui/core';
import { from } from 'rxjs';
import { expect } from 'vitest';

/** What a strict client makes of these events: those that it hears, and what it refuses. */
const heardBy = (events: readonly AGUIEvent[]): { heard: unknown[]; refused?: string } => {
  const heard: unknown[] = [];
  let refused: string | undefined;
  // Its RxJS is another copy than ours.
  verifyEvents()(enforceEvents()(from(events) as never)).subscribe({
    next: (event) => heard.push(event),
    error: (error: Error) => {
      refused = error.message;
    },
  });
  return { heard, ...(refused !== undefined && { refused }) };
};

/** One AG-UI run: each event as its schema wants it, nothing in it that AG-UI does not know, in an order that is allowed, with one end. */
export const expectOrdered = (events: readonly AGUIEvent[]): void => {
  expect(heardBy(events)).toEqual({ heard: events });
  expect(events[0]?.type).toBe(EventType.RUN_STARTED);
  const ends = events.filter(({ type }) => type === EventType.RUN_FINISHED || type === EventType.RUN_ERROR);
  expect(ends).toEqual([events.at(-1)]);
};
