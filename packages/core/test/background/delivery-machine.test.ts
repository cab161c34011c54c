import { type DeliveryEvent, deliveryMachine, type Outlook, type Woken } from '@troupe/core';
import { FaultError } from '@troupe/protocol';
import { pathsOf } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createActor, fromPromise, SimulatedClock } from 'xstate';
import { settle } from '../../../../test/support/open-runtime.ts';

const outlook = (next: Outlook['next']): Outlook => ({
  letters: next === 'nothing' ? [] : [{ id: 'u', text: 'Done.' }],
  next,
  rootId: 'r',
});
const unknown = new FaultError('agent.unknown', 'Who?');
const down = new Error('The store is down.');
const looks = [
  ...(['nothing', 'hand', 'wait', 'wake'] as const).map((next) => ({ output: outlook(next) })),
  { error: down },
];
const wakes = [{ output: 'woken' }, { output: 'busy' }, { error: unknown }, { error: down }];

const paths = pathsOf(deliveryMachine, {
  input: { key: 'k' },
  events: [{ type: 'news' }],
  settles: { look: () => looks, wake: () => wakes },
  abstract: ({ isStale, failures, outlook: { next } }) => [isStale, Math.min(failures, 2), next],
});

/** The machine with actors that end when they are told to, and what it did. */
const open = () => {
  const clock = new SimulatedClock();
  const did: string[] = [];
  let under: { name: string; end: PromiseWithResolvers<unknown> } | undefined;
  const work = <T>(name: string): Promise<T> => {
    expect(under).toBeUndefined();
    did.push(name);
    const end = Promise.withResolvers<unknown>();
    under = { name, end };
    return end.promise as Promise<T>;
  };
  const actor = createActor(
    deliveryMachine.provide({
      actors: { look: fromPromise(() => work<Outlook>('look')), wake: fromPromise(() => work<Woken>('wake')) },
      actions: { hand: () => void did.push('hand'), complain: () => void did.push('complain') },
    }),
    { input: { key: 'k' }, clock },
  ).start();
  const end = async (how: object): Promise<void> => {
    const ending = under?.end;
    under = undefined;
    if ('error' in how) ending?.reject(how.error);
    else ending?.resolve((how as { output: unknown }).output);
    await settle(2);
  };
  return { actor, clock, did, end, under: () => under?.name };
};

describe('the chart of a delivery', () => {
  test('has paths to everything it can do', () => {
    const states = new Set(paths.flatMap(({ steps }) => steps.map(({ state }) => JSON.stringify(state.value))));
    expect([...states].sort()).toEqual(
      ['failed', 'handed', 'idle', 'looking', 'waiting', 'waking'].map((state) => JSON.stringify(state)),
    );
  });

  test.each(paths)('$description', async ({ steps }) => {
    const { actor, clock, did, end, under } = open();
    for (const { event, state } of steps.slice(1)) {
      const before = did.length;
      if (event.type.startsWith('xstate.after')) clock.increment(60_000);
      else if (event.type.startsWith('xstate.')) await end(event);
      else actor.send(event as DeliveryEvent);
      const now = actor.getSnapshot();
      expect(now.value).toEqual(state.value);
      // one thing at a time, and the one that the state is about
      expect(under()).toBe({ looking: 'look', waking: 'wake' }[String(now.value)]);
      // what is handed is handed once for each look, and nothing is complained of that is no trouble
      const since = did.slice(before);
      expect(since.includes('hand')).toBe((event as { output?: Outlook }).output?.next === 'hand');
      expect(since.includes('complain')).toBe('error' in event);
      // it rests only where nothing is left
      if (now.value === 'idle') expect(now.context.outlook.next).toBe('nothing');
      // and what succeeds makes good what failed before
      const { output } = event as { output?: Outlook | Woken };
      if (output === 'woken' || (typeof output === 'object' && output.next !== 'wake'))
        expect(now.context.failures).toBe(0);
      expect(now.context.failures).toBeLessThanOrEqual(did.filter((what) => what === 'complain').length);
    }
    actor.stop();
  });

  test('looks again after any news, whatever it was about, and waits longer after each failure', async () => {
    const happening = fc.oneof(
      fc.record({ type: fc.constant('news' as const) }),
      fc.record({ type: fc.constant('end' as const), n: fc.nat({ max: 4 }) }),
      fc.record({ type: fc.constant('time' as const), ms: fc.constantFrom(500, 1_000, 60_000) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 30 }), async (happenings) => {
        const { actor, clock, did, end, under } = open();
        let looked = 0;
        for (const each of happenings) {
          if (each.type === 'news') {
            actor.send({ type: 'news' });
            looked = did.filter((what) => what === 'look').length - Number(under() === 'look');
          } else if (each.type === 'time') clock.increment(each.ms);
          else if (under() === 'look') await end(looks[each.n] ?? { error: down });
          else if (under() === 'wake') await end(wakes[each.n % 4] ?? { error: down });
          const { value, context } = actor.getSnapshot();
          if (value === 'failed') expect(context.failures).toBeGreaterThan(0);
        }
        // when nothing is wrong any more, and nothing is left
        for (let i = 0; i < 4; i++) {
          clock.increment(60_000);
          if (under() === 'wake') await end({ output: 'woken' });
          if (under() === 'look') await end({ output: outlook('nothing') });
        }
        const { value, context } = actor.getSnapshot();
        expect(['idle', 'handed', 'waiting']).toContain(value);
        expect(context.isStale).toBe(false);
        expect(did.filter((what) => what === 'look').length).toBeGreaterThanOrEqual(looked);
        actor.stop();
      }),
      { numRuns: 200 },
    );
  });

  test('does nothing without its actors, and says so', async () => {
    const clock = new SimulatedClock();
    const errors: unknown[] = [];
    const actor = createActor(
      deliveryMachine.provide({
        actions: { complain: ({ event }) => errors.push((event as { error?: unknown }).error) },
      }),
      { input: { key: 'k' }, clock },
    ).start();
    actor.send({ type: 'news' });
    await settle(2);
    expect(errors).toEqual([new Error('A delivery was started without its actor "look".')]);
    actor.stop();
  });
});
