import * as separate from '@xstate/graph';
import { describe, expect, test } from 'vitest';
import { type AnyEventObject, createActor, fromPromise, SimulatedClock, type SnapshotFrom } from 'xstate';
import { type Cases, keyOf, pathsOf, possibleEvents } from '../../src/index.ts';
import { crew, document, payment } from './machines.ts';

const paying: Cases<typeof payment> = {
  input: { tries: 2 },
  events: [{ type: 'cancel' }, { type: 'noise' }],
  settles: { pay: () => [{ output: 'receipt' }, { error: new Error('declined') }] },
  abstract: ({ tries }) => tries,
};

const working: Cases<typeof crew> = {
  settles: { worker: ({ snapshot }) => (snapshot.context.left.includes('w') ? [{ output: 1 }] : []) },
  tells: {
    speaker: ({ id, snapshot }) =>
      snapshot.context.left.includes(id) ? [{ type: 'note' }, { type: 'finished', id }] : [],
  },
  abstract: ({ left, heard }) => [left, Math.min(heard, 1)],
};

const typesIn = (paths: readonly { steps: readonly { event: AnyEventObject }[] }[]) =>
  paths.map(({ steps }) => steps.map(({ event }) => event.type).slice(1));
const sorted = <T>(items: Iterable<T>) => [...new Set(items)].toSorted((a, b) => String(a).localeCompare(String(b)));

describe('possibleEvents', () => {
  test('are what live children, delays and the world may do', () => {
    const snapshot = createActor(payment, { input: { tries: 1 } }).getSnapshot();
    expect(possibleEvents(paying, snapshot).map(({ type }) => type)).toEqual([
      'xstate.done.actor.payment',
      'xstate.error.actor.payment',
      'xstate.after.patience.(machine).paying',
      'cancel',
    ]);
  });

  test('are none when the machine is done', () => {
    const actor = createActor(payment, { input: { tries: 1 } }).start();
    actor.send({ type: 'cancel' });
    expect(possibleEvents(paying, actor.getSnapshot())).toEqual([]);
  });

  test('may depend on the state', () => {
    const snapshot = createActor(document).getSnapshot();
    const events = ({ value }: SnapshotFrom<typeof document>) => [
      { type: value === 'draft' ? ('send' as const) : ('accept' as const) },
    ];
    expect(possibleEvents<typeof document>({ events }, snapshot)).toEqual([{ type: 'send' }]);
  });
});

describe('pathsOf', () => {
  test('takes every transition of a machine that invokes and waits', () => {
    expect(sorted(typesIn(pathsOf(payment, paying)).map((types) => types.join(' ')))).toEqual(
      sorted([
        'xstate.done.actor.payment',
        'cancel',
        'xstate.after.patience.(machine).paying cancel',
        'xstate.error.actor.payment xstate.done.actor.payment',
        'xstate.error.actor.payment xstate.error.actor.payment',
        'xstate.error.actor.payment cancel',
        'xstate.error.actor.payment xstate.after.patience.(machine).paying cancel',
      ]),
    );
  });

  test('can do with reaching every state', () => {
    const paths = pathsOf(payment, paying, 'states');
    const reached = sorted(paths.flatMap(({ steps }) => steps.map(({ state }) => keyOf(paying, state))));
    expect(reached).toHaveLength(9);
    expect(paths.length).toBeLessThan(pathsOf(payment, paying).length + 1);
  });

  test('takes every transition of a machine that spawns', () => {
    const taken = pathsOf(crew, working).flatMap(({ steps }) =>
      steps.slice(1).map(({ event, state }, index) => {
        const before = steps[index]?.state ?? state;
        return `${keyOf(working, before)} ${event.type} ${keyOf(working, state)}`;
      }),
    );
    // both at work: a note, w ends, s ends; only s: a note, s ends; only w: w ends; each with and without a note heard
    expect(sorted(taken)).toHaveLength(12);
    expect(taken.filter((transition) => transition.includes('"done"')).length).toBeGreaterThan(0);
  });

  test('tells errors apart', () => {
    const settles = { pay: () => [{ error: new Error('declined') }, { error: new Error('offline') }] };
    const paths = pathsOf(payment, { ...paying, input: { tries: 1 }, events: [], settles });
    expect(typesIn(paths).filter(([type]) => type === 'xstate.error.actor.payment')).toHaveLength(2);
  });

  test('describes its paths', () => {
    expect(pathsOf(payment, paying).map(({ description }) => description)).toContain('xstate.init → cancel');
  });

  test('refuses a graph without end', () => {
    const endless = { ...working, abstract: ({ left, heard }: { left: string[]; heard: number }) => [left, heard] };
    expect(() => pathsOf(crew, { ...endless, limit: 200 })).toThrow('limit');
  });

  test.each(pathsOf(payment, paying).map((path) => [path.description, path] as const))(
    'gives a path that a real actor follows: %s',
    async (_description, { steps }) => {
      // given a world in which payments wait to be told how they end
      const ends: { resolve: (receipt: string) => void; reject: (error: unknown) => void }[] = [];
      const pay = fromPromise<string>(() => new Promise((resolve, reject) => ends.push({ resolve, reject })));
      const clock = new SimulatedClock();
      const actor = createActor(payment.provide({ actors: { pay } }), { input: { tries: 2 }, clock }).start();
      for (const { event, state } of steps) {
        // when what the path says happens
        if (event.type.startsWith('xstate.done')) ends.at(-1)?.resolve(event.output);
        else if (event.type.startsWith('xstate.error')) ends.at(-1)?.reject(event.error);
        else if (event.type.startsWith('xstate.after')) clock.increment(1_000);
        else if (event.type !== 'xstate.init') actor.send(event as { type: 'cancel' });
        await new Promise((resolve) => setImmediate(resolve));
        // then the actor is where the path says
        expect(keyOf(paying, actor.getSnapshot())).toBe(keyOf(paying, state));
      }
    },
  );

  test('reaches the same states as @xstate/graph', () => {
    const events = (['edit', 'send', 'accept', 'reject'] as const).map((type) => ({ type }));
    const cases: Cases<typeof document> = { events };
    const ours = pathsOf(document, cases, 'states').flatMap(({ steps }) =>
      steps.map(({ state }) => keyOf(cases, state)),
    );
    const theirs = separate.getShortestPaths(document, { events }).map(({ state }) => keyOf(cases, state));
    expect(sorted(ours)).toEqual(sorted(theirs));
    expect(sorted(ours)).toHaveLength(9);
  });
});
