import {
  type ChildRequest,
  defineTool,
  dispatched,
  type RunView,
  type SettleContext,
  type Spawned,
  spawned,
  type Tool,
  type ToolContext,
} from '@troupe/core';
import { type Budget, childIdOf, type JSONValue, messageOf, redact, toJSON } from '@troupe/protocol';
import { type FileRegistry, processFiles } from '../files/file-registry.ts';
import { attemptsIn, fallbacksIn, firstOf } from './attempts.ts';
import { type ChildPlan, type DelegationPlan, inFolder, makeChild, planChild } from './child-plan.ts';
import { modelFor, providerFor } from './child-route.ts';
import { childCompletionText, completionOf, completionText, lastCompletionText } from './completion.ts';
import { delegateSchema, tasksIn } from './delegate-input.ts';
import { type DelegateOptions, type DelegatePolicy, delegatePolicyOf } from './delegate-options.ts';
import { delegateResultOf, toolResultOf } from './delegation-result.ts';
import { describeDelegation, isBackground } from './describe-delegation.ts';
import { delegating, ungrantedTexts } from './tool-access.ts';
import { giveWorkspaces, handWorkspaceOn, takeWorkspacesBack } from './workspace.ts';

/** Why a run may not delegate now; `true` when it may. */
const mayDelegate = (policy: DelegatePolicy, view: RunView): true | string => {
  const { maxSpawnDepth } = policy;
  if (view.unit) return true;
  if (view.spawningPaused)
    return 'Delegation spawning is paused. Running children are not touched. Try again later, or do this work yourself.';
  if (view.depth >= maxSpawnDepth)
    return `Delegation depth limit reached (depth=${view.depth}, max_spawn_depth=${maxSpawnDepth}). Do this work yourself.`;
  if (view.maySpawn || isBackground(policy, view)) return true;
  return 'Nothing can be delegated: the budget of this run leaves nothing for children. Finish with what is there.';
};

/** What binds each child. */
const budgetOf = ({ maxIterations, maxToolCalls, timeoutMs, idleTimeoutMs, budget }: DelegatePolicy): Budget => ({
  turns: maxIterations,
  toolCalls: maxToolCalls,
  ...(timeoutMs !== undefined && { deadlineMs: timeoutMs }),
  ...(idleTimeoutMs !== undefined && { idleMs: idleTimeoutMs }),
  ...budget,
});

/** What the model is told of work that has only begun: nothing that could pass for a result. */
const dispatchData = (
  { children, warnings }: DelegationPlan,
  delegationId: string,
  { completions }: DelegatePolicy,
): JSONValue => ({
  status: 'dispatched',
  mode: 'background',
  count: children.length,
  delegation_id: delegationId,
  goals: children.map(({ goal }) => goal),
  ...(warnings.length > 0 && { warnings }),
  note: `This is NOT a result: the work has only begun. Results come to this conversation by themselves, once, when ${completions === 'each' ? 'each task' : 'every task of this delegation'} has ended. Go on with something else or end your turn; do not wait, do not delegate the same again, and do not make results up.`,
});

const plan = (
  input: unknown,
  { view, tools }: Pick<ToolContext, 'view' | 'tools'>,
  policy: DelegatePolicy,
): DelegationPlan | { error: string } => {
  const about = modelFor(policy, { model: view.model, settings: view.settings });
  if ('error' in about) return about;
  const found = tasksIn(input, policy);
  if ('error' in found) return found;
  const { tasks, isBatch } = found;
  const parent = { self: policy.name, view, tools, model: about.model, settings: about.settings };
  const background = isBackground(policy, view);
  const children = tasks.map((task, index) => ({
    ...planChild(task, { index, count: tasks.length }, parent, policy),
    ...(background && { background: true as const }),
  }));
  const access = children.map(({ tools: granted }, i) => ({ requested: tasks[i]?.toolsets, granted }));
  return {
    children,
    isBatch,
    warnings: [...about.warnings, ...found.warnings, ...ungrantedTexts(tools, access, policy)],
    parentRunId: view.runId,
  };
};

/**
 * A tool named `delegate_task`: hands one task or several to child agents, each with an empty conversation, its own budget, and tools
 * among those of the run that delegates.
 *
 * Called by a root run it works in the background (option `background`): the call is answered at once with a `delegation_id`, the
 * run id of a unit, and the results come to the session by themselves, once, also after a restart. Called by a child it waits.
 * Every child gives one entry of one shape, however it ended; one that did not complete is never shown as a success.
 *
 * @throws FaultError `delegate.invalid`
 * @see docs/delegate-task.md. After `delegate_task` of hermes-agent.
 */
export const createDelegateTool = (options: DelegateOptions = {}): Tool => {
  const policy = delegatePolicyOf(options);
  const { name } = policy;
  const files: FileRegistry | undefined = policy.files === false ? undefined : (policy.files ?? processFiles);
  const make = (child: ChildPlan, { tools, provider }: Pick<ToolContext, 'tools' | 'provider'>) =>
    makeChild(child, tool, tools, policy, providerFor(policy, child.model) ?? provider);

  const requestOf = (child: ChildPlan, made: Pick<ToolContext, 'tools' | 'provider'>): ChildRequest => {
    const { goal, index, count, role, fallback, images } = child;
    return {
      agent: make(child, made),
      data: toJSON(child),
      job: {
        input: goal,
        metadata: { delegation: { index, count, role, ...(fallback !== undefined && { fallback }) } },
        ...(images && { attachments: images.map((url) => ({ type: 'image' as const, url })) }),
      },
      budget: budgetOf(policy),
    };
  };

  const start = async (
    { children, warnings, parentRunId }: DelegationPlan,
    context: ToolContext,
  ): Promise<Spawned | { error: string }> => {
    const wanted = children.map((child) => ({ ...child, runId: childIdOf(context.key, child.index), parentRunId }));
    const given = await giveWorkspaces(wanted, policy, context);
    if ('error' in given) return given;
    const requests = children.map((child, index) => {
      const about = index === 0 && warnings.length > 0 ? { warnings } : {};
      return requestOf({ ...inFolder(child, given.folders[index]), ...about }, context);
    });
    return spawned(requests, { allOrNone: true });
  };

  /**
   * Children that tasks are tried again with, each in the folder of the first child of its task; why others are not, as where their
   * endpoint cannot be looked up any more. @param started How many children the call has had.
   */
  const requestsFor = async (again: readonly ChildPlan[], started: number, context: SettleContext) => {
    const requests: ChildRequest[] = [];
    const warnings: string[] = [];
    for (const child of again)
      try {
        const request = requestOf(child, context);
        const runId = childIdOf(context.key, started + requests.length);
        if (child.workspace !== undefined) await handWorkspaceOn(childIdOf(context.key, child.index), runId, policy);
        requests.push(request);
      } catch (error) {
        const why = redact(messageOf(error));
        warnings.push(`Task ${child.index} was not tried again with model "${child.model}": ${why}`);
      }
    const [first, ...others] = requests;
    // Kept with a child, as nobody asks for the others again.
    if (!first || warnings.length === 0) return { requests, warnings };
    return { requests: [{ ...first, data: toJSON({ ...(first.data as object), warnings }) }, ...others], warnings };
  };

  const tool: Tool = defineTool({
    name,
    description: (view) => describeDelegation(policy, view),
    inputSchema: delegateSchema(policy),
    offered: (view) => mayDelegate(policy, view),
    maxPerTurn: policy.maxConcurrentChildren,
    maxRounds: 1 + (policy.timeoutFallbacks?.length ?? 0),
    execute: async (input, context?: ToolContext) => {
      if (!context?.view)
        return { error: `"${name}" requires a parent agent context: it works when the model of a run calls it.` };
      const { view } = context;
      if (view.unit) return start(view.unit.data as unknown as DelegationPlan, context);
      const delegation = plan(input, context, policy);
      if ('error' in delegation) return delegation;
      if (!isBackground(policy, view)) return start(delegation, context);
      const { maxAsyncChildren: max, capacityKey: key } = policy;
      return dispatched({
        data: toJSON(delegation),
        answer: ({ runId }) => ({ data: dispatchData(delegation, runId, policy) }),
        ...(policy.completions === 'each' && { completions: 'each' }),
        capacity: {
          key,
          max,
          message: `Background delegation capacity reached: ${max} of max_async_children=${max} are at work. Nothing was started. Wait for a completion before you delegate more.`,
        },
      });
    },
    rebuild: (data, made) => make(data as unknown as ChildPlan, made),
    settle: async (reports, _input, context) => {
      const { view, data, round, final } = context;
      const tasks = attemptsIn(reports, data);
      const again = await requestsFor(final ? [] : fallbacksIn(tasks, round, policy), reports.length, context);
      if (again.requests.length > 0) return spawned(again.requests);
      const { kept, problems } = await takeWorkspacesBack(firstOf(reports, data), policy);
      const unit = view.unit?.data as unknown as DelegationPlan | undefined;
      const parentRunId = unit?.parentRunId ?? view.runId;
      const about = { files, depth: view.depth + 1, parentRunId, kept, warnings: [...again.warnings, ...problems] };
      const result = await delegateResultOf(reports, tasks, policy, about);
      return unit ? { data: toJSON(completionOf(view, unit, result)) } : toolResultOf(result);
    },
    completion: completionText,
    lastCompletion: (end, { data }) => lastCompletionText(end, data as unknown as DelegationPlan),
    childCompletion: (report, { runId, data, childData }) => {
      const plan = data as unknown as DelegationPlan;
      return childCompletionText({ report, child: childData as unknown as ChildPlan }, runId, plan, policy, files);
    },
  });
  delegating.add(tool);
  return tool;
};
