/**
 * What is told passes here before subscribers hear it: open questions are kept, hooks called, and whoever waits for a run is woken.
 */
import { FaultError, isEnded, isFaultError, isLive, isTerminal, type Question, type RunEvent } from '@troupe/protocol';
import { Subject } from 'rxjs';
import type { LiveRun } from '../run/live-run.ts';
import { openQuestionsBook } from './open-questions.ts';
import type { RuntimeOptions } from './options.ts';

type Waiter = { wanted(event: RunEvent): boolean; wake(): void; giveUp(why: FaultError): void };

/** Nothing more will be heard of a suspended run here. */
const closedError = () =>
  new FaultError(
    'runtime.closed',
    'The runtime was closed and the run suspended. It goes on where its store is opened again.',
  );

/** True for an event after which a run has ended, or waits for a person. */
export const settles = (event: RunEvent): boolean =>
  isTerminal(event) || (event.type === 'run.paused' && event.reason === 'question');
/** A run that is being interrupted asks nobody any more, though its calls are still closing; neither does one whose end is not told yet. */
const isOver = ({ ended, suspended, value }: LiveRun): boolean => (ended && !suspended) || value === 'interrupting';
/** True while nothing in the tree of a run can go on without a person. */
export const isAsking = (run: LiveRun): boolean => run.ledger.pausedFor === 'question' && !isOver(run);
export const isSettled = (run: LiveRun): boolean => isEnded(run.ledger.status) || isAsking(run);

/** The question that an event asks or answers, by its id. */
const questionIn = (event: RunEvent): string | undefined => {
  if (event.type === 'question.asked') return event.question.id;
  return event.type === 'question.answered' ? event.questionId : undefined;
};

export type Desk = ReturnType<typeof openDesk>;

/** @param find Finds a run that is alive here, or about to leave. @param shield Keeps what a hook throws from everybody else. */
export const openDesk = (
  find: (runId: string) => LiveRun | undefined,
  hooks: RuntimeOptions['hooks'],
  shield: (what: string, act: () => unknown) => void,
) => {
  const questions = openQuestionsBook();
  const waiters = new Map<string, Set<Waiter>>();
  const events$ = new Subject<RunEvent>();
  const questionsChanged$ = new Subject<void>();
  /** Events that did not happen here. */
  const copies = new WeakSet<RunEvent>();
  let isClosed = false;

  const keepQuestions = (event: RunEvent): void => {
    if (event.type === 'question.asked') {
      questions.add(event.question);
    } else if (event.type === 'question.answered') {
      questions.remove(event.questionId);
    } else if (isTerminal(event)) return dropQuestions(event.runId);
    else return;
    questionsChanged$.next();
  };

  const dropQuestions = (of: string, isMeant: (question: Question) => boolean = () => true): void => {
    let changed = false;
    for (const question of questions.within(of))
      if (question.runId === of && isMeant(question)) changed = questions.remove(question.id) || changed;
    if (changed) questionsChanged$.next();
  };

  const keep = (event: RunEvent): void => {
    keepQuestions(event);
    const hears = copies.has(event) ? undefined : hooks;
    if (event.type === 'child.started') shield('hooks.childStart', () => hears?.childStart?.(event));
    if (event.type === 'child.settled') shield('hooks.childStop', () => hears?.childStop?.(event));
  };

  const tell = (event: RunEvent): void => {
    if (!isLive(event)) keep(event);
    const waiting = waiters.get(event.runId);
    if (waiting) for (const waiter of [...waiting]) if (waiter.wanted(event)) waiter.wake();
    if (events$.observed) events$.next(event);
  };

  return {
    tell,
    events$,
    questionsChanged$,
    question: (id: string): Question | undefined => questions.get(id),
    /** Open questions of a run and everything below it, oldest first. */
    questionsOf: (runId: string): Question[] =>
      questions.within(runId).filter((asked) => {
        const asker = find(asked.runId);
        return !(asker && isOver(asker));
      }),
    /** What `take` gives at the moment such an event of the run is told. Rejects with `runtime.closed` when the run is suspended. */
    next: <T>(run: LiveRun, wanted: (event: RunEvent) => boolean, take: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        if (run.suspended || isClosed)
          return reject(isFaultError(run.broken?.error) ? run.broken.error : closedError());
        const waiting = waiters.get(run.runId) ?? new Set<Waiter>();
        waiters.set(run.runId, waiting);
        const off = () => {
          waiting.delete(waiter);
          if (waiting.size === 0) waiters.delete(run.runId);
        };
        const waiter: Waiter = {
          wanted,
          wake: () => {
            off();
            resolve(take());
          },
          giveUp: (why) => {
            off();
            reject(why);
          },
        };
        waiting.add(waiter);
      }),
    /** Nobody waits for answers of a run any more, or for those that are meant. */
    dropQuestions,
    /** A run is being interrupted: it asks nobody any more. Its questions are forgotten with its end. */
    stopAsking: (): void => queueMicrotask(() => questionsChanged$.next()),
    /** Takes note of events that are a copy of others: no hook is called for them. */
    copied(events: readonly RunEvent[]): void {
      for (const event of events) copies.add(event);
    },
    /** Forgets what was asked and answered in a tree: what of it is true stands in the store. */
    forget(rootId: string): void {
      for (const { id } of questions.within(rootId)) questions.remove(id);
      questionsChanged$.next();
    },
    /** Takes note of what a stored run asked and was answered, without telling anybody. */
    restore(events: readonly RunEvent[]): void {
      const ids = events.flatMap((event) => questionIn(event) ?? []);
      const openNow = () => ids.filter((id) => questions.get(id) !== undefined).join();
      const before = openNow();
      for (const event of events) {
        if (event.type === 'question.asked') questions.add(event.question);
        if (event.type !== 'question.answered') continue;
        questions.remove(event.questionId);
      }
      if (openNow() !== before) questionsChanged$.next();
    },
    /** Sends everybody who waits away, or those who wait for one run. */
    dismiss(runId?: string, why: FaultError = closedError()): void {
      const leaving = runId === undefined ? [...waiters.values()] : [waiters.get(runId) ?? []];
      for (const waiting of leaving) for (const waiter of [...waiting]) waiter.giveUp(why);
    },
    close(): void {
      isClosed = true;
      events$.complete();
      questionsChanged$.complete();
    },
  };
};
