import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cancelOrder,
  childrenOf,
  descendantsOf,
  isVisibleTo,
  type Kin,
  type Lineage,
  lineageOf,
  type Moved,
  pendingDescendants,
  reparent,
  topLevelVisible,
  unregister,
  visibleTo,
} from '../../src/subagents/lineage.ts';

type Agent = Kin & { active: boolean };

/** Sub-agents as `name: parent`; a parent comes before its children, unless it is to be missing. */
const family = (
  parents: Record<string, string | null>,
  about: Record<string, Partial<Agent> & { session?: string }> = {},
) => {
  const depths = new Map<string, number>();
  return lineageOf(
    Object.entries(parents).map(([agentId, parentId], at): Agent => {
      const { session, ...other } = about[agentId] ?? {};
      const depth = (depths.get(parentId ?? '') ?? 0) + 1;
      depths.set(agentId, depth);
      const sessionKey = session ?? (parentId === null ? 'user' : `subagent-${parentId}`);
      return { agentId, parentId, depth, createdAt: at, requester: { sessionKey }, active: true, ...other };
    }),
  );
};

const ids = (agents: readonly Kin[]) => agents.map(({ agentId }) => agentId);
const isActive = ({ active }: Agent) => active;
const depthsIn = ({ agents }: Lineage) =>
  Object.fromEntries([...agents.values()].map(({ agentId, depth }) => [agentId, depth]));

/** The family once the changes were made. */
const after = (lineage: Lineage<Agent>, changes: ReadonlyMap<string, Moved>, without?: string) =>
  lineageOf(
    [...lineage.agents.values()]
      .filter(({ agentId }) => agentId !== without)
      .map((agent) => ({ ...agent, ...changes.get(agent.agentId) })),
  );

/** What `reparent` says, where it is known to agree. */
const moves = (lineage: Lineage<Agent>, id: string, parentId: string | null, maxDepth = 1_000) => {
  const found = reparent(lineage, id, parentId, maxDepth);
  if ('refused' in found) throw new Error(found.message);
  return found.changes;
};

/** Names `s0`, `s1` … with a parent each. */
const named = (
  parents: readonly (number | null)[],
  sessions: readonly number[] = [],
  active: readonly boolean[] = [],
) =>
  family(
    Object.fromEntries(parents.map((parent, at) => [`s${at}`, parent === null ? null : `s${parent}`])),
    Object.fromEntries(
      parents.map((_, at) => [
        `s${at}`,
        { ...(sessions[at] && { session: `user-${sessions[at]}` }), active: active[at] ?? true },
      ]),
    ),
  );

/** Any forest of up to 25: a parent stands before its children. */
const anyForest = fc
  .array(fc.tuple(fc.option(fc.nat()), fc.nat(3), fc.boolean()), { minLength: 1, maxLength: 25 })
  .map((given) =>
    named(
      given.map(([parent], at) => (parent === null || at === 0 ? null : parent % at)),
      given.map(([, session]) => session),
      given.map(([, , active]) => active),
    ),
  );

/** Anything that could be stored: parents that are gone, cycles, itself. Depths are nonsense. */
const anyMess = fc
  .array(fc.tuple(fc.option(fc.nat(12)), fc.nat(3), fc.boolean(), fc.integer({ min: -3, max: 9 })), {
    minLength: 1,
    maxLength: 10,
  })
  .map((given) =>
    lineageOf(
      given.map(
        ([parent, session, active, depth], at): Agent => ({
          agentId: `s${at}`,
          parentId: parent === null ? null : `s${parent}`,
          depth,
          createdAt: at,
          requester: { sessionKey: session === 0 ? null : `user-${session}` },
          active,
        }),
      ),
    ),
  );

const either = fc.oneof(anyForest, anyMess);
const pick = (lineage: Lineage<Agent>, at: number) => `s${at % lineage.agents.size}`;

/** Itself and all above it, by looking at every link: slow, and plain. */
const selfAndAbove = ({ agents }: Lineage<Agent>, id: string): Agent[] => {
  const found: Agent[] = [];
  for (let agent = agents.get(id); agent && !found.includes(agent); agent = agents.get(agent.parentId ?? ''))
    found.push(agent);
  return found;
};
const isBelow = (lineage: Lineage<Agent>, id: string, above: string) =>
  id !== above && ids(selfAndAbove(lineage, id)).includes(above);
/** On a way up that comes back. */
const isInCycle = (lineage: Lineage<Agent>, id: string): boolean => {
  const parentId = lineage.agents.get(id)?.parentId;
  return parentId != null && ids(selfAndAbove(lineage, parentId)).includes(id);
};

describe('a tree of sub-agents', () => {
  const tree = () => family({ a: null, b: 'a', c: 'a', d: 'b', e: 'd', f: null });

  test('[SB-061, SB-062] knows children, oldest first, all below, and how many of them are at work', () => {
    const lineage = family(
      { a: null, b: 'a', c: 'a', d: 'b', e: 'd' },
      { b: { createdAt: 9, active: false }, e: { active: false } },
    );
    expect(ids(childrenOf(lineage, 'a'))).toEqual(['c', 'b']);
    expect(ids(descendantsOf(lineage, 'a'))).toEqual(['b', 'c', 'd', 'e']);
    expect(pendingDescendants(lineage, 'a', isActive)).toBe(2);
    expect(childrenOf(lineage, 'e')).toEqual([]);
    expect(descendantsOf(lineage, 'nobody')).toEqual([]);
  });

  test('[SB-061] has a child once, however often it is put, and follows it where it goes', () => {
    const lineage = tree();
    const d = lineage.agents.get('d')!;
    lineage.put(d);
    lineage.put({ ...d, active: false });
    expect(ids(childrenOf(lineage, 'b'))).toEqual(['d']);
    lineage.put({ ...d, parentId: 'c' });
    expect(childrenOf(lineage, 'b')).toEqual([]);
    expect(ids(childrenOf(lineage, 'c'))).toEqual(['d']);
    lineage.put({ ...d, parentId: null });
    expect(childrenOf(lineage, 'c')).toEqual([]);
    lineage.drop('d');
    lineage.drop('nobody');
    expect(lineage.agents.has('d')).toBe(false);
    expect(ids(childrenOf(lineage, 'd'))).toEqual(['e']);
  });

  test('[SB-061] is the same, kept step by step, as looked at from the start', () => {
    const step = fc.record({ at: fc.nat(9), parent: fc.option(fc.nat(9)), gone: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const kept = lineageOf<Kin>();
        for (const { at, parent, gone } of steps)
          if (gone) kept.drop(`s${at}`);
          else
            kept.put({
              agentId: `s${at}`,
              parentId: parent === null ? null : `s${parent}`,
              depth: 1,
              createdAt: at,
              requester: { sessionKey: null },
            });
        const links = ({ childIds }: Lineage) =>
          new Map([...childIds].map(([id, set]) => [id, new Set([...set].sort())]));
        expect(links(kept)).toEqual(links(lineageOf(kept.agents.values())));
      }),
    );
  });

  test('[SB-061] closes up when one is taken out: its children go to its parent, and all below rise by one', () => {
    const lineage = tree();
    const { changes } = unregister(lineage, 'b');
    expect([...changes]).toEqual([
      ['d', { parentId: 'a', depth: 2 }],
      ['e', { depth: 3 }],
    ]);
    expect([...unregister(lineage, 'a').changes]).toEqual([
      ['b', { parentId: null, depth: 1 }],
      ['d', { depth: 2 }],
      ['e', { depth: 3 }],
      ['c', { parentId: null, depth: 1 }],
    ]);
    expect(unregister(lineage, 'e').changes.size).toBe(0);
  });

  test('[SB-061] closes up in every tree', () => {
    fc.assert(
      fc.property(anyForest, fc.nat(), (lineage, at) => {
        const id = pick(lineage, at);
        const below = new Set(ids(descendantsOf(lineage, id)));
        const closed = after(lineage, unregister(lineage, id).changes, id);
        for (const { agentId, depth, parentId } of closed.agents.values()) {
          expect(depth).toBe(lineage.agents.get(agentId)!.depth - (below.has(agentId) ? 1 : 0));
          expect(depth).toBe(parentId === null ? 1 : closed.agents.get(parentId)!.depth + 1);
        }
      }),
    );
  });

  test('[SB-061] closes up in what was stored broken, too, without a new cycle', () => {
    fc.assert(
      fc.property(either, fc.nat(), (lineage, at) => {
        const id = pick(lineage, at);
        const { changes } = unregister(lineage, id);
        expect(changes.has(id)).toBe(false);
        const closed = after(lineage, changes, id);
        for (const { agentId } of closed.agents.values())
          expect(isInCycle(closed, agentId) && !isInCycle(lineage, agentId)).toBe(false);
        for (const [agentId, { depth }] of changes) {
          const parent = closed.agents.get(closed.agents.get(agentId)!.parentId ?? '');
          expect(depth).toBe(parent ? Math.max(parent.depth, 0) + 1 : 1);
        }
      }),
    );
  });
});

describe('stopping a sub-agent', () => {
  test('[SB-090] begins with the deepest and ends with itself', () => {
    const lineage = family({ a: null, b: 'a', c: 'a', d: 'b', e: 'd', f: null });
    expect(ids(cancelOrder(lineage, 'a'))).toEqual(['e', 'd', 'c', 'b', 'a']);
    expect(ids(cancelOrder(lineage, 'f'))).toEqual(['f']);
    expect(cancelOrder(lineage, 'nobody')).toEqual([]);
  });

  test('[SB-090, SB-062] reaches every descendant once, children before parents', () => {
    fc.assert(
      fc.property(either, fc.nat(), (lineage, at) => {
        const id = pick(lineage, at);
        const order = ids(cancelOrder(lineage, id));
        const expected = [...lineage.agents.keys()].filter((other) => other === id || isBelow(lineage, other, id));
        expect([...order].sort()).toEqual(expected.sort());
        expect(order.at(-1)).toBe(id);
        for (const [place, other] of order.entries()) {
          const parentAt = order.indexOf(lineage.agents.get(other)!.parentId ?? '');
          if (other !== id && parentAt >= 0) expect(parentAt).toBeGreaterThan(place);
        }
        const count = pendingDescendants(lineage, id, isActive);
        expect(count).toBe(expected.filter((other) => other !== id && lineage.agents.get(other)!.active).length);
      }),
    );
  });

  test('[SB-091] all of a session takes the highest at work that it sees', () => {
    const lineage = family(
      { a: null, b: 'a', c: 'b', d: 'a', e: null, f: null },
      { a: { active: false }, c: { session: 'other' }, e: { session: 'other' }, f: { active: false } },
    );
    expect(ids(topLevelVisible(lineage, 'user', isActive))).toEqual(['b', 'd']);
    expect(ids(topLevelVisible(lineage, 'other', isActive))).toEqual(['c', 'e']);
    expect(ids(topLevelVisible(lineage, null, isActive))).toEqual(['b', 'd', 'e']);
    expect(topLevelVisible(lineage, 'nobody', isActive)).toEqual([]);
  });

  test('[SB-091] all below one of them leaves that one, and the others, alone', () => {
    const lineage = family({ a: null, b: 'a', c: 'b', d: null });
    expect(ids(topLevelVisible(lineage, 'subagent-a', isActive, 'a'))).toEqual(['b']);
    expect(ids(topLevelVisible(lineage, null, isActive, 'a'))).toEqual(['b']);
    expect(ids(topLevelVisible(lineage, undefined, isActive))).toEqual(['a', 'd']);
  });

  test('[SB-091] all of a session reaches everything at work that it sees, and begins with none twice', () => {
    const scope = fc.constantFrom('user', 'user-1', 'user-2', 'subagent-s0', null);
    fc.assert(
      fc.property(either, scope, (lineage, whose) => {
        const seen = visibleTo(lineage, whose).filter(isActive);
        const tops = topLevelVisible(lineage, whose, isActive);
        const reached = new Set(tops.flatMap(({ agentId }) => ids(cancelOrder(lineage, agentId))));
        expect(ids(seen).filter((id) => !reached.has(id))).toEqual([]);
        for (const { agentId } of tops) {
          expect(ids(seen)).toContain(agentId);
          expect(tops.filter((other) => isBelow(lineage, agentId, other.agentId))).toEqual([]);
        }
      }),
    );
  });
});

describe('a session', () => {
  test('[SB-080] sees what it asked for, and all that came of it', () => {
    const lineage = family({ a: null, b: 'a', c: 'b' }, { a: { session: 'root' } });
    for (const id of ['a', 'b', 'c']) expect(isVisibleTo(lineage, id, 'root')).toBe(true);
    // what a sub-agent asked for is seen by its own session, and it does not see itself
    expect(['a', 'b', 'c'].filter((id) => isVisibleTo(lineage, id, 'subagent-a'))).toEqual(['b', 'c']);
    expect(['a', 'b', 'c'].filter((id) => isVisibleTo(lineage, id, 'subagent-b'))).toEqual(['c']);
    expect(['a', 'b', 'c'].filter((id) => isVisibleTo(lineage, id, 'other'))).toEqual([]);
  });

  test('[SB-080] does not see what the program asked for, which sees all there is', () => {
    const lineage = lineageOf([
      { agentId: 'a', parentId: null, depth: 1, createdAt: 0, requester: { sessionKey: null } },
    ]);
    expect(isVisibleTo(lineage, 'a', 'user')).toBe(false);
    expect(isVisibleTo(lineage, 'a', null)).toBe(true);
    expect(isVisibleTo(lineage, 'a', undefined)).toBe(true);
    expect(isVisibleTo(lineage, 'nobody', null)).toBe(false);
    expect(isVisibleTo(lineage, 'nobody', 'user')).toBe(false);
  });

  test('[SB-080] sees exactly what has its key itself or above it', () => {
    const scope = fc.constantFrom('user', 'user-1', 'user-2', 'subagent-s0', 'subagent-s1', 'nobody');
    fc.assert(
      fc.property(either, scope, (lineage, whose) => {
        const seen = [...lineage.agents.keys()].filter((id) => isVisibleTo(lineage, id, whose));
        const expected = [...lineage.agents.keys()].filter((id) =>
          selfAndAbove(lineage, id).some(({ requester }) => requester.sessionKey === whose),
        );
        expect(seen).toEqual(expected);
        expect(ids(visibleTo(lineage, whose))).toEqual(expected);
      }),
    );
  });
});

describe('a sub-agent that goes below another', () => {
  const chain = () => family({ A: null, B: 'A', C: 'B', D: null });

  test('[SB-063] takes all below it along: each depth shifts by the same', () => {
    expect([...moves(chain(), 'B', 'D')]).toEqual([['B', { parentId: 'D', depth: 2 }]]);
    expect([...moves(chain(), 'B', null)]).toEqual([
      ['B', { parentId: null, depth: 1 }],
      ['C', { depth: 2 }],
    ]);
    expect([...moves(chain(), 'D', 'C')]).toEqual([['D', { parentId: 'C', depth: 4 }]]);
  });

  test('[SB-063] changes nothing where it is already, but a depth that was wrong', () => {
    const lineage = chain();
    expect(moves(lineage, 'B', 'A').size).toBe(0);
    expect(moves(lineage, 'A', null).size).toBe(0);
    lineage.put({ ...lineage.agents.get('B')!, depth: 7 });
    expect([...moves(lineage, 'B', 'A')]).toEqual([['B', { depth: 2 }]]);
  });

  test.each([
    ['A', 'A → A'],
    ['B', 'A → B → A'],
    ['C', 'A → B → C → A'],
  ])('[B-11] is refused where that would make a cycle: A below %s', (parentId, path) => {
    const lineage = chain();
    const before = depthsIn(lineage);
    expect(reparent(lineage, 'A', parentId, 8)).toEqual({
      refused: 'cycle',
      message: `Sub-agent A cannot go below ${parentId}: that would make a cycle: ${path}.`,
    });
    expect(depthsIn(lineage)).toEqual(before);
    expect(ids(cancelOrder(lineage, 'A'))).toEqual(['C', 'B', 'A']);
  });

  test('[B-11] shows the ends of a cycle that would be long', () => {
    const lineage = named(Array.from({ length: 30 }, (_, at) => (at === 0 ? null : at - 1)));
    expect(reparent(lineage, 's0', 's29', 100)).toMatchObject({
      message: expect.stringContaining('a cycle: s0 → s1 → s2 → s3 → s4 → s5 → s6 → … → s0.'),
    });
  });

  test('[SB-097] is refused below nobody, where it is not there itself, or where something would be too deep', () => {
    expect(reparent(chain(), 'A', 'nobody', 8)).toEqual({
      refused: 'unknown_parent',
      message: 'Sub-agent A cannot go below nobody, which was not found.',
    });
    expect(reparent(chain(), 'nobody', 'A', 8)).toEqual({
      refused: 'unknown',
      message: 'Sub-agent nobody was not found.',
    });
    expect(reparent(chain(), 'D', 'C', 3)).toEqual({
      refused: 'too_deep',
      message: 'Sub-agent D would be at depth 4: max spawn depth (3) exceeded.',
    });
    // itself is not too deep, but what goes with it
    expect(reparent(chain(), 'A', 'D', 3)).toEqual({
      refused: 'too_deep',
      message: 'Sub-agent A would be at depth 2, and what is below it at 4: max spawn depth (3) exceeded.',
    });
    expect(reparent(chain(), 'A', 'D', 4)).toHaveProperty('changes');
  });

  test('[SB-063, SB-097, B-11] makes no cycle, and is one deeper than its parent, in every tree', () => {
    fc.assert(
      fc.property(either, fc.nat(), fc.option(fc.nat()), fc.nat(12), (lineage, at, below, maxDepth) => {
        const id = pick(lineage, at);
        const parentId = below === null ? null : pick(lineage, below);
        const before = [...lineage.agents.values()];
        const found = reparent(lineage, id, parentId, maxDepth);
        // then nothing has changed yet, whatever the answer
        expect([...lineage.agents.values()]).toEqual(before);
        const wouldCycle = parentId !== null && ids(selfAndAbove(lineage, parentId)).includes(id);
        if ('refused' in found) {
          expect(found.refused).toBe(wouldCycle ? 'cycle' : 'too_deep');
          return;
        }
        expect(wouldCycle).toBe(false);
        const moved = after(lineage, found.changes);
        expect(moved.agents.get(id)!.parentId).toBe(parentId);
        expect(isInCycle(moved, id)).toBe(false);
        const whole = ids(cancelOrder(lineage, id));
        for (const agent of moved.agents.values()) {
          if (whole.includes(agent.agentId)) {
            const parent = moved.agents.get(agent.parentId ?? '');
            expect(agent.depth).toBe(parent ? Math.max(parent.depth, 0) + 1 : 1);
            expect(agent.depth).toBeLessThanOrEqual(maxDepth);
          } else expect(agent).toEqual(lineage.agents.get(agent.agentId));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('[SB-063] shifts every depth by the same in a tree whose depths are right', () => {
    fc.assert(
      fc.property(anyForest, fc.nat(), fc.option(fc.nat()), (lineage, at, below) => {
        const id = pick(lineage, at);
        const found = reparent(lineage, id, below === null ? null : pick(lineage, below), 100);
        if ('refused' in found) return;
        const moved = after(lineage, found.changes);
        const shifts = ids(cancelOrder(lineage, id)).map(
          (each) => moved.agents.get(each)!.depth - lineage.agents.get(each)!.depth,
        );
        expect(new Set(shifts).size).toBe(1);
      }),
    );
  });
});

describe('ten thousand sub-agents', () => {
  /** How often a link was looked at. */
  const counted = (parents: readonly (number | null)[]) => {
    let looks = 0;
    const lineage = lineageOf(
      parents.map(
        (parent, at): Agent => ({
          agentId: `s${at}`,
          get parentId() {
            looks += 1;
            return parent === null ? null : `s${parent}`;
          },
          depth: 1,
          createdAt: at,
          requester: { sessionKey: 'user' },
          active: true,
        }),
      ),
    );
    return {
      lineage,
      looksOf(act: () => unknown) {
        looks = 0;
        act();
        return looks;
      },
    };
  };
  const count = 10_000;

  test.each<[string, (number | null)[]]>([
    ['all children of one', Array.from({ length: count }, (_, at) => (at === 0 ? null : 0))],
    ['each the child of the one before', Array.from({ length: count }, (_, at) => (at === 0 ? null : at - 1))],
    ['without parents', Array.from({ length: count }, () => null)],
  ])('are looked at once for a question that is about all of them, %s [SB-062]', (_what, parents) => {
    const { lineage, looksOf } = counted(parents);
    for (const question of [
      () => cancelOrder(lineage, 's0'),
      () => isVisibleTo(lineage, 's9999', 'nobody'),
      () => visibleTo(lineage, 'user'),
      () => topLevelVisible(lineage, 'user', isActive),
      () => reparent(lineage, 's0', 's9999', count),
      () => unregister(lineage, 's1'),
    ])
      expect(looksOf(question)).toBeLessThanOrEqual(2 * count);
    // what is about one of them looks at few
    const last = lineage.agents.get('s9999')!;
    expect(looksOf(() => lineage.put({ ...last, parentId: null }))).toBeLessThanOrEqual(4);
    expect(looksOf(() => childrenOf(lineage, 's5'))).toBe(0);
  });
});
