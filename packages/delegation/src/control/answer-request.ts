import type { DelegationStatus, Delegations } from './delegations.ts';

/** What a gateway asks for. */
export type ControlRequest = { method: string; params?: unknown };

/** What it is answered. `4000`: the request was not understood, and nothing was done. */
export type ControlResponse =
  | { result: DelegationStatus | { paused: boolean } | { found: boolean; runId: string } }
  | { error: { code: 4000; message: string } };

const refused = (message: string): ControlResponse => ({ error: { code: 4000, message } });

const paramOf = (params: unknown, name: string): unknown =>
  typeof params === 'object' && params !== null ? (params as Record<string, unknown>)[name] : undefined;

/** Finds the method and checks its parameters; everything else is done by `control`. */
export const answerRequest = async (
  control: Pick<Delegations, 'status' | 'pause' | 'resume' | 'interrupt'>,
  { method, params }: ControlRequest,
): Promise<ControlResponse> => {
  switch (method) {
    case 'delegation.status':
      return { result: control.status() };
    case 'delegation.pause': {
      const paused = paramOf(params, 'paused');
      if (typeof paused !== 'boolean') return refused('delegation.pause needs "paused": true or false.');
      if (paused) control.pause();
      else control.resume();
      return { result: { paused: control.status().paused } };
    }
    case 'subagent.interrupt': {
      const runId = paramOf(params, 'runId');
      if (typeof runId !== 'string' || runId === '')
        return refused('subagent.interrupt needs "runId", the id of a run.');
      return { result: { found: await control.interrupt(runId), runId } };
    }
    default:
      return refused(
        `There is no method "${String(method)}". Expected delegation.status, delegation.pause or subagent.interrupt.`,
      );
  }
};
