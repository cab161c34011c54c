import { type AnyAgent, type Approval, defineAgent, type Tool } from '@troupe/core';
import type { ModelProvider } from '@troupe/protocol';
import * as z from 'zod';
import { invalidSubagent } from './invalid-subagent.ts';
import { subagentContract } from './subagent-contract.ts';
import { SubagentConfig } from './subagent-record.ts';
import { reasoningOf } from './thinking.ts';
import { type ToolProfiles, toolsFor } from './tool-profiles.ts';

/** What the agent of one run is made of: data, so that it is made again after a restart, the same in every word. */
export const SubagentMade = z.object({
  agentId: z.string(),
  runId: z.string(),
  name: z.string().optional(),
  label: z.string(),
  /** 1 for those without a parent. */
  depth: z.number(),
  maxDepth: z.number(),
  sessionKey: z.string(),
  config: SubagentConfig,
  /** Whether it may spawn, as it was when the run was asked for. See `maySpawn`. */
  maySpawn: z.boolean(),
  /** What holds, be it its own or its parent's. Absent: the runtime's. */
  model: z.string().optional(),
  provider: z.string().optional(),
  skills: z.boolean(),
});
export type SubagentMade = z.infer<typeof SubagentMade>;

/** What an agent is made with that is no data: it comes from the program, after a restart again. */
export type SubagentParts = {
  /** Every tool that sub-agents may be given, the one that spawns among them. */
  tools: readonly Tool[];
  toolProfiles: ToolProfiles;
  spawnToolName: string;
  /** Tools of those that have skills. Default: none. */
  skills?: readonly Tool[] | undefined;
  /** Default: none. */
  providers?: Readonly<Record<string, ModelProvider>> | undefined;
  /** What becomes of calls that wait for a person. Default `deny`: a sub-agent waits for nobody at a terminal. */
  approval?: Approval | undefined;
};

/** Its tools, and the names of those that were asked for and are not there. @throws FaultError `subagent.invalid` */
export const subagentTools = (
  { config, maySpawn, skills }: Pick<SubagentMade, 'config' | 'maySpawn' | 'skills'>,
  parts: Pick<SubagentParts, 'tools' | 'toolProfiles' | 'spawnToolName' | 'skills'>,
): { tools: Tool[]; missing: string[] } =>
  toolsFor(config, {
    profiles: parts.toolProfiles,
    available: parts.tools,
    skills: skills ? (parts.skills ?? []) : [],
    spawnToolName: parts.spawnToolName,
    maySpawn,
  });

const providerNamed = (name: string, providers: NonNullable<SubagentParts['providers']>): ModelProvider => {
  const provider = Object.hasOwn(providers, name) ? providers[name] : undefined;
  if (provider) return provider;
  throw invalidSubagent(
    'provider',
    name,
    `one of ${Object.keys(providers).join(', ') || 'none: there are no providers'}`,
  );
};

/** Tool calls for each turn: enough not to be what ends a run that has turns left. */
const callsPerTurn = 10;

/**
 * The agent of one run of a sub-agent. The same data and parts make the same agent.
 *
 * It is named after the sub-agent: by its name, else its role, else its id. It remembers nothing but its conversation, and asks nobody.
 *
 * @throws FaultError `subagent.invalid` when a profile or a provider that it names is not there any more
 */
export const makeSubagent = (made: SubagentMade, parts: SubagentParts): AnyAgent => {
  const { agentId, config, model, name } = made;
  const { instructions, maxTurns, role, thinking, timeoutMs } = config;
  const provider = made.provider === undefined ? undefined : providerNamed(made.provider, parts.providers ?? {});
  return defineAgent({
    name: name ?? role ?? agentId,
    instructions: [instructions, subagentContract(made, parts.spawnToolName)].filter(Boolean).join('\n\n'),
    tools: subagentTools(made, parts).tools,
    budget: {
      turns: maxTurns,
      toolCalls: maxTurns * callsPerTurn,
      ...(timeoutMs !== undefined && { deadlineMs: timeoutMs }),
    },
    memoryScope: null,
    approval: parts.approval ?? 'deny',
    ...(model !== undefined && { model }),
    ...(provider && { provider }),
    ...(thinking && { settings: { reasoning: reasoningOf(thinking) } }),
  });
};
