import type { Note } from './imported-config.ts';
import { descendantsOf, lineageOf } from './lineage.ts';
import type { SubagentRecord } from './subagent-record.ts';

/** The way up from a record to where it ends: at the top, at one that was looked at before, or at one that is on it. */
const wayUp = (
  from: SubagentRecord,
  parentOf: (record: SubagentRecord) => SubagentRecord | undefined,
  known: ReadonlySet<SubagentRecord>,
): { way: Set<SubagentRecord>; end: SubagentRecord | undefined } => {
  const way = new Set<SubagentRecord>();
  let at: SubagentRecord | undefined = from;
  while (at && !known.has(at) && !way.has(at)) {
    way.add(at);
    at = parentOf(at);
  }
  return { way, end: at };
};

/**
 * The same records as trees: a parent that is not there is none, a cycle is cut above its oldest, and depths are those that follow.
 */
export const asTrees = (records: readonly SubagentRecord[], note: Note): SubagentRecord[] => {
  const byId = new Map(records.map((record) => [record.agentId, { ...record }]));
  const parentOf = ({ parentId }: SubagentRecord) => (parentId === null ? undefined : byId.get(parentId));
  const known = new Set<SubagentRecord>();
  for (const record of byId.values()) {
    if (record.parentId !== null && !byId.has(record.parentId)) {
      note(`Sub-agent ${record.agentId}: its parent ${record.parentId.slice(0, 60)} is not there, so it has none.`);
      record.parentId = null;
    }
  }
  for (const record of byId.values()) {
    const { way, end } = wayUp(record, parentOf, known);
    if (end && way.has(end)) {
      const cycle = [...way].slice([...way].indexOf(end));
      const oldest = cycle.reduce((first, other) => (other.createdAt < first.createdAt ? other : first));
      note(`Sub-agent ${oldest.agentId}: it came from ${oldest.parentId}, which came from it, so it has no parent.`);
      oldest.parentId = null;
    }
    for (const seen of way) known.add(seen);
  }
  const lineage = lineageOf(byId.values());
  const depths = new Map<string, number>();
  for (const top of byId.values()) {
    if (top.parentId !== null) continue;
    for (const { agentId, parentId } of [top, ...descendantsOf(lineage, top.agentId)])
      depths.set(agentId, (depths.get(parentId ?? '') ?? 0) + 1);
  }
  return [...byId.values()].map((record) => ({ ...record, depth: depths.get(record.agentId) ?? 1 }));
};
