/** Sub-agents are forgotten: when somebody says so, or when they have been done for long. */
import { childrenOf, type Scope, unregister } from '../lineage.ts';
import { memberOf, membersOf, treeOf, withoutMembers } from '../members.ts';
import { isActive, isResting, type Member } from '../roster.ts';
import { answer, isAtWorkBelow, isSeen, move, put, type Step, settle } from './step.ts';

/**
 * Whether nothing is to be left of it, and nothing will come of it any more: neither by itself nor by what it waits for, nor by what it has
 * under way in the background.
 */
const isLeft = (step: Step, member: Member): boolean => {
  const { agentId, config, delivered } = member.record;
  const { open, last } = member;
  return (
    config.mode === 'run' &&
    config.cleanup === 'delete' &&
    open.length === 0 &&
    isResting(member) &&
    delivered.some(({ runId }) => runId === last?.activity.runId) &&
    !step.roster.kept.some((result) => result.agentId === agentId) &&
    !isAtWorkBelow(step, agentId)
  );
};

/** Where nothing is to be left of a sub-agent and nothing more will come of it, it goes now: once that is known for sure. Gives whether it does. */
export const letGo = (step: Step, agentId: string): boolean => {
  const member = memberOf(step.roster, agentId);
  if (!member || !isLeft(step, member)) return false;
  if (member.isDoubtful) settle(step, member, agentId);
  else remove(step, agentId, true);
  return !member.isDoubtful;
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
  const may = member !== undefined && !isActive(member) && isResting(member);
  if (may) {
    remove(step, agentId, false);
    const { kept } = step.roster;
    step.roster = { ...step.roster, kept: kept.filter((result) => result.agentId !== agentId) };
  }
  answer(step, requestId, { value: may }, may ? [agentId] : []);
};

/** Forgets those that were for one task and have been done with it since before. What is to be collected of them still can be. */
export const sweep = (step: Step, before: number): void => {
  const those = membersOf(step.roster).filter(({ record: { agentId, config, createdAt }, ...member }) => {
    const isOld = (member.activity?.endedAt ?? createdAt) < before;
    return config.mode === 'run' && !isActive(member) && isOld && !isAtWorkBelow(step, agentId);
  });
  for (const member of those) if (member.isDoubtful) settle(step, member, member.record.agentId);
  const old = those.filter((member) => isResting(member) && !member.isDoubtful);
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
