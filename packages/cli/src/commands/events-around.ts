import type { Run } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import { filter, merge, type Observable } from 'rxjs';

/** Events of a tree from its beginning, and with them those of what it starts in the background: trees of their own. */
export const eventsAround = (root: Run, all$: Observable<RunEvent>): Observable<RunEvent> =>
  merge(root.events$, all$.pipe(filter(({ rootId }) => rootId !== root.id)));
