import { jsonValuesIn, type ToolResult } from '@troupe/core';
import { type JSONSchema, type JSONValue, type Report, schemaOf, textOfIssue, toJSON } from '@troupe/protocol';
import type { FileRegistry } from '../files/file-registry.ts';
import { staleNoteFor } from '../files/stale-note.ts';
import { type DelegationEntry, type EntryStatus, entryOf } from '../results/entry.ts';
import { writeDiagnosis } from '../results/write-diagnosis.ts';
import type { Attempt } from './attempts.ts';
import type { DelegatePolicy } from './delegate-options.ts';
import type { KeptWorkspace } from './workspace.ts';

/** One entry of a result of `delegate_task`. */
export type DelegateEntry = DelegationEntry & {
  /** Of a task with an `output_schema`: whether the answer fits it, why not (at most 10 reasons), and what it holds when it does and is not cut. */
  schema_valid?: boolean;
  schema_errors?: string[];
  data?: JSONValue;
  /**
   * Of a task that was tried again: which fallback this is the entry of, from 1; how the first child ended, why, and its model. Numbers
   * (durations, calls, tokens, cost) are then those of all its children together; the rest is of the last one.
   */
  fallback_attempt?: number;
  fallback_of_status?: EntryStatus;
  primary_error?: string;
  primary_model?: string | null;
  /** Files that the child changed after its parent had read them, where there is no summary to say so in. */
  stale_paths?: string[];
  /** What is left of the folder that the child had to itself, where something is. */
  workspace?: KeptWorkspace;
};

/** What a call of `delegate_task` gives: one entry for each task, in their order. */
export type DelegateResult = {
  results: DelegateEntry[];
  total_duration_seconds: number;
  /** What was understood otherwise than it may have been meant. */
  warnings?: string[];
};

const seconds = (ms: number): number => Math.round(ms / 10) / 100;

/** Whether an answer fits what was asked for: the child was asked again until it did, or could not be. */
export const fitOf = (report: Report, schema: JSONSchema | undefined): Pick<DelegateEntry, 'schema_valid' | 'data'> => {
  if (!schema || report.status !== 'completed') return {};
  return report.data === undefined ? { schema_valid: false } : { schema_valid: true, data: report.data };
};

const schemaFieldsOf = async (report: Report, schema: JSONSchema | undefined): Promise<Partial<DelegateEntry>> => {
  const fit = fitOf(report, schema);
  if (!schema || fit.schema_valid !== false) return fit;
  // Its run was told so of the last one.
  const value = [...jsonValuesIn(report.text ?? '')].at(-1);
  if (value === undefined) return { schema_valid: false, schema_errors: ['the answer holds no JSON'] };
  const { issues = [] } = await schemaOf(schema)['~standard'].validate(value);
  return { schema_valid: false, schema_errors: issues.slice(0, 10).map(textOfIssue) };
};

/** Where entries are made. */
type About = {
  /** Who remembers files. */
  files: FileRegistry | undefined;
  /** Of the children. */
  depth: number;
  /** The run that delegates. */
  parentRunId: string;
  /** What is left of folders of children, by the runs that they were given to. */
  kept: ReadonlyMap<string, KeptWorkspace>;
  /** What is to be said besides. */
  warnings: readonly string[];
};

/** With a note where what its parent had read was changed by it. */
export const withStaleNote = (
  entry: DelegateEntry,
  childRunId: readonly string[],
  { files, parentRunId }: Pick<About, 'files' | 'parentRunId'>,
): DelegateEntry => {
  if (!files) return entry;
  // What a child wrote, it wrote after it began; what its parent has read after that is not stale.
  const about = {
    parentRunId,
    childRunId,
    readBefore: files.knownReads(parentRunId),
    since: Number.NEGATIVE_INFINITY,
  };
  const found = staleNoteFor(files, about);
  if (!found) return entry;
  if (entry.summary === null) return { ...entry, stale_paths: found.paths };
  return { ...entry, summary: `${entry.summary}\n\n[${found.note}]` };
};

const entryFor = async (
  { report, child }: Attempt,
  policy: DelegatePolicy,
  { depth }: About,
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
  return { ...entry, ...fields };
};

const sum = (entries: readonly DelegateEntry[], of: (entry: DelegateEntry) => number | undefined): number =>
  entries.reduce((all, entry) => all + (of(entry) ?? 0), 0);

/** What all attempts at a task took together. */
const takenBy = (entries: readonly DelegateEntry[]) => {
  const tokens = (kind: 'cached' | 'reasoning') =>
    entries.some((entry) => entry.tokens[kind] !== undefined) && { [kind]: sum(entries, (each) => each.tokens[kind]) };
  return {
    api_calls: sum(entries, (entry) => entry.api_calls),
    tool_calls: sum(entries, (entry) => entry.tool_calls),
    duration_seconds: Math.round(sum(entries, (entry) => entry.duration_seconds) * 100) / 100,
    tokens: {
      input: sum(entries, (entry) => entry.tokens.input),
      output: sum(entries, (entry) => entry.tokens.output),
      ...tokens('cached'),
      ...tokens('reasoning'),
    },
    cost_usd: sum(entries, (entry) => entry.cost_usd),
  };
};

/** The entry of a task: of its only child, or of the last of those that it was given to. */
const entryOfTask = async (attempts: readonly Attempt[], policy: DelegatePolicy, about: About) => {
  const entries = await Promise.all(attempts.map((attempt) => entryFor(attempt, policy, about)));
  const [primary, last] = [entries[0], entries.at(-1)];
  if (!primary || !last) return [];
  const again: Partial<DelegateEntry> =
    entries.length === 1
      ? {}
      : {
          ...takenBy(entries),
          fallback_attempt: entries.length - 1,
          fallback_of_status: primary.status,
          ...(primary.error !== undefined && { primary_error: primary.error }),
          primary_model: primary.model,
        };
  const runIds = attempts.map(({ report }) => report.runId);
  const workspace = runIds.flatMap((runId) => about.kept.get(runId) ?? [])[0];
  return [withStaleNote({ ...last, ...again, ...(workspace && { workspace }) }, runIds, about)];
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
  tasks: readonly (readonly Attempt[])[],
  policy: DelegatePolicy,
  about: About,
): Promise<DelegateResult | { error: string }> => {
  const refusal = refusalIn(reports);
  if (refusal !== undefined) return { error: refusal };
  const results = await Promise.all(tasks.map((attempts) => entryOfTask(attempts, policy, about)));
  const warnings = [...tasks.flat().flatMap(({ child }) => child.warnings ?? []), ...about.warnings];
  return {
    results: results.flat(),
    total_duration_seconds: seconds(durationOf(reports)),
    ...(warnings.length > 0 && { warnings }),
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
