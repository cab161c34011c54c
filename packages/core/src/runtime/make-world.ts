/** What the actors of a runtime reach, put together. */
import { FaultError, isEnded, type Question, type Report, toJSON } from '@troupe/protocol';
import { openQuestions } from '../agent/calls.ts';
import { itemAt, itemsOf } from '../agent/rows.ts';
import type { Underway } from '../background/underway.ts';
import { type AnyAgent, checkBudget } from '../define-agent.ts';
import { jobDataOf } from '../job.ts';
import type { Away } from '../placement/away.ts';
import { queueBy } from '../placement/queue-by.ts';
import { keepResult, type LiveRun, offspringOf, reportOf, takeSpawn } from '../run/live-run.ts';
import type { Run } from '../run/run.ts';
import type { Births } from './births.ts';
import { outputOf, toolsOf } from './definition-of.ts';
import type { Desk } from './desk.ts';
import { endFrom, type FoundRun, lostChild } from './found-run.ts';
import type { Here } from './here.ts';
import { findProvider, priceBy, type Settled } from './options.ts';
import type { Recorder } from './recorder.ts';
import { openRunsBelow } from './runs-below.ts';
import type { Quotas, World } from './world.ts';

export const makeWorld = ({
  options,
  here: { runs, leave },
  desk,
  recorder,
  quotas,
  away,
  underway,
  found,
  births,
  report,
  handleOf,
  attach,
  isKnown,
  dispatch,
}: {
  options: Settled;
  here: Here;
  desk: Desk;
  recorder: Recorder;
  quotas: Quotas;
  away: Away;
  underway: Underway;
  /** Runs that were found in the store, until they are brought back. */
  found: Map<string, FoundRun>;
  /** There once there is a world. */
  births(): Births;
  report(run: LiveRun): Report;
  handleOf(run: LiveRun): Run;
  attach(runId: string): Promise<Run>;
  /** Whether other processes that run the same program find an agent again, or can make it. */
  isKnown(agent: AnyAgent, made: LiveRun['made']): boolean;
  dispatch: World['dispatch'];
}): World => {
  const { clock, logger, store, ids } = options;
  const queueFor = queueBy(options, isKnown);

  /** What a run and those below it have just asked: in their contexts before it is told. */
  const askedBelow = ({ context }: LiveRun): Question[] => {
    if (!context) return [];
    const asking = itemsOf(context.calls).flatMap((call) =>
      itemsOf(call.children).filter(({ status }) => status === 'asking'),
    );
    const below = asking.flatMap(({ runId }) => {
      const child = runs.get(runId);
      return child ? askedBelow(child) : desk.questionsOf(runId);
    });
    return [...openQuestions(context), ...below].map(
      (asked) => desk.question(asked.id) ?? { ...asked, askedAt: clock.now() },
    );
  };

  return {
    clock,
    ids,
    logger,
    store,
    memory: options.memory,
    pricing: options.pricing,
    defaultModel: options.model,
    unknownPrice: options.unknownPrice,
    runs,
    quotas,
    spawningPaused: false,
    providerOf: (model, run) => findProvider(options, model, run.agent),
    priceOf: priceBy(options.pricing),
    tellLive: recorder.tellLive,
    prepare(run, childId, request, { accept, refuse } = {}) {
      const { agent, job, budget, data } = request;
      const jobData = jobDataOf(job, `"${agent.name}"`);
      outputOf(agent, job);
      checkBudget(budget ?? undefined, `the child "${agent.name}"`);
      offspringOf(run).spawns.set(childId, {
        ...(accept && { accept }),
        ...(refuse && { refuse }),
        request: data === undefined ? request : { ...request, data: toJSON(data) },
        job: jobData,
        tools: toolsOf(agent, job).tools,
      });
    },
    startChild(parent, { childId, allowance, slot, turn, index, mayLeave }, crew) {
      const pending = takeSpawn(parent, childId);
      if (!pending) throw new Error(`Child "${childId}" was admitted, but nobody asked for it.`);
      const { agent, job, quota, data } = pending.request;
      const call = parent.context?.turn === turn ? itemAt(parent.context.calls, index) : undefined;
      const about = {
        runId: childId,
        rootId: parent.rootId,
        parentId: parent.runId,
        depth: parent.depth + 1,
        allowance,
        slot,
        parent: crew,
        ...(mayLeave && { mayLeave }),
        ...(call && { callId: call.callId }),
        ...(parent.sessionKey !== undefined && { sessionKey: parent.sessionKey }),
        ...(parent.context?.approval && { approval: parent.context.approval }),
        ...(quota && { quota: quota.key }),
        ...(data !== undefined && call && { made: { tool: call.tool, data } }),
      };
      const queue = options.placement && queueFor(parent, agent, job, about.made);
      if (queue !== undefined) return births().sendAway(parent, agent, job, about, queue);
      const child = births().bringToLife(agent, job, about);
      return { child, actor: child.actor };
    },
    bringBackChild(parent, childId, crew) {
      const child = found.get(childId);
      found.delete(childId);
      if (child?.placed && !child.ended) return away.attach(parent, child, crew);
      if (child && !child.ended) return births().bringBack(child, crew).actor ?? null;
      const end = child ? endFrom(child) : lostChild(childId);
      if (child) keepResult(parent, child, report(child));
      parent.actor?.send({ type: 'child.settled', end });
      return null;
    },
    actorOf: (run, childId) => runs.get(childId)?.actor ?? run.away?.get(childId)?.envoy,
    handleOf,
    runsBelow: openRunsBelow(store, underway, attach),
    questionsOf: desk.questionsOf,
    reportPaused: (run) => reportOf(run, askedBelow(run), clock.now()),
    tellStray: away.tellStray,
    reviewStrays(run, runIds) {
      const ended = async (): Promise<string[]> => {
        const gone: string[] = [];
        for (const runId of runIds) if (isEnded((await store.get(runId))?.status ?? 'completed')) gone.push(runId);
        return gone;
      };
      void ended().then(
        (gone) => run.actor?.getSnapshot().status === 'active' && run.actor.send({ type: 'strays.gone', runIds: gone }),
        // Who is minded though it has ended does not hear anything.
        () => {},
      );
    },
    reportAway: (run, childId) => {
      const known = run.left?.get(childId)?.child;
      return known && { child: known, report: { ...report(known), status: 'paused' as const } };
    },
    detach(run) {
      run.detached = true;
      leave(run);
      if (run.quota) quotas.settle(run.quota, run.runId, false);
    },
    refusal: (message, details) => new FaultError('spawn.refused', message, { details }),
    dispatch,
  };
};
