/** Sub-agents are forgotten: when somebody says so, or when they have been done for long. */
import { childrenOf, type Scope, unregister } from '../lineage.ts';
import { memberOf, membersOf, treeOf, withoutMembers } from '../members.ts';
import { isActive, isResting, type Member } from '../roster.ts';
import { isHandedOver } from './deliveries.ts';
import { answer, inquire, isAtWorkBelow, isSeen, move, put, type Step } from './step.ts';

/**
 * Whether it was for one task, and nothing more will come of it, as far as is known: of what it does, waits for, or has in the background;
 * and nobody may ask again for what came of it.
 */
export const isDone = (step: Step, member: Member): boolean =>
  member.record.config.mode === 'run' &&
  !isActive(member) &&
  isResting(member) &&
  member.collecting === undefined &&
  !isAtWorkBelow(step, member.record.agentId);

/** The same of one of which nothing is to be left, and all that has come of it was handed over. */
const isLeft = (step: Step, member: Member): boolean => {
  const { agentId, config } = member.record;
  const { open, past = [] } = member;
  return (
    config.cleanup === 'delete' &&
    open.length === 0 &&
    past.length > 0 &&
    isHandedOver(member) &&
    !step.roster.kept.some((result) => result.agentId === agentId) &&
    isDone(step, member)
  );
};

/**
 * Where nothing is to be left of a sub-agent and nothing more will come of it, it goes: now, where that is known for sure. The same of
 * those above it, who may have waited for it.
 */
export const letGo = (step: Step, agentId: string): void => {
  const seen = new Set<string>();
  let member = memberOf(step.roster, agentId);
  while (member && !seen.has(member.record.agentId)) {
    const { agentId: id, parentId } = member.record;
    seen.add(id);
    if (isLeft(step, member)) {
      if (member.isDoubtful) inquire(step, member);
      else remove(step, id, true);
    }
    member = parentId === null ? undefined : memberOf(step.roster, parentId);
  }
};

/** Those below it go to its parent, and what they were asked for by it, to whoever had asked it. */
export const remove = (step: Step, agentId: string, withRuns: boolean): void => {
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  const { record } = member;
  const heirs = childrenOf(treeOf(step.roster), agentId).flatMap((child) => memberOf(step.roster, child.agentId) ?? []);
  put(
    step,
    ...heirs
      .filter((heir) => heir.record.requester.sessionKey === record.sessionKey)
      .map((heir) => ({ ...heir, record: { ...heir.record, requester: record.requester } })),
  );
  const moved = new Set([
    ...move(step, unregister(treeOf(step.roster), agentId)),
    ...heirs.map((heir) => heir.record.agentId),
  ]);
  step.roster = { ...step.roster, members: withoutMembers(step.roster.members, [agentId]) };
  for (const id of moved) step.out.push({ type: 'note', agentId: id });
  step.out.push({ type: 'erase', record, withRuns });
};

export const forget = (
  step: Step,
  { requestId, agentId, scope }: { requestId: number; agentId: string; scope: Scope },
): void => {
  const member = isSeen(step, agentId, scope) ? memberOf(step.roster, agentId) : undefined;
  const may = member !== undefined && !isActive(member) && !member.units;
  if (may) {
    remove(step, agentId, false);
    const { kept } = step.roster;
    step.roster = { ...step.roster, kept: kept.filter((result) => result.agentId !== agentId) };
  }
  answer(step, requestId, { value: may }, may ? [agentId] : []);
};

/** Sub-agents of which a sweep asks whether their sessions rest. */
const askedAtOnce = 100;

/** Forgets those that were for one task and have been done with it since before. What is to be collected of them still can be. */
export const sweep = (step: Step, before: number): void => {
  const done = membersOf(step.roster).filter(
    (member) => (member.activity?.endedAt ?? member.record.createdAt) < before && isDone(step, member),
  );
  // The others go another time: who is asked reads a session of each.
  for (const member of done.filter(({ isDoubtful }) => isDoubtful).slice(0, askedAtOnce))
    inquire(step, { ...member, isSwept: true });
  const old = done.filter(({ isDoubtful }) => !isDoubtful);
  const { childIds } = treeOf(step.roster);
  // Most have nobody below them: those go all at once.
  const leaves = old.filter(({ record }) => !childIds.has(record.agentId));
  const others = old.filter(({ record }) => childIds.has(record.agentId));
  const leafIds = leaves.map(({ record }) => record.agentId);
  step.roster = { ...step.roster, members: withoutMembers(step.roster.members, leafIds) };
  for (const { record } of leaves)
    step.out.push({ type: 'erase', record, withRuns: record.config.cleanup === 'delete' });
  for (const { record } of others) remove(step, record.agentId, record.config.cleanup === 'delete');
};
