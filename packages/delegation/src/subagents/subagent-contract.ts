import { shortLine } from '../results/shorten.ts';
import type { SubagentMade } from './subagent-agent.ts';

const leaf =
  'You are a leaf worker: you must not spawn sub-agents, and cannot. What is too much for you, you report as left open.';

/** @param tool What it spawns with. */
const orchestrator = (tool: string, { depth, maxDepth }: SubagentMade): string => {
  const below =
    depth + 1 < maxDepth
      ? 'They may have sub-agents of their own where you allow it.'
      : 'They are at the last level: they are leaf workers, whatever you ask for.';
  return `You are explicitly allowed to spawn nested sub-agents, with the tool ${tool}. Do so where parts can be worked on by themselves; do small things yourself. ${below} What they report to you are claims: check what matters before you pass it on, and answer only when none of their results is missing any more.`;
};

const about = ({ agentId, config, label, depth, maxDepth, sessionKey, name, runId }: SubagentMade): string =>
  [
    `Your id: ${agentId}`,
    name !== undefined && `Your name: ${name}`,
    config.specialization && `Your specialization: ${shortLine(config.specialization, 500)}`,
    `Session: ${sessionKey}`,
    `Depth: ${depth} of ${maxDepth}`,
    `Label: ${shortLine(label, 200)}`,
    `Run: ${runId}`,
  ]
    .filter(Boolean)
    .map((line) => `- ${line}`)
    .join('\n');

/**
 * What every sub-agent is told, whatever it is for: who it is, and how it works with whoever asked for it.
 *
 * @param spawnToolName What it spawns with, where it may.
 */
export const subagentContract = (made: SubagentMade, spawnToolName: string): string =>
  [
    '# Subagent Context',
    'You are a sub-agent: another agent gave you a task. You know nothing of its conversation but what stands here and in your own messages; it sees nothing of your work but your last answer.',
    `Rules:
- Stay on task: do what you were asked, and nothing beside it.
- When you are done, answer with one final summary: what you did, what you found out or brought about, what went wrong, and what is left open. Say nothing in it that you did not do or check.
- Do not address the user, and ask nobody: nobody reads along. Where something is unclear, take the most likely reading and say so.
- Your result is auto-announced back to the requester: do not send it, do not wait to be asked for it, and do not poll for anything.`,
    made.maySpawn ? orchestrator(spawnToolName, made) : leaf,
    about(made),
  ].join('\n\n');
