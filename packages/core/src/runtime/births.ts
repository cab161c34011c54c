/** How runs come to life: new ones, those of a store, and those that others execute. */
import type { Clock } from '@troupe/protocol';
import { type ActorOptions, type AnyActorLogic, type AnyActorRef, createActor } from 'xstate';
import type { UnknownOutcome } from '../agent/context.ts';
import { itemsOf } from '../agent/rows.ts';
import type { AnyAgent } from '../define-agent.ts';
import type { Job } from '../job.ts';
import type { Away } from '../placement/away.ts';
import { contextIn, snapshotFrom } from '../run/checkpoint.ts';
import { giveLetters, type LiveRun } from '../run/live-run.ts';
import type { FoundRun } from './found-run.ts';
import type { Here } from './here.ts';
import { type About, makeRun } from './make-run.ts';
import type { Settled } from './options.ts';
import { hearAt } from './steps.ts';

export type Births = {
  /** Makes a run and starts its actor. @throws FaultError when the job is wrong */
  bringToLife(agent: AnyAgent, job: Job, about: About & { parent?: AnyActorRef }): LiveRun;
  /** Makes a child and leaves it to whoever serves its queue. */
  sendAway(
    parent: LiveRun,
    agent: AnyAgent,
    job: Job,
    about: About & { parent: AnyActorRef },
    queue: string,
  ): { child: LiveRun; actor: AnyActorRef };
  /** Starts the actor of a stored run where its checkpoint left it, and those of its children below it. */
  bringBack(run: FoundRun, parent?: AnyActorRef): LiveRun;
};

/** What becomes of calls that were executing: what may run again runs again. */
const unknownOutcomes = (
  { checkpoint, tools }: FoundRun,
  unknownOutcome: UnknownOutcome,
): Record<number, UnknownOutcome> => {
  const unknown: Record<number, UnknownOutcome> = {};
  itemsOf(contextIn(checkpoint).calls).forEach(({ phase, kind, ...call }, index) => {
    if (phase !== 'running') return;
    const tool = tools.get(call.tool);
    const isSafe = !tool || tool.idempotent || tool.settle || kind === 'handoff';
    unknown[index] = isSafe ? 'again' : unknownOutcome;
  });
  return unknown;
};

export const openBirths = ({
  options,
  clock,
  logic,
  inspector,
  here,
  away,
  entered,
}: {
  options: Pick<Settled, 'model' | 'remembers' | 'graceMs' | 'unknownOutcome'>;
  clock: Clock;
  /** What every run is an actor of. */
  logic: AnyActorLogic;
  inspector: Pick<ActorOptions<AnyActorLogic>, 'inspect'> | undefined;
  here: Here;
  away: Pick<Away, 'start'>;
  /** A run is among those that are here. */
  entered(): void;
}): Births => {
  const enlist = (run: LiveRun): void => {
    here.enter(run);
    entered();
    here.announce(run);
  };
  const startActor = (run: LiveRun, from: object, parent: AnyActorRef | undefined): AnyActorRef => {
    const actor = createActor(logic, {
      id: run.runId,
      ...from,
      ...(parent ? { parent } : { clock, ...inspector }),
    } as never) as AnyActorRef;
    run.actor = actor;
    actor.start();
    return actor;
  };

  return {
    bringToLife(agent, job, { parent, ...about }) {
      const { run, input, warnings } = makeRun(options, agent, job, about);
      enlist(run);
      hearAt(run, { type: 'xstate.init', input }, clock.now());
      const actor = startActor(run, { input }, parent);
      for (const warning of warnings) actor.send(warning);
      return run;
    },
    sendAway(parent, agent, job, { parent: crew, slot, ...about }, queue) {
      const { deadlineAt } = about.allowance.limits;
      const placed = { queue, ...(deadlineAt !== undefined && { deadlineAt }) };
      const { run, input, warnings } = makeRun(options, agent, job, { ...about, placed, slot: 'wanted' });
      if (parent.broken) Object.assign(run, { broken: parent.broken, suspended: parent.suspended });
      return { child: run, actor: away.start(parent, run, { input, warnings, slot }, crew) };
    },
    bringBack(run, parent) {
      const { turn, mail } = contextIn(run.checkpoint);
      giveLetters(run, mail);
      enlist(run);
      run.restoredTurn = turn;
      run.graceUntil = run.checkpoint.graceUntil as number | undefined;
      const actor = startActor(run, { snapshot: snapshotFrom(run.checkpoint) }, parent);
      if (actor.getSnapshot().status !== 'active') return run;
      for (const warning of run.warnings) actor.send({ type: 'warning', ...warning });
      const unknown = unknownOutcomes(run, options.unknownOutcome);
      actor.send({ type: 'recovered', unknown, ...(run.lost && { lost: run.lost }) });
      return run;
    },
  };
};
