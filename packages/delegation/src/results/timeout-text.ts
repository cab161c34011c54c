import type { Report } from '@troupe/protocol';

/**
 * What the model of a parent reads of a child that ran out of time: whether its model answered at all, and where to look.
 *
 * @param about `timeoutMs` is the limit, if it is known; else how long the child ran is named.
 */
export const timeoutTextOf = (
  { usage }: Pick<Report, 'usage'>,
  about: { timeoutMs?: number; durationMs?: number; diagnosticPath?: string },
): string => {
  const { timeoutMs, durationMs = usage.activeMs, diagnosticPath } = about;
  const said = `Subagent timed out after ${secondsOf(timeoutMs ?? durationMs)}s`;
  if (usage.turns > 0)
    return `${said} with ${usage.turns} API call${usage.turns === 1 ? '' : 's'} completed: it is likely stuck on a slow API call, or in a tool.`;
  return `${said} without making any API call that was answered.${diagnosticPath === undefined ? '' : ` Diagnostic: ${diagnosticPath}`}`;
};

/** Milliseconds as the seconds that texts name. */
export const secondsOf = (ms: number): number => (ms < 1_000 ? Math.round(ms) / 1_000 : Math.round(ms / 1_000));
