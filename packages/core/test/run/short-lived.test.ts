/** A step's scope, once the step is done: its actions were carried out, and nothing that XState may keep knows of them. */

import { expect, test } from 'vitest';
import { type AnyEventObject, type AnyMachineSnapshot, createActor, fromCallback, setup } from 'xstate';
import { type Scope, shortLived } from '../../src/run/short-lived.ts';

type Action = Parameters<Scope['actionExecutor']>[0];

const heard: string[] = [];
const machine = setup({
  actors: { worker: fromCallback(({ input }) => void heard.push(`worker ${String(input)}`)) },
  actions: { note: ({ event }, params: string) => void heard.push(`${params} ${event.type}`) },
}).createMachine({
  initial: 'resting',
  entry: { type: 'note', params: 'begins with' },
  states: {
    resting: { on: { go: { target: 'working', actions: { type: 'note', params: 'hears' } } } },
    working: { invoke: { src: 'worker', input: 'works' } },
  },
});

test('actions are carried out as ever, and what XState holds of them is empty', () => {
  const given: Action[] = [];
  /** What XState puts into its actions, before anybody else has them. */
  const watched = (scope: Scope): Scope => {
    const { actionExecutor } = scope;
    const watching = (action: Action) => {
      actionExecutor(action);
      given.push(action);
    };
    return { ...scope, actionExecutor: watching };
  };
  const held: Scope[] = [];
  const keep = (scope: Scope): Scope => {
    held.push(scope);
    return watched(scope);
  };
  const logic = Object.assign(Object.create(machine) as typeof machine, {
    getInitialSnapshot: (scope: Scope, input: unknown) =>
      shortLived(scope, (short) => machine.getInitialSnapshot(keep(short) as never, input as never)),
    transition: (snapshot: AnyMachineSnapshot, event: AnyEventObject, scope: Scope) =>
      shortLived(scope, (short) => machine.transition(snapshot as never, event as never, keep(short) as never)),
  });
  const actor = createActor(logic).start();
  actor.send({ type: 'go' });
  expect(heard).toEqual(['begins with xstate.init', 'hears go', 'worker works']);
  expect(given.length).toBeGreaterThan(2);
  for (const action of given) expect(action).toMatchObject({ info: undefined, params: undefined, exec: undefined });

  // A scope that outlives its step leads nowhere.
  for (const scope of held)
    scope.actionExecutor({
      type: 'late',
      info: {} as never,
      params: undefined,
      exec: () => heard.push('late'),
    });
  expect(heard).not.toContain('late');
});

test('a step that throws leaves nothing behind, either', () => {
  let kept: Scope | undefined;
  const run: unknown[] = [];
  const scope = { actionExecutor: (action: Action) => run.push(action.type) } as unknown as Scope;
  expect(() =>
    shortLived(scope, (short) => {
      kept = short;
      short.actionExecutor({ type: 'before' } as never);
      throw new Error('broken');
    }),
  ).toThrow('broken');
  kept?.actionExecutor({ type: 'after' } as never);
  expect(run).toEqual(['before']);
});
