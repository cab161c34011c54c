/** What may wake sub-agents that are not at work: units of their sessions once they have ended, and results that are pushed to those. */
import { memberOf } from '../members.ts';
import type { Member } from '../roster.ts';
import { isDone, letGo, remove } from './forgetting.ts';
import { inquiryIdOf, put, type Step } from './step.ts';

export const unitBegan = (step: Step, { agentId, runId }: { agentId: string; runId: string }): void => {
  const member = memberOf(step.roster, agentId);
  if (!member || member.units?.includes(runId)) return;
  const { record, isStopping, units = [] } = member;
  const { cancelled } = record;
  const now = { ...member, units: [...units, runId] };
  if (!isStopping || !cancelled) return put(step, now);
  // What it was asked for by was stopped before it was heard of.
  const runIds = [...cancelled.runIds, runId];
  put(step, { ...now, record: { ...record, cancelled: { ...cancelled, runIds } } });
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
  if (isSwept && now && !now.isDoubtful && isDone(step, now))
    remove(step, agentId, now.record.config.cleanup === 'delete');
  letGo(step, agentId);
};
