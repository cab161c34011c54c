/** What a manager shows of its sub-agents. Reads, and changes nothing. */
import type { Runtime } from '@troupe/core';
import { redact } from '@troupe/protocol';
import { childrenOf, pendingDescendants, visibleTo } from './lineage.ts';
import { memberOf, treeOf } from './members.ts';
import { isActive, type Member, type Roster } from './roster.ts';
import type { SubagentMade } from './subagent-agent.ts';
import { type Effective, effectiveOf, maySpawn } from './subagent-config.ts';
import type { Asking, Spawned, SubagentInfo, SubagentStatus, SubagentSummary } from './subagent-manager.ts';
import type { SubagentPolicy } from './subagent-options.ts';
import type { SubagentRecord, SubagentState } from './subagent-record.ts';

/** Those that have ended that a status names. */
const mostRecent = 10;

export type Views = {
  madeOf(record: SubagentRecord): SubagentMade;
  info(member: Member): Promise<SubagentInfo>;
  spawned(record: SubagentRecord): Spawned;
  status(asking?: Asking & { parentId?: string | undefined }): SubagentStatus;
};

export const openViews = (
  { runs, environment: { clock } }: Pick<Runtime, 'runs' | 'environment'>,
  policy: SubagentPolicy,
  roster: () => Roster,
): Views => {
  const find = (agentId: string): Member | undefined => memberOf(roster(), agentId);

  /** What holds for it, be it its own or that of those above it. */
  const effective = ({ config, parentId }: SubagentRecord, seen = new Set<string>()): Effective => {
    const parent = parentId === null || seen.has(parentId) ? undefined : find(parentId);
    if (parentId !== null) seen.add(parentId);
    const above = parent
      ? effective(parent.record, seen)
      : policy.defaultModel === undefined
        ? null
        : { model: policy.defaultModel };
    return effectiveOf(config, above, policy.skills.default);
  };

  const madeOf = (record: SubagentRecord): SubagentMade => {
    const { agentId, run, name, label, depth, sessionKey, config } = record;
    const { maxDepth } = policy.limits;
    return {
      agentId,
      runId: run?.runId ?? '',
      ...(name !== undefined && { name }),
      label,
      depth,
      maxDepth,
      sessionKey,
      config,
      maySpawn: maySpawn(config, { depth, maxDepth }),
      ...(effective(record) as { model?: string; provider?: string; skills: boolean }),
    };
  };

  const summaryOf = ({ record, state, activity, units }: Member): SubagentSummary => {
    const started = activity?.startedAt ?? activity?.askedAt;
    const until = activity?.endedAt ?? clock.now();
    return {
      agentId: record.agentId,
      runId: activity?.runId ?? record.run?.runId ?? null,
      label: record.label,
      state,
      depth: record.depth,
      model: activity?.model ?? effective(record).model ?? null,
      elapsedSeconds: started === undefined ? 0 : Math.round((until - started) / 100) / 10,
      pendingDescendants: pendingDescendants(treeOf(roster()), record.agentId, (each) => each.isActive),
      background: units?.length ?? 0,
      mode: record.config.mode,
      name: record.name ?? null,
      allowSubagents: record.config.allowSubagents,
    };
  };

  const info = async (member: Member): Promise<SubagentInfo> => {
    const { record, activity } = member;
    const row = activity && (await runs.get(activity.runId));
    return {
      ...summaryOf(member),
      parentId: record.parentId,
      task: redact(record.run?.task ?? null),
      config: record.config,
      sessionKey: record.sessionKey,
      requester: record.requester,
      children: childrenOf(treeOf(roster()), record.agentId).map(({ agentId }) => agentId),
      effectiveSkills: effective(record).skills,
      resultPreview: activity?.preview ?? null,
      error: activity?.error ?? null,
      usage: row?.usage.total ?? null,
      createdAt: record.createdAt,
      startedAt: activity?.startedAt ?? null,
      completedAt: activity?.endedAt ?? null,
    };
  };

  const spawned = (record: SubagentRecord): Spawned => {
    const { model, skills } = effective(record);
    return {
      agentId: record.agentId,
      runId: record.run?.runId ?? '',
      sessionKey: record.sessionKey,
      label: record.label,
      depth: record.depth,
      parentId: record.parentId,
      ...(record.name !== undefined && { name: record.name }),
      config: record.config,
      ...(model !== undefined && { model }),
      skills,
    };
  };

  const status: Views['status'] = ({ scope, parentId } = {}) => {
    const tree = treeOf(roster());
    const below =
      parentId === undefined ? undefined : new Set(childrenOf(tree, parentId).map(({ agentId }) => agentId));
    const seen = visibleTo(tree, scope)
      .filter(({ agentId }) => below?.has(agentId) ?? true)
      .flatMap(({ agentId }) => find(agentId) ?? []);
    const byState: Record<SubagentState, number> = {
      idle: 0,
      pending: 0,
      running: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
    };
    for (const { state } of seen) byState[state] += 1;
    const ended = seen
      .filter(({ activity }) => activity?.endedAt !== undefined)
      .filter((member) => !isActive(member))
      .sort((a, b) => (b.activity?.endedAt ?? 0) - (a.activity?.endedAt ?? 0));
    return {
      total: seen.length,
      active: seen.filter(isActive).map(summaryOf),
      recent: ended.slice(0, mostRecent).map(summaryOf),
      byState,
    };
  };

  return { madeOf, info, spawned, status };
};
