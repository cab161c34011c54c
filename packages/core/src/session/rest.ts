/** When nothing of a session is at work, and what it has come to by then. */
import type { Clock, FaultError, Question, Report, RunEvent } from '@troupe/protocol';
import { filter, map, type Observable, Subject } from 'rxjs';
import { type AnyActorRef, createActor, fromEventObservable, fromPromise, waitFor } from 'xstate';
import type { LiveRun } from '../run/live-run.ts';
import type { Run } from '../run/run.ts';
import { isUnknown } from '../runtime/breaking.ts';
import { isAsking } from '../runtime/desk.ts';
import { type RestEvent, restMachine } from './rest-machine.ts';

/** What a session has come to where nothing of it goes on by itself. */
export type SessionRest = {
  /** `paused`: runs or units of it wait for a person, and nothing else is at work. */
  status: 'idle' | 'paused';
  /** What they ask, with everything below them, oldest first. Empty unless `paused`. */
  questions: Question[];
  /** That of its run that waits, else of the newest that has ended. `null` where nothing was sent. */
  report: Report | null;
};

/** A session, to whoever waits for it. */
export type Restless = {
  readonly clock: Clock;
  readonly events$: Observable<RunEvent>;
  /** Brings back what was sent to it and has not ended. */
  ready(): Promise<void>;
  /** Its units that have not ended, wherever they are executed. */
  units(): Promise<Run[]>;
  /** Has what was left for it delivered. */
  deliver(): void;
  /** Its runs and units that are alive here, or whose end is not stored yet. */
  atWork(): readonly LiveRun[];
  /** Something is about to be started: what was sent, or what is told of units. */
  isBusy(): boolean;
  /** Its runs are known as they are stored. */
  isRead(): boolean;
  /** The run whose turn it is. */
  current(): string | null;
  /** That one, else the newest. */
  latest(): string | null;
  handleOf(runId: string): Promise<Run>;
  /** Why nobody waits any more. */
  closed(): FaultError;
};

/** It has not begun, for the run before it has not ended. */
const isInLine = ({ context, ledger }: LiveRun): boolean => context?.slot === 'wanted' && !ledger.begun;

/** Units that are not executed here: those at work, and those that ask a person. @param settled Told when one of them asks, or is over. */
const openElsewhere = (session: Restless, settled: (event: RestEvent) => void) => {
  const units = new Map<string, 'works' | 'asks'>();
  const over = (runId: string): void => {
    units.delete(runId);
    // What it has left was stored with its end: somebody may go on with that elsewhere, too.
    settled({ type: 'news' });
  };
  return {
    find: async (): Promise<void> => {
      for (const unit of await session.units()) {
        if (units.has(unit.id) || session.atWork().some(({ runId }) => runId === unit.id)) continue;
        units.set(unit.id, 'works');
        const asked = ({ status }: Report): void => {
          if (status !== 'paused') return over(unit.id);
          units.set(unit.id, 'asks');
          settled({ type: 'changed' });
        };
        unit.report.then(asked, () => over(unit.id));
      }
    },
    /** All of them, once it is still. */
    asking: () => [...units.keys()],
    isStill: () => [...units.values()].every((how) => how === 'asks'),
  };
};

/** Whoever waits for one session. */
export const openRest = (session: Restless) => {
  const stirs$ = new Subject<RestEvent>();
  const asked$ = session.events$.pipe(
    filter(({ type, parentId }) => type === 'run.paused' && parentId === undefined),
    map((): RestEvent => ({ type: 'changed' })),
  );
  const waits = new Set<AnyActorRef>();

  const isStillHere = (): boolean => {
    if (session.isBusy()) return false;
    const here = session.atWork();
    const current = session.current();
    const isHeldUp = here.some((run) => run.runId === current && isAsking(run));
    return here.every((run) => isAsking(run) || (isHeldUp && isInLine(run)));
  };

  const idle = async (): Promise<SessionRest> => {
    let failure: unknown;
    const elsewhere = openElsewhere(session, (event) => stirs$.next(event));
    const open = async (): Promise<void> => {
      try {
        await session.ready();
        await elsewhere.find();
        session.deliver();
      } catch (error) {
        failure = error;
        throw error;
      }
    };
    const wait = createActor(
      restMachine.provide({
        actors: {
          open: fromPromise(open),
          changes: fromEventObservable(() => stirs$),
          asking: fromEventObservable(() => asked$),
        },
        guards: { isStill: () => isStillHere() && elsewhere.isStill() },
      }),
      { clock: session.clock },
    );
    waits.add(wait);
    const end = await waitFor(wait.start(), ({ status }) => status === 'done')
      .catch(() => {
        throw session.closed();
      })
      .finally(() => waits.delete(wait));
    if (end.matches('failed')) throw failure;
    // What it was sent has not become a run of it: others have used it.
    if (!session.isRead()) return idle();
    const latest = session.latest();
    const here = session.atWork().flatMap((run) => (isAsking(run) ? run.runId : []));
    const asking = [...new Set([...here, ...elsewhere.asking()])];
    const reports = [...asking, ...(latest === null ? [] : [latest])].map(
      async (runId) => (await session.handleOf(runId)).report,
    );
    const found = await Promise.all(reports).catch((error: unknown) => {
      if (isUnknown(error)) return undefined;
      throw error;
    });
    // One of them was forgotten in the meantime.
    if (!found) return idle();
    const waiting = found.slice(0, asking.length);
    // One of them was answered in the meantime.
    if (waiting.some(({ status }) => status !== 'paused')) return idle();
    return {
      status: waiting.length > 0 ? 'paused' : 'idle',
      questions: waiting.flatMap(({ questions }) => questions).toSorted((a, b) => a.askedAt - b.askedAt),
      report: found[asking.length] ?? null,
    };
  };

  return {
    idle,
    /** Tells everybody who waits. */
    hear: (type: RestEvent['type']): void => stirs$.next({ type }),
    close(): void {
      for (const wait of waits) wait.stop();
    },
  };
};
