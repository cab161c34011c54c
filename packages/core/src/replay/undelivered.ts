/**
 * What children that others execute and the runs above them had said to each other at a cut, and not heard: it stands in messages, which
 * are of the tree that was cut. Both sides say where they stand; what one of them must have said since is said again. The
 * interrupt of a whole tree is not among it: a run that is being interrupted says so again when it is brought back.
 */
import { type JournalEntry, type Mail, type ReadEntry, type Report, redact, type StoredEvent } from '@troupe/protocol';
import type { SnapshotFrom } from 'xstate';
import type { AgentMachine } from '../agent/agent-machine.ts';
import { openQuestions } from '../agent/calls.ts';
import { locate } from '../agent/children.ts';
import { endOf } from '../agent/life.ts';
import type { News, Order } from '../placement/messages.ts';
import { enter, openLedger } from '../run/ledger.ts';
import type { LiveRun } from '../run/live-run.ts';
import { endFrom } from '../runtime/found-run.ts';
import { untilLetGo } from '../runtime/stored-run.ts';

/** A run at the cut. */
type Stands = {
  run: LiveRun;
  snapshot: SnapshotFrom<AgentMachine>;
  journal: readonly (JournalEntry | ReadEntry)[];
  events: readonly StoredEvent[];
};
type Said = { news: News[]; orders: Order[] };

const nothing: Said = { news: [], orders: [] };

/** What one that has ended has said last. */
const lastOf = ({ run, snapshot }: Stands): News => {
  const { status, exitReason = 'error' } = run.ledger;
  return { type: 'child.settled', end: endOf(snapshot.context.run, status as Report['status'], exitReason) };
};

/** What one that was let go has said as it left: what it has used since is its own. */
const leftOf = ({ run: { runId }, events }: Stands): News => {
  const ledger = openLedger();
  for (const event of untilLetGo(events)) enter(ledger, event);
  return { type: 'child.left', end: { ...endFrom({ runId, ledger }), status: 'paused', exitReason: 'question' } };
};

/** When a run was held last, as a moment of its tree. */
const heldAt = ({ journal }: Stands): number => {
  const last = journal.findLast(({ heard }) => heard.type === 'pause');
  return last && 'rootSeq' in last ? last.rootSeq : 0;
};
const bornAt = ({ journal: [first] }: Stands): number => (first && 'rootSeq' in first ? first.rootSeq : 0);

const isHeld = ({ snapshot }: Stands): boolean => snapshot.matches({ paused: 'command' });

const saidBetween = (parent: Stands, child: Stands): Said => {
  const above = parent.snapshot.context.run;
  const own = child.snapshot.context.run;
  const { runId: childId } = own;
  const place = locate(above, childId);
  if (!place || place.child.status === 'ended') return nothing;
  const known = place.child;
  const said: Said = { news: [], orders: [] };
  const asks = child.snapshot.matches({ paused: 'question' });
  if (own.detached) {
    said.news.push(leftOf(child));
    return said;
  }
  if (!asks && known.status === 'asking') said.news.push({ type: 'child.resumed', childId });
  if (child.run.ended) {
    said.news.push(lastOf(child));
    return said;
  }
  const isCounted = above.allowance.limits.concurrency !== undefined;
  if (own.slot === 'released' && known.slot === 'held') said.news.push({ type: 'slot.released', childId });
  if (own.slot === 'wanted' && known.slot === 'held') said.orders.push({ type: 'slot.granted' });
  if (own.slot === 'wanted' && known.slot === 'none')
    if (isCounted) said.news.push({ type: 'slot.wanted', childId });
    else said.orders.push({ type: 'slot.granted', free: true });
  const questionIds = openQuestions(own).map(({ id }) => id);
  if (asks && known.status === 'live')
    said.news.push({ type: 'child.paused', end: endOf(own, 'paused', 'question'), questionIds });
  const since = Math.max(bornAt(child), heldAt(parent));
  /** Whether the run above has heard it since, and the child has not: whoever was held or let go on by itself stays so. */
  const isOnItsWay = (type: 'pause' | 'resume'): boolean => {
    const [above, below] = [parent, child].map(
      ({ journal }) =>
        journal.filter((entry) => entry.heard.type === type && 'rootSeq' in entry && entry.rootSeq >= since).length,
    );
    return (below ?? 0) < (above ?? 0);
  };
  const isNew = heldAt(parent) < bornAt(child);
  if (isHeld(parent) && !isHeld(child) && (isNew || isOnItsWay('pause'))) said.orders.push({ type: 'pause' });
  if (isHeld(child) && !isHeld(parent) && isOnItsWay('resume')) said.orders.push({ type: 'resume' });
  if (place.call.outcome?.timedOut && !own.end)
    said.orders.push({ type: 'interrupt', reason: place.call.outcome.result, exitReason: 'parent_interrupted' });
  return said;
};

/** Messages that a fork begins with, by the run that leaves them. */
export const undelivered = (all: readonly Stands[], at: number): ReadonlyMap<string, Mail[]> => {
  const left = new Map<string, Mail[]>();
  const leave = (by: string, id: string, runId: string, message: News | Order): void => {
    left.set(by, [...(left.get(by) ?? []), { id, runId, at, message: redact(message) }]);
  };
  const byId = new Map(all.map((each) => [each.run.runId, each]));
  for (const child of all) {
    const { runId, parentId = '', placed } = child.run;
    const parent = placed && byId.get(parentId);
    if (!parent || parent.run.ended) continue;
    const { news, orders } = saidBetween(parent, child);
    for (const [n, message] of news.entries()) leave(runId, `${runId}#said ${n}`, parent.run.runId, message);
    for (const [n, message] of orders.entries()) leave(parent.run.runId, `${runId}#told ${n}`, runId, message);
  }
  return left;
};
