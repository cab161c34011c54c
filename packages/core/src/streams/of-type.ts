import type { EventOf, RunEvent } from '@troupe/protocol';
import { filter, type Observable, scan } from 'rxjs';

/** Only events of the types named. */
export const ofType =
  <T extends RunEvent['type']>(...types: readonly T[]) =>
  (events$: Observable<RunEvent>): Observable<EventOf<T>> =>
    events$.pipe(filter((event): event is EventOf<T> => (types as readonly string[]).includes(event.type)));

/** What a run is saying: one value per delta, its text so far; starts again with each turn, and when an attempt came to nothing. */
export const textOf =
  (runId: string) =>
  (events$: Observable<RunEvent>): Observable<string> =>
    events$.pipe(
      ofType('text.streamed', 'turn.started', 'turn.attempted'),
      filter((event) => event.runId === runId),
      scan((text, event) => (event.type === 'text.streamed' ? text + event.delta : ''), ''),
      filter((text) => text !== ''),
    );
