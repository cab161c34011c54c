/**
 * Group commit: everything that is asked for while one batch is being written goes into the next, and each batch is one round trip.
 * A batch has a number, and is sent again under the same one while nobody knows whether it was written: the database writes it once.
 */
import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers';
import { type Commit, FaultError, isEnded, isFaultError } from '@troupe/protocol';
import type { Database } from '../server/database.ts';
import { isOutage, troubleOf } from '../server/trouble.ts';
import { encode, locksOf, openTexts, type StoredJobs, type Wish } from './encode.ts';
import { given } from './identity.ts';
import type { Outcome, Refusal, Task, TaskName, Tasks } from './messages.ts';

/** Tasks that one batch takes at most: enough to share its price, few enough to let everybody else have a turn. */
const batchTasks = 128;
/** Characters after which a batch is full. */
const batchCharacters = 1_048_576;

/** Tasks that hold locks for long, or end it all, have a batch to themselves. */
const isAlone = ({ type }: Wish): boolean => type === 'forgetTrees' || type === 'close';

type Entry = { wish: Wish; resolve(given: never): void; reject(error: unknown): void };
type Batch = { entries: Entry[]; tasks: Task[]; texts: string[] };

export type Queue = {
  /** By what the database knows this store. */
  readonly id: string;
  /** Resolves once it is stored. Rejects with a FaultError: `store.unavailable` when nobody knows whether it was. */
  ask<Name extends TaskName>(wish: Extract<Wish, { type: Name }>): Promise<Tasks[Name]['give']>;
  /** Lets everything be written that was asked for, and gives back what was claimed. */
  close(): Promise<void>;
};

/**
 * @param now What leases are measured by; absent for the clock of the database.
 * @param tell Called with the other stores that what was written concerns.
 */
export const openQueue = (
  { ask, name, place }: Database,
  now: (() => number) | undefined,
  tell: (stores: ReadonlySet<string>) => void,
): Queue => {
  const id = randomUUID();
  const write = `SELECT ${place.quoted}.write($1, $2, $3, $4, $5, $6) AS answer`;
  const jobs: StoredJobs = new Map();
  const waiting: Entry[] = [];
  let batches = 0;
  let isPlanned = false;
  let isWriting = false;

  const settle = ({ wish, resolve, reject }: Entry, outcome: Outcome | FaultError): void => {
    if (wish.type === 'claim') jobs.delete(wish.runId);
    const isGiven = 'given' in outcome;
    if (wish.type === 'commit')
      for (const { runId, row } of wish.commits)
        if (isGiven && !isEnded(row.status)) jobs.set(runId, row.job);
        else jobs.delete(runId);
    if (isGiven) return resolve(outcome.given as never);
    reject('refused' in outcome ? refusalOf(outcome.refused, wish) : outcome);
  };

  const take = (): Batch => {
    const batch: Batch = { entries: [], tasks: [], texts: [] };
    let characters = 0;
    while (batch.entries.length < batchTasks && characters < batchCharacters) {
      const [next] = waiting;
      if (!next || (isAlone(next.wish) && batch.entries.length > 0)) break;
      waiting.shift();
      const known = batch.texts.length;
      try {
        batch.tasks.push(encode(next.wish, jobs, openTexts(batch.texts)));
        batch.entries.push(next);
      } catch (error) {
        batch.texts.length = known;
        next.reject(error);
      }
      for (const text of batch.texts.slice(known)) characters += text.length;
      if (isAlone(next.wish)) break;
    }
    return batch;
  };

  const send = async ({ tasks, texts }: Pick<Batch, 'tasks' | 'texts'>): Promise<Outcome[]> => {
    batches += 1;
    const locks = tasks.flatMap(locksOf);
    const [row] = await ask(write, [id, batches, JSON.stringify(tasks), texts, locks, now?.() ?? null]);
    const outcomes = JSON.parse(String(row?.answer)) as Outcome[];
    const concerned = new Set(outcomes.flatMap((outcome) => ('given' in outcome && outcome.concerned) || []));
    concerned.delete(id);
    tell(concerned);
    return outcomes;
  };

  const writeBatch = async (batch: Batch): Promise<void> => {
    try {
      const outcomes = await send(batch);
      for (const [i, entry] of batch.entries.entries()) {
        const outcome = outcomes[i];
        if (outcome) settle(entry, outcome);
      }
    } catch (error) {
      // What cannot be written together is tried one by one: what is to blame fails alone.
      if (batch.entries.length > 1 && !isFaultError(error) && !isOutage(error))
        for (const entry of batch.entries) await writeBatch(alone(entry));
      else for (const entry of batch.entries) settle(entry, asFault(error));
    }
  };

  const alone = (entry: Entry): Batch => {
    const texts: string[] = [];
    return { entries: [entry], tasks: [encode(entry.wish, jobs, openTexts(texts))], texts };
  };

  const asFault = (error: unknown): FaultError => (isFaultError(error) ? error : troubleOf(error, name, 'written'));

  const work = async (): Promise<void> => {
    isPlanned = false;
    if (isWriting) return;
    isWriting = true;
    while (waiting.length > 0) {
      const batch = take();
      if (batch.entries.length > 0) await writeBatch(batch);
    }
    isWriting = false;
  };

  /** Sends at the end of this turn of the loop, so that everything asked for in it goes together. */
  const plan = (): void => {
    if (isPlanned || isWriting) return;
    isPlanned = true;
    setImmediate(() => void work());
  };

  const queueUp: Queue['ask'] = (wish) =>
    new Promise((resolve, reject) => {
      waiting.push({ wish, resolve, reject });
      plan();
    });

  return {
    id,
    ask: queueUp,
    async close() {
      // Who has written nothing is not known there.
      if (batches > 0 || waiting.length > 0) await queueUp({ type: 'close' });
    },
  };
};

const refusalOf = (refusal: Refusal, wish: Wish): FaultError => {
  const step = (wish as { commits: readonly Commit[] }).commits[refusal.step];
  const { runId = '', owner = '', epoch = 0, expectedSeq = 0 } = step ?? {};
  if (refusal.code === 'fenced')
    return new FaultError(
      'store.fenced',
      `Run "${runId}" is at epoch ${refusal.epoch} of "${given(refusal.owner || 'nobody')}"; this writer is "${owner}" at epoch ${epoch}. Another process has claimed it: stop this one.`,
      { runId },
    );
  if (refusal.code === 'ended')
    return new FaultError('store.ended', `Run "${runId}" has ended (${refusal.status}); nothing can be added.`, {
      runId,
    });
  if (refusal.code === 'overtaken') {
    const { sessionKey, after } = step?.row ?? {};
    return new FaultError(
      'store.overtaken',
      `Run "${runId}" was to come after ${after ? `run "${after}"` : 'none'} in session "${sessionKey}", which was sent run "${given(refusal.newest)}" since. Read the session again.`,
      { runId },
    );
  }
  return new FaultError(
    'store.conflict',
    `Run "${runId}" has ${refusal.seq} events, but this writer expected ${expectedSeq}. Read it again, or stop one of the two.`,
    { runId },
  );
};
