import { type AgentOptions, type AnyAgent, defineAgent, type RunView, type Tool } from '@troupe/core';
import { type JSONSchema, type ModelProvider, type ModelSettings, schemaOf } from '@troupe/protocol';
import { childInstructions, inWorkspace } from './child-prompt.ts';
import type { Role, Task } from './delegate-input.ts';
import type { DelegatePolicy } from './delegate-options.ts';
import { toolsFor } from './tool-access.ts';

/** One child, decided: data, so that it can be made in another process, too. */
export type ChildPlan = {
  index: number;
  count: number;
  goal: string;
  /** What it may do, whatever was asked for. */
  role: Role;
  instructions: string;
  model: string;
  tools: string[];
  settings?: ModelSettings;
  compaction?: AgentOptions['compaction'];
  outputSchema?: JSONSchema;
  images?: string[];
  /** The folder that it is told to work in. */
  workspace?: string;
  /** Whether it works while nobody waits. */
  background?: true;
  /** Of a task that is tried again: which of the fallbacks it is, from 1. */
  fallback?: number;
  /** Of the first child of a call: what of the whole call was understood otherwise than it may have been meant. */
  warnings?: string[];
};

/** A whole call, decided. */
export type DelegationPlan = {
  children: ChildPlan[];
  isBatch: boolean;
  warnings: string[];
  /** The run that delegates. */
  parentRunId: string;
};

/** An orchestrator is one only where its children would be allowed. @param depth The child's. */
const effectiveRole = (role: Role, depth: number, { orchestrators, maxSpawnDepth }: DelegatePolicy): Role =>
  role === 'orchestrator' && orchestrators && depth < maxSpawnDepth ? role : 'leaf';

type Parent = {
  self: string;
  view: RunView;
  tools: ReadonlyMap<string, Tool>;
  model: string;
  settings: ModelSettings;
};

/** What a task becomes. */
export const planChild = (
  task: Task,
  { index, count }: { index: number; count: number },
  { self, view, tools, model, settings }: Parent,
  policy: DelegatePolicy,
): ChildPlan => {
  const depth = view.depth + 1;
  const role = effectiveRole(task.role, depth, policy);
  return {
    index,
    count,
    goal: task.goal,
    role,
    instructions: childInstructions({ ...task, role }, depth, policy),
    model: task.model ?? model,
    tools: toolsFor(self, tools, { requested: task.toolsets, role }, policy),
    ...(Object.keys(settings).length > 0 && { settings }),
    ...(view.compaction && { compaction: view.compaction }),
    ...(task.outputSchema && { outputSchema: task.outputSchema }),
    ...(task.images && { images: task.images }),
  };
};

/** The same child, told to work in a folder, if there is one. */
export const inFolder = (child: ChildPlan, workspace: string | undefined): ChildPlan =>
  workspace === undefined ? child : { ...child, workspace, instructions: inWorkspace(child.instructions, workspace) };

const heartbeatOf = (
  { background }: ChildPlan,
  { heartbeat }: DelegatePolicy,
): AgentOptions['heartbeat'] | undefined => {
  if (heartbeat === false) return undefined;
  return { onStall: background ? 'interrupt' : 'warn', ...heartbeat };
};

/** The agent of a child. It remembers nothing and asks nobody, unless the policy lets it. */
export const makeChild = (
  plan: ChildPlan,
  self: Tool,
  tools: ReadonlyMap<string, Tool>,
  policy: DelegatePolicy,
  provider: ModelProvider | undefined,
): AnyAgent => {
  const heartbeat = heartbeatOf(plan, policy);
  return defineAgent({
    name: `task-${plan.index + 1}`,
    instructions: plan.instructions,
    model: plan.model,
    tools: plan.tools.flatMap((name) => (name === self.name ? self : (tools.get(name) ?? []))),
    memoryScope: null,
    approval: policy.approval,
    ...(plan.settings && { settings: plan.settings }),
    ...(plan.compaction && { compaction: plan.compaction }),
    ...(heartbeat && { heartbeat }),
    ...(provider && { provider }),
    ...(plan.outputSchema && { outputSchema: schemaOf(plan.outputSchema), outputRetries: 1, outputMismatch: 'keep' }),
  });
};
