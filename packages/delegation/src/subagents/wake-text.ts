import { cut, headings, quoted, waitingText } from './spawn-text.ts';
import type { SubagentResult } from './subagent-manager.ts';

/** Characters of a result that its requester is told without asking. */
const longest = 2_000;

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
  ...told
}: SubagentResult): string =>
  [
    `[Sub-agent ${headings[state]}] ${label} (${agentId}): ${state} after ${elapsedSeconds} s${waitingText(told)}`,
    `task_id: ${agentId}`,
    `run_id: ${runId}`,
    '',
    quoted(cut(result ?? error ?? '(no output)', longest)),
    ...(partial === undefined ? [] : ['', `It had said by then, which is no answer: ${quoted(cut(partial, longest))}`]),
  ].join('\n');
