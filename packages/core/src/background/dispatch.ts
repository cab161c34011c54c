/** Starts background units for calls. */
import { type JSONValue, messageOf } from '@troupe/protocol';
import type { Approval } from '../agent/approval.ts';
import { type Allowance, allowanceOf } from '../agent/limits.ts';
import type { ToolResult } from '../agent/outcome.ts';
import type { Dispatch, Tool } from '../define-tool.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { Settled } from '../runtime/options.ts';
import type { World } from '../runtime/world.ts';
import { ownProviderOf, unitAgent, unitIdOf } from './unit.ts';

/** The call that dispatches: the same key is the same unit. */
export type Dispatching = { key: string; callId: string; tool: Tool; input: JSONValue };

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
  async (run: LiveRun, { key, callId, tool, input }: Dispatching, dispatch: Dispatch): Promise<ToolResult> => {
    const { clock, store, quotas } = world;
    const runId = unitIdOf(tool.name, key);
    // Executed again after a restart, a call has its unit.
    const isThere = world.runs.has(runId) || leaving.has(runId) || (await store.get(runId)) !== undefined;
    if (isThere) return dispatch.answer({ runId });
    if (world.spawningPaused)
      return {
        error: 'Nothing was started in the background: spawning is paused. Try again later, or do this work yourself.',
      };
    const { capacity } = dispatch;
    const quota = capacity && `capacity:${capacity.key}`;
    if (capacity && quota && !quotas.take(quota, capacity.max, runId)) return { error: capacity.message };
    try {
      const unit = start(unitAgent(tool, run.tools.values(), ownProviderOf(run.agent)), input, {
        runId,
        rootId: runId,
        depth: run.depth,
        sessionKey: sessionOf(run),
        origin: { runId: run.runId, rootId: run.rootId, callId },
        made: { tool: tool.name, data: dispatch.data },
        ...(quota && { quota }),
        allowance: allowanceFor(run, dispatch, options, clock.now()),
        slot: 'free',
        ...(run.context && { approval: run.context.approval }),
      });
      await unit.writing;
      if (unit.broken) throw unit.broken.error;
      return dispatch.answer({ runId });
    } catch (error) {
      if (quota) quotas.settle(quota, runId, false);
      return { error: `Nothing was started in the background: ${messageOf(error)}` };
    }
  };

export type Unit = Pick<LiveRun, 'runId' | 'rootId' | 'depth'> &
  Required<Pick<LiveRun, 'sessionKey' | 'origin' | 'made'>> &
  Partial<Pick<LiveRun, 'quota'>> & { allowance: Allowance; slot: 'free'; approval?: Approval };
