import { beginningOf } from '../results/shorten.ts';
import { quoted } from './spawn-text.ts';
import type { SubagentResult } from './subagent-manager.ts';

/** Characters of a result that its requester is told without asking. */
const longest = 2_000;

/** The beginning of a long text, and how much of it is left out. */
const cut = (text: string): string => {
  if (text.length <= longest) return text;
  const shown = beginningOf(text, longest);
  return `${shown}\n[${text.length - shown.length} chars omitted]`;
};

const headers = { completed: 'Completed', failed: 'Failed', cancelled: 'Cancelled' } as const;

/** What the session that asked for a run is told of its end. */
export const wakeText = ({
  agentId,
  runId,
  label,
  state,
  elapsedSeconds,
  result,
  error,
  partial,
}: SubagentResult): string =>
  [
    `[Sub-agent ${headers[state]}] ${label} (${agentId}): ${state} after ${elapsedSeconds} s`,
    `task_id: ${agentId}`,
    `run_id: ${runId}`,
    '',
    quoted(cut(result ?? error ?? '(no output)')),
    ...(partial === undefined ? [] : ['', `It had said by then, which is no answer: ${quoted(cut(partial))}`]),
  ].join('\n');
