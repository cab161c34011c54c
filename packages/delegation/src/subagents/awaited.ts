import { idsUnder, treeOf, under } from './members.ts';
import { isPushed, type Roster } from './roster.ts';

/**
 * How many below a sub-agent are at work and will wake it, be it by waking those between. Looks at those at work, not at all that are
 * kept below.
 */
export const awaited = (roster: Pick<Roster, 'members'>, agentId: string): number => {
  const { agents, childIds } = treeOf(roster);
  const wakes = (id: string): boolean => {
    const line = new Set([id]);
    for (const each of line) {
      const { parentId, requester } = agents.get(each) ?? {};
      const parent = parentId == null ? undefined : agents.get(parentId);
      if (!parent || !requester || requester.sessionKey !== parent.sessionKey || !isPushed(requester)) return false;
      if (parent.agentId === agentId) return true;
      line.add(parent.agentId);
    }
    return false;
  };
  if (!childIds.has(agentId)) return 0;
  return [...idsUnder(roster, under.active)].filter((id) => id !== agentId && wakes(id)).length;
};
