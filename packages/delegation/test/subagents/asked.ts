import type { SubagentConfig, SubagentRecord } from '@troupe/delegation';

/** How a sub-agent is made of which nothing is said. */
export const config: SubagentConfig = {
  toolProfile: 'core',
  keywords: [],
  examples: [],
  maxTurns: 15,
  mode: 'run',
  cleanup: 'keep',
  routing: 'direct',
  allowSubagents: false,
  autoRoute: false,
};

/** What a sub-agent is asked, as it would be stored. */
export const recordOf = (agentId: string, runId: string, more: Partial<SubagentRecord> = {}): SubagentRecord => ({
  agentId,
  parentId: null,
  depth: 1,
  label: agentId,
  config,
  sessionKey: `subagent-${agentId}`,
  requester: { sessionKey: null, channel: null, metadata: {}, replyTo: null },
  run: { runId, task: runId, askedAt: 0 },
  delivered: [],
  createdAt: 0,
  updatedAt: 0,
  ...more,
});
