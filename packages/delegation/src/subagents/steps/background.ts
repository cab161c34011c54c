/** What may wake sub-agents that are not at work: units of their sessions once they have ended, and results that are pushed to those. */
import { isWokenBy } from '@troupe/core';
import { memberOf } from '../members.ts';
import { lettersOf, type Member } from '../roster.ts';
import { isDone, letGo, remove } from './forgetting.ts';
import { inquiryIdOf, put, remembered, type Step } from './step.ts';

/** It was cancelled: what has come to its session by now, or is about to, wakes it no more. */
export const hush = (step: Step, agentId: string, reason: string): void => {
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  const letters = lettersOf(member);
  if (letters.length === 0) return;
  put(step, { ...member, record: { ...member.record, hushed: { letters, reason } } });
  step.out.push({ type: 'note', agentId });
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

/** It was woken by something that was there when it was cancelled. */
export const stopWoken = (step: Step, agentId: string, runId: string): void => {
  const hushed = memberOf(step.roster, agentId)?.record.hushed;
  if (hushed?.letters.some((id) => isWokenBy(runId, id))) stopToo(step, agentId, runId, hushed.reason);
};

const withLetter = ({ letters = [], ...member }: Member, id: string): Member => ({
  ...member,
  letters: [...letters, id].slice(-remembered),
  isDoubtful: true,
});

/** What it has left may be about to wake the sub-agent. */
export const unitEnded = (step: Step, { agentId, runId }: { agentId: string; runId: string }): void => {
  const member = memberOf(step.roster, agentId);
  if (!member?.units?.includes(runId)) return;
  const { units, ...rest } = member;
  const left = units.filter((id) => id !== runId);
  put(step, withLetter({ ...rest, ...(left.length > 0 && { units: left }) }, runId));
  letGo(step, agentId);
};

/** A result is on its way to its session. */
export const expectResult = (step: Step, member: Member, letterId: string): void =>
  put(step, { ...member, coming: [...(member.coming ?? []), letterId] });

/** It is there, or never will be. */
export const resultCame = (
  step: Step,
  { coming = [], ...member }: Member,
  letterId: string,
  isThere: boolean,
): void => {
  const left = coming.filter((id) => id !== letterId);
  const now = { ...member, ...(left.length > 0 && { coming: left }) };
  put(step, isThere ? withLetter(now, letterId) : now);
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
