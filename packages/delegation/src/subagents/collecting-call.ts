import type { Runtime } from '@troupe/core';
import { isEnded } from '@troupe/protocol';

/** The run and the turn of a call, from its key; `undefined` for a text that is none. */
export const callIn = (key: string): { runId: string; turn: number } | undefined => {
  const [, runId, turn] = /^([\s\S]+)\/(\d+)-\d+$/.exec(key) ?? [];
  return runId === undefined ? undefined : { runId, turn: Number(turn) };
};

/** Whether whoever collects is a call of a run that has not ended: until its result is stored it may be executed again. */
export const isCallUnderWay = async ({ runs }: Pick<Runtime, 'runs'>, by: string | undefined): Promise<boolean> => {
  const call = by === undefined ? undefined : callIn(by);
  const row = call && (await runs.get(call.runId));
  return row !== undefined && !isEnded(row.status);
};
