import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  callKeyOf,
  idsUnder,
  type Members,
  memberNamed,
  memberOf,
  memberOfSession,
  membersOf,
  noMembers,
  treeOf,
  under,
  withMembers,
  withoutMembers,
} from '../../src/subagents/members.ts';
import { isActive, type Member, standing } from '../../src/subagents/roster.ts';
import { recordOf } from './asked.ts';

type Change = {
  put: { id: number; parent: number | null; session: number; active: boolean; by: number }[];
  drop: number[];
};

const memberWith = ({ id, parent, session, active, by }: Change['put'][number]): Member => {
  const requester = {
    sessionKey: session === 0 ? null : `chat-${session}`,
    channel: null,
    metadata: {},
    replyTo: null,
  };
  const record = recordOf(`s${id}`, `run-${id}`, {
    parentId: parent === null ? null : `s${parent}`,
    requester,
    ...(id % 2 === 0 && { name: `name-${id % 4}`, updatedAt: by }),
    run: {
      runId: `run-${id}`,
      task: 'go',
      askedAt: 0,
      origin: { runId: 'above', rootId: 'above', callId: `call-${by}` },
    },
    delivered: by === 0 ? [] : [{ runId: `run-${id}`, how: 'pulled', by: `who-${by}` }],
  });
  return standing({ record, last: null, open: active ? [{ runId: `run-${id}`, model: null, askedAt: 0 }] : [] });
};

const few = fc.nat(9);
const changes = fc.array(
  fc.record({
    put: fc.array(
      fc.record({ id: few, parent: fc.option(few), session: fc.nat(2), active: fc.boolean(), by: fc.nat(3) }),
      { maxLength: 4 },
    ),
    drop: fc.array(few, { maxLength: 2 }),
  }),
  { maxLength: 12 },
);

const after = (members: Members, { put, drop }: Change): Members =>
  withoutMembers(
    withMembers(members, put.map(memberWith)),
    drop.map((id) => `s${id}`),
  );

/** What is asked of a roster, answered by looking at each. */
const lookedThrough = (all: readonly Member[]) => {
  const idsOf = (is: (member: Member) => boolean) => all.filter(is).map(({ record }) => record.agentId);
  return {
    ids: idsOf(() => true),
    active: idsOf(isActive).sort(),
    named: idsOf(({ record }) => record.name !== undefined).sort(),
    beside: [null, 0, 1].flatMap((parent) =>
      [null, 'chat-1'].map((session) =>
        idsOf(
          (member) =>
            isActive(member) &&
            member.record.parentId === (parent === null ? null : `s${parent}`) &&
            (parent !== null || member.record.requester.sessionKey === session),
        ).sort(),
      ),
    ),
    calls: [0, 1].map((by) => idsOf(({ record }) => record.run?.origin?.callId === `call-${by}`).sort()),
    collected: [1, 2].map((by) =>
      idsOf(({ record }) => record.delivered.some((each) => each.by === `who-${by}`)).sort(),
    ),
    children: [0, 1, 2].map((id) => idsOf(({ record }) => record.parentId === `s${id}`).sort()),
    latestNamed: [0, 2].map((name) =>
      all
        .filter(({ record }) => record.name === `name-${name}`)
        .reduce((latest, { record }) => Math.max(latest, record.updatedAt), -1),
    ),
    ofSession: all.map(({ record }) => record.agentId),
  };
};

const found = (members: Members): ReturnType<typeof lookedThrough> => {
  const roster = { members };
  const all = membersOf(roster);
  const sorted = (key: string) => [...idsUnder(roster, key)].sort();
  return {
    ids: [...treeOf(roster).agents.keys()],
    active: sorted(under.active),
    named: sorted(under.named),
    beside: [null, 0, 1].flatMap((parent) =>
      [null, 'chat-1'].map((session) => sorted(under.siblings(parent === null ? null : `s${parent}`, session))),
    ),
    calls: [0, 1].map((by) => sorted(under.call(callKeyOf({ runId: 'above', callId: `call-${by}` })))),
    collected: [1, 2].map((by) => sorted(under.collector(`who-${by}`))),
    children: [0, 1, 2].map((id) => [...(treeOf(roster).childIds.get(`s${id}`) ?? [])].sort()),
    latestNamed: [0, 2].map((name) => memberNamed(roster, `name-${name}`)?.record.updatedAt ?? -1),
    ofSession: all.flatMap(({ record }) => memberOfSession(roster, record.sessionKey)?.record.agentId ?? []),
  };
};

describe('sub-agents of a roster', () => {
  test('are found as if each were looked at, after any changes, in the order in which they came', () => {
    fc.assert(
      fc.property(changes, (steps) => {
        let members = noMembers;
        const expected = new Map<string, Member>();
        for (const step of steps) {
          members = after(members, step);
          for (const member of step.put.map(memberWith)) expected.set(member.record.agentId, member);
          for (const id of step.drop) expected.delete(`s${id}`);
          expect(membersOf({ members }).map(({ record }) => record)).toEqual(
            [...expected.values()].map((m) => m.record),
          );
          expect(found(members)).toEqual(lookedThrough([...expected.values()]));
          for (let id = 0; id < 10; id++)
            expect(memberOf({ members }, `s${id}`)?.record).toEqual(expected.get(`s${id}`)?.record);
        }
      }),
    );
  });

  test('stay as they are where others go on from them, and are data', () => {
    fc.assert(
      fc.property(changes, changes, (steps, others) => {
        const before = steps.reduce(after, noMembers);
        const [text, was] = [JSON.stringify(before), found(before)];
        // One line goes on, then another from the same: neither knows of the other.
        others.reduce(after, before);
        const again = others.reduce(after, before);
        expect(JSON.stringify(before)).toBe(text);
        expect(found(before)).toEqual(was);
        expect(found(JSON.parse(JSON.stringify(again)))).toEqual(found(again));
      }),
    );
  });

  test('have any ids: those that objects know, too', () => {
    const members = withMembers(noMembers, [standing({ record: recordOf('xor', 'run'), last: null, open: [] })]);
    expect(memberOf({ members }, 'constructor')).toBeUndefined();
    expect(memberOf({ members }, 'xor')?.record.agentId).toBe('xor');
    expect(memberOf({ members }, '')).toBeUndefined();
    expect(withoutMembers(members, ['constructor', '', '__proto__'])).toEqual(members);
    const odd = ['__proto__', 'constructor', '', '12'].map((id) =>
      standing({ record: recordOf(id, 'run'), last: null, open: [] }),
    );
    const all = withMembers(members, odd);
    expect(membersOf({ members: all }).map(({ record }) => record.agentId)).toEqual([
      'xor',
      '__proto__',
      'constructor',
      '',
      '12',
    ]);
    expect(membersOf({ members: withoutMembers(all, ['__proto__', '']) })).toHaveLength(3);
  });
});
