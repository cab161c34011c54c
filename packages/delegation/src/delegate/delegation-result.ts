import { jsonIn, type ToolResult } from '@troupe/core';
import { type JSONSchema, type JSONValue, type Report, schemaOf, textOfIssue, toJSON } from '@troupe/protocol';
import type { FileRegistry } from '../files/file-registry.ts';
import { staleNoteFor } from '../files/stale-note.ts';
import { type DelegationEntry, entryOf } from '../results/entry.ts';
import { writeDiagnosis } from '../results/write-diagnosis.ts';
import type { ChildPlan, DelegationPlan } from './child-plan.ts';
import type { DelegatePolicy } from './delegate-options.ts';

/** One entry of a result of `delegate_task`. */
export type DelegateEntry = DelegationEntry & {
  /** Of a task with an `output_schema`: whether the answer fits it, why not (at most 10 reasons), and what it holds when it does and is not cut. */
  schema_valid?: boolean;
  schema_errors?: string[];
  data?: JSONValue;
  /** Files that the child changed after its parent had read them, where there is no summary to say so in. */
  stale_paths?: string[];
};

/** What a call of `delegate_task` gives: one entry for each task, in their order. */
export type DelegateResult = {
  results: DelegateEntry[];
  total_duration_seconds: number;
  /** What was understood otherwise than it may have been meant. */
  warnings?: string[];
};

const seconds = (ms: number): number => Math.round(ms / 10) / 100;

const schemaFieldsOf = async (report: Report, schema: JSONSchema | undefined): Promise<Partial<DelegateEntry>> => {
  if (!schema || report.status !== 'completed') return {};
  if (report.data !== undefined) return { schema_valid: true, data: report.data };
  const value = jsonIn(report.text ?? '');
  if (value === undefined) return { schema_valid: false, schema_errors: ['the answer holds no JSON'] };
  const { issues = [] } = await schemaOf(schema)['~standard'].validate(value);
  return { schema_valid: false, schema_errors: issues.slice(0, 10).map(textOfIssue) };
};

const withStaleNote = (
  entry: DelegateEntry,
  { parentRunId }: DelegationPlan,
  files: FileRegistry | undefined,
): DelegateEntry => {
  if (!files) return entry;
  // What a child wrote, it wrote after it began; what its parent has read after that is not stale.
  const about = {
    parentRunId,
    childRunId: entry.run_id,
    readBefore: files.knownReads(parentRunId),
    since: Number.NEGATIVE_INFINITY,
  };
  const found = staleNoteFor(files, about);
  if (!found) return entry;
  if (entry.summary === null) return { ...entry, stale_paths: found.paths };
  return { ...entry, summary: `${entry.summary}\n\n[${found.note}]` };
};

const entryFor = async (
  report: Report,
  child: ChildPlan,
  plan: DelegationPlan,
  policy: DelegatePolicy,
  { files, depth }: { files: FileRegistry | undefined; depth: number },
): Promise<DelegateEntry> => {
  const { index, count, role, goal, model, tools, settings } = child;
  const { timeoutMs, idleTimeoutMs, maxIterations, maxSummaryChars, diagnostics } = policy;
  const limit = report.exitReason === 'idle_timeout' ? idleTimeoutMs : timeoutMs;
  const about = { goal, index, count, role, depth, tools, ...(limit !== undefined && { timeoutMs: limit }) };
  const config = toJSON({ model, settings, maxIterations, timeoutMs, idleTimeoutMs });
  const diagnosticPath =
    diagnostics === false
      ? undefined
      : await writeDiagnosis(report, { ...about, config }, diagnostics === undefined ? {} : { folder: diagnostics });
  const entry = entryOf(report, {
    index,
    model,
    ...(limit !== undefined && { timeoutMs: limit }),
    ...(diagnosticPath !== undefined && { diagnosticPath }),
    ...(maxSummaryChars !== undefined && { maxSummaryChars }),
  });
  const fields = await schemaFieldsOf(report, child.outputSchema);
  if (entry.truncated) delete fields.data;
  return withStaleNote({ ...entry, ...fields }, plan, files);
};

/** From the first of them that began to the last that ended. */
const durationOf = (reports: readonly Report[]): number => {
  const began = reports.flatMap(({ createdAt }) => createdAt ?? []);
  const ended = reports.flatMap(({ endedAt }) => endedAt ?? []);
  return began.length > 0 && ended.length > 0 ? Math.max(0, Math.max(...ended) - Math.min(...began)) : 0;
};

/** Whether not one child was started: then there is nothing to tell but why. */
const refusalIn = (reports: readonly Report[]): string | undefined => {
  const refused = reports.filter(({ fault }) => fault?.code === 'spawn.refused');
  return refused.length === reports.length ? refused[0]?.fault?.message : undefined;
};

/** The result of a call whose children have ended, however they did. */
export const delegateResultOf = async (
  reports: readonly Report[],
  plan: DelegationPlan,
  policy: DelegatePolicy,
  about: { files: FileRegistry | undefined; depth: number },
): Promise<DelegateResult | { error: string }> => {
  const refusal = refusalIn(reports);
  if (refusal !== undefined) return { error: refusal };
  const results = await Promise.all(
    plan.children.flatMap((child, i) => {
      const report = reports[i];
      return report ? [entryFor(report, child, plan, policy, about)] : [];
    }),
  );
  return {
    results,
    total_duration_seconds: seconds(durationOf(reports)),
    ...(plan.warnings.length > 0 && { warnings: plan.warnings }),
  };
};

/** What the parent's model is told: the entries, and an error where no child has completed. */
export const toolResultOf = (result: DelegateResult | { error: string }): ToolResult => {
  if ('error' in result) return result;
  const { results } = result;
  const data = toJSON(result);
  if (results.some(({ status }) => status === 'completed')) return { data };
  const [only] = results;
  const error =
    results.length === 1
      ? (only?.error ?? 'The task did not complete.')
      : `None of the ${results.length} tasks completed.`;
  return { error, data };
};
