import fc from 'fast-check';
import { expect, test } from 'vitest';
import { awaited } from '../../src/subagents/awaited.ts';
import { membersOf, noMembers, withMembers } from '../../src/subagents/members.ts';
import { isActive, isPushed, type Member, type Roster, standing } from '../../src/subagents/roster.ts';
import { recordOf } from './asked.ts';

type Given = { parent: number; asker: 'parent' | 'chat' | 'program'; isPushed: boolean; isActive: boolean };

/** A parent comes before its children; the first has none. */
const rosterOf = (given: readonly Given[]): Pick<Roster, 'members'> => ({
  members: withMembers(
    noMembers,
    given.map(({ parent, asker, isPushed, isActive }, at) => {
      const above = at === 0 ? null : `s${parent % at}`;
      const sessionKey = asker === 'program' ? null : asker === 'chat' || above === null ? 'chat' : `subagent-${above}`;
      const requester = { sessionKey, channel: isPushed ? 'somewhere' : null, metadata: {}, replyTo: null };
      const open = isActive ? [{ runId: `run-${at}`, model: null, askedAt: 0 }] : [];
      return standing({ record: recordOf(`s${at}`, `run-${at}`, { parentId: above, requester }), last: null, open });
    }),
  ),
});

/** Everyone below, link by link. */
const lookedUp = (all: readonly Member[], { record: { agentId, sessionKey } }: Member): number =>
  all
    .filter(({ record: { parentId, requester } }) => parentId === agentId && requester.sessionKey === sessionKey)
    .filter(({ record }) => isPushed(record.requester))
    .reduce((sum, child) => sum + Number(isActive(child)) + lookedUp(all, child), 0);

const one = fc.record<Given>({
  parent: fc.nat(),
  asker: fc.constantFrom('parent', 'parent', 'parent', 'chat', 'program'),
  isPushed: fc.integer({ max: 3, min: 0 }).map((chance) => chance > 0),
  isActive: fc.boolean(),
});

test('[B-04] A sub-agent waits for those at work below it that wake it, be it by waking those between, and for nobody else', () => {
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 12 }), (given) => {
      const roster = rosterOf(given);
      const all = membersOf(roster);
      for (const member of all) expect(awaited(roster, member.record.agentId)).toBe(lookedUp(all, member));
    }),
    { numRuns: 500 },
  );
});

test('Where a cycle was stored, each is counted once, and nobody waits for itself', () => {
  const link = (agentId: string, parentId: string) =>
    standing({
      record: recordOf(agentId, 'run', {
        parentId,
        requester: { sessionKey: `subagent-${parentId}`, channel: 'somewhere', metadata: {}, replyTo: null },
      }),
      last: null,
      open: [{ runId: 'run', model: null, askedAt: 0 }],
    });
  const roster = { members: withMembers(noMembers, [link('a', 'b'), link('b', 'a'), link('c', 'a'), link('d', 'd')]) };
  expect(['a', 'b', 'c', 'd', 'e'].map((id) => awaited(roster, id))).toEqual([2, 2, 0, 0, 0]);
});
