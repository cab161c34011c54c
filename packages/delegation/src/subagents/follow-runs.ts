/** What the manager hears of the runs of its sub-agents: when they begin, and what they come to. */
import type { Runtime } from '@troupe/core';
import { isFaultError, isLive, isTerminal, type StoredEvent } from '@troupe/protocol';
import type { ActorRefFrom } from 'xstate';
import { callIn } from './collecting-call.ts';
import type { OpenRuns } from './manager-effects.ts';
import type { managerMachine } from './manager-machine.ts';
import { idsUnder, memberOf, memberOfSession, membersUnder, under } from './members.ts';
import { isUnit, resultOfEnd } from './result-of-run.ts';

export const followRuns = ({
  runtime,
  actor,
  runs,
  known,
  opening,
  closed,
}: {
  runtime: Runtime;
  actor: ActorRefFrom<typeof managerMachine>;
  runs: OpenRuns;
  /** Runs whose ends were read while it opened. */
  known: Set<string>;
  opening: Promise<void>;
  /** The runtime was closed. */
  closed(): void;
}): void => {
  /** Units that have not ended, with the sub-agent whose session they are of. */
  const units = new Map<string, string>();
  const over = (runId: string): void => {
    const agentId = units.get(runId);
    if (agentId === undefined) return;
    units.delete(runId);
    if (actor.getSnapshot().status === 'active') actor.send({ type: 'unit.ended', agentId, runId });
  };
  /** A unit that is executed elsewhere, or by nobody yet: its end is not told here by itself. */
  const awaitEnd = async (runId: string): Promise<void> => {
    try {
      await (await runtime.attach(runId)).ended;
    } catch (error) {
      // Where it is not there any more, or cannot be asked about, its sub-agent is doubtful.
      if (isFaultError(error) && error.code === 'runtime.closed') return;
    }
    over(runId);
  };

  const early: StoredEvent[] = [];
  /** A run whose calls have collected results goes on, or has ended. Of one that has ended nobody waits for results any more. */
  const hearCollector = (event: StoredEvent): void => {
    const isTurn = event.type === 'turn.started';
    if (event.rootSeq === 0 || (!isTurn && !isTerminal(event))) return;
    const { waiters } = actor.getSnapshot().context;
    for (const { id, isCall, by = '' } of isTurn ? [] : waiters)
      if (isCall && callIn(by)?.runId === event.runId) actor.send({ type: 'leave', requestId: id });
    if (idsUnder(actor.getSnapshot().context, under.collecting(event.runId)).size === 0) return;
    actor.send({ type: 'collector.moved', runId: event.runId, turn: isTurn ? event.turn : null });
  };
  const hear = (event: StoredEvent): void => {
    hearCollector(event);
    if (event.runId !== event.rootId) return;
    // Told, but not stored: it never began, or goes on when it is brought back.
    if (event.rootSeq === 0) {
      if (isTerminal(event) && units.has(event.runId)) void awaitEnd(event.runId);
      return;
    }
    const roster = actor.getSnapshot().context;
    if (event.type === 'run.started') {
      const agentId = runs.get(event.runId)?.agentId ?? memberOfSession(roster, event.sessionKey)?.record.agentId;
      if (agentId === undefined) return;
      // What a call of it does in the background is none of its runs.
      if (isUnit(event)) {
        units.set(event.runId, agentId);
        actor.send({ type: 'unit.began', agentId, runId: event.runId });
        return;
      }
      if (event.depth !== 0) return;
      runs.set(event.runId, { agentId, model: event.model, startedAt: event.at });
      actor.send({ type: 'run.began', agentId, runId: event.runId, model: event.model, at: event.at });
    } else if (isTerminal(event)) {
      if (units.has(event.runId)) return over(event.runId);
      const run = runs.get(event.runId);
      const member = run && memberOf(roster, run.agentId);
      runs.delete(event.runId);
      if (member) actor.send({ type: 'run.ended', result: resultOfEnd(member.record, event, run), at: event.at });
    }
  };
  const following = runtime.events$.subscribe({
    next: (event) => {
      if (isLive(event)) return;
      // What is read when it is opened may be older than what is told meanwhile.
      if (early.length > 0 || actor.getSnapshot().matches('opening')) early.push(event);
      else hear(event);
    },
    complete: closed,
  });
  void opening.then(
    () => {
      const found = membersUnder(actor.getSnapshot().context, under.restless);
      for (const { record, units: its = [] } of found) for (const runId of its) units.set(runId, record.agentId);
      const before = [...units.keys()];
      for (const event of early.splice(0)) (known.has(event.runId) ? hearCollector : hear)(event);
      known.clear();
      for (const runId of before) if (units.has(runId)) void awaitEnd(runId);
    },
    () => following.unsubscribe(),
  );
};
