/** What may wake sub-agents that are not at work: units of their sessions once they have ended, and results that are pushed to those. */
import { memberOf } from '../members.ts';
import { type Member, mayWake } from '../roster.ts';
import { isDone, letGo, remove } from './forgetting.ts';
import { inquire, inquiryIdOf, put, type Step } from './step.ts';

/**
 * It was cancelled: what may be about to wake it by then wakes it no more, until nothing of its session goes on. That is asked once
 * nothing is known to be on its way any more.
 */
export const hush = (step: Step, agentId: string, reason: string): void => {
  const member = memberOf(step.roster, agentId);
  if (!member || !(mayWake(member) || member.units || member.isInQuestion)) return;
  put(step, { ...member, hushed: reason });
  listen(step, agentId);
};

/** Asks whether the session of one that is hushed rests, where only that can say whether it is woken any more. */
const listen = (step: Step, agentId: string): void => {
  const member = memberOf(step.roster, agentId);
  if (!member?.hushed || member.units || member.coming || member.isInQuestion) return;
  if (member.isDoubtful) return inquire(step, member);
  const { hushed: _, ...rest } = member;
  put(step, rest);
};

export const unitBegan = (step: Step, { agentId, runId }: { agentId: string; runId: string }): void => {
  const member = memberOf(step.roster, agentId);
  if (!member || member.units?.includes(runId)) return;
  const { record, isStopping, units = [] } = member;
  put(step, { ...member, units: [...units, runId] });
  // What it was asked for by was stopped before it was heard of.
  if (isStopping && record.cancelled) stopToo(step, agentId, runId, record.cancelled.reason);
};

/** A run, or a unit, that has begun after all is stopped with the others. */
const stopToo = (step: Step, agentId: string, runId: string, reason: string): void => {
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  const { record } = member;
  const runIds = [...(record.cancelled?.runIds ?? []), runId];
  put(step, { ...member, isStopping: true, record: { ...record, cancelled: { runIds, reason } } });
  step.out.push({ type: 'note', agentId }, { type: 'halt', runIds: [runId], reason });
};

/** It was woken, though it was cancelled before that. */
export const stopWoken = (step: Step, agentId: string, runId: string): void => {
  const hushed = memberOf(step.roster, agentId)?.hushed;
  if (hushed !== undefined) stopToo(step, agentId, runId, hushed);
};

/** What it has left may be about to wake the sub-agent. */
export const unitEnded = (step: Step, { agentId, runId }: { agentId: string; runId: string }): void => {
  const member = memberOf(step.roster, agentId);
  if (!member?.units?.includes(runId)) return;
  const { units, ...rest } = member;
  const left = units.filter((id) => id !== runId);
  put(step, { ...rest, ...(left.length > 0 && { units: left }), isDoubtful: true });
  listen(step, agentId);
  letGo(step, agentId);
};

/** A result is on its way to its session. */
export const expectResult = (step: Step, member: Member): void =>
  put(step, { ...member, coming: (member.coming ?? 0) + 1 });

/** It is there, or never will be. */
export const resultCame = (step: Step, { coming = 1, ...member }: Member, isThere: boolean): void => {
  put(step, { ...member, ...(coming > 1 && { coming: coming - 1 }), ...(isThere && { isDoubtful: true }) });
  listen(step, member.record.agentId);
  letGo(step, member.record.agentId);
};

/** @param rests Whether nothing of its session goes on, by itself or once a person has answered; false also where nobody can say. */
export const inquired = (step: Step, { agentId, rests }: { agentId: string; rests: boolean }): void => {
  step.out.push({ type: 'dismiss', actorId: inquiryIdOf(agentId) });
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  const { isInQuestion: _, isSwept, hushed, ...rest } = member;
  put(step, { ...rest, ...(hushed !== undefined && rests && { hushed }), ...(!rests && { isDoubtful: true }) });
  if (!rests) return;
  listen(step, agentId);
  const now = memberOf(step.roster, agentId);
  if (isSwept && now && !now.isDoubtful && isDone(step, now))
    remove(step, agentId, now.record.config.cleanup === 'delete');
  letGo(step, agentId);
};
