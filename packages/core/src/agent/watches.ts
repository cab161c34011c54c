/** What is watched of a run: its deadline, and while it works, for how long, in what silence. */
import type { RunContext, TimeKind } from './context.ts';

/** What an alarm is set for. */
export type AlarmInput = { runId: string; kind: TimeKind | 'heartbeat' | 'grace' };

/** The alarms of a run that works, by id. */
const watches = [
  ['watch', 'activeMs'],
  ['idle', 'idleMs'],
  ['heartbeat', 'heartbeat'],
] as const;
/** Those that have something to watch. */
export const watchesOf = ({ allowance: { limits }, heartbeat }: RunContext) =>
  watches.filter(([, kind]) => (kind === 'heartbeat' ? heartbeat : limits[kind]) !== undefined);

type Spawn = (src: 'alarm', options: { id: string; input: AlarmInput }) => unknown;
/** Its deadline, which passes whatever it does. */
export const setAlarm = ({ runId, allowance: { limits } }: RunContext, spawn: Spawn): void => {
  if (limits.deadlineAt !== undefined) spawn('alarm', { id: 'deadline', input: { runId, kind: 'deadlineMs' } });
};
/** It works from now on, and is watched. */
export const startWatch = (run: RunContext, spawn: Spawn): void => {
  for (const [id, kind] of watchesOf(run)) spawn('alarm', { id, input: { runId: run.runId, kind } });
};
