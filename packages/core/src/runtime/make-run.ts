/** A run that is about to begin: what is known of it, and what its machine is given. */
import { type Message, redact } from '@troupe/protocol';
import { type Approval, approvalBelow } from '../agent/approval.ts';
import type { Letter, RunInput } from '../agent/context.ts';
import { goingOn, openingOf } from '../agent/conversation.ts';
import type { Allowance } from '../agent/limits.ts';
import { heartbeatOf } from '../agent/stalls.ts';
import { isUnit } from '../background/unit.ts';
import { type AnyAgent, fingerprintOf } from '../define-agent.ts';
import { type Job, jobDataOf } from '../job.ts';
import { giveLetters, type LiveRun, openLiveRun } from '../run/live-run.ts';
import { outputOf, toolsOf } from './definition-of.ts';
import { makingOf } from './makers.ts';
import type { Settled } from './options.ts';

/** What a run begins with. */
export type About = Pick<LiveRun, 'runId' | 'rootId' | 'depth'> &
  Partial<Pick<LiveRun, 'parentId' | 'callId' | 'sessionKey' | 'after' | 'origin' | 'quota' | 'made' | 'placed'>> & {
    /** What its session had said before it. */
    before?: readonly Message[];
    /** What its job tells of units: nobody is told of them again once it is stored. */
    delivers?: readonly string[];
    /** What else waited for it: heard before its first turn. */
    mail?: readonly Letter[];
    allowance: Allowance;
    slot: RunInput['slot'];
    /** That of the run above. */
    approval?: Approval;
    mayLeave?: true;
  };
export type Warning = { type: 'warning'; code: string; message: string };

/** Makes a run. @throws FaultError when the job is wrong */
export const makeRun = (
  options: Pick<Settled, 'model' | 'remembers' | 'graceMs'>,
  agent: AnyAgent,
  job: Job,
  { allowance, slot, approval: above, mayLeave, before = [], delivers = [], mail = [], made: given, ...ids }: About,
): { run: LiveRun; input: RunInput; warnings: Warning[] } => {
  const made = given ?? makingOf(agent);
  const stored = redact(made);
  const data = jobDataOf(job, `agent "${agent.name}"`);
  const { tools, unknown } = toolsOf(agent, job);
  const model = agent.model ?? options.model ?? '';
  const run = openLiveRun({
    ...ids,
    agent,
    tools,
    job: redact(data),
    model,
    // What is made again of data that lost a secret is another agent, and is meant.
    ...((stored === made || isUnit(ids)) && { fingerprint: fingerprintOf(agent) }),
    ...(stored && { made: stored }),
    ...(made && isUnit(ids) && { unitData: made.data }),
    ...outputOf(agent, job),
  });
  run.transcript = goingOn(openingOf(agent.instructions, data), before);
  for (const mailId of delivers) run.receipts.push({ mailId, receipt: { status: 'accepted' } });
  giveLetters(run, [...delivers.map((id) => ({ id })), ...mail]);
  const { memoryScope = options.remembers ? `agent:${agent.name}` : null } = agent;
  const approval = approvalBelow(above, agent.approval);
  const input: RunInput = {
    runId: run.runId,
    rootId: run.rootId,
    ...(run.parentId !== undefined && { parentId: run.parentId }),
    depth: run.depth,
    agent: agent.name,
    model,
    allowance,
    slot,
    ...(memoryScope !== null && { memoryScope }),
    ...(approval !== 'bubble' && { approval }),
    ...(mayLeave && { mayLeave }),
    outputRetries: agent.outputRetries ?? 1,
    ...(agent.outputMismatch === 'keep' && { outputMismatch: agent.outputMismatch }),
    compaction: { onContextError: true, ...agent.compaction },
    graceMs: options.graceMs,
    ...(agent.heartbeat && { heartbeat: heartbeatOf(agent.heartbeat) }),
    opening: run.transcript.length,
    ...(mail.length > 0 && { mail: [...mail] }),
  };
  const warnings = unknown.map(
    (name): Warning => ({
      type: 'warning',
      code: 'tool.unknown',
      message: `The job names a tool "${name}" that agent "${agent.name}" does not have; it was left out.`,
    }),
  );
  return { run, input, warnings };
};
