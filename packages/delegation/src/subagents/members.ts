/**
 * The sub-agents that a roster has: data in parts, so that whoever changes one of them copies its part and not all; and an index that
 * follows from it, so that nobody is looked for among all others.
 */
import { callIn } from './collecting-call.ts';
import { type Lineage, lineageOf } from './lineage.ts';
import { isActive, isResting, type Member, type Roster } from './roster.ts';
import type { Requester, SubagentRecord } from './subagent-record.ts';

/** A sub-agent in the order in which they came. */
type Placed = Member & { place: number };
type Part = Readonly<Record<string, Placed>>;

/** Sub-agents by id, in as many parts as keep both a part and their list short for some thousands. */
export type Members = readonly Part[];

const parts = 256;
export const noMembers: Members = Array.from({ length: parts }, () => ({}));

type WithMembers = Pick<Roster, 'members'>;
type Known = SubagentRecord & { isActive: boolean; isResting: boolean };

/** The part that an id belongs to, by how it ends. */
const partOf = (agentId: string): number =>
  (agentId.charCodeAt(agentId.length - 1) + 31 * agentId.charCodeAt(agentId.length - 2)) % parts || 0;

export const memberOf = ({ members }: WithMembers, agentId: string): Member | undefined => {
  const part = members[partOf(agentId)];
  return part && Object.hasOwn(part, agentId) ? part[agentId] : undefined;
};

/** What a call is known by: its own key, where it has one. */
export const callKeyOf = ({
  runId,
  callId,
  key,
}: {
  runId: string;
  callId: string;
  key?: string | undefined;
}): string => key ?? `${runId} ${callId}`;

/** What sub-agents are found under. */
export const under = {
  active: 'active',
  /** Those with something under way in the background that may wake them. */
  restless: 'restless',
  /** Those at work below the same one, or, below none, asked for by the same session. */
  siblings: (parentId: string | null, sessionKey: string | null): string => {
    if (parentId !== null) return `active below ${parentId}`;
    return sessionKey === null ? 'active for the program' : `active for session ${sessionKey}`;
  },
  named: 'named',
  name: (name: string): string => `name ${name}`,
  session: (sessionKey: string): string => `session ${sessionKey}`,
  /** The call that asked for its latest run. */
  call: (key: string): string => `call ${key}`,
  /** Whoever collected a result of it. */
  collector: (by: string): string => `collector ${by}`,
  /** The run of a call that did, as long as what that gave may not be stored. */
  collecting: (runId: string): string => `collecting ${runId}`,
};

const keysOf = (member: Member): Set<string> => {
  const { name, sessionKey, run, delivered, parentId, requester } = member.record;
  const keys = new Set([under.session(sessionKey)]);
  if (isActive(member)) keys.add(under.active).add(under.siblings(parentId, requester.sessionKey));
  if (!isResting(member)) keys.add(under.restless);
  if (name !== undefined) keys.add(under.named).add(under.name(name));
  if (run?.origin) keys.add(under.call(callKeyOf(run.origin)));
  for (const { by } of delivered) if (by !== undefined) keys.add(under.collector(by));
  for (const key of member.collecting ?? []) keys.add(under.collecting(callIn(key)?.runId ?? ''));
  return keys;
};

/** What follows from the sub-agents of a roster. Keeping it up costs the same however many there are. */
type Index = {
  /** In the order in which they came. */
  tree: Lineage<Known>;
  ids: Map<string, Set<string>>;
  nextPlace: number;
};

const standsAs = (member: Member): Pick<Known, 'isActive' | 'isResting'> => ({
  isActive: isActive(member),
  isResting: isResting(member),
});

const enter = ({ tree, ids }: Index, member: Member, before: Member | undefined): void => {
  const { record } = member;
  const [is, was] = [standsAs(member), before && standsAs(before)];
  const isSame = was?.isActive === is.isActive && was.isResting === is.isResting;
  if (before?.record === record && isSame && before.collecting === member.collecting) return;
  tree.put({ ...record, ...is });
  const keys = keysOf(member);
  if (before) leave(ids, before, keys);
  for (const key of keys) {
    const known = ids.get(key);
    if (known) known.add(record.agentId);
    else ids.set(key, new Set([record.agentId]));
  }
};

const leave = (ids: Index['ids'], member: Member, but?: ReadonlySet<string>): void => {
  for (const key of keysOf(member)) {
    const known = but?.has(key) ? undefined : ids.get(key);
    known?.delete(member.record.agentId);
    if (known?.size === 0) ids.delete(key);
  }
};

/** Of each state of a roster that is the latest of its line: the index goes along with what changes. Another one's is made anew. */
const indexes = new WeakMap<Members, Index>();

const indexOf = (members: Members): Index => {
  const known = indexes.get(members);
  if (known) return known;
  const placed = members.flatMap((part) => Object.values(part)).sort((a, b) => a.place - b.place);
  const index: Index = { tree: lineageOf(), ids: new Map(), nextPlace: (placed.at(-1)?.place ?? -1) + 1 };
  for (const member of placed) enter(index, member, undefined);
  indexes.set(members, index);
  return index;
};

const next = (members: Members, change: (now: Part[], index: Index) => void): Members => {
  const index = indexOf(members);
  const now = [...members];
  change(now, index);
  indexes.delete(members);
  indexes.set(now, index);
  return now;
};

/** With these, in place of those of their ids. */
export const withMembers = (members: Members, changed: readonly Member[]): Members =>
  next(members, (now, index) => {
    for (const member of changed) {
      const { agentId } = member.record;
      const at = partOf(agentId);
      const part = now[at] ?? {};
      const before = Object.hasOwn(part, agentId) ? part[agentId] : undefined;
      now[at] = { ...part, [agentId]: { ...member, place: before?.place ?? index.nextPlace++ } };
      enter(index, member, before);
    }
  });

export const withoutMembers = (members: Members, agentIds: readonly string[]): Members =>
  next(members, (now, { tree, ids }) => {
    for (const agentId of agentIds) {
      const gone = memberOf({ members: now }, agentId);
      if (!gone) continue;
      const { [agentId]: _, ...part } = now[partOf(agentId)] ?? {};
      now[partOf(agentId)] = part;
      tree.drop(agentId);
      leave(ids, gone);
    }
  });

/** The tree of those in a roster. Ask again once something has changed: it is of the latest. */
export const treeOf = ({ members }: WithMembers): Lineage<Known> => indexOf(members).tree;

const nobody: ReadonlySet<string> = new Set();
/** Ids of those that are found under a key: see {@link under}. */
export const idsUnder = ({ members }: WithMembers, key: string): ReadonlySet<string> =>
  indexOf(members).ids.get(key) ?? nobody;

const those = (roster: WithMembers, agentIds: Iterable<string>): Member[] =>
  [...agentIds].flatMap((agentId) => memberOf(roster, agentId) ?? []);

export const membersUnder = (roster: WithMembers, key: string): Member[] => those(roster, idsUnder(roster, key));

/** All of them, in the order in which they came. */
export const membersOf = (roster: WithMembers): Member[] => those(roster, treeOf(roster).agents.keys());

export const memberNamed = (roster: WithMembers, name: string): Member | undefined =>
  membersUnder(roster, under.name(name)).sort((a, b) => b.record.updatedAt - a.record.updatedAt)[0];

/** Whose conversation a session is. */
export const memberOfSession = (
  roster: WithMembers,
  sessionKey: Requester['sessionKey'] | undefined,
): Member | undefined => (sessionKey == null ? undefined : membersUnder(roster, under.session(sessionKey))[0]);
