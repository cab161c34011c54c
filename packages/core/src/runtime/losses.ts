/** Why stored runs do not go on here. */
import { type Fault, FaultError, type RunRow } from '@troupe/protocol';
import { type AnyAgent, fingerprintOf } from '../define-agent.ts';
import type { AgentFound } from './agent-of.ts';
import type { FoundRun } from './found-run.ts';
import type { Settled } from './options.ts';

type Rows = ReadonlyMap<string, RunRow>;

export type Losses = {
  lossOf(row: RunRow, known: AgentFound): FoundRun['lost'];
  /** Whether its agent is defined differently now. */
  isChanged(row: RunRow, known: AnyAgent | undefined): boolean;
  /** Says why runs could not go on here. @throws FaultError `agent.unknown`, `agent.changed`, `run.orphaned` */
  demand(runs: readonly RunRow[], all: Rows): void;
};

export const openLosses = (
  { recover, onAgentChanged }: Pick<Settled, 'recover' | 'onAgentChanged'>,
  agentFor: (row: RunRow, rows: Rows) => AgentFound,
): Losses => {
  const lossOf: Losses['lossOf'] = (row, known) => {
    const { runId, agent } = row;
    if (recover === 'orphan')
      return {
        status: 'interrupted',
        exitReason: 'orphaned',
        reason: `The process that executed run "${runId}" is gone, and this runtime brings no run back (recover: "orphan").`,
      };
    if (!known.agent) return { status: 'failed', exitReason: 'agent_unknown', fault: known.fault };
    if (!isChanged(row, known.agent) || onAgentChanged === 'continue') return undefined;
    const message = `Agent "${agent}" is defined differently now than when run "${runId}" started. Bring its definition back, or set onAgentChanged to "continue".`;
    const fault: Fault = { code: 'agent.changed', message, retryable: false, runId };
    return { status: 'failed', exitReason: 'agent_changed', fault };
  };

  const isChanged: Losses['isChanged'] = ({ fingerprint }, known) =>
    known !== undefined && fingerprint !== undefined && fingerprint !== fingerprintOf(known);

  return {
    lossOf,
    isChanged,
    demand(runs, all) {
      for (const row of runs) {
        const lost = lossOf(row, agentFor(row, all));
        if (lost?.status === 'failed') {
          const { code, message, details } = lost.fault;
          throw new FaultError(code, message, { runId: row.runId, ...(details && { details }) });
        }
        if (lost) throw new FaultError('run.orphaned', lost.reason, { runId: row.runId });
      }
    },
  };
};
