/** Starts background units for calls. */
import { type JSONValue, messageOf, toJSON } from '@troupe/protocol';
import { isSpawningHeld } from '../actors/view.ts';
import type { Approval } from '../agent/approval.ts';
import { type Allowance, allowanceOf } from '../agent/limits.ts';
import { asToolResult, type ToolResult } from '../agent/outcome.ts';
import { checkBudget } from '../define-agent.ts';
import type { Dispatch, Tool } from '../define-tool.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { Settled } from '../runtime/options.ts';
import type { World } from '../runtime/world.ts';
import { isUnit, ownProviderOf, toolIn, unitAgent, unitIdOf } from './unit.ts';

/** The call that dispatches: the same key is the same unit. */
export type Dispatching = {
  key: string;
  callId: string;
  tool: Tool;
  input: JSONValue;
  /** True once nobody waits for its answer. */
  isCancelled(): boolean;
};

/** The session that a run belongs to: without one, the conversation that its root is. */
export const sessionOf = ({ sessionKey, rootId }: Pick<LiveRun, 'sessionKey' | 'rootId'>): string =>
  sessionKey ?? rootId;

/**
 * What a unit may spend: its own two turns are nobody's limit, what is below it is bound by whatever the runtime and the dispatch say. Of
 * the run that dispatched it only what says how deep and how wide holds.
 */
const allowanceFor = (
  { context }: LiveRun,
  { budget }: Dispatch,
  { budget: most }: Settled,
  now: number,
): Allowance => {
  const { depth, toolsPerChild } = context?.allowance.ceilings ?? {};
  const inherited = { ...(depth !== undefined && { depth }), ...(toolsPerChild !== undefined && { toolsPerChild }) };
  const allowance = allowanceOf(inherited, [most, budget], now);
  const { turns: _turns, toolCalls: _calls, ...limits } = allowance.limits;
  return { ...allowance, limits, keep: 0 };
};

export const openDispatch =
  (
    options: Settled,
    {
      world,
      leaving,
      start,
    }: {
      world: World;
      leaving: ReadonlyMap<string, LiveRun>;
      start(agent: ReturnType<typeof unitAgent>, input: JSONValue, about: Unit): LiveRun;
    },
  ) =>
  async (run: LiveRun, call: Dispatching, dispatch: Dispatch): Promise<ToolResult> => {
    const { clock, store, quotas } = world;
    const { key, callId, tool } = call;
    if (isUnit(run))
      return {
        error: `"${tool.name}" is in the background already: where its view has a "unit", it does the work itself.`,
      };

    /** The unit of the call, if it has one: executed again after a restart, it has; else the id that is free for it. */
    const find = async (number = 0): Promise<{ runId: string; isThere: boolean }> => {
      const runId = unitIdOf(tool.name, number === 0 ? key : `${key}+${number}`, run.ledger.createdAt);
      const known = world.runs.get(runId) ?? leaving.get(runId) ?? (await store.get(runId));
      if (!known) return { runId, isThere: false };
      const { origin } = known;
      const createdAt = 'ledger' in known ? known.ledger.createdAt : known.createdAt;
      // One that is older is of a run that was forgotten and had its id.
      const isIts =
        origin?.runId === run.runId &&
        origin.callId === callId &&
        toolIn(known.made) === tool.name &&
        createdAt >= run.ledger.createdAt;
      return isIts ? { runId, isThere: true } : find(number + 1);
    };

    const begin = (runId: string): LiveRun | ToolResult => {
      if (isSpawningHeld(run.runId, world))
        return {
          error:
            'Nothing was started in the background: spawning is paused. Try again later, or do this work yourself.',
        };
      const { capacity } = dispatch;
      const quota = capacity && `capacity:${capacity.key}`;
      if (capacity && quota && !quotas.take(quota, capacity.max, runId)) return { error: capacity.message };
      try {
        checkBudget(dispatch.budget, `the unit of "${tool.name}"`);
        return start(unitAgent(tool, run.tools.values(), ownProviderOf(run.agent)), call.input, {
          runId,
          rootId: runId,
          depth: run.depth,
          sessionKey: sessionOf(run),
          origin: {
            runId: run.runId,
            rootId: run.rootId,
            callId,
            ...(dispatch.completions === 'each' && { each: true as const }),
          },
          made: { tool: tool.name, data: toJSON(dispatch.data) },
          ...(quota && { quota }),
          allowance: allowanceFor(run, dispatch, options, clock.now()),
          slot: 'free',
          ...(run.context && { approval: run.context.approval }),
        });
      } catch (error) {
        if (quota) quotas.settle(quota, runId, false);
        return failed(error);
      }
    };

    const { runId, isThere } = await find();
    if (isThere) return asToolResult(await dispatch.answer({ runId }));
    if (call.isCancelled()) return { error: 'Nothing was started in the background: the call was cancelled.' };
    const unit = begin(runId);
    if (!('actor' in unit)) return unit;
    await unit.writing;
    if (unit.broken) return failed(unit.broken.error);
    // Its call is told that it came to nothing, and so it does; a run that goes on elsewhere makes its call again, and finds it.
    if (call.isCancelled() && !run.suspended && !run.broken)
      unit.actor?.send({
        type: 'interrupt',
        reason: 'The call that asked for it was cancelled before it was answered.',
      });
    return asToolResult(await dispatch.answer({ runId }));
  };

const failed = (error: unknown): ToolResult => ({
  error: `Nothing was started in the background: ${messageOf(error)}`,
});

export type Unit = Pick<LiveRun, 'runId' | 'rootId' | 'depth'> &
  Required<Pick<LiveRun, 'sessionKey' | 'origin' | 'made'>> &
  Partial<Pick<LiveRun, 'quota'>> & { allowance: Allowance; slot: 'free'; approval?: Approval };
