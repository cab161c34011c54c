/** Sub-agents as they are stored: who there is, from their records; how each stands, from the runs. */
import type { Runtime } from '@troupe/core';
import { isEnded, type RunRow, unfinished } from '@troupe/protocol';
import { callIn, isCallUnderWay } from './collecting-call.ts';
import { isUnit, modelOf, resultFrom, stateOf } from './result-of-run.ts';
import { type Activity, type Member, standing } from './roster.ts';
import { type Found, previewLength, remembered } from './steps/step.ts';
import type { SubagentResult } from './subagent-manager.ts';
import { SubagentRecord } from './subagent-record.ts';

const activityOf = (row: RunRow): Activity => ({
  runId: row.runId,
  model: modelOf(row),
  askedAt: row.createdAt,
  ...(row.status !== 'queued' && { startedAt: row.createdAt }),
  ...(row.endedAt !== undefined && { endedAt: row.endedAt }),
});

/** What a steering was to stop, and what ended by itself before that began, has a result like any other. */
const withoutHaste = (record: SubagentRecord, rows: readonly RunRow[]): SubagentRecord => {
  if (record.run?.begun) return record;
  const ended = new Set(
    rows.flatMap(({ runId, status }) => (status === 'completed' || status === 'failed' ? runId : [])),
  );
  return { ...record, delivered: record.delivered.filter(({ runId, how }) => how !== 'steered' || !ended.has(runId)) };
};

/** What it is about to be steered away from is at work until that has begun. */
const asItStands = (record: SubagentRecord, open: readonly RunRow[]): SubagentRecord => {
  const { run, delivered } = record;
  if (!run?.restarted || run.begun) return record;
  const isAtWork = (id: string): boolean => id !== run.runId && open.some(({ runId }) => runId === id);
  return { ...record, delivered: delivered.filter(({ runId, how }) => how !== 'steered' || !isAtWork(runId)) };
};

const openUnits = async ({ runs }: Pick<Runtime, 'runs'>, unitsOf: string): Promise<string[]> => {
  const open = await runs.list({ unitsOf, status: unfinished, limit: Number.MAX_SAFE_INTEGER });
  return open.filter(isUnit).map(({ runId }) => runId);
};

/** Finds calls that have collected results and may be executed again. Each run is read once, however many sub-agents it collected from. */
const openCallsIn = (runtime: Pick<Runtime, 'runs'>) => {
  const known = new Map<string, boolean>();
  return async ({ delivered }: SubagentRecord): Promise<string[]> => {
    const open: string[] = [];
    for (const by of new Set(delivered.flatMap((each) => each.by ?? []))) {
      const runId = callIn(by)?.runId ?? '';
      const isUnderWay = known.get(runId) ?? (await isCallUnderWay(runtime, by));
      known.set(runId, isUnderWay);
      if (isUnderWay) open.push(by);
    }
    return open;
  };
};

/**
 * Reads the records of a scope and the runs of each. What cannot be read as a record is left alone, and said.
 *
 * @throws FaultError of the store
 */
export const readRoster = async (
  runtime: Pick<Runtime, 'runs' | 'events' | 'environment'>,
  scope: string,
): Promise<Found> => {
  const { memory, logger } = runtime.environment;
  const found: Found = { members: [], open: {}, asks: [], results: [], running: [], ended: [], units: {}, gone: [] };
  const stored = await memory.search(scope, '', { limit: Number.MAX_SAFE_INTEGER });
  const ids = new Set(stored.map(({ key }) => key));
  const isThere = (agentId: string): boolean => ids.has(agentId);
  const openCalls = openCallsIn(runtime);
  for (const { key, value } of stored) {
    const read = SubagentRecord.safeParse(value);
    if (!read.success) {
      logger.warn(`What is stored as sub-agent "${key}" of "${scope}" is none, and was left alone.`, {
        code: 'subagent.malformed',
        message: read.error.issues[0]?.message ?? '',
        retryable: false,
      });
      continue;
    }
    if (read.data.gone) {
      found.gone.push(read.data);
      continue;
    }
    const rows = await runtime.runs.list({ sentTo: read.data.sessionKey, limit: remembered });
    const results = new Map<string, SubagentResult>();
    const owed: string[] = [];
    for (const runId of read.data.owed ?? []) {
      const older = await resultFrom(runtime, read.data, runId, isThere);
      if (!older) continue;
      owed.push(runId);
      results.set(runId, older);
    }
    const { owed: _, ...stored } = withoutHaste(read.data, rows);
    const record: SubagentRecord = { ...stored, ...(owed.length > 0 && { owed }) };
    const { agentId, run, delivered } = record;
    const isBegun = run === undefined || run.begun === true || rows.some(({ runId }) => runId === run.runId);
    const open = rows.filter(({ status }) => !isEnded(status)).reverse();
    const isSteered = (id: string): boolean => delivered.some((each) => each.runId === id && each.how === 'steered');
    const newest = rows.find(({ runId, status }) => isEnded(status) && !isSteered(runId));
    const isTold = (id: string): boolean => delivered.some((each) => each.runId === id);
    for (const row of rows.toReversed().filter(({ status }) => isEnded(status))) {
      if (row !== newest && isTold(row.runId)) continue;
      const read = await resultFrom(runtime, record, row.runId, isThere);
      if (read) results.set(row.runId, read);
    }
    const result = newest && results.get(newest.runId);
    const last: Member['last'] =
      newest && isEnded(newest.status)
        ? {
            state: stateOf(newest.status),
            activity: {
              ...activityOf(newest),
              ...(result?.error != null && { error: result.error }),
              ...(result?.result != null && { preview: result.result.slice(0, previewLength) }),
            },
          }
        : null;
    const past = rows.flatMap(({ runId, status }) => (isEnded(status) ? runId : [])).reverse();
    found.ended.push(...past);
    const collecting = await openCalls(record);
    const member = standing({
      record: asItStands(record, open),
      open: open.map(activityOf),
      last,
      past,
      ...(collecting.length > 0 && { collecting }),
    });
    found.members.push(member);
    // Asked for again, a run that is there is the same one, and what it takes the place of is stopped. One that has ended takes nobody's.
    const isOver = run?.begun === true && !open.some(({ runId }) => runId === run.runId);
    const steers = run?.restarted === true && !isOver && open.some(({ runId }) => runId !== run.runId);
    if (!isSteered(run?.runId ?? '') && (!isBegun || steers))
      found.asks.push({ record, ...(rows.length > 0 && { before: member }) });
    const units = await openUnits(runtime, record.sessionKey);
    if (units.length > 0) found.units[agentId] = units;
    if (open.length > 0) found.open[agentId] = open.map(({ runId }) => runId);
    for (const row of open)
      found.running.push({ agentId, runId: row.runId, model: modelOf(row), startedAt: row.createdAt });
    for (const [runId, each] of results) if (!isTold(runId)) found.results.push(each);
  }
  return found;
};
