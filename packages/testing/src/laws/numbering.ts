/**
 * L6, as far as a log shows it: `seq` is 1, 2, 3 … for each run and `rootSeq` for each tree, both in the order of the log,
 * and an id is made of run and `seq`. An event that could not be stored says so: it has no place in its tree, `rootSeq` 0. A live event carries the `seq` of a stored event that was told before it.
 */
import type { StoredEvent } from '@troupe/protocol';
import { at, isUnstored, type Log, type Violation } from './log.ts';

export const numbering = (log: Log): Violation[] => [
  ...log.stored.flatMap(idOf),
  ...counted(log, 'seq', ({ runId }) => runId),
  ...counted({ ...log, stored: log.stored.filter((event) => !isUnstored(event)) }, 'rootSeq', ({ rootId }) => rootId),
  ...early(log),
];

const idOf = (event: StoredEvent): Violation[] => {
  const expected = `${event.runId}:${event.seq}`;
  return event.id === expected ? [] : [at('L6', event, `event "${event.id}" should have the id "${expected}".`)];
};

/** One violation for each gap or step back: what follows is held against what was found. */
const counted = ({ stored }: Log, key: 'seq' | 'rootSeq', group: (event: StoredEvent) => string): Violation[] => {
  const last = new Map<string, number>();
  return stored.flatMap((event) => {
    const expected = (last.get(group(event)) ?? 0) + 1;
    last.set(group(event), event[key]);
    return event[key] === expected
      ? []
      : [at('L6', event, `${event.type} has ${key} ${event[key]}, but ${expected} is next.`)];
  });
};

const early = ({ live, stored }: Log): Violation[] => {
  const last = new Map<string, number>();
  let told = 0;
  return live.flatMap(({ event: { runId, type, seq }, after }) => {
    for (; told < after; told++) {
      const event = stored[told];
      if (event) last.set(event.runId, Math.max(event.seq, last.get(event.runId) ?? 0));
    }
    const newest = last.get(runId) ?? 0;
    if (seq <= newest) return [];
    return [
      { law: 'L6', runId, message: `Run "${runId}": ${type} stands after seq ${seq}, but only ${newest} were told.` },
    ];
  });
};
