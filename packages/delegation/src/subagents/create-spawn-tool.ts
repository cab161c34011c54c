import { defineTool, type RunView, type Tool, type ToolContext, type ToolResult } from '@troupe/core';
import { messageOf, redact } from '@troupe/protocol';
import { delegating } from '../delegate/tool-access.ts';
import { roleCatalogue } from './roles.ts';
import { configIn, readSpawnInput, type SpawnInput, type spawnActions, spawnSchema } from './spawn-input.ts';
import {
  cancelAllText,
  cancelText,
  describeSpawn,
  errorText,
  type Handover,
  infoText,
  notFoundText,
  resultsText,
  resumedText,
  spawnedText,
  statusText,
  steerText,
} from './spawn-text.ts';
import { mayDelegate } from './subagent-config.ts';
import type { SubagentManager } from './subagent-manager.ts';
import type { Requester, SubagentRecord } from './subagent-record.ts';

/** How the tool is offered. See {@link createSpawnTool}. */
export type SpawnToolOptions = {
  /** What the model calls it. Default `spawn`. */
  name?: string;
  /** `false`, or a sentence that says why, withholds it from a run that could have it. Default: every run that may spawn has it. */
  offered?: (view: RunView) => boolean | string;
};

/** Who calls. */
type Caller = {
  /** The conversation: what was asked for from here is seen from here. */
  scope: string;
  /** The sub-agent whose conversation it is. */
  agent: SubagentRecord | null;
  requester: Requester;
};

const callerOf = (manager: SubagentManager, { sessionKey, rootId }: RunView): Caller => {
  const scope = sessionKey ?? rootId;
  const agent = manager.agentOf(scope);
  // A sub-agent's own are its own affair: nothing of them goes the way to the person behind it.
  const requester = agent
    ? { sessionKey: scope, channel: `subagent:${agent.agentId}`, metadata: {}, replyTo: null }
    : manager.boundTo(scope);
  return { scope, agent, requester };
};

const handoverTo = ({ channel, sessionKey }: Requester): Handover =>
  channel !== null && sessionKey !== null ? 'pushed' : 'pulled';

/** Why an agent may spawn nothing, whatever it asks for. What changes by itself, such as how many are at work, is no reason. */
const refusalFor = ({ limits: { maxDepth } }: SubagentManager, { agent }: Caller): string | undefined => {
  if (!agent) return undefined;
  if (!mayDelegate(agent.config))
    return errorText('Nested sub-agent spawning is disabled for you. Do this work yourself.');
  if (agent.depth >= maxDepth) return errorText(`Max spawn depth (${maxDepth}) exceeded. Do this work yourself.`);
  return undefined;
};

type Call = { manager: SubagentManager; caller: Caller; input: SpawnInput; context: ToolContext };
type Action = (call: Call) => Promise<string | ToolResult> | string | ToolResult;

/** The sub-agent that a call is about. */
const targetOf = ({ agent_id: agentId, task_id: taskId }: SpawnInput): string | undefined => agentId ?? taskId;

const missing = (action: string, field: string, what: string): ToolResult => ({
  error: errorText(`"${action}" needs ${field}: ${what}.`),
});

/** What every call that lets a sub-agent work says of itself. */
const askingOf = (call: Call) => ({
  scope: call.caller.scope,
  requester: call.caller.requester,
  // Whoever asks is who it is below.
  parentId: call.caller.agent?.agentId ?? null,
  origin: originOf(call.context),
});

const originOf = ({ view: { runId, rootId }, callId, key }: ToolContext) => ({ runId, rootId, callId, key });

const pausedText =
  'Spawning is paused: nothing was started. Sub-agents at work are not touched. Try again later, or do this work yourself.';

const spawn: Action = async (call) => {
  const { manager, caller, input, context } = call;
  const { task, label, task_id: agentId, agent_name: name } = input;
  if (!task) return missing('spawn', 'a task', 'what the sub-agent should do');
  if (context.view.spawningPaused) return { error: errorText(pausedText) };
  const config = configIn(input);
  const handover = handoverTo(caller.requester);
  if (agentId) {
    const resumed = await manager.resume({ ...askingOf(call), agentId, task, config });
    return spawnedText(resumed, { resumed: true, handover });
  }
  const spawned = await manager.spawn({
    ...askingOf(call),
    task,
    label,
    name,
    config,
  });
  return spawnedText(spawned, { handover });
};

const resume: Action = async (call) => {
  const { manager, caller, input, context } = call;
  const { agent_name: name, task } = input;
  if (!name) return missing('resume', 'agent_name', 'the name of a persistent sub-agent');
  if (!task) return missing('resume', 'a task', 'what the sub-agent should do now');
  if (context.view.spawningPaused) return { error: errorText(pausedText) };
  const resumed = await manager.resume({ ...askingOf(call), name, task, config: configIn(input) });
  return resumedText(resumed, handoverTo(caller.requester));
};

const status: Action = async ({ manager, caller: { scope, agent } }) =>
  statusText(await manager.status({ scope, parentId: agent?.agentId }));

const collect =
  (defaultSeconds: number): Action =>
  async ({ manager, caller: { scope }, input, context }) => {
    const agentId = targetOf(input);
    const wanted = {
      sessionKey: scope,
      agentId,
      runId: input.run_id,
      includeDelivered: input.include_delivered,
      by: context.key,
      signal: context.signal,
    };
    const waitedMs = (input.timeout ?? defaultSeconds) * 1_000;
    const there = await manager.collect(wanted);
    if (there.length === 0 && agentId !== undefined && !(await manager.info(agentId, { scope })))
      return { error: errorText(notFoundText(agentId)) };
    const results =
      there.length > 0 || waitedMs === 0 ? there : await manager.collect({ ...wanted, timeoutMs: waitedMs });
    const { active } = await manager.status({ scope });
    return resultsText(results, { waitedMs, active: active.length });
  };

const cancel: Action = async ({ manager, caller: { scope, agent }, input }) => {
  const agentId = targetOf(input);
  const reason = input.message === undefined ? {} : { reason: input.message };
  if (agentId === undefined)
    return cancelAllText(await manager.cancelAll({ scope, parentId: agent?.agentId, ...reason }));
  return cancelText(agentId, await manager.cancel(agentId, { scope, ...reason }));
};

const steer: Action = async ({ manager, caller: { scope }, input, context }) => {
  const agentId = targetOf(input);
  if (!agentId) return missing('steer', 'agent_id', 'the sub-agent that should do something else');
  if (!input.message) return missing('steer', 'a message', 'what it should do instead');
  return steerText(await manager.steer({ scope, agentId, message: input.message, origin: originOf(context) }));
};

const info: Action = async ({ manager, caller: { scope }, input }) => {
  const agentId = targetOf(input);
  if (!agentId) return missing('info', 'agent_id', 'the sub-agent that you want to know about');
  const found = await manager.info(agentId, { scope });
  return found ? infoText(found) : { error: errorText(notFoundText(agentId)) };
};

const actions: Record<(typeof spawnActions)[number], Action> = {
  spawn,
  resume,
  status,
  results: collect(0),
  wait: collect(30),
  cancel,
  kill: cancel,
  steer,
  info,
  list_roles: ({ manager }) => roleCatalogue(new Map(Object.entries(manager.roles))),
};

/** What was refused, as a model reads it: in the words of the fields that it knows. */
const problemOf = (error: unknown): string =>
  errorText(redact(messageOf(error)).replace(/^toolProfile(?= is )/, 'tool_profile'));

/**
 * A tool named `spawn`: starts sub-agents of a manager, lets them go on, tells how they stand and what came of them, steers and stops
 * them. Which of these a call does is its `action`. Every call asks for the conversation it is made in, and sees what was asked for there and
 * everything below; in a sub-agent, that is its own conversation, and results come to it and nobody else.
 *
 * A run is offered it unless it is a sub-agent that may spawn none, by its role or its depth. Whatever fails is an error whose sentence
 * begins with what it is: `Error:`, `Could not cancel`, `Rate limited:`, `Cannot steer:`, `Steer failed:`.
 *
 * @param manager As a function where the agents that have the tool are there before their manager is: asked at each call.
 * @see docs/subagents.md. After the `spawn` tool of spoon-bot.
 */
export const createSpawnTool = (
  manager: SubagentManager | (() => SubagentManager | null | undefined),
  { name = 'spawn', offered }: SpawnToolOptions = {},
): Tool => {
  const managerNow = typeof manager === 'function' ? manager : () => manager;
  const tool = defineTool({
    name,
    description: (view) => {
      const now = managerNow();
      if (!now) return describeSpawn(null);
      const { agent, requester } = callerOf(now, view);
      return describeSpawn({
        limits: now.limits,
        roles: now.roles,
        depth: agent?.depth ?? 0,
        handover: handoverTo(requester),
      });
    },
    inputSchema: spawnSchema,
    // Executed again, a call finds what it has brought about: the manager knows it by its key.
    idempotent: true,
    offered: (view) => {
      const now = managerNow();
      const refusal = now && refusalFor(now, callerOf(now, view));
      return refusal ?? offered?.(view) ?? true;
    },
    execute: async (given, context): Promise<string | ToolResult> => {
      const now = managerNow();
      if (!now) return { error: errorText('The sub-agent manager is not initialized.') };
      const input = readSpawnInput(given as Record<string, unknown>);
      if ('error' in input) return { error: errorText(input.error) };
      try {
        await now.ready;
        return await actions[input.action ?? 'status']({
          manager: now,
          caller: callerOf(now, context.view),
          input,
          context,
        });
      } catch (error) {
        return { error: problemOf(error) };
      }
    },
  });
  delegating.add(tool);
  return tool;
};
