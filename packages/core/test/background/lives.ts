/** A program that is killed and started again, at one store. */
import { memoryStore } from '@troupe/core';
import { isEnded, type RunEvent, type RunRow } from '@troupe/protocol';
import { type Death, mortalStore } from '@troupe/testing';
import { SimulatedClock } from 'xstate';
import { settle } from '../../../../test/support/open-runtime.ts';
import { openOffice } from './office.ts';

/** Lives of one program at one store, and what all of them stored. */
export const lives = (options: Parameters<typeof openOffice>[0] = {}) => {
  const clock = new SimulatedClock();
  const store = memoryStore({ now: () => clock.now() });
  const live = (death?: Death, more: Parameters<typeof openOffice>[0] = {}) => {
    const mortal = mortalStore({ ...store, lasting: true }, death);
    return { mortal, ...openOffice({ ...options, store: mortal.store, clock, life: true, ...more }) };
  };
  const stored = (): RunEvent[] => [...(store.events({}) as Iterable<RunEvent>)];
  const rows = (): RunRow[] => store.list({ limit: 1_000 }) as RunRow[];
  return { clock, store, live, stored, rows };
};

/** Plays until every run has ended, or the process is dead. */
export const play = async ({ clock, rows }: ReturnType<typeof lives>, mortal: { dead: boolean }): Promise<void> => {
  for (let round = 0; round < 100; round++) {
    await settle(10);
    if (mortal.dead || (rows().length > 0 && rows().every(({ status }) => isEnded(status)))) return;
    clock.increment(100);
  }
};
