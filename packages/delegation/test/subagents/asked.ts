import type { SubagentRecord } from '@troupe/delegation';

/** What a sub-agent is asked, as it would be stored. */
export const recordOf = (agentId: string, runId: string, more: Partial<SubagentRecord> = {}): SubagentRecord => ({
  agentId,
  parentId: null,
  depth: 1,
  label: agentId,
  config: {
    toolProfile: 'core',
    keywords: [],
    examples: [],
    maxTurns: 15,
    mode: 'run',
    cleanup: 'keep',
    routing: 'direct',
    allowSubagents: false,
    autoRoute: false,
  },
  sessionKey: `subagent-${agentId}`,
  requester: { sessionKey: null, channel: null, metadata: {}, replyTo: null },
  run: { runId, task: runId, askedAt: 0 },
  delivered: [],
  createdAt: 0,
  updatedAt: 0,
  ...more,
});
