/** What may wake sub-agents that are not at work: units of their sessions once they have ended, and results that are pushed to those. */
import { memberOf } from '../members.ts';
import type { Member } from '../roster.ts';
import { letGo } from './forgetting.ts';
import { put, type Step, settle } from './step.ts';

export const unitBegan = (step: Step, { agentId, runId }: { agentId: string; runId: string }): void => {
  const member = memberOf(step.roster, agentId);
  if (!member || member.units?.includes(runId)) return;
  const { cancelled } = member.record;
  put(step, { ...member, units: [...(member.units ?? []), runId] });
  // What it was asked for by was stopped before it was heard of.
  if (member.isStopping) step.out.push({ type: 'halt', runIds: [runId], reason: cancelled?.reason ?? '' });
};

/** What it has left may be about to wake the sub-agent: that is over once its session rests. */
export const unitEnded = (step: Step, { agentId, runId }: { agentId: string; runId: string }): void => {
  const member = memberOf(step.roster, agentId);
  if (!member?.units?.includes(runId)) return;
  const { units, ...rest } = member;
  const left = units.filter((id) => id !== runId);
  settle(step, { ...rest, ...(left.length > 0 && { units: left }) }, runId);
};

/** A result is on its way to its session. */
export const expectResult = (step: Step, member: Member): void =>
  put(step, { ...member, settling: (member.settling ?? 0) + 1 });

/** It is there, or never will be. */
export const resultCame = (
  step: Step,
  member: Member,
  { runId, isThere }: { runId: string; isThere: boolean },
): void => {
  const now = lessSettling(member);
  if (isThere) return settle(step, now, runId);
  put(step, now);
  letGo(step, member.record.agentId);
};

const lessSettling = ({ settling = 1, ...member }: Member): Member => ({
  ...member,
  ...(settling > 1 && { settling: settling - 1 }),
});

/** Its session rests, or nobody can say. */
export const settled = (
  step: Step,
  { agentId, actorId, rests, over }: { agentId: string; actorId: string; rests: boolean; over: readonly string[] },
): void => {
  step.out.push({ type: 'dismiss', actorId });
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  const { units = [], ...rest } = lessSettling(member);
  const left = units.filter((id) => !over.includes(id));
  put(step, { ...rest, ...(left.length > 0 && { units: left }), ...(!rests && { isDoubtful: true }) });
  if (rests) letGo(step, agentId);
};
