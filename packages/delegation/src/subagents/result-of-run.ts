import type { Runtime } from '@troupe/core';
import { type Fault, isEnded, isLive, isTerminal, type RunRow, type TerminalEvent } from '@troupe/protocol';
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

/** Whether a run is work in the background of the session that it is of, and not what was sent to another one. */
export const isUnit = ({ origin }: { origin?: { sessionKey?: string | undefined } | undefined }): boolean =>
  origin !== undefined && origin.sessionKey === undefined;

/** The model of a run, where one is known. */
export const modelOf = ({ model }: Pick<RunRow, 'model'>): string | null => (model === '' ? null : model);

const elapsed = (from: number, to: number): number => Math.max(0, Math.round((to - from) / 100) / 10);

/** Why a run came to nothing, in words. */
const reasonOf = (record: SubagentRecord, event: TerminalEvent): string | null => {
  if (event.type === 'run.completed') return null;
  return event.type === 'run.failed' ? errorOf(record, event.exitReason, event.fault) : event.reason;
};

/** What a run of a sub-agent came to, from its last event. */
export const resultOfEnd = (
  record: SubagentRecord,
  event: TerminalEvent,
  { model, startedAt }: { model: string | null; startedAt: number },
): SubagentResult => {
  const { agentId, label, name, requester } = record;
  const partial = event.type === 'run.completed' ? undefined : event.partialText;
  return {
    agentId,
    runId: event.runId,
    label,
    ...(name !== undefined && { name }),
    state: states[event.type],
    result: event.type === 'run.completed' ? (event.text ?? JSON.stringify(event.data ?? '')) : null,
    error: reasonOf(record, event),
    ...(partial !== undefined && { partial }),
    elapsedSeconds: elapsed(startedAt, event.at),
    model,
    requester,
    usage: event.usage.total,
  };
};

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
  runtime: Pick<Runtime, 'runs' | 'events'>,
  record: SubagentRecord,
  runId: string,
  isThere: (agentId: string) => boolean,
): Promise<SubagentResult | undefined> => {
  const row = await runtime.runs.get(runId);
  if (!row || !isEnded(row.status)) return undefined;
  let startedAt = row.createdAt;
  for await (const event of runtime.events({ runId })) {
    if (isLive(event)) continue;
    if (event.type === 'run.started') startedAt = event.at;
    if (!isTerminal(event)) continue;
    const result = resultOfEnd(record, event, { model: modelOf(row), startedAt });
    return { ...result, requester: requesterIn(row, record, isThere) };
  }
  return undefined;
};
