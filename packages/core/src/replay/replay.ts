/**
 * Tells the machine of a stored run again what it heard, and nothing else: no model is asked, no tool runs, no time passes. What it
 * says is compared with what was stored, so a replay shows what happened or that this is not the machine that did it.
 */
import { FaultError, isTerminal, type ReadEntry, redact, type StoredEvent } from '@troupe/protocol';
import {
  type ActorSystem,
  type AnyTransitionDefinition,
  initialTransition,
  type SnapshotFrom,
  transition,
} from 'xstate';
import { type AgentMachine, agentMachine } from '../agent/agent-machine.ts';
import type { RunContext, RunInput, RunMachineEvent } from '../agent/context.ts';
import { closeRun } from '../agent/life.ts';
import type { Place } from '../run/checkpoint.ts';
import { unfoldHeard } from '../run/journal.ts';
import { takeOutbox } from '../run/recorded.ts';
import { isSaid } from './same.ts';

type Snapshot = SnapshotFrom<AgentMachine>;

/** One thing that a run heard, and what came of it. */
export type ReplayStep = {
  /** `xstate.init` with the run's input, then commands and facts; `run.recovered` and `run.closed` for its actor's beginnings and end. */
  heard: { readonly type: string; readonly [key: string]: unknown };
  /** When that was, in epoch milliseconds. */
  at: number;
  /** Where its machine was then: ask it `can`, `matches`, `getMeta`. */
  snapshot: Snapshot;
  /** The transitions that it took, in order, those without an event (`always`) too. */
  taken: readonly AnyTransitionDefinition[];
  /** What it said, as it is stored. */
  said: StoredEvent[];
  /** The last event of its tree that was stored with it, or before. */
  rootSeq: number;
};

/** A stored run, step by step. */
export type Replay = {
  runId: string;
  agent: string;
  /** When the run began, in epoch milliseconds: another one may have its id once it is forgotten. */
  createdAt: number;
  /** What it heard; of a replay that goes on after another, since then. */
  steps: readonly ReplayStep[];
  /** Where it is, or was when it ended. */
  snapshot: Snapshot;
  /** Where this replay ends: after `seq` events, and after so many things that the run heard since the last of them. */
  place: Place;
};

/** How a stored run is replayed. */
export type ReplayOptions = {
  /**
   * A replay of the same run, to go on from: only what was stored since is read and told to the machine, so a run that is followed
   * costs what it adds, whatever it has behind it.
   */
  after?: Replay;
};

type Closed = { how: 'done' | 'stopped' | 'error' };

const withRun = (snapshot: Snapshot, run: RunContext): Snapshot =>
  Object.assign(Object.create(Object.getPrototypeOf(snapshot) as object) as Snapshot, snapshot, { context: { run } });

/** XState makes an actor for each transition that it computes, and asks where it would begin: nobody looks at that. */
const nowhere = Object.freeze({ status: 'active', output: undefined, error: undefined, children: {} });

/** The machine, and who is told what it takes. */
const telling = (take: (transitions: readonly AnyTransitionDefinition[]) => void): AgentMachine => {
  const watched = <T>({ system }: { system: ActorSystem<never> }, step: () => T): T => {
    const watch = system.inspect((inspected) => {
      if (inspected.type === '@xstate.microstep') take(inspected._transitions);
    });
    try {
      return step();
    } finally {
      watch.unsubscribe();
    }
  };
  return Object.assign(Object.create(agentMachine) as AgentMachine, {
    getInitialSnapshot: (scope: never, input: never) =>
      input === undefined ? nowhere : watched(scope, () => agentMachine.getInitialSnapshot(scope, input)),
    transition: (snapshot: never, event: never, scope: never) =>
      watched(scope, () => agentMachine.transition(snapshot, event, scope)),
  });
};

/** Where a machine goes when it hears something. */
export const next = (
  snapshot: Snapshot | undefined,
  heard: ReplayStep['heard'],
  taken: AnyTransitionDefinition[] = [],
): Snapshot => {
  const machine = telling((some) => taken.push(...some));
  if (!snapshot) return initialTransition(machine, heard.input as RunInput)[0];
  if (heard.type === 'run.recovered') return snapshot;
  if (heard.type === 'run.closed') return withRun(snapshot, closeRun(snapshot.context.run, heard as unknown as Closed));
  return transition(machine, snapshot, heard as unknown as RunMachineEvent)[0];
};

/** What a run heard, whole: without references to its events. */
export type Heard = { seq: number; at: number; rootSeq: number; heard: ReplayStep['heard'] };
export const heardIn = (entries: readonly ReadEntry[], events: readonly StoredEvent[], from = 0): Heard[] =>
  entries.map((entry) => ({ ...entry, heard: unfoldHeard(entry.heard, (seq) => events[seq - 1 - from]) }));

/**
 * Steps through a run, or on from where a replay of it ended.
 *
 * @param events All of the run, or all since then, in order. @throws FaultError `replay.differs`
 */
export const stepsOf = function* (
  all: Iterable<Heard>,
  events: readonly StoredEvent[],
  after?: Replay,
): Generator<ReplayStep> {
  let snapshot = after?.snapshot;
  const from = after?.place.seq ?? 0;
  let place = from;
  for (const { seq, at, rootSeq, heard } of all) {
    const differs = (what: string): FaultError => {
      const { runId, agent } = after ?? events[0] ?? { runId: '', agent: '' };
      return new FaultError(
        'replay.differs',
        `Run "${runId}" of agent "${agent}" does not replay: at "${heard.type}", heard after event ${seq}, ${what}. Replay it with the version of this library that stored it.`,
        { runId },
      );
    };
    if (seq !== place) throw differs(`${place} events were said until then`);
    const taken: AnyTransitionDefinition[] = [];
    snapshot = next(snapshot, heard, taken);
    const said: StoredEvent[] = [];
    for (const draft of redact(takeOutbox(snapshot)?.events ?? [])) {
      const event = events[place - from];
      if (!event || !isSaid(draft, redact(event)))
        throw differs(
          `the machine says ${draft.type}, but the store has ${event?.type ?? 'nothing'} as event ${place + 1}`,
        );
      said.push(event);
      place += 1;
    }
    const last = events[place - from];
    if (last && isByActor(heard.type, last)) {
      said.push(last);
      place += 1;
    }
    yield { heard, at, snapshot, taken, said, rootSeq };
  }
};

/** Whether an event was said by whoever executes the run, not by its machine. */
const isByActor = (heard: string, event: StoredEvent): boolean =>
  (heard === 'run.recovered' && event.type === heard) || (heard === 'run.closed' && isTerminal(event));
