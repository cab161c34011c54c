import type { Runtime } from '@troupe/core';
import { type Fault, isEnded, type JSONValue, type Report, type RunRow, type TerminalEvent } from '@troupe/protocol';
import type { SubagentResult } from './subagent-manager.ts';
import { Requester, type SubagentRecord } from './subagent-record.ts';

const states = { 'run.completed': 'completed', 'run.failed': 'failed', 'run.interrupted': 'cancelled' } as const;

/** How a run ended, as a sub-agent's. */
export const stateOf = (status: 'completed' | 'failed' | 'interrupted'): SubagentResult['state'] =>
  status === 'interrupted' ? 'cancelled' : status;

/** Why a run failed, in words. */
const errorOf = (
  { config: { timeoutMs } }: SubagentRecord,
  exitReason: string,
  fault: Pick<Fault, 'code' | 'message' | 'details'> | undefined,
): string => {
  // A limit that the runtime sets besides is not its own.
  const isItsOwn =
    exitReason === 'timeout' && (fault?.details as { kind?: unknown } | undefined)?.kind === 'deadlineMs';
  if (isItsOwn && timeoutMs !== undefined) return `Sub-agent timed out after ${timeoutMs / 1_000}s.`;
  return fault ? `${fault.code}: ${fault.message}` : exitReason;
};

/** The model of a run, where one is known. */
export const modelOf = ({ model }: Pick<RunRow, 'model'>): string | null => (model === '' ? null : model);

/** What there is to say of a run that has ended, whoever says so. */
const resultOf = (
  { agentId, label, name }: SubagentRecord,
  {
    text,
    data,
    partialText,
    from,
    to,
    ...about
  }: Pick<SubagentResult, 'runId' | 'state' | 'error' | 'model' | 'requester'> &
    Pick<Report, 'text' | 'usage'> & {
      data?: JSONValue | undefined;
      partialText?: string | undefined;
      from: number;
      to: number;
    },
): SubagentResult => ({
  ...about,
  agentId,
  label,
  ...(name !== undefined && { name }),
  result: about.state === 'completed' ? (text ?? JSON.stringify(data ?? '')) : null,
  ...(partialText !== undefined && { partial: partialText }),
  elapsedSeconds: elapsed(from, to),
  usage: about.usage.total,
});

const elapsed = (from: number, to: number): number => Math.max(0, Math.round((to - from) / 100) / 10);

/** What a run of a sub-agent came to, from its last event. */
export const resultOfEnd = (
  record: SubagentRecord,
  event: TerminalEvent,
  { model, startedAt }: { model: string | null; startedAt: number },
): SubagentResult =>
  resultOf(record, {
    runId: event.runId,
    state: states[event.type],
    text: null,
    ...(event.type === 'run.completed' ? { text: event.text, data: event.data } : { partialText: event.partialText }),
    error:
      event.type === 'run.failed'
        ? errorOf(record, event.exitReason, event.fault)
        : event.type === 'run.interrupted'
          ? event.reason
          : null,
    from: startedAt,
    to: event.at,
    model,
    requester: record.requester,
    usage: event.usage,
  });

const subagentIn = /^subagent:(sub_[0-9a-f]{10})$/;

/**
 * Who asked for a run: it may have gone on for somebody else since. One that was woken works for whoever it works for now, and so does
 * one that was asked for by a sub-agent which is gone.
 */
const requesterIn = (
  { job }: Pick<RunRow, 'job'>,
  record: SubagentRecord,
  isThere: (agentId: string) => boolean,
): Requester => {
  const about = job.metadata as { subagent?: { requester?: unknown } } | undefined;
  const asked = Requester.safeParse(about?.subagent?.requester).data;
  const by = subagentIn.exec(asked?.channel ?? '')?.[1];
  return asked && (by === undefined || isThere(by)) ? asked : record.requester;
};

/**
 * The same of a run that is stored; `undefined` when it is not there any more, or has not ended.
 *
 * @param isThere Whether a sub-agent is there still.
 */
export const resultFrom = async (
  runtime: Pick<Runtime, 'runs' | 'attach'>,
  record: SubagentRecord,
  runId: string,
  isThere: (agentId: string) => boolean,
): Promise<SubagentResult | undefined> => {
  const row = await runtime.runs.get(runId);
  if (!row || !isEnded(row.status)) return undefined;
  const report = await (await runtime.attach(runId)).report;
  const state = stateOf(row.status);
  return resultOf(record, {
    runId,
    state,
    text: report.text,
    data: report.data,
    partialText: report.partialText,
    error:
      state === 'failed'
        ? errorOf(record, report.exitReason, report.fault)
        : state === 'cancelled'
          ? (report.fault?.message ?? report.exitReason)
          : null,
    from: row.createdAt,
    to: row.endedAt ?? row.createdAt,
    model: modelOf(row),
    requester: requesterIn(row, record, isThere),
    usage: row.usage,
  });
};
