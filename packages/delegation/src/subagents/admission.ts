/** Why a sub-agent is not let in. Pure; the manager's chart asks in its order. */
import { reparent } from './lineage.ts';
import { idsUnder, memberNamed, memberOf, membersUnder, treeOf, under } from './members.ts';
import { isName } from './names.ts';
import { isActive, type Roster } from './roster.ts';
import { mayDelegate } from './subagent-config.ts';
import type { SubagentRecord } from './subagent-record.ts';

/** What is asked to be let in. */
export type Applicant = {
  record: SubagentRecord;
  /** It is there already, or its profile is: its name and its place among the persistent ones are its own. */
  isKnown: boolean;
};

export type Refusal = {
  kind: 'active' | 'nesting' | 'cycle' | 'depth' | 'children' | 'total' | 'name' | 'exists' | 'persistent';
  message: string;
  limit?: number;
};

type Check = (roster: Roster, applicant: Applicant) => Refusal | null;

const parentOf = (roster: Roster, { record: { parentId } }: Applicant) =>
  parentId === null ? undefined : memberOf(roster, parentId);

const active: Check = (roster, { record: { agentId }, isKnown }) => {
  const member = isKnown ? memberOf(roster, agentId) : undefined;
  if (!member || !isActive(member)) return null;
  const { label, name } = member.record;
  return {
    kind: 'active',
    message: `Sub-agent "${name ?? label}" (${agentId}) is already running: it is currently ${member.state}. Steer it, or wait until it has ended.`,
  };
};

const nesting: Check = (roster, applicant) => {
  const parent = parentOf(roster, applicant);
  if (!parent || mayDelegate(parent.record.config)) return null;
  return {
    kind: 'nesting',
    message: `Nested sub-agent spawning is disabled for ${parent.record.agentId}. Do this work yourself, or have it made with allowSubagents.`,
  };
};

const place: Check = (roster, { record: { agentId, parentId }, isKnown }) => {
  if (!isKnown || !memberOf(roster, agentId)) return null;
  const found = reparent(treeOf(roster), agentId, parentId, roster.limits.maxDepth);
  if (!('refused' in found)) return null;
  return found.refused === 'too_deep'
    ? { kind: 'depth', message: found.message, limit: roster.limits.maxDepth }
    : { kind: 'cycle', message: found.message };
};

const depth: Check = ({ limits: { maxDepth } }, { record }) =>
  record.depth <= maxDepth
    ? null
    : {
        kind: 'depth',
        limit: maxDepth,
        message: `Max spawn depth (${maxDepth}) exceeded: this one would be at depth ${record.depth}. Do this work yourself.`,
      };

/** Those at work beside it: below the same sub-agent, or, below none, asked for by the same session. */
const siblings = (roster: Roster, { record: { agentId, parentId, requester } }: Applicant): number => {
  const ids = idsUnder(roster, under.siblings(parentId, requester.sessionKey));
  return ids.size - Number(ids.has(agentId));
};

const children: Check = (roster, applicant) => {
  const { parentId, requester } = applicant.record;
  const { maxChildrenPerAgent: limit } = roster.limits;
  if ((parentId === null && requester.sessionKey === null) || siblings(roster, applicant) < limit) return null;
  return {
    kind: 'children',
    limit,
    message: `Max children per agent (${limit}) reached: that many are at work. Wait for one of them, or cancel it.`,
  };
};

const total: Check = (roster) => {
  const { maxTotal: limit } = roster.limits;
  return idsUnder(roster, under.active).size < limit
    ? null
    : {
        kind: 'total',
        limit,
        message: `Max total active sub-agents (${limit}) reached. Wait for one of them, or cancel it.`,
      };
};

const name: Check = (_roster, { record: { name: given, config } }) => {
  if (config.mode === 'run' && given !== undefined)
    return {
      kind: 'name',
      message: `Sub-agent "${given}" is persistent, and stays so. Resume it without a mode, or spawn another one for a single task.`,
    };
  return config.mode === 'run' || isName(given)
    ? null
    : {
        kind: 'name',
        message: `A sub-agent of mode "session" needs a name of letters, digits, "_" and "-"; found ${given === undefined ? 'none' : JSON.stringify(given)}.`,
      };
};

const exists: Check = (roster, { record, isKnown }) =>
  isKnown || record.name === undefined || !memberNamed(roster, record.name)
    ? null
    : {
        kind: 'exists',
        message: `A sub-agent named "${record.name}" already exists. Resume it by its name, or choose another one.`,
      };

const persistent: Check = (roster, { record, isKnown }) => {
  const { maxPersistent: limit } = roster.limits;
  if (isKnown || record.config.mode === 'run') return null;
  const names = new Set(membersUnder(roster, under.named).map((member) => member.record.name));
  if (names.size < limit) return null;
  return {
    kind: 'persistent',
    limit,
    message: `Max persistent agents (${limit}) reached. Resume one of them, or forget one first.`,
  };
};

/** Every check, in the order in which they are asked. */
export const checks = { active, nesting, place, depth, children, total, name, exists, persistent } as const;
export type CheckName = keyof typeof checks;

/** Those for one that is stored without being asked anything. */
export const profileChecks = ['name', 'exists', 'persistent'] as const satisfies CheckName[];
