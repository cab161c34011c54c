import { harmlessJSON, type StoredEvent } from '@troupe/protocol';
import { inOrder } from './story.ts';

/**
 * The events as they are stored and sent: one JSON object a line, in the order of their tree. `StoredEvent.parse` reads a line. A terminal
 * obeys nothing in it.
 */
export const toJSONL = (events: readonly StoredEvent[]): string =>
  inOrder(events)
    .map((event) => `${harmlessJSON(JSON.stringify(event))}\n`)
    .join('');
