/**
 * Group commit: everything that is asked for in one turn of the event loop, or while a transaction is being written, goes into the
 * next one. It becomes text as late as it can.
 */
import { setImmediate } from 'node:timers';
import { FaultError, isEnded } from '@troupe/protocol';
import { encode, lengthOf, type StoredJobs, type Wish } from './encode.ts';
import { openHere, openThread, type Told } from './hands.ts';
import type { Outcome, Task, TaskName, Tasks, WriterData } from './messages.ts';

/** Tasks that one transaction takes at most: enough to share its price, few enough to let everybody else have a turn. */
const batchTasks = 64;
/** Characters after which a batch is full. */
const batchCharacters = 1_048_576;
/** Tasks that are answered before the event loop has a turn: a batch is told to many runs, and each goes on with what it hears. */
const answersAtOnce = 8;
/** Batches that are on their way at a time: one is turned into text while the other is written. */
const batchesAhead = 2;

/** Tasks that have a transaction to themselves: they look at tables that other tasks fill at the end of theirs. */
const isAlone = ({ type }: Wish): boolean => type === 'findOld' || type === 'forgetTrees' || type === 'close';

type Entry = { wish: Wish; resolve(given: never): void; reject(error: unknown): void };

/** From sources this runs as it is; in the published package the writer is JavaScript, too. */
const writerEntry = new URL(import.meta.url.endsWith('.ts') ? './writer.ts' : './writer.js', import.meta.url);

export type Queue = {
  /** Resolves once it is stored as durably as the store promises. Rejects with a FaultError when nothing of it was. */
  ask<Name extends TaskName>(wish: Extract<Wish, { type: Name }>): Promise<Tasks[Name]['give']>;
  /** Lets everything be written that was asked for, and ends the writer. */
  close(): Promise<void>;
};

/** @param entry The program of the writer's thread, where there is one. */
export const openQueue = (data: WriterData, entry: URL = writerEntry): Queue => {
  const jobs: StoredJobs = new Map();
  const waiting: Entry[] = [];
  const flights: Entry[][] = [];
  const answered: { entry: Entry; outcome: Outcome | undefined }[] = [];
  let isPlanned = false;
  let isOver = false;
  let dead: FaultError | undefined;

  const settle = ({ wish, resolve, reject }: Entry, outcome: Outcome | undefined): void => {
    if (wish.type === 'claim') jobs.delete(wish.runId);
    const isGiven = outcome !== undefined && 'given' in outcome;
    if (wish.type === 'commit')
      for (const { runId, row } of wish.commits)
        if (isGiven && !isEnded(row.status)) jobs.set(runId, row.job);
        else jobs.delete(runId);
    if (isGiven) return resolve(outcome.given as never);
    if (!outcome) return reject(dead);
    const { code, message, runId, retryable } = outcome.refusal;
    reject(new FaultError(code, message, { ...(runId !== undefined && { runId }), ...(retryable && { retryable }) }));
  };

  /** As text; `undefined` when it cannot be, and is refused. */
  const textOf = ({ wish, reject }: Entry): Task | undefined => {
    try {
      return encode(wish, jobs);
    } catch (error) {
      reject(error);
      return undefined;
    }
  };

  const take = (): { batch: Entry[]; tasks: Task[] } => {
    const batch: Entry[] = [];
    const tasks: Task[] = [];
    let characters = 0;
    while (batch.length < batchTasks && characters < batchCharacters) {
      const [next] = waiting;
      if (!next || (isAlone(next.wish) && batch.length > 0)) break;
      waiting.shift();
      const task = textOf(next);
      if (!task) continue;
      batch.push(next);
      tasks.push(task);
      characters += lengthOf(task);
      if (isAlone(next.wish)) break;
    }
    return { batch, tasks };
  };

  const send = (): void => {
    isPlanned = false;
    if (dead || waiting.length === 0 || flights.length >= batchesAhead) return;
    const { batch, tasks } = take();
    if (batch.length > 0) {
      flights.push(batch);
      hand.write(tasks);
    }
    if (waiting.length > 0) plan();
  };

  /** Sends at the end of this turn of the loop, so that everything asked for in it goes together. */
  const plan = (): void => {
    if (isPlanned || flights.length >= batchesAhead) return;
    isPlanned = true;
    setImmediate(send);
  };

  const answer = (): void => {
    for (const { entry, outcome } of answered.splice(0, answersAtOnce)) settle(entry, outcome);
    if (answered.length > 0) setImmediate(answer);
  };

  const die = (why: string): void => {
    if (dead || isOver) return;
    dead = new FaultError(
      'store.unavailable',
      `The writer of the store "${data.path}" has ended (${why}): what it was writing may be stored or not. Close the store and open it again.`,
    );
    for (const entry of [...flights.splice(0).flat(), ...waiting.splice(0)]) settle(entry, undefined);
  };

  const written: Told['written'] = (outcomes) => {
    const batch = flights.shift() ?? [];
    if (waiting.length > 0) plan();
    const isAnswering = answered.length > 0;
    for (const [i, entry] of batch.entries()) answered.push({ entry, outcome: outcomes[i] });
    if (!isAnswering) answer();
  };
  const told = { written, died: die };
  const hand = data.durability === 'normal' ? openHere(data, told) : openThread(data, entry, told);

  const ask: Queue['ask'] = (wish) =>
    new Promise((resolve, reject) => {
      if (dead) return reject(dead);
      waiting.push({ wish, resolve, reject });
      plan();
    });

  return {
    ask,
    async close() {
      try {
        if (!dead) await ask({ type: 'close' });
      } finally {
        isOver = true;
        await hand.end();
      }
    },
  };
};
