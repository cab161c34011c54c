import { describe, expect, test } from 'vitest';
import { openActorTable } from '../src/actors/actor-table.ts';
import { StatelyMessage } from '../src/actors/stately-message.ts';
import { openOutbox } from '../src/stately/outbox.ts';

const table = (options?: { ended: number }) => {
  const actors = openActorTable(options);
  return { actors, take: (message: object) => actors.take('p', StatelyMessage.parse({ createdAt: '7', ...message })) };
};
const actor = (sessionId: string, more: object = {}) => ({
  type: '@xstate.actor',
  sessionId,
  name: sessionId,
  ...more,
});
const is = (sessionId: string, status: string, value?: unknown) => ({
  type: '@xstate.snapshot',
  sessionId,
  snapshot: { status, value },
});
const machine = JSON.stringify({
  id: 'm',
  initial: 'a',
  states: { a: { on: { go: 'b' } }, b: { always: 'c' }, c: {} },
});

describe('actors of other programs', () => {
  test('that have ended make room for others, the oldest first', () => {
    const { actors, take } = table({ ended: 2 });
    for (const id of ['a', 'b', 'c']) take(actor(id));
    take(is('a', 'done'));
    take(is('b', 'error'));
    expect(take(is('c', 'stopped'))).toMatchObject({ changed: ['p/c'], gone: ['p/a'] });
    expect(actors.lines().map(({ id, status }) => [id, status])).toEqual([
      ['p/b', 'error'],
      ['p/c', 'stopped'],
    ]);
    // what starts again is there again
    take(actor('b'));
    take(actor('d'));
    take(is('d', 'done'));
    expect(actors.lines().map(({ id }) => id)).toEqual(['p/b', 'p/c', 'p/d']);
    expect([actors.line('p/a'), actors.chart('p/a')]).toEqual([undefined, undefined]);
  });

  test('have stopped when their program has gone, and make room like others', () => {
    const { actors, take } = table({ ended: 1 });
    for (const id of ['a', 'b']) take(actor(id));
    take(is('a', 'done'));
    actors.take('p2', StatelyMessage.parse(actor('a')));
    expect(actors.leave('p', 9)).toEqual({ changed: ['p/b'], gone: ['p/a'] });
    expect(actors.lines().map(({ id, status, endedAt }) => [id, status, endedAt])).toEqual([
      ['p/b', 'stopped', 9],
      ['p2/a', 'active', undefined],
    ]);
    expect(actors.leave('p', 10)).toEqual({ changed: [], gone: [] });
  });

  test('take what lies between two states, without an event too, as far as can be told', () => {
    const { actors, take } = table();
    take(actor('m', { definition: machine, snapshot: { status: 'active', value: 'a', context: { n: 1 } } }));
    take({ type: '@xstate.event', sessionId: 'm', event: { type: 'go' } });
    take(is('m', 'active', 'c'));
    const chart = actors.chart('p/m');
    expect(chart).toMatchObject({ active: ['m', 'm.c'], context: { n: 1 } });
    expect(chart?.steps).toMatchObject([
      { n: 0, event: 'xstate.init' },
      { n: 1, event: 'go', edges: ['m.b||0'] },
    ]);
    // a state that the machine does not have
    take(is('m', 'active', 'nowhere'));
    expect(actors.chart('p/m')?.active).toEqual([]);
    for (let i = 0; i < 600; i++) take(is('m', 'active', 'a'));
    expect(actors.chart('p/m')?.steps).toHaveLength(500);
    expect(actors.chart('p/m')?.steps.at(-1)?.n).toBe(602);
  });

  test('are below their parent, also when it is told of later, and hear from each other', () => {
    const { actors, take } = table();
    take(actor('child', { parentId: 'above' }));
    take(actor('grandchild', { parentId: 'child' }));
    expect(actors.line('p/grandchild')).toMatchObject({ parentId: 'p/child', rootId: 'p/above' });
    const { happening } = take({
      type: '@xstate.event',
      sessionId: 'child',
      sourceId: 'grandchild',
      event: { type: 'hi', n: 1 },
    });
    expect(happening).toMatchObject({ from: 'p/grandchild', to: 'p/child', text: '{"n":1}', at: 7 });
    expect(take({ type: '@xstate.snapshot', sessionId: 'new' }).changed).toEqual(['p/new']);
    expect(take(actor('null', { definition: 'null' })).changed).toEqual(['p/null']);
  });
});

describe('messages that nobody hears yet', () => {
  const said = (type: string, sessionId: string, text = `${type} ${sessionId}`) => ({ type, sessionId, text });
  const over = (id: string) => said('@xstate.snapshot', id, '{"snapshot":{"status":"done"}}');

  test('wait for who comes: actors, what happened, where they are; each once', () => {
    const outbox = openOutbox();
    outbox.add(said('@xstate.actor', 'a'));
    outbox.add(said('@xstate.snapshot', 'a', 'one'));
    outbox.add(said('@xstate.event', 'a'));
    outbox.add(said('@xstate.snapshot', 'a', 'two'));
    outbox.add(said('@xstate.snapshot', 'nobody', 'x'));
    expect(outbox.isHeld).toBe(true);
    expect(outbox.greet()).toEqual(['@xstate.actor a', '@xstate.event a', 'two']);
    expect(outbox.isHeld).toBe(false);
    // what is heard as it comes is not told again, but for where everybody is
    outbox.add(said('@xstate.event', 'a'));
    outbox.hold();
    expect(outbox.greet()).toEqual(['@xstate.actor a', 'two']);
    outbox.add(over('a'));
    expect(outbox.greet()).toEqual([]);
  });

  test('are not kept without end', () => {
    const outbox = openOutbox();
    for (let i = 0; i < 5_000; i++) outbox.add(said('@xstate.event', 'a', `${i}`));
    for (let i = 0; i < 2_100; i++) {
      outbox.add(said('@xstate.actor', `${i}`, `actor ${i}`));
      outbox.add(over(`${i}`));
    }
    const waited = outbox.greet();
    expect(waited.filter((text) => text.startsWith('actor'))).toHaveLength(2_000);
    const events = waited.filter((text) => /^\d+$/.test(text));
    expect([events.length, events.at(-1)]).toEqual([2_000, '4999']);
    expect(outbox.greet()).toEqual([]);
  });
});
