/** What commands answer: pure functions from what the manager gives to plain text of a few lines. */
import { tokensOf } from '@troupe/protocol';
import { shortLine } from '../../results/shorten.ts';
import { counted, secondsText } from '../spawn-text.ts';
import { mayDelegate } from '../subagent-config.ts';
import type {
  Cancelled,
  Spawned,
  SteerOutcome,
  SubagentEvent,
  SubagentInfo,
  SubagentStatus,
  SubagentSummary,
} from '../subagent-manager.ts';
import type { ChatCommand } from './parse-command.ts';

const usages = {
  spawn:
    '/subagents spawn [--model M] [--thinking off|basic|extended] [--skills [on|off]] [--no-skills] [--mode run|session] [--name N] [--cleanup keep|delete] [--specialization words…] [--keywords a,b c,…] [--routing direct|orchestrated] [--auto-route] [--] <task>',
  resume: '/subagents resume <name> <task>',
  cancel: '/subagents cancel <id|all>',
  steer: '/subagents steer <id> <message>',
  info: '/subagents info <id>',
} as const;

/** How a command is written; `null`: which commands there are. */
export const usageText = (of: Extract<ChatCommand, { verb: 'usage' }>['of']): string =>
  `Usage: ${of === null ? '/subagents [list|spawn|resume|cancel|steer|info|help]' : usages[of]}`;

/** Every command, one on a line. */
export const helpText = [
  'Commands for sub-agents (/subagents or /agents):',
  '/subagents list: those that work, and those that have ended last',
  `${usages.spawn}: starts one`,
  `${usages.resume}: a named one goes on with its conversation`,
  `${usages.cancel}: stops one, or all, with everything below`,
  `${usages.steer}: stops what one does and gives it something else to do`,
  `${usages.info}: what is known of one`,
].join('\n');

/** Nobody is told a name of several lines. */
const named = (text: string): string => shortLine(text, 120);

const summaryLine = ({
  agentId,
  label,
  state,
  elapsedSeconds,
  model,
  mode,
  name,
  pendingDescendants,
  background,
}: SubagentSummary): string =>
  [
    `${agentId} ${named(label)}: ${state} — ${secondsText(elapsedSeconds)}`,
    ...(model === null ? [] : [`[${named(model)}]`]),
    ...(mode === 'session' && name !== null ? [`[session:${name}]`] : []),
    ...(pendingDescendants > 0 ? [`+${counted(pendingDescendants, 'descendant')}`] : []),
    ...(background > 0 ? [`+${background} in the background`] : []),
  ].join(' ');

export const listText = ({ total, active, recent }: SubagentStatus): string => {
  if (total === 0) return 'No sub-agents spawned.';
  const part = (title: string, list: readonly SubagentSummary[]): string[] =>
    list.length === 0 ? [] : [title, ...list.map((each) => `- ${summaryLine(each)}`)];
  return [`Sub-agents (${total} total):`, ...part('Active:', active), ...part('Recent:', recent)].join('\n');
};

const skillsText = (skills: boolean | undefined): string => (skills === undefined ? 'inherit' : skills ? 'ON' : 'OFF');

export const spawnedText = ({ agentId, label, model, name, config }: Spawned): string =>
  [
    'Sub-agent spawned!',
    `ID: ${agentId}`,
    `Label: ${named(label)}`,
    `Model: ${named(model ?? config.model ?? 'default')}`,
    `Thinking: ${config.thinking ?? 'default'}`,
    `Skills: ${skillsText(config.skills)}`,
    `Mode: ${config.mode}${name === undefined ? '' : ` [${name}]`}`,
    ...(config.specialization === undefined ? [] : [`Specialization: ${config.specialization}`]),
    ...(config.keywords.length === 0 ? [] : [`Keywords: ${config.keywords.join(', ')}`]),
    `Nested spawn: ${mayDelegate(config) ? 'on' : 'off'}`,
  ].join('\n');

export const resumedText = ({ agentId, name }: Spawned, task: string): string =>
  [
    'Session agent resumed!',
    `Name: ${name ?? agentId}`,
    `ID: ${agentId}`,
    `Task: ${shortLine(task, 120)}`,
    'Session history is preserved.',
  ].join('\n');

export const cancelledText = (agentId: string, { cancelled, descendants }: Cancelled): string => {
  if (!cancelled) return `Sub-agent ${named(agentId)} not found or already finished.`;
  const below = descendants === 0 ? '' : ` and ${counted(descendants, 'descendant')}`;
  return `Cancellation requested for sub-agent ${agentId}${below}.`;
};

export const cancelledAllText = (count: number): string =>
  `Cascade cancellation requested for ${counted(count, 'sub-agent')}.`;

export const notFoundText = (agentId: string): string => `Sub-agent ${named(agentId)} not found.`;

export const steeredText = (agentId: string, outcome: SteerOutcome): string => {
  switch (outcome.status) {
    case 'accepted':
      return `Steer accepted!\nID: ${outcome.agentId}\nLabel: ${named(outcome.label)}\nNew run: ${outcome.runId}`;
    case 'rate_limited':
      return `Rate limited: ${outcome.message}`;
    case 'done':
      return `Cannot steer: ${outcome.message}`;
    case 'not_found':
      return notFoundText(agentId);
    case 'failed':
      return `Steer failed: ${outcome.message}`;
  }
};

export const infoText = (info: SubagentInfo): string => {
  const { config, usage, children } = info;
  const inherited = config.skills === undefined ? ' (inherited)' : '';
  return [
    `Sub-agent ${info.agentId}`,
    `Label: ${named(info.label)}`,
    ...(info.name === null ? [] : [`Name: ${info.name}`]),
    `State: ${info.state}`,
    ...(info.task === null ? [] : [`Task: ${shortLine(info.task, 120)}`]),
    `Depth: ${info.depth}`,
    `Model: ${named(info.model ?? config.model ?? 'default')}`,
    config.tools ? `Tools: ${config.tools.join(', ') || 'none'}` : `Tool profile: ${config.toolProfile}`,
    ...(config.specialization === undefined ? [] : [`Specialization: ${config.specialization}`]),
    `Routing mode: ${config.routing}`,
    ...(config.keywords.length === 0 ? [] : [`Keywords: ${config.keywords.join(', ')}`]),
    `Skills: ${info.effectiveSkills ? 'ON' : 'OFF'}${inherited}`,
    `Thinking: ${config.thinking ?? 'default'}`,
    `Elapsed: ${secondsText(info.elapsedSeconds)}`,
    `Pending descendants: ${info.pendingDescendants}`,
    ...(info.background > 0 ? [`In the background: ${info.background}`] : []),
    `Children: ${children.length === 0 ? 'none' : children.join(', ')}`,
    ...(usage === null
      ? []
      : [`Tokens: ${tokensOf(usage)} total (${usage.inputTokens} in, ${usage.outputTokens} out)`]),
    ...(info.resultPreview === null ? [] : [`Result: ${info.resultPreview}`]),
    ...(info.error === null ? [] : [`Error: ${info.error}`]),
  ].join('\n');
};

/**
 * One line for what happens to a sub-agent, for channels that tell people of it: when it is asked, and how that ended. `null` for what
 * they are not told: that its run began, or that somebody steered it.
 */
export const lifecycleText = ({
  type,
  agentId,
  label,
  result,
  error,
  elapsedSeconds,
}: SubagentEvent): string | null => {
  if (type === 'started' || type === 'steered') return null;
  const who = `Sub-agent ${named(label)} (${agentId})`;
  if (type === 'spawning') return `${who} is spawning.`;
  const after = elapsedSeconds === null ? '' : ` after ${secondsText(elapsedSeconds)}`;
  const what = shortLine((type === 'completed' ? result : error) ?? '', 300);
  return `${who} ${type === 'cancelled' ? 'was cancelled' : type}${after}${what === '' ? '.' : `: ${what}`}`;
};
