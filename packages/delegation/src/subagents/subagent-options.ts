/** Options of a manager, checked. */
import type { Approval, Tool } from '@troupe/core';
import { FaultError, type ModelProvider } from '@troupe/protocol';
import { checkOptions, kindOf, toolsIn } from '../check-given.ts';
import { type Role, type Roles, rolesOf } from './roles.ts';
import type { RequesterInput, SubagentLimits } from './subagent-manager.ts';
import type { Requester } from './subagent-record.ts';
import { type ToolProfile, type ToolProfiles, toolProfilesOf } from './tool-profiles.ts';

/** What a manager of sub-agents is given. Nothing is needed. */
export type SubagentOptions = {
  /** Whose sub-agents they are, where one store keeps those of several managers. One process at a time manages those of one id. Default `subagents`. */
  id?: string;
  /** What sub-agents can be given: the profiles say by name who has which. Read whenever an agent is made, so tools may be added later. */
  tools?: readonly Tool[];
  /** What the tool is called that sub-agents spawn with. One of that name in `tools` is it; else the manager makes it. Default `spawn`. */
  spawnToolName?: string;
  /** Of sub-agents that have skills: these tools, too. `default`: whether one has them whose parents say nothing. Default false. */
  skills?: { tools: readonly Tool[]; default?: boolean };
  /** Names of tools by profile; adds to the built-in ones, replaces them, or takes them away with `null`. */
  toolProfiles?: Readonly<Record<string, ToolProfile | null>>;
  /** Adds roles to the built-in ones, replaces them, or takes them away with `null`. */
  roles?: Readonly<Record<string, Role | null>>;
  /** Providers that a config may name. They hold the keys; no config does. */
  providers?: Readonly<Record<string, ModelProvider>>;
  /** The model of sub-agents that name none and whose parents have none. Default: the runtime's. */
  defaultModel?: string;
  /** The tool profile of those that name none. Default `core`. */
  defaultToolProfile?: string;
  /** How deep sub-agents may be; 1: they have none of their own. Default 2. */
  maxDepth?: number;
  /** At work at once below one sub-agent, or for one session. Default 5. */
  maxChildrenPerAgent?: number;
  /** At work at once in all; one that is woken goes on beyond that. Default 20. */
  maxTotal?: number;
  /** Named sub-agents that are kept. Default 10. */
  maxPersistent?: number;
  /** On whose behalf sub-agents work of which nobody says otherwise. Default: the program, which collects results. */
  requester?: RequesterInput;
  /** What becomes of calls in sub-agents whose tool asks a person: they never wait at a terminal. Default `deny`. */
  approval?: Approval;
  /** Milliseconds after which a sub-agent that was for one task is forgotten once it has ended; its stored runs stay. Default an hour. */
  archiveAfterMs?: number;
  /** Milliseconds between looking for such. Default 60,000. */
  sweepEveryMs?: number;
};

/** The same, complete. */
export type SubagentPolicy = {
  id: string;
  tools: readonly Tool[];
  spawnToolName: string;
  skills: { tools: readonly Tool[]; default: boolean };
  toolProfiles: ToolProfiles;
  roles: Roles;
  providers: Readonly<Record<string, ModelProvider>>;
  defaultModel?: string;
  defaultToolProfile?: string;
  limits: SubagentLimits;
  requester: Requester;
  approval: Approval;
  archiveAfterMs: number;
  sweepEveryMs: number;
};

const atLeast = (option: string, found: number, least: number): number => {
  if (found === Number.POSITIVE_INFINITY || (Number.isInteger(found) && found >= least)) return found;
  throw new FaultError(
    'subagent.invalid',
    `The option ${option} of a sub-agent manager is ${found}. Expected a whole number of ${least} or more, or Infinity.`,
    { details: { field: option } },
  );
};

/** The program itself: it collects what it asked for. */
export const nobody: Requester = { sessionKey: null, channel: null, metadata: {}, replyTo: null };

/** The parts that were said over those that were not: `null` is said, absent is not. */
export const requesterOf = (given: RequesterInput | undefined, otherwise: Requester): Requester => {
  const said = Object.entries(given ?? {}).filter(([, value]) => value !== undefined);
  return { ...otherwise, ...Object.fromEntries(said) };
};

/** Whether it is a runtime that sub-agents can live in. @throws FaultError `subagent.invalid` */
export const checkRuntime = (runtime: unknown): void => {
  const { environment, defineAgents } = Object(runtime);
  if (typeof defineAgents === 'function' && typeof environment === 'object') return;
  throw new FaultError(
    'subagent.invalid',
    `A sub-agent manager was given as its runtime ${kindOf(runtime)}. Expected what createRuntime gives: createSubagentManager(createRuntime({ … }), { … }).`,
    { details: { field: 'runtime' } },
  );
};

const taker = { who: 'a sub-agent manager', code: 'subagent.invalid' };

/** @throws FaultError `subagent.invalid` */
export const subagentPolicyOf = (options: SubagentOptions): SubagentPolicy => {
  checkOptions(options, taker);
  const { id = 'subagents', skills, defaultModel, defaultToolProfile } = options;
  if (id.trim() === '')
    throw new FaultError(
      'subagent.invalid',
      'The id of a sub-agent manager is blank. Give it a name, or leave it out.',
    );
  const toolProfiles = toolProfilesOf(options.toolProfiles);
  return {
    id,
    tools: toolsIn('tools', options.tools, taker),
    spawnToolName: options.spawnToolName ?? 'spawn',
    skills: { tools: toolsIn('skills.tools', skills?.tools, taker), default: skills?.default ?? false },
    toolProfiles,
    roles: rolesOf(options.roles, toolProfiles),
    providers: options.providers ?? {},
    ...(defaultModel !== undefined && { defaultModel }),
    ...(defaultToolProfile !== undefined && { defaultToolProfile }),
    limits: {
      maxDepth: atLeast('maxDepth', options.maxDepth ?? 2, 1),
      maxChildrenPerAgent: atLeast('maxChildrenPerAgent', options.maxChildrenPerAgent ?? 5, 1),
      maxTotal: atLeast('maxTotal', options.maxTotal ?? 20, 1),
      maxPersistent: atLeast('maxPersistent', options.maxPersistent ?? 10, 1),
    },
    requester: requesterOf(options.requester, nobody),
    approval: options.approval ?? 'deny',
    archiveAfterMs: atLeast('archiveAfterMs', options.archiveAfterMs ?? 3_600_000, 1),
    sweepEveryMs: atLeast('sweepEveryMs', options.sweepEveryMs ?? 60_000, 1),
  };
};
