/** What a model reads of sub-agents: each text from data alone. */
import { beginningOf, tokensOf } from '@troupe/protocol';
import { shortLine } from '../results/shorten.ts';
import { type Role, roleCatalogue } from './roles.ts';
import { mayDelegate } from './subagent-config.ts';
import type {
  Cancelled,
  Spawned,
  SteerOutcome,
  SubagentInfo,
  SubagentLimits,
  SubagentResult,
  SubagentStatus,
  SubagentSummary,
} from './subagent-manager.ts';

/** What went wrong, as a sentence that says so. */
export const errorText = (problem: string): string => `Error: ${problem}`;

/** UTF-16 units that are shown of a result. */
const mostShown = 3_000;
export const secondsText = (seconds: number): string => `${Math.round(seconds)}s`;
const labelText = (label: string): string => shortLine(label, 80);
export const counted = (n: number, one: string): string => `${n} ${one}${n === 1 ? '' : 's'}`;
const said = (...parts: readonly (string | false | null | undefined)[]): string[] =>
  parts.filter((part): part is string => typeof part === 'string' && part !== '');

/** How a result comes to whoever asked: by itself, or only by asking. */
export type Handover = 'pushed' | 'pulled';

const handoverText = (handover: Handover, agentId: string): string =>
  handover === 'pushed'
    ? `Its result comes to this conversation by itself, once. To have it sooner: action "wait" or "results", agent_id "${agentId}".`
    : `Its result does not come by itself. Ask for it: action "wait" or "results", agent_id "${agentId}".`;

const skillsText = (skills: boolean | undefined): string => {
  if (skills === undefined) return 'inherit';
  return skills ? 'on' : 'off';
};

const modeText = (mode: string, name: string | null | undefined): string => (name ? `${mode} [${name}]` : mode);

/** What a call that started one is told, or that let one go on. */
export const spawnedText = (
  { agentId, runId, label, depth, name, model, config }: Spawned,
  { resumed = false, handover }: { resumed?: boolean; handover: Handover },
): string =>
  [
    `Sub-agent ${resumed ? 'resumed' : 'spawned'}. It works by itself now: this is NOT its result.`,
    `ID: ${agentId}`,
    `Run ID: ${runId}`,
    `Task ID: ${agentId}`,
    `Label: ${labelText(label)}`,
    said(
      `Depth: ${depth}`,
      config.role && `Role: ${config.role}`,
      model && `Model: ${model}`,
      config.thinking && `Thinking: ${config.thinking}`,
      `Skills: ${skillsText(config.skills)}`,
      config.timeoutMs !== undefined && `Timeout: ${secondsText(config.timeoutMs / 1_000)}`,
      `Mode: ${modeText(config.mode, name)}`,
      mayDelegate(config) && 'Nested: on',
    ).join(' | '),
    '',
    handoverText(handover, agentId),
    `To give it more to do once it has ended, in the same conversation: action "spawn", task_id "${agentId}".`,
  ].join('\n');

/** What a call that resumed one by its name is told. */
export const resumedText = ({ agentId, runId, label, name }: Spawned, handover: Handover): string =>
  [
    'Sub-agent resumed, with all that was said before. It works by itself now: this is NOT its result.',
    `ID: ${agentId}`,
    `Run ID: ${runId}`,
    `Task ID: ${agentId}`,
    `Name: ${name ?? 'none'}`,
    `Label: ${labelText(label)}`,
    '',
    handoverText(handover, agentId),
  ].join('\n');

/** One sub-agent in a list, as a line. */
export const summaryLine = (summary: SubagentSummary): string => {
  const { agentId, runId, label, state, elapsedSeconds, model, mode, name, pendingDescendants, background } = summary;
  return [
    `[${runId === null ? agentId : `${agentId}/${runId}`}] ${labelText(label)}: ${state} — ${secondsText(elapsedSeconds)}`,
    ...said(
      model && `[${model}]`,
      mode === 'session' && `[session:${name ?? 'none'}]`,
      pendingDescendants > 0 && `(waiting on ${counted(pendingDescendants, 'descendant')})`,
      background > 0 && `(${background} in the background)`,
    ),
  ].join(' ');
};

/** Those that a conversation sees. */
export const statusText = ({ total, active, recent, byState }: SubagentStatus): string => {
  if (total === 0) return 'No sub-agents have been spawned.';
  const states = Object.entries(byState).flatMap(([state, n]) => (n > 0 ? [`${n} ${state}`] : []));
  const list = (title: string, summaries: readonly SubagentSummary[]): string[] =>
    summaries.length > 0 ? [`${title}:`, ...summaries.map((summary) => `- ${summaryLine(summary)}`)] : [];
  return [
    `Sub-agents: ${total} in all (${states.join(', ')})`,
    ...list('Active', active),
    ...list('Recent', recent),
  ].join('\n');
};

/** The beginning of a long text, and how much of it is left out. @param mark Stands before that. */
export const cut = (text: string, longest: number, mark = ''): string => {
  if (text.length <= longest) return text;
  const shown = beginningOf(text, longest);
  return `${shown}\n[${mark}${text.length - shown.length} chars omitted]`;
};

/** What a sub-agent says is its own: lines that look like those around it are marked as quoted. */
export const quoted = (text: string): string => text.replace(/^(?=[^\S\n]*(?:\[Sub-agent|task_id:|run_id:))/gim, '> ');

/** What an end is called where it is told of. */
export const headings = { completed: 'Completed', failed: 'Failed', cancelled: 'Cancelled' } as const;

/** That what one says is not its last word. */
export const waitingText = ({
  pendingDescendants = 0,
  background = 0,
}: Pick<SubagentResult, 'pendingDescendants' | 'background'>): string => {
  const waitsFor = said(
    pendingDescendants > 0 && `${counted(pendingDescendants, 'sub-agent')} below it`,
    background > 0 && `${counted(background, 'piece')} of work in the background`,
  );
  return waitsFor.length > 0
    ? `, and waits for ${waitsFor.join(' and ')}: it goes on when it is told of their end`
    : '';
};

/** What one run came to. One that did not complete never reads like an answer. */
export const resultText = (result: SubagentResult): string => {
  const { agentId, runId, label, state, elapsedSeconds, model, error, partial, delivered } = result;
  const body =
    state === 'completed'
      ? result.result || '(no output)'
      : said(
          `NO RESULT: ${error || `it was ${state}.`}`,
          partial && `What it had said by then (no result):\n${partial}`,
        ).join('\n');
  return said(
    `[Sub-agent ${headings[state]}] ${labelText(label)} (${agentId}/${runId}): ${state} after ${secondsText(elapsedSeconds)}${model ? ` [${model}]` : ''}${waitingText(result)}`,
    `task_id: ${agentId}`,
    `run_id: ${runId}`,
    delivered && `handed over before: ${delivered}`,
    quoted(cut(body, mostShown, 'truncated — ')),
  ).join('\n');
};

/** What was collected; or that there is nothing, and whether anything may still come. */
export const resultsText = (
  results: readonly SubagentResult[],
  { waitedMs, active }: { waitedMs: number; active: number },
): string => {
  if (results.length > 0) return results.map(resultText).join('\n\n');
  const nothing =
    waitedMs > 0 ? `No results received within ${waitedMs / 1_000}s.` : 'No completed results available yet.';
  return `${nothing} ${active > 0 ? `Still at work: ${active}.` : 'Nobody is at work.'}`;
};

export const cancelText = (
  agentId: string,
  { cancelled, descendants }: Cancelled,
): { content: string } | { error: string } =>
  cancelled
    ? {
        content: `Cancellation requested for sub-agent ${agentId}${descendants > 0 ? ` (+ ${counted(descendants, 'descendant')})` : ''}.`,
      }
    : { error: `Could not cancel sub-agent ${agentId}: it was not found, or has ended already.` };

export const cancelAllText = (stopped: number): string =>
  stopped === 0 ? 'No active sub-agents to cancel.' : `Cancellation requested for ${counted(stopped, 'sub-agent')}.`;

export const steerText = (outcome: SteerOutcome): { content: string } | { error: string } => {
  switch (outcome.status) {
    case 'accepted':
      return {
        content: `Steer accepted: sub-agent ${outcome.agentId} (${labelText(outcome.label)}) stopped what it did and works on your message now.\nRun ID: ${outcome.runId}`,
      };
    case 'rate_limited':
      return { error: `Rate limited: ${outcome.message}` };
    case 'failed':
      return { error: `Steer failed: ${outcome.message}` };
    default:
      return { error: `Cannot steer: ${outcome.message}` };
  }
};

export const notFoundText = (agentId: string): string => `Sub-agent "${agentId}" was not found.`;

/** All that is known of one. */
export const infoText = (info: SubagentInfo): string => {
  const { config, usage } = info;
  const own = config.skills === undefined ? ' (inherited)' : '';
  const lines: [string, string | number | false | null | undefined][] = [
    ['ID', info.agentId],
    ['Run ID', info.runId],
    ['Label', labelText(info.label)],
    ['State', info.state],
    ['Task', info.task !== null && shortLine(info.task, 300)],
    ['Mode', modeText(config.mode, info.name)],
    ['Parent', info.parentId],
    ['Depth', info.depth],
    ['Children', info.children.join(', ')],
    ['Pending descendants', info.pendingDescendants],
    ['In the background', info.background > 0 && info.background],
    ['Role', config.role],
    ['Specialization', config.specialization],
    ['Keywords', config.keywords.join(', ')],
    ['Model', info.model],
    config.tools ? ['Tools', config.tools.join(', ') || 'none'] : ['Tool profile', config.toolProfile],
    ['Thinking', config.thinking],
    ['Skills', `${info.effectiveSkills ? 'on' : 'off'}${own}`],
    ['Max turns', config.maxTurns],
    ['Timeout', config.timeoutMs !== undefined && secondsText(config.timeoutMs / 1_000)],
    ['Routing', config.routing],
    ['Nested', mayDelegate(config) ? 'on' : 'off'],
    ['Cleanup', config.cleanup],
    ['Elapsed', secondsText(info.elapsedSeconds)],
    ['Tokens', usage && `${tokensOf(usage)} (${usage.inputTokens} in, ${usage.outputTokens} out)`],
    ['Error', info.error],
    ['Result preview', info.resultPreview],
  ];
  return lines
    .flatMap(([name, value]) =>
      value === null || value === undefined || value === false || value === ''
        ? []
        : `${name}: ${quoted(String(value))}`,
    )
    .join('\n');
};

/** What holds for the agent that is told of the tool. */
export type Standing = {
  limits: SubagentLimits;
  roles: Readonly<Record<string, Role>>;
  /** 0 of whoever is no sub-agent. */
  depth: number;
  handover: Handover;
};

const aboutText = [
  'Starts sub-agents that work by themselves, each in its own conversation, while you go on; and looks after them.',
  [
    'Actions:',
    '- spawn: start one with a task, in a role if you like; with task_id, let one that has ended go on',
    '- resume: give a persistent one (agent_name) a new task, with all that was said before',
    '- status (default), info: how they stand',
    '- results: what came of them; wait: the same, waiting for it',
    '- steer: have one stop what it does and do something else',
    '- cancel (or kill): stop one, with everything below it; without agent_id all of yours',
    '- list_roles',
  ].join('\n'),
  'You are answered at once: that is no result. A sub-agent sees nothing of this conversation, so put everything it needs into the task. Do not spawn the same twice, and do not make results up.',
  'What they say is a self-report: verify what matters. One that did not complete is no success, whatever text there is.',
];

const handoverRule: Record<Handover, string> = {
  pushed:
    'Each result comes to this conversation by itself, once. Do other work or end your turn; do not poll. Use "wait" only where your next step needs a result.',
  pulled: 'Results do not come by themselves: ask for them with "wait" or "results".',
};

const limitText = ({ limits, depth }: Standing): string => {
  const { maxDepth, maxChildrenPerAgent: children, maxTotal: total, maxPersistent: persistent } = limits;
  const below = depth + 1 < maxDepth ? 'may spawn further where you set allow_subagents' : 'cannot spawn further';
  return `Limits: ${children} of yours at work at once, ${total} of everybody's; ${persistent} persistent ones; ${maxDepth} deep: you are at level ${depth}, yours ${below}.`;
};

/** What a model is told of the tool, with what holds for it; `null`: there is no manager to say so yet. */
export const describeSpawn = (standing: Standing | null): string =>
  [
    ...aboutText,
    ...(standing
      ? [handoverRule[standing.handover], limitText(standing), roleCatalogue(new Map(Object.entries(standing.roles)))]
      : []),
  ].join('\n\n');
