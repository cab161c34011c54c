/** What a background delegation has come to: as data, and as the block of text that enters the conversation of whoever asked for it. */
import type { RunView, UnitEnd } from '@troupe/core';
import type { FileRegistry } from '../files/file-registry.ts';
import { entryOf } from '../results/entry.ts';
import { type Attempt, fallbackOf } from './attempts.ts';
import type { DelegationPlan } from './child-plan.ts';
import type { DelegatePolicy } from './delegate-options.ts';
import { type DelegateEntry, type DelegateResult, fitOf, withStaleNote } from './delegation-result.ts';
import type { KeptWorkspace } from './workspace.ts';

/** The completion of a background delegation: `Report.calls[0].data` of its unit. */
export type DelegationCompletion = {
  type: 'async_delegation';
  /** The run id of the unit. */
  delegation_id: string;
  session_key: string | null;
  is_batch: boolean;
  goals: string[];
  roles: string[];
  toolsets: string[][];
  model: string | null;
  /** `error`: no child completed. `partial`: some did. */
  status: 'completed' | 'partial' | 'error';
  results: DelegateEntry[];
  error?: string;
  warnings?: string[];
  total_duration_seconds: number;
};

/** What a plan says of its tasks, each list in their order. */
const tasksOf = ({ children }: DelegationPlan): Pick<DelegationCompletion, 'goals' | 'roles' | 'toolsets'> => ({
  goals: children.map(({ goal }) => goal),
  roles: children.map(({ role }) => role),
  toolsets: children.map(({ tools }) => tools),
});

const statusOf = (results: readonly DelegateEntry[]): DelegationCompletion['status'] => {
  const completed = results.filter(({ status }) => status === 'completed').length;
  if (completed === 0) return 'error';
  return completed === results.length ? 'completed' : 'partial';
};

/** The completion of a unit whose children have ended. */
export const completionOf = (
  view: Pick<RunView, 'runId' | 'sessionKey'>,
  plan: DelegationPlan,
  result: DelegateResult | { error: string },
): DelegationCompletion => {
  const { children, isBatch } = plan;
  const results = 'error' in result ? [] : result.results;
  return {
    type: 'async_delegation',
    delegation_id: view.runId,
    session_key: view.sessionKey ?? null,
    is_batch: isBatch,
    ...tasksOf(plan),
    model: children[0]?.model ?? null,
    status: statusOf(results),
    results,
    ...('error' in result && { error: result.error }),
    ...('warnings' in result && result.warnings && { warnings: result.warnings }),
    total_duration_seconds: 'error' in result ? 0 : result.total_duration_seconds,
  };
};

const isCompletion = (data: unknown): data is DelegationCompletion =>
  typeof data === 'object' && data !== null && (data as { type?: unknown }).type === 'async_delegation';

/** What a child says is its own: lines that look like the headings here are marked as quoted. */
const quoted = (text: string): string => text.replace(/^(?=[^\S\n]*(?:\[ASYNC DELEGATION|TASK \d+\/\d+:))/gim, '> ');

const keptText = ({ path, branch }: KeptWorkspace): string =>
  `Its workspace was kept: ${branch ? `${path} (branch ${branch})` : path}`;

const warningsText = (warnings: readonly string[]): string =>
  `WARNINGS:\n${warnings.map((warning) => `- ${warning}`).join('\n')}`;

const bodyOf = ({
  summary,
  error,
  partial_text: partial,
  diagnostic_path: log,
  stale_paths: stale,
  workspace,
}: DelegateEntry): string =>
  [
    summary === null ? `NO RESULT: ${quoted(error ?? 'it did not complete.')}` : quoted(summary),
    partial && `What it had said by then (no result):\n${quoted(partial)}`,
    log && `Diagnostic log: ${log}`,
    workspace && keptText(workspace),
    stale && `Files you had read were modified: ${stale.join(', ')}`,
  ]
    .filter(Boolean)
    .join('\n\n');

/** What is said of a task that was tried again. */
const againText = ({ fallback_attempt: fallback, primary_model: first }: DelegateEntry): string =>
  fallback === undefined
    ? ''
    : ` · fallback ${fallback}: the first child (model ${first ?? 'unknown'}) ran out of time`;

const taskBlock = (
  entry: DelegateEntry,
  completion: Pick<DelegationCompletion, 'goals' | 'roles' | 'toolsets'>,
): string => {
  const { task_index: index, status, exit_reason: reason, duration_seconds: took, api_calls: calls, model } = entry;
  const { goals, roles, toolsets } = completion;
  const fit =
    entry.schema_valid === undefined ? '' : ` · answer ${entry.schema_valid ? 'fits' : 'does NOT fit'} its schema`;
  return [
    `TASK ${index + 1}/${goals.length}: ${goals[index] ?? ''}`,
    `role ${roles[index] ?? 'leaf'} · model ${model ?? 'unknown'} · tools ${toolsets[index]?.join(', ') || 'none'} · run ${entry.run_id}`,
    `status ${status} (${reason}) · ${took} s · ${calls} model calls${fit}${againText(entry)}`,
    '',
    bodyOf(entry),
  ].join('\n');
};

/** How providers say that they do not have a model. */
const rejections =
  /not (found|exist|available|supported|allowed)|does ?n.t exist|no such model|unknown model|invalid model|no access/i;

/** What is said where children failed since their provider does not take the model that was set for them: whoever set it should know. */
const rejectedNotice = (model: string | null, results: readonly DelegateEntry[]): string | false =>
  model !== null &&
  results.some(({ status, error = '' }) => status !== 'completed' && error.includes(model) && rejections.test(error)) &&
  `[SUBAGENT MODEL REJECTED: the provider does not take "${model}", which children were given. Tell whoever set it up; delegating again will fail the same way.]`;

/** What the session is told of one child whose siblings may be at work still. */
export const childCompletionText = (
  attempt: Attempt,
  delegationId: string,
  plan: DelegationPlan,
  policy: Pick<DelegatePolicy, 'maxSummaryChars' | 'timeoutFallbacks'>,
  files?: FileRegistry,
): string => {
  const { report, child } = attempt;
  const { index, fallback } = child;
  const { maxSummaryChars } = policy;
  const entry: DelegateEntry = {
    ...entryOf(report, { index, ...(maxSummaryChars !== undefined && { maxSummaryChars }) }),
    ...fitOf(report, child.outputSchema),
    ...(fallback !== undefined && {
      fallback_attempt: fallback,
      primary_model: plan.children[index]?.model ?? null,
    }),
  };
  const next = fallbackOf(attempt, policy);
  return [
    `[ASYNC DELEGATION: TASK ${index + 1}/${plan.children.length} ${next ? 'TIMED OUT' : 'COMPLETE'} — ${delegationId}]`,
    next
      ? `A child that you delegated one task to ran out of time. When the others have ended the task is tried again with model ${next.model}, unless nothing more can be started; you are told of that by itself. Do not delegate it again meanwhile.`
      : 'One task that you delegated to the background has ended; you are told of the others by themselves. This is a self-report: verify what matters.',
    rejectedNotice(child.model ?? null, [entry]),
    taskBlock(withStaleNote(entry, [report.runId], { files, parentRunId: plan.parentRunId }), tasksOf(plan)),
  ]
    .filter(Boolean)
    .join('\n\n');
};

/**
 * What is left to tell when the last child of a unit has ended that told of each by itself: what became of their workspaces, which is
 * decided once all have ended, and what went wrong behind them. `undefined`: nothing.
 */
export const lastCompletionText = (end: UnitEnd, plan: Pick<DelegationPlan, 'warnings'>): string | undefined => {
  if (!isCompletion(end.data)) return undefined;
  const { delegation_id: id, goals, results } = end.data;
  // What was known at once stands in the answer of the call.
  const warnings = end.data.warnings?.filter((warning) => !plan.warnings.includes(warning)) ?? [];
  const kept = results.flatMap(({ task_index: index, workspace }) =>
    workspace ? `TASK ${index + 1}/${goals.length}: ${goals[index] ?? ''}\n${keptText(workspace)}` : [],
  );
  if (warnings.length === 0 && kept.length === 0) return undefined;
  return [
    `[ASYNC DELEGATION: ALL TASKS ENDED — ${id}]`,
    'Each of them was told of by itself. This could not be told before.',
    warnings.length > 0 && warningsText(warnings),
    ...kept,
  ]
    .filter(Boolean)
    .join('\n\n');
};

const lost = ({ runId, status, exitReason, reason }: UnitEnd): string =>
  [
    `[ASYNC DELEGATION ENDED WITHOUT RESULTS — ${runId}]`,
    `status ${status} (${exitReason})${reason ? `: ${reason}` : ''}`,
    'Nothing more will come of it. Delegate again if it is still needed.',
  ].join('\n');

/** What the session is told: everything that is needed to understand it, for the conversation may have moved on. */
export const completionText = (end: UnitEnd): string => {
  if (!isCompletion(end.data)) return lost(end);
  const completion = end.data;
  const { is_batch: isBatch, goals, status, results, error, delegation_id: id } = completion;
  const outcome = {
    completed: 'every task completed',
    partial: `${results.filter((entry) => entry.status === 'completed').length} of ${goals.length} tasks completed`,
    error: 'NO task completed',
  }[status];
  const ending = end.status === 'completed' ? '' : ` It was ended early: ${end.status} (${end.exitReason}).`;
  return [
    `[ASYNC DELEGATION ${isBatch ? 'BATCH ' : ''}COMPLETE — ${id}]`,
    `Work that you delegated to the background has ended: ${outcome}, ${completion.total_duration_seconds} s in all.${ending} These are self-reports: verify what matters.`,
    error && `NO RESULT: ${error}`,
    completion.warnings && warningsText(completion.warnings),
    rejectedNotice(completion.model, results),
    ...results.map((entry) => taskBlock(entry, completion)),
    results.length === 0 && goals.map((goal, i) => `TASK ${i + 1}/${goals.length}: ${goal}`).join('\n'),
  ]
    .filter(Boolean)
    .join('\n\n');
};
