import { createInspector } from '@statelyai/inspect';
import { describe, expect, test } from 'vitest';
import { assign, createActor, createMachine, fromPromise } from 'xstate';
import { newActorDesk, readInspection } from '../../page/src/stately/actor-desk.ts';
import type { ActorLine, ToPage } from '../../src/wire.ts';

const machine = createMachine({
  id: 'door',
  initial: 'shut',
  context: { opened: 0 },
  invoke: { src: fromPromise(() => new Promise(() => {})), id: 'watch' },
  states: {
    shut: { on: { OPEN: { target: 'open', actions: assign({ opened: ({ context }) => context.opened + 1 }) } } },
    open: { on: { CLOSE: 'shut', LEAVE: 'gone' } },
    gone: { type: 'final' },
  },
});

/** A desk that hears what the real inspector of @statelyai/inspect sends of an actor. */
const watched = async () => {
  const desk = newActorDesk('Actors');
  const { inspect } = createInspector({ send: (event) => desk.hear(readInspection(JSON.stringify(event)) ?? {}) });
  const actor = createActor(machine, { inspect }).start();
  const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
  await settle();
  const rows = (): ActorLine[] => {
    const greeting = desk.hello(1, 1);
    return greeting.type === 'hello' ? greeting.lines.flatMap((line) => (line.kind === 'actor' ? [line] : [])) : [];
  };
  return { desk, actor, settle, rows };
};

const find = <T extends ToPage['type']>(messages: readonly ToPage[], type: T) =>
  messages.find((message): message is Extract<ToPage, { type: T }> => message.type === type);

describe('Actors of a program that sends Stately’s messages', () => {
  test('are rows below their parents, with where they are', async () => {
    const { rows, actor, settle } = await watched();
    const [door, watch] = rows();
    expect(door).toMatchObject({ name: 'door', state: 'shut', status: 'active' });
    expect(watch).toMatchObject({ parentId: door?.id, rootId: door?.id });
    actor.send({ type: 'OPEN' });
    actor.send({ type: 'LEAVE' });
    await settle();
    expect(rows()[0]).toMatchObject({ state: 'gone', status: 'done', endedAt: expect.any(Number) });
  });

  test('have a chart with the transition that was taken, and a history', async () => {
    const { desk, rows, actor, settle } = await watched();
    const id = rows()[0]?.id ?? '';
    const first = desk.watch(id);
    const drawn = find(first, 'machine')?.machine;
    expect(drawn?.root.states.map(({ key }) => key).sort()).toEqual(['gone', 'open', 'shut']);
    actor.send({ type: 'OPEN' });
    await settle();
    const told = find(desk.frame(2), 'details');
    expect(told?.chart.steps.map(({ n, event }) => [n, event])).toEqual([
      [0, 'xstate.init'],
      [1, 'OPEN'],
    ]);
    const last = told?.chart.steps.at(-1);
    expect(last).toMatchObject({ event: 'OPEN', active: ['door', 'door.open'], data: { type: 'OPEN' } });
    expect(drawn?.edges.find((edge) => edge.id === last?.edges[0])).toMatchObject({ label: 'OPEN', to: ['door.open'] });
    expect(told?.chart).toMatchObject({ context: { opened: 1 } });
    expect(told?.chart.steps.slice(0, -1).every(({ data }) => data === undefined)).toBe(true);
    actor.stop();
  });

  test('are told of in frames, each once', async () => {
    const { desk, actor, settle } = await watched();
    expect(find(desk.frame(1), 'frame')?.lines).toHaveLength(2);
    expect(desk.frame(2)).toEqual([]);
    actor.send({ type: 'OPEN' });
    await settle();
    expect(find(desk.frame(3), 'frame')?.happenings).toMatchObject([{ type: 'OPEN', to: actor.sessionId }]);
    actor.stop();
  });

  test('that are no machines say so', async () => {
    const { desk, rows } = await watched();
    const child = rows().find(({ parentId }) => parentId !== undefined);
    expect(find(desk.watch(child?.id ?? ''), 'details')?.chart.problem).toContain('is no state machine');
    expect(desk.watch('unheard of')).toEqual([]);
  });

  test('are not made of anything else that a window may send', () => {
    for (const data of [null, 7, 'text', '{"type":"other"}', { type: 'webpackOk' }, []])
      expect(readInspection(data)).toBeUndefined();
    const desk = newActorDesk('Actors');
    desk.hear({ type: '@xstate.actor' });
    desk.hear({ type: '@xstate.actor', sessionId: 'x', definition: 'no JSON', snapshot: 3 });
    desk.hear({ type: '@xstate.event', sessionId: 'x' });
    expect(find(desk.frame(1), 'frame')?.lines).toMatchObject([{ id: 'x', status: 'active' }]);
  });

  test('that say they are each other’s parents do not lead in circles', () => {
    const desk = newActorDesk('Actors');
    desk.hear({ type: '@xstate.actor', sessionId: 'a', parentId: 'b' });
    desk.hear({ type: '@xstate.actor', sessionId: 'b', parentId: 'a' });
    expect(find(desk.frame(1), 'frame')?.lines).toHaveLength(2);
  });
});
