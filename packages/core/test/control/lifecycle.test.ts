import { type Ending, lifecycle } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { type AnyStateMachine, assign, createActor, fromCallback, setup } from 'xstate';

/** What a wrapped machine tells of itself, and how many of its children are alive. */
const watch = (machine: AnyStateMachine, options: object = {}) => {
  const told: string[] = [];
  const endings: Ending[] = [];
  const logic = lifecycle(machine, {
    begun: () => void told.push('begun'),
    ended: (_self, _snapshot, ending) => {
      told.push(`ended: ${ending.how} with ${alive.size} children`);
      endings.push(ending);
    },
  });
  const errors: unknown[] = [];
  const actor = createActor(logic, options);
  actor.subscribe({ error: (error) => void errors.push(error) });
  return { actor, told, endings, errors };
};
const alive = new Set<string>();
const child = fromCallback(({ self }) => {
  alive.add(self.id);
  return () => void alive.delete(self.id);
});
const machine = setup({
  actors: { child },
  actions: {
    boom: () => {
      throw new Error('boom');
    },
  },
});
const boom = () => {
  throw new Error('boom');
};
const busy = machine.createMachine({
  initial: 'on',
  states: {
    on: {
      invoke: [
        { src: 'child', id: 'a' },
        { src: 'child', id: 'b' },
      ],
      on: {
        finish: 'off',
        'break.action': { actions: 'boom' },
        'break.guard': { guard: boom, target: 'off' },
        'break.assign': { actions: assign(boom) },
      },
    },
    off: { type: 'final' },
  },
});

describe('a machine with a lifecycle begins once and ends once', () => {
  test('when it is done, its children ended before [L1, L2]', () => {
    const { actor, told } = watch(busy);
    actor.start();
    expect(alive.size).toBe(2);
    actor.send({ type: 'finish' });
    actor.stop();
    expect(told).toEqual(['begun', 'ended: done with 0 children']);
  });

  test('when it is stopped [L1, L2]', () => {
    const { actor, told } = watch(busy);
    actor.start().stop();
    expect(told).toEqual(['begun', 'ended: stopped with 0 children']);
  });

  test.each(['action', 'guard', 'assign'])('when its %s throws while children are alive [L1, L2]', (what) => {
    const { actor, told, endings, errors } = watch(busy);
    actor.start();
    actor.send({ type: `break.${what}` });
    expect(told).toEqual(['begun', 'ended: error with 0 children']);
    expect(endings[0]).toMatchObject({ how: 'error', error: { message: expect.stringContaining('boom') } });
    expect(errors).toHaveLength(1);
  });

  test('when it is done on creation [L1]', () => {
    const { actor, told } = watch(
      machine.createMachine({ initial: 'off', states: { off: { type: 'final' } }, output: () => 42 }) as never,
    );
    actor.start();
    expect(told).toEqual(['begun', 'ended: done with 0 children']);
    expect(actor.getSnapshot()).toMatchObject({ status: 'done', output: 42 });
  });

  test('when it breaks on creation [L1]', () => {
    const { actor, told, endings } = watch(machine.createMachine({ context: boom }) as never);
    actor.start();
    expect(told).toEqual(['begun', 'ended: error with 0 children']);
    expect(endings[0]).toMatchObject({ how: 'error', error: { message: 'boom' } });
    expect(actor.getSnapshot().status).toBe('error');
  });

  test('when it is restored as done [L1]', () => {
    const { actor: first } = watch(busy);
    first.start();
    first.send({ type: 'finish' });
    const { actor, told } = watch(busy, { snapshot: first.getPersistedSnapshot() });
    actor.start();
    expect(told).toEqual(['begun', 'ended: done with 0 children']);
  });
});

test('begins before its first effect', () => {
  const order: string[] = [];
  const logic = lifecycle(
    setup({ actors: { child: fromCallback(() => void order.push('child')) } }).createMachine({
      entry: () => void order.push('entry'),
      invoke: { src: 'child' },
    }),
    {
      begun: () => void order.push('begun'),
      ended: () => {},
    },
  );
  createActor(logic).start();
  expect(order[0]).toBe('begun');
  expect(order.toSorted()).toEqual(['begun', 'child', 'entry']);
});

test('as a child of another machine it still ends before its parent', () => {
  const order: string[] = [];
  const hooks = (name: string) => ({ begun: () => {}, ended: () => void order.push(name) });
  const inner = lifecycle(busy, hooks('inner'));
  const outer = lifecycle(setup({ actors: { inner } }).createMachine({ invoke: { src: 'inner' } }), hooks('outer'));
  createActor(outer).start().stop();
  expect(order).toEqual(['inner', 'outer']);
});
