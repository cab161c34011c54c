/**
 * L5: a run that did not complete is never presented to its parent as success: `child.settled` says what the child's terminal
 * event says, and the data of the call that started it says so, too.
 *
 * A child that waits for a person may settle as `paused`: its parent then went on without it. Where a call asked for another child
 * after one had ended without success, what it tells without naming runs may be of that one; each makes up for one at most.
 */
import type { EventOf, JSONValue } from '@troupe/protocol';
import { at, type Log, type Placed, type RunLog, statusOf, type Violation } from './log.ts';

type Requested = EventOf<'child.requested'>;
type Settled = EventOf<'child.settled'>;
type Answered = EventOf<'call.completed' | 'call.failed'>;

export const honestReports = (log: Log): Violation[] => [...log.runs.values()].flatMap((run) => reportsOf(run, log));

const reportsOf = ({ events }: RunLog, { runs }: Log): Violation[] => {
  /** Children of the turn's calls that did not complete, by the id of their call; and those that no other child makes up for. */
  const unfinished = new Map<string, Settled[]>();
  const unreplaced = new Map<string, Settled[]>();
  const replaced = new Set<Settled>();
  let answered = 0;
  return events.flatMap((placed) => {
    const { event, place } = placed;
    if (event.type === 'turn.completed') {
      unfinished.clear();
      unreplaced.clear();
      answered = 0;
    }
    if (event.type === 'child.requested') {
      const before = unreplaced.get(callOf(event))?.shift();
      if (before) replaced.add(before);
      return [];
    }
    if (event.type === 'child.settled') {
      if (event.status !== 'completed') {
        add(unfinished, event.callId, event);
        add(unreplaced, callOf(event), event);
      }
      return disagreement({ event, place }, runs.get(event.childId));
    }
    if (event.type !== 'call.completed' && event.type !== 'call.failed') return [];
    const index = answered++;
    const its = unfinished.get(event.callId)?.filter((child) => mayBeOf(child, index));
    return embellished(event, its ?? [], replaced);
  });
};

const add = (lists: Map<string, Settled[]>, key: string, child: Settled): void => {
  const list = lists.get(key);
  if (list) list.push(child);
  else lists.set(key, [child]);
};

/** Which call of its turn a child is of, where its id names one. Calls may share an id. */
const indexOf = ({ runId, childId }: Settled | Requested): number | undefined => {
  const place = /^\/\d+-(\d+)\/\d+$/.exec(childId.slice(runId.length));
  return place ? Number(place[1]) : undefined;
};
const mayBeOf = (child: Settled, index: number): boolean => (indexOf(child) ?? index) === index;
const callOf = (child: Settled | Requested): string => JSON.stringify([child.callId, indexOf(child) ?? null]);

const disagreement = ({ event, place }: Placed<Settled>, child: RunLog | undefined): Violation[] => {
  if (!child) return [];
  const { childId, status, exitReason } = event;
  // It left as it was then: what became of it afterwards is its own.
  if (status === 'paused' && (child.detachedAt ?? Number.POSITIVE_INFINITY) < place) return [];
  const told = `child "${childId}" is told as ${status} (${exitReason})`;
  const end = child.terminal && child.terminal.place < place ? child.terminal.event : undefined;
  if (!end) return status === 'paused' ? [] : [at('L5', event, `${told}, but it has not ended.`)];
  const reason = end.type === 'run.completed' ? 'answered' : end.exitReason;
  if (status === statusOf(end) && exitReason === reason) return [];
  return [at('L5', event, `${told}, but it ended with ${end.type} (${reason}).`)];
};

const embellished = (answer: Answered, unfinished: readonly Settled[], replaced: ReadonlySet<Settled>): Violation[] => {
  const left = unfinished.find((child) => !replaced.has(child));
  if (unfinished.length === 0 || answer.data === undefined) return [];
  return successesIn(answer.data).flatMap((about) => {
    const child = unfinished.find(({ childId }) => about === childId) ?? (about === null ? left : undefined);
    if (!child) return [];
    const { childId, status, exitReason } = child;
    return [
      at('L5', answer, `${answer.type} presents child "${childId}" as completed, but it is ${status} (${exitReason}).`),
    ];
  });
};

/** The runs that a call's data says are completed; `null` stands for one that it does not name. */
const successesIn = (data: JSONValue, top = true): (string | null)[] => {
  if (typeof data !== 'object' || data === null) return [];
  if (Array.isArray(data)) return data.flatMap((item) => successesIn(item, false));
  const named = data.run_id ?? data.runId ?? data.childId;
  const below = Object.values(data).flatMap((value) => successesIn(value, false));
  if (data.status !== 'completed') return below;
  return typeof named === 'string' ? [named, ...below] : top ? [null, ...below] : below;
};
