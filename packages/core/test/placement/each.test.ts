/** Background units that tell of each of their children, which others execute. */
import { defineAgent } from '@troupe/core';
import type { StoredEvent } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { deliveriesIn, helper, officeScript, sending } from '../background/office.ts';
import { openFleet } from './fleet.ts';

describe.each([
  ['here', 'local'],
  ['by a worker', 'remote'],
] as const)('a unit whose children are executed %s', (_where, place) => {
  test.each([
    ['each', 2],
    ['unit', 1],
  ] as const)('tells its session of %s, once [F-14]', async (completions, many) => {
    const lead = defineAgent({ name: 'lead', instructions: '', memoryScope: null, tools: [sending({ completions })] });
    const fleet = openFleet([lead, helper]);
    const program = fleet.boot(officeScript, { place });
    await fleet.serve('w1', officeScript);
    const session = program.runtime.session(lead, { sessionKey: 'k' });
    await session.send('do: send quick a,quick b; say sent', { runId: 'r' });
    for (let i = 0; i < 12; i++) {
      await settle(60);
      fleet.clock.increment(500);
    }
    await settle(100);
    const delivered = deliveriesIn([...(fleet.base.events({}) as Iterable<StoredEvent>)]);
    expect(Object.values(delivered).map((times) => times?.length)).toEqual(Array.from({ length: many }, () => 1));
    expect(fleet.base.sessionInbox('k')).toEqual([]);
  });
});
