/** What may wake sub-agents that are not at work: units of their sessions once they have ended, and results that are pushed to those. */
import { memberOf } from '../members.ts';
import { isActive, isResting, type Member } from '../roster.ts';
import { letGo, remove } from './forgetting.ts';
import { inquiryIdOf, isAtWorkBelow, put, type Step } from './step.ts';

export const unitBegan = (step: Step, { agentId, runId }: { agentId: string; runId: string }): void => {
  const member = memberOf(step.roster, agentId);
  if (!member || member.units?.includes(runId)) return;
  const { record, isStopping, units = [] } = member;
  const { cancelled } = record;
  put(step, { ...member, units: [...units, runId] });
  if (!isStopping || !cancelled) return;
  // What it was asked for by was stopped before it was heard of.
  const runIds = [...cancelled.runIds, runId];
  put(step, { ...member, units: [...units, runId], record: { ...record, cancelled: { ...cancelled, runIds } } });
  step.out.push({ type: 'note', agentId }, { type: 'halt', runIds: [runId], reason: cancelled.reason });
};

/** What it has left may be about to wake the sub-agent. */
export const unitEnded = (step: Step, { agentId, runId }: { agentId: string; runId: string }): void => {
  const member = memberOf(step.roster, agentId);
  if (!member?.units?.includes(runId)) return;
  const { units, ...rest } = member;
  const left = units.filter((id) => id !== runId);
  put(step, { ...rest, ...(left.length > 0 && { units: left }), isDoubtful: true });
  letGo(step, agentId);
};

/** A result is on its way to its session. */
export const expectResult = (step: Step, member: Member): void =>
  put(step, { ...member, coming: (member.coming ?? 0) + 1 });

/** It is there, or never will be. */
export const resultCame = (step: Step, { coming = 1, ...member }: Member, isThere: boolean): void => {
  put(step, { ...member, ...(coming > 1 && { coming: coming - 1 }), ...(isThere && { isDoubtful: true }) });
  letGo(step, member.record.agentId);
};

/** @param rests Whether nothing of its session goes on, by itself or once a person has answered; false also where nobody can say. */
export const inquired = (step: Step, { agentId, rests }: { agentId: string; rests: boolean }): void => {
  step.out.push({ type: 'dismiss', actorId: inquiryIdOf(agentId) });
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  const { isInQuestion: _, isSwept, ...rest } = member;
  put(step, { ...rest, ...(!rests && { isDoubtful: true }) });
  if (!rests) return;
  const now = memberOf(step.roster, agentId);
  const mayGo = isSwept && now && !isActive(now) && isResting(now) && !now.isDoubtful && !isAtWorkBelow(step, agentId);
  if (mayGo) remove(step, agentId, now.record.config.cleanup === 'delete');
  letGo(step, agentId);
};
