import { type Budget, callKeyOfChild, messageOf, redact, type ToolSpec } from '@troupe/protocol';
import { admit, type Limits, leftOf } from '../agent/limits.ts';
import { isUnit } from '../background/unit.ts';
import type { RunView, Tool } from '../define-tool.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { World } from '../runtime/world.ts';
import { lateProperties } from './late.ts';

const withoutDeadline = (all: Limits): Budget => {
  const { deadlineAt: _, ...limits } = all;
  return limits;
};

const leftIn = (run: LiveRun, now: number): Budget => {
  const context = run.context;
  if (!context) return {};
  const { limits } = context.allowance;
  const left: Budget = {};
  for (const kind of ['tokens', 'costUsd', 'descendants'] as const)
    if (limits[kind] !== undefined) left[kind] = Math.max(0, leftOf(context, kind));
  for (const kind of ['turns', 'toolCalls', 'children'] as const)
    if (limits[kind] !== undefined) left[kind] = Math.max(0, limits[kind] - context[kind]);
  if (limits.deadlineAt !== undefined) left.deadlineMs = Math.max(0, limits.deadlineAt - now);
  return left;
};

/**
 * Whether a run may start nothing now: the runtime says so, or somebody has said so to it or to a run above it. Those are found by its
 * id: a run that was let go may outlast the one that started it.
 */
export const isSpawningHeld = (runId: string, world: Pick<World, 'spawningPaused' | 'runs'>): boolean => {
  if (world.spawningPaused || world.runs.get(runId)?.context?.spawningPaused) return true;
  return runId.includes('/') && isSpawningHeld(callKeyOfChild(callKeyOfChild(runId)), world);
};

type Seer = Pick<World, 'spawningPaused' | 'runs' | 'clock' | 'defaultModel'>;

const asOfNow = lateProperties<
  { run: LiveRun; world: Seer },
  Pick<RunView, 'tools' | 'budget' | 'spawningPaused' | 'maySpawn'>
>({
  tools: ({ run }) => [...run.tools.keys()],
  budget: ({ run, world }) => ({
    granted: run.context ? withoutDeadline(run.context.allowance.limits) : {},
    left: leftIn(run, world.clock.now()),
  }),
  spawningPaused: ({ run, world }) => isSpawningHeld(run.runId, world),
  maySpawn: ({ run, world }) => {
    const least = { agent: '', depth: run.depth + 1, tools: 0, shares: 1 };
    return !isSpawningHeld(run.runId, world) && !(run.context && 'refusal' in admit(run.context, least));
  },
});

/** What a tool may know of a run, as of now. Worked out when it is read. */
export const viewOf = (run: LiveRun, world: Seer): RunView =>
  asOfNow(
    {
      runId: run.runId,
      rootId: run.rootId,
      agent: run.agent.name,
      model: run.model,
      ...(world.defaultModel !== undefined && { defaultModel: world.defaultModel }),
      ...(run.agent.settings && { settings: run.agent.settings }),
      ...(run.agent.compaction && { compaction: run.agent.compaction }),
      depth: run.depth,
      ...(isUnit(run) && run.made && { unit: { data: run.unitData ?? run.made.data } }),
      ...(run.sessionKey !== undefined && { sessionKey: run.sessionKey }),
    },
    { run, world },
  );

/** What a tool may know of a run: most want to know nothing, and it is made for those that do. */
export type View = () => RunView;

/** The same view, whoever asks for it. */
export const oneView = (run: LiveRun, world: Seer): View => {
  let made: RunView | undefined;
  return () => {
    made ??= viewOf(run, world);
    return made;
  };
};

/** Why a tool may not be called now; `undefined` when it may. */
export const refusalOf = (tool: Tool, view: View): string | undefined => {
  const unavailable = `Tool "${tool.name}" is not available to this run`;
  try {
    const offered = tool.offered?.(view()) ?? true;
    return offered === true ? undefined : offered || `${unavailable}.`;
  } catch (error) {
    return `${unavailable}, for it cannot say whether it is: ${redact(messageOf(error))}`;
  }
};

export const describe = ({ description }: Tool, view: View): string =>
  typeof description === 'function' ? description(view()) : description;

const fixed = new WeakMap<ReadonlyMap<string, Tool>, ToolSpec[]>();
const isFixed = (tool: Tool): boolean => tool.offered === undefined && typeof tool.description === 'string';

/** What the model is told of the tools of a run. Worked out once where no tool depends on the moment. */
export const specsOf = (run: LiveRun, world: Seer): ToolSpec[] => {
  const known = fixed.get(run.tools);
  if (known) return known;
  const view = oneView(run, world);
  const tools = [...run.tools.values()];
  const specs = tools
    .filter((tool) => refusalOf(tool, view) === undefined)
    .map((tool) => ({ name: tool.name, description: describe(tool, view), inputSchema: tool.inputJSONSchema }));
  if (tools.every(isFixed)) fixed.set(run.tools, specs);
  return specs;
};
