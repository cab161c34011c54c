/** Which sub-agents of those that another program kept come in. Pure; the manager's chart asks. */
import { idsUnder, memberOf, membersUnder, under } from './members.ts';
import type { Roster } from './roster.ts';
import type { SubagentRecord } from './subagent-record.ts';

/** `there`: its id or its name is there already. `room`: there are as many names as may be. `above`: what it is below was left out. */
type Why = 'there' | 'room' | 'above';

export type Adoption = {
  /** In their order. */
  adopted: SubagentRecord[];
  left: { agentId: string; name?: string; why: Why }[];
};

/**
 * As many names as there is room for, in their order, those above before those below; nobody is brought along without the one that it
 * is below, as it would be seen by others than it was, and could not go back below it later.
 */
export const adoptionOf = (
  roster: Pick<Roster, 'members' | 'limits'>,
  records: readonly SubagentRecord[],
): Adoption => {
  const names = new Set(membersUnder(roster, under.named).map(({ record }) => record.name));
  let room = roster.limits.maxPersistent - idsUnder(roster, under.named).size;
  const byId = new Map(records.map((record) => [record.agentId, record]));
  const isIn = new Set<string>();
  const isThere = (agentId: string): boolean => isIn.has(agentId) || memberOf(roster, agentId) !== undefined;

  const whyNot = ({ agentId, name, parentId }: SubagentRecord): Why | undefined => {
    if (isThere(agentId) || (name !== undefined && names.has(name))) return 'there';
    if (parentId !== null && byId.has(parentId) && !isThere(parentId)) return 'above';
    return name !== undefined && room <= 0 ? 'room' : undefined;
  };

  const left = new Map<SubagentRecord, Why>();
  const seen = new Set<SubagentRecord>();
  const visit = (record: SubagentRecord): void => {
    if (seen.has(record)) return;
    seen.add(record);
    const above = byId.get(record.parentId ?? '');
    if (above) visit(above);
    const why = whyNot(record);
    if (why) {
      left.set(record, why);
      return;
    }
    isIn.add(record.agentId);
    if (record.name === undefined) return;
    names.add(record.name);
    room -= 1;
  };
  records.forEach(visit);

  return {
    adopted: records.filter((record) => !left.has(record)),
    left: records.flatMap((record) => {
      const why = left.get(record);
      const { agentId, name } = record;
      return why ? [{ agentId, ...(name !== undefined && { name }), why }] : [];
    }),
  };
};
