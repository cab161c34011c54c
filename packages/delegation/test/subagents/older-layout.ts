/** Files of the older layout, as they are found on a disk. */

type Fields = Record<string, unknown>;

/** A whole record of the list, as it is written there. */
export const stored = (agentId: string, about: Fields = {}): Fields => ({
  agent_id: agentId,
  run_id: 'run_0123456789ab',
  parent_id: null,
  depth: 1,
  label: 'read the logs',
  task: 'read the logs of today',
  state: 'completed',
  result: 'nothing broke',
  error: null,
  session_key: `subagent-${agentId}`,
  spawner_session_key: 'user-1',
  spawner_channel: null,
  spawner_metadata: {},
  spawner_reply_to: null,
  model_name: 'small',
  token_usage: null,
  frozen_result_text: 'nothing broke',
  created_at: 1_700_000_000.25,
  started_at: 1_700_000_001,
  completed_at: 1_700_000_009.5,
  children: [],
  spawn_mode: 'run',
  cleanup: 'keep',
  agent_name: null,
  agent_dir: null,
  ...about,
  config: config(about.config as Fields | undefined),
});

/** A whole configuration, as it is written with a record. */
const config = (about: Fields = {}): Fields => ({
  role: null,
  model: null,
  provider: null,
  api_key: null,
  base_url: null,
  max_iterations: 15,
  system_prompt: null,
  tool_profile: 'core',
  enabled_tools: null,
  enable_skills: null,
  context_window: null,
  thinking_level: null,
  timeout_seconds: null,
  spawn_mode: 'run',
  cleanup: 'keep',
  agent_name: null,
  specialization: null,
  auto_route: false,
  match_keywords: [],
  match_examples: [],
  routing_mode: 'direct',
  allow_subagents: false,
  ...about,
});

/** The list, with what is written around it. */
export const list = (records: readonly Fields[], version: unknown = 1) => ({
  'subagents/runs.json': JSON.stringify({
    version,
    runs: Object.fromEntries(records.map((each) => [each.agent_id, each])),
  }),
});

/** A profile in its folder. */
export const profile = (name: string, about: Fields = {}) => ({
  [`agents/${name}/agent.json`]: JSON.stringify({
    name,
    max_iterations: 25,
    tool_profile: 'coding',
    created_at: 1_700_000_000,
    last_active_at: 1_700_000_100,
    ...about,
  }),
});

/** A transcript, one message a line; a text is a line as it stands. */
export const transcript = (...lines: readonly (Fields | string)[]): string =>
  `${lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')}\n`;
