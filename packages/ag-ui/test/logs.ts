import { isLive, isTerminal, type RunEvent, type RunStore, textOfMessage } from '@troupe/protocol';
import type { Observable } from 'rxjs';

/** All that was told of a tree of runs, from its beginning. */
export type Log = {
  readonly rootId: string;
  /** The test that made the runtime. */
  readonly test: string;
  readonly events: readonly RunEvent[];
};

type Source = { store: RunStore | undefined; test: string | undefined };
type Told = Source & { rootId: string; events: RunEvent[]; shape: string };

/**
 * The logs of all trees that some runtimes tell of; of those that tell the same in the same order, one.
 *
 * @param full Called whenever trees that have ended hold that many events.
 */
export const gatherLogs = (heldAtMost: number, full: () => void) => {
  const goingOn = new Set<Told>();
  let ended: Told[] = [];
  let held = 0;
  /** What trees have told that have ended. */
  const known = new Set<string>();

  const end = (told: Told): void => {
    goingOn.delete(told);
    if (isWhole(told) && known.has(told.shape)) return;
    if (isWhole(told)) known.add(told.shape);
    ended.push(told);
    held += told.events.length;
    if (held > heldAtMost) full();
  };

  return {
    /** Hears a tree until its root has ended: what was let go and tells more has no place in the AG-UI run. */
    listen(events$: Observable<RunEvent>, source: Source): void {
      const trees = new Map<string, Told | 'ended'>();
      events$.subscribe((event) => {
        const { rootId } = event;
        const told = trees.get(rootId) ?? { ...source, rootId, events: [], shape: '' };
        if (told === 'ended') return;
        told.events.push(event);
        told.shape += shapeOf(event);
        const isOver = event.runId === rootId && isTerminal(event);
        trees.set(rootId, isOver ? 'ended' : told);
        if (isOver) end(told);
        else goingOn.add(told);
      });
    },
    /** What was gathered. Where a tree was brought back, with what was told of it before, if its store still says so. */
    take(which: 'ended' | 'all'): Log[] {
      const taken = which === 'ended' ? ended : [...ended, ...goingOn];
      ended = [];
      held = 0;
      if (which === 'all') goingOn.clear();
      return taken.flatMap(({ rootId, test = 'no test', store, events }) => {
        const before = toldBefore(rootId, events[0], store);
        return before ? [{ rootId, test, events: [...before, ...events] }] : [];
      });
    },
  };
};

/** Heard from its beginning: of others the shape is not known. */
const isWhole = ({ events: [first] }: Told): boolean => first !== undefined && !isLive(first) && first.rootSeq === 1;

/** What the order of AG-UI events may depend on. Whatever else an event says is content. */
const shapeOf = (event: RunEvent): string => {
  const { type, runId, rootId } = event;
  const within = rootId.length;
  return `${type} ${runId.slice(within)} ${isLive(event) ? 'live' : Math.sign(event.rootSeq)} ${ownOf(event, within)}\n`;
};

const ownOf = (event: RunEvent, within: number): string | number => {
  switch (event.type) {
    case 'turn.started':
      return event.turn;
    case 'turn.completed': {
      const { message, reasoning } = event;
      return JSON.stringify([reasoning, textOfMessage(message), message.calls?.map(({ id }) => id)]);
    }
    case 'text.streamed':
    case 'reasoning.streamed':
      return `${event.part} ${JSON.stringify(event.delta)}`;
    case 'question.asked':
      return event.question.id.slice(within);
    case 'question.answered':
      return event.questionId.slice(within);
    case 'run.paused':
      return event.reason;
    default:
      return 'callId' in event ? (event.callId ?? '') : '';
  }
};

const toldBefore = (rootId: string, first: RunEvent | undefined, store?: RunStore): RunEvent[] | undefined => {
  if (!first || isLive(first)) return undefined;
  const begins = first.type === 'run.queued' || first.type === 'run.started';
  if (begins && first.runId === rootId) return [];
  const stored = storedEvents(rootId, store);
  // What could not be stored has no number.
  if (first.rootSeq === 0) return stored;
  const before = stored?.filter(({ rootSeq }) => rootSeq < first.rootSeq);
  return before?.length === first.rootSeq - 1 ? before : undefined;
};

/** Nothing of a store that answers later, or is closed by now. */
const storedEvents = (rootId: string, store?: RunStore) => {
  try {
    const events = store?.events({ rootId }) ?? [];
    return Symbol.asyncIterator in events ? undefined : [...events];
  } catch {
    return undefined;
  }
};
