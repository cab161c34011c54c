import type { AGUIEvent } from '@ag-ui/core';
import type { RunEvent } from '@troupe/protocol';
import { Observable, type OperatorFunction } from 'rxjs';
import { unreadable } from './endings.ts';
import { openTranslation, type StreamOptions } from './translation.ts';

/**
 * The events of a run, as `run.events$` tells them or as they were stored, as the events of one AG-UI run. It completes when that run
 * ends: with the run itself, or where it waits for a person (`outcome.type` is `interrupt`; go on with `answering`). A source that
 * completes before that, or fails, ends it with `RUN_ERROR`, and never with an error of the stream.
 */
export const toAgUi =
  (options: StreamOptions = {}): OperatorFunction<RunEvent, AGUIEvent> =>
  (events$) =>
    new Observable((subscriber) => {
      const translation = openTranslation(options);
      const tell = (events: Iterable<AGUIEvent>): void => {
        for (const event of events) subscriber.next(event);
        if (translation.isOver) subscriber.complete();
      };
      return events$.subscribe({
        next: (event) => tell(translation.hear(event)),
        complete: () => tell(translation.finish()),
        error: (error: unknown) => tell(translation.finish(unreadable(error))),
      });
    });
