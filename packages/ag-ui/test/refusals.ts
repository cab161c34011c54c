import { verifyEvents } from '@ag-ui/client';
import { type AGUIEvent, EventType } from '@ag-ui/core';
import { from } from 'rxjs';
import { toAgUi } from '../src/index.ts';
import type { Log } from './logs.ts';

/** What AG-UI's own client refuses of a tree: of the AG-UI run that tells it, and of each one that goes on after an answer. */
export const refusalsOf = ({ rootId, test, events }: Log, translate: typeof toAgUi = toAgUi): string[] => {
  const refusals: string[] = [];
  const asked = new Set<string>();
  const tell = (options: Parameters<typeof toAgUi>[0]): void => {
    const told: AGUIEvent[] = [];
    from(events)
      .pipe(translate(options))
      .subscribe((event) => told.push(event));
    const refusal = refusalOf(told);
    if (refusal !== undefined) refusals.push(`${test}: run "${rootId}", ${refusal}`);
    const answering = interruptsOf(told);
    const isKnown = answering.every((id) => asked.has(id));
    for (const id of answering) asked.add(id);
    if (!isKnown) tell({ answering });
  };
  tell({});
  return refusals;
};

/** Which event is refused, and why; that there is no end, too. */
const refusalOf = (told: readonly AGUIEvent[]): string | undefined => {
  let heard = 0;
  let refusal: string | undefined;
  // Its RxJS is another copy than ours.
  verifyEvents()(from(told) as never).subscribe({
    next: () => {
      heard += 1;
    },
    error: ({ message }: Error) => {
      refusal = `AG-UI event ${heard + 1} of ${told.length}: ${message}`;
    },
  });
  const last = told.at(-1)?.type;
  if (refusal !== undefined || last === EventType.RUN_FINISHED || last === EventType.RUN_ERROR) return refusal;
  return `ends with ${last ?? 'nothing'}, without RUN_FINISHED or RUN_ERROR`;
};

const interruptsOf = (told: readonly AGUIEvent[]): string[] => {
  const last = told.at(-1);
  const outcome = last?.type === EventType.RUN_FINISHED ? last.outcome : undefined;
  return outcome?.type === 'interrupt' ? outcome.interrupts.map(({ id }) => id) : [];
};
