/** How a program starts runs: once for each id, of agents that are told apart by their names. */
import { FaultError, isTerminal, type RunRow, type RunStore, redact } from '@troupe/protocol';
import type { AnyActorRef } from 'xstate';
import { allowanceOf } from '../agent/limits.ts';
import { checkAgent } from '../check-agent.ts';
import { type AnyAgent, isSameAgent } from '../define-agent.ts';
import { checkInput, type Job, jobDataOf } from '../job.ts';
import { isSame } from '../replay/same.ts';
import { checkRunId, isSameJob, type LiveRun, rowOf } from '../run/live-run.ts';
import type { Run } from '../run/run.ts';
import type { Sent } from '../session/open-session.ts';
import type { Engine } from './engine.ts';
import type { Handles } from './handles.ts';
import { makingOf } from './makers.ts';
import type { Settled } from './options.ts';
import type { StartOptions } from './runtime.ts';

export type Starts = {
  /**
   * @param parent The actor that it belongs to.
   * @param sent What it is told of its session.
   * @throws FaultError `agent.invalid`, `runtime.closed`, `agent.duplicate`, `run.exists`; when the job is wrong
   */
  start(agent: AnyAgent, job: Job, options: StartOptions, parent?: AnyActorRef, sent?: Sent): Run;
  /** A run that was started before by the same agent for the same job, wherever that was. @throws FaultError `run.exists` */
  find(agent: AnyAgent, job: Job, runId: string, signal?: AbortSignal): Promise<Run | undefined>;
  /** Makes an agent known: stored runs name theirs. @throws FaultError `agent.duplicate` */
  register(agent: AnyAgent): void;
};

/** Whether a run is of an agent: of those that were made, whether it was made of the same. */
const isOf = ({ agent: name, made }: RunRow, agent: AnyAgent): boolean => {
  const making = redact(makingOf(agent));
  const its = made && 'maker' in made ? made : undefined;
  return name === agent.name && (making === its || isSame(making, its));
};

export const openStarts = ({
  options,
  agents,
  engine,
  handles,
  isClosing,
  registered,
}: {
  options: Settled;
  agents: Map<string, AnyAgent>;
  engine: Engine;
  handles: Handles;
  isClosing(): boolean;
  /** An agent is known that was not. */
  registered(): void;
}): Starts => {
  const { clock, store } = options;
  const { desk } = engine;

  /** @param ended Calls back once nobody is to be interrupted any more. */
  const listen = (signal: AbortSignal, interrupt: (reason: string) => void, ended: (off: () => void) => void): void => {
    const heard = () => interrupt(signal.reason instanceof Error ? signal.reason.message : String(signal.reason));
    if (signal.aborted) return heard();
    signal.addEventListener('abort', heard);
    ended(() => signal.removeEventListener('abort', heard));
  };
  const obey = (run: LiveRun, signal: AbortSignal): void =>
    listen(
      signal,
      (reason) => run.actor?.send({ type: 'interrupt', reason }),
      (off) => void desk.next(run, isTerminal, off).catch(off),
    );
  /** The same of one that was there before, here or elsewhere. */
  const obeyThere = (run: Run, signal: AbortSignal): void =>
    listen(
      signal,
      (reason) => void run.interrupt(reason).catch(() => {}),
      (off) => void run.ended.then(off, off),
    );

  const register: Starts['register'] = (agent) => {
    // What is made of data is made again of data, whatever it is called.
    if (makingOf(agent)) return;
    const known = agents.get(agent.name);
    if (known && !isSameAgent(known, agent))
      throw new FaultError(
        'agent.duplicate',
        `Another agent is named "${agent.name}" in this runtime. Stored runs name their agent: rename one of the two.`,
      );
    if (known === agent) return;
    agents.set(agent.name, agent);
    registered();
  };

  /** The row of a run, where it is known at once. */
  const rowOfRun = (runId: string): ReturnType<RunStore['get']> => {
    const live = engine.here.find(runId);
    return live ? rowOf(live) : store.get(runId);
  };
  const checkSame = (row: RunRow, agent: AnyAgent, job: Job): void => {
    const { runId } = row;
    if (!isOf(row, agent) || !isSameJob(row.job, jobDataOf(job, `agent "${agent.name}"`)))
      throw new FaultError(
        'run.exists',
        `Run "${runId}" exists, of agent "${row.agent}" with another job. Use a new id, or attach to it.`,
        { runId },
      );
    register(agent);
    if (!engine.here.find(runId)) void handles.awake(runId);
  };
  const existing = (agent: AnyAgent, job: Job, runId: string): Run | null => {
    const row = rowOfRun(runId);
    if (!row || row instanceof Promise) return null;
    checkSame(row, agent, job);
    return handles.at(runId);
  };

  return {
    register,
    async find(agent, job, runId, signal) {
      const row = await rowOfRun(runId);
      if (!row) return undefined;
      checkSame(row, agent, job);
      const there = await handles.attach(runId);
      if (signal) obeyThere(there, signal);
      return there;
    },
    start(agent, job, { runId, sessionKey, signal }, parent, sent) {
      checkAgent(agent, 'A runtime');
      if (isClosing())
        throw new FaultError('runtime.closed', `Agent "${agent.name}" was not started: the runtime is closed.`);
      checkInput(job, `agent "${agent.name}"`);
      if (runId !== undefined) {
        const there = existing(agent, job, runId);
        if (there && signal) obeyThere(there, signal);
        if (there) return there;
      }
      const id = runId ?? options.ids.next('run');
      checkRunId(id);
      register(agent);
      const budgets = [options.budget, agent.budget, typeof job === 'string' ? undefined : job.budget];
      const { made, ...inSession } = sent ?? {};
      const live = engine.bringToLife(agent, job, {
        runId: id,
        rootId: id,
        depth: 0,
        allowance: allowanceOf({}, budgets, clock.now()),
        slot: 'free',
        ...inSession,
        ...(sessionKey !== undefined && { sessionKey }),
        ...(parent && { parent }),
      });
      made?.(live);
      if (signal) obey(live, signal);
      return handles.of(live);
    },
  };
};
