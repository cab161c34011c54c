/** Sub-agents are forgotten: when somebody says so, or when they have been done for long. */
import { childrenOf, type Scope, unregister } from '../lineage.ts';
import { memberOf, membersOf, treeOf, withoutMembers } from '../members.ts';
import { isActive } from '../roster.ts';
import { answer, isAtWorkBelow, isSeen, move, put, type Step } from './step.ts';

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
  const may = member !== undefined && !isActive(member);
  if (may) {
    remove(step, agentId, false);
    const { kept } = step.roster;
    step.roster = { ...step.roster, kept: kept.filter((result) => result.agentId !== agentId) };
  }
  answer(step, requestId, { value: may }, may ? [agentId] : []);
};

/** Forgets those that were for one task and have been done with it since before. What is to be collected of them still can be. */
export const sweep = (step: Step, before: number): void => {
  const old = membersOf(step.roster).filter(({ record: { agentId, config, createdAt }, ...member }) => {
    const isOld = (member.activity?.endedAt ?? createdAt) < before;
    return config.mode === 'run' && !isActive(member) && isOld && !isAtWorkBelow(step, agentId);
  });
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
