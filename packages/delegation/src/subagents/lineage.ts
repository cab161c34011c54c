/**
 * Who came from whom among sub-agents. Pure: a question walks the part of the tree that it is about, and an order for a change says
 * what would change. Stored trees may be broken: a parent that is gone is none, and a cycle is walked once.
 */
import type { Requester, SubagentRecord } from './subagent-record.ts';

/** What has to be known of a sub-agent here. */
export type Kin = Pick<SubagentRecord, 'agentId' | 'parentId' | 'depth' | 'createdAt'> & {
  readonly requester: Pick<Requester, 'sessionKey'>;
};

/** Sub-agents by id, with the children of each. Keeping it up costs the same however many there are. */
export type Lineage<A extends Kin = Kin> = {
  readonly agents: ReadonlyMap<string, A>;
  /** Ids of children by the id of their parent, whether that is there or not. */
  readonly childIds: ReadonlyMap<string, ReadonlySet<string>>;
  /** Adds a sub-agent, once, or puts it in place of the one of its id. */
  put(agent: A): void;
  /** Takes a sub-agent out. What was below it goes on naming it: see {@link unregister}. */
  drop(agentId: string): void;
};

/** Whose eyes: a session key; `null` or `undefined` for the program, which sees all. */
export type Scope = string | null | undefined;

/** What a change of the tree does to one sub-agent. */
export type Moved = { parentId?: string | null; depth: number };
export type Moves = { changes: ReadonlyMap<string, Moved> };

/** Why a sub-agent stays where it is. */
export type MoveRefusal = { refused: 'unknown' | 'unknown_parent' | 'cycle' | 'too_deep'; message: string };

/** Looks at each sub-agent once. */
export const lineageOf = <A extends Kin>(given: Iterable<A> = []): Lineage<A> => {
  const agents = new Map<string, A>();
  const childIds = new Map<string, Set<string>>();
  const unlink = ({ agentId, parentId }: Kin): void => {
    if (parentId === null) return;
    const siblings = childIds.get(parentId);
    siblings?.delete(agentId);
    if (siblings?.size === 0) childIds.delete(parentId);
  };
  const lineage: Lineage<A> = {
    agents,
    childIds,
    put(agent) {
      const { agentId, parentId } = agent;
      const before = agents.get(agentId);
      if (before && before.parentId !== parentId) unlink(before);
      agents.set(agentId, agent);
      if (parentId === null) return;
      const siblings = childIds.get(parentId);
      if (siblings) siblings.add(agentId);
      else childIds.set(parentId, new Set([agentId]));
    },
    drop(agentId) {
      const agent = agents.get(agentId);
      if (agent) unlink(agent);
      agents.delete(agentId);
    },
  };
  for (const agent of given) lineage.put(agent);
  return lineage;
};

const none: ReadonlySet<string> = new Set();

/** Ids of those below, level by level, each once; never the one itself, and nothing that is reached through `gone`. */
const belowIn = (lineage: Lineage, agentId: string, gone = agentId): { id: string; level: number }[] => {
  const found = [{ id: agentId, level: 0 }];
  const seen = new Set([agentId, gone]);
  for (const { id, level } of found)
    for (const child of lineage.childIds.get(id) ?? none)
      if (!seen.has(child)) {
        seen.add(child);
        found.push({ id: child, level: level + 1 });
      }
  return found.slice(1);
};

/** Ids of those above, nearest first, each once; never the one itself. One that is gone is the last. */
const aboveIn = (lineage: Lineage, agentId: string): string[] => {
  const found = new Set([agentId]);
  for (const id of found) {
    const parentId = lineage.agents.get(id)?.parentId;
    if (parentId != null) found.add(parentId);
  }
  return [...found].slice(1);
};

const agentsOf = <A extends Kin>({ agents }: Lineage<A>, ids: Iterable<string>): A[] =>
  [...ids].flatMap((id) => agents.get(id) ?? []);

/** The children of a sub-agent, oldest first. */
export const childrenOf = <A extends Kin>(lineage: Lineage<A>, agentId: string): A[] =>
  agentsOf(lineage, lineage.childIds.get(agentId) ?? none)
    .filter((child) => child.agentId !== agentId)
    .sort((a, b) => a.createdAt - b.createdAt);

/** All below a sub-agent, level by level. */
export const descendantsOf = <A extends Kin>(lineage: Lineage<A>, agentId: string): A[] =>
  agentsOf(
    lineage,
    belowIn(lineage, agentId).map(({ id }) => id),
  );

/** How many below a sub-agent are at work. */
export const pendingDescendants = <A extends Kin>(
  lineage: Lineage<A>,
  agentId: string,
  isActive: (agent: A) => boolean,
): number => descendantsOf(lineage, agentId).filter(isActive).length;

/** A sub-agent and all below it in the order in which they are stopped: the deepest first, itself last. Empty for one that is not there. */
export const cancelOrder = <A extends Kin>(lineage: Lineage<A>, agentId: string): A[] => {
  const target = lineage.agents.get(agentId);
  return target ? [...descendantsOf(lineage, agentId).reverse(), target] : [];
};

/**
 * Whether a session sees a sub-agent: it, or one above it, was asked for by that session. What a sub-agent asks for is asked for by
 * its own session, and seen by the sessions that see the sub-agent.
 */
export const isVisibleTo = (lineage: Lineage, agentId: string, scope: Scope): boolean =>
  lineage.agents.has(agentId) &&
  (scope == null ||
    [agentId, ...aboveIn(lineage, agentId)].some((id) => lineage.agents.get(id)?.requester.sessionKey === scope));

/** All that a session sees, in the order in which they are kept. For one of them {@link isVisibleTo} is cheaper. */
export const visibleTo = <A extends Kin>(lineage: Lineage<A>, scope: Scope): A[] => {
  const all = [...lineage.agents.values()];
  if (scope == null) return all;
  const seen = new Set(all.flatMap(({ agentId, requester }) => (requester.sessionKey === scope ? agentId : [])));
  for (const id of seen) for (const child of lineage.childIds.get(id) ?? none) seen.add(child);
  return all.filter(({ agentId }) => seen.has(agentId));
};

/**
 * Those at work that a session sees and that have nobody above them of whom the same is true: to stop each with all below it stops
 * everything that the session may stop.
 *
 * @param below Only what is below this sub-agent, which itself does not count.
 */
export const topLevelVisible = <A extends Kin>(
  lineage: Lineage<A>,
  scope: Scope,
  isActive: (agent: A) => boolean,
  below?: string,
): A[] => {
  const within = below === undefined ? undefined : new Set(belowIn(lineage, below).map(({ id }) => id));
  const active = visibleTo(lineage, scope).filter((agent) => (within?.has(agent.agentId) ?? true) && isActive(agent));
  // Each is marked once: what is below a marked one is marked.
  const covered = new Set<string>();
  for (const { agentId } of active) {
    if (covered.has(agentId)) continue;
    const found = [agentId];
    for (const id of found)
      for (const child of lineage.childIds.get(id) ?? none)
        if (child !== agentId && !covered.has(child)) {
          covered.add(child);
          found.push(child);
        }
  }
  return active.filter(({ agentId }) => !covered.has(agentId));
};

const depthBelow = (parent: Kin | null): number => Math.max(parent?.depth ?? 0, 0) + 1;

/** What changes when a sub-agent, with all below it, is a child of `parent`. `gone`: somebody who leaves. */
const movesTo = (lineage: Lineage, agent: Kin, parent: Kin | null, gone?: string): Map<string, Moved> => {
  const depth = depthBelow(parent);
  const parentId = parent?.agentId ?? null;
  const changes = new Map<string, Moved>();
  if (agent.parentId !== parentId) changes.set(agent.agentId, { parentId, depth });
  else if (agent.depth !== depth) changes.set(agent.agentId, { depth });
  for (const { id, level } of belowIn(lineage, agent.agentId, gone))
    if (lineage.agents.get(id)?.depth !== depth + level) changes.set(id, { depth: depth + level });
  return changes;
};

/** How many ids of a path a message shows. */
const mostShown = 8;
const pathText = (ids: readonly string[]): string =>
  (ids.length > mostShown ? [...ids.slice(0, mostShown - 1), '…', ...ids.slice(-1)] : ids).join(' → ');

/**
 * What changes when a sub-agent goes below another, or below none: its parent, and the depth of everything that goes with it.
 *
 * @param maxDepth For the deepest that goes with it.
 */
export const reparent = (
  lineage: Lineage,
  agentId: string,
  parentId: string | null,
  maxDepth: number,
): Moves | MoveRefusal => {
  const agent = lineage.agents.get(agentId);
  if (!agent) return { refused: 'unknown', message: `Sub-agent ${agentId} was not found.` };
  const parent = parentId === null ? null : lineage.agents.get(parentId);
  if (parent === undefined)
    return {
      refused: 'unknown_parent',
      message: `Sub-agent ${agentId} cannot go below ${parentId}, which was not found.`,
    };
  const line = parent ? [parent.agentId, ...aboveIn(lineage, parent.agentId)] : [];
  const at = line.indexOf(agentId);
  if (at >= 0) {
    const path = pathText([...line.slice(0, at + 1).reverse(), agentId]);
    return {
      refused: 'cycle',
      message: `Sub-agent ${agentId} cannot go below ${parentId}: that would make a cycle: ${path}.`,
    };
  }
  const depth = depthBelow(parent);
  const deepest = depth + (belowIn(lineage, agentId).at(-1)?.level ?? 0);
  if (deepest > maxDepth) {
    const whole = deepest > depth ? `, and what is below it at ${deepest}` : '';
    return {
      refused: 'too_deep',
      message: `Sub-agent ${agentId} would be at depth ${depth}${whole}: max spawn depth (${maxDepth}) exceeded.`,
    };
  }
  return { changes: movesTo(lineage, agent, parent) };
};

/** What changes when a sub-agent is taken out: its children go to its parent, and all below it rise by one. */
export const unregister = (lineage: Lineage, agentId: string): Moves => {
  const above = aboveIn(lineage, agentId);
  // Where a cycle was stored, those above are those below: the children are on their own then.
  const inCycle = above.some((id) => lineage.agents.get(id)?.parentId === agentId);
  const parent = inCycle ? null : (lineage.agents.get(above[0] ?? '') ?? null);
  return {
    changes: new Map(childrenOf(lineage, agentId).flatMap((child) => [...movesTo(lineage, child, parent, agentId)])),
  };
};
