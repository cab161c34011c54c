import { describe, expect, test } from 'vitest';
import { createActor, fromCallback, SimulatedClock } from 'xstate';
import { type LinkEvent, linkMachine } from '../../page/src/link/link-machine.ts';
import { travelMachine } from '../../page/src/time/travel-machine.ts';

const link = () => {
  const clock = new SimulatedClock();
  const connections: { open: boolean }[] = [];
  const connection = fromCallback<LinkEvent>(() => {
    const one = { open: true };
    connections.push(one);
    return () => {
      one.open = false;
    };
  });
  const actor = createActor(linkMachine.provide({ actors: { connection } }), { clock, input: { version: 1 } }).start();
  return { actor, clock, connections };
};

describe('The link to a hub', () => {
  test('is open once it is greeted, and closes its connection when it is stopped', () => {
    const { actor, connections } = link();
    expect(actor.getSnapshot().value).toEqual({ attached: 'connecting' });
    actor.send({ type: 'greeted', version: 1 });
    expect(actor.getSnapshot().value).toEqual({ attached: 'open' });
    actor.stop();
    expect(connections).toEqual([{ open: false }]);
  });

  test('connects again by itself, more patiently each time, and at once when somebody asks', () => {
    const { actor, clock, connections } = link();
    actor.send({ type: 'closed', reason: '' });
    clock.increment(199);
    expect(connections).toHaveLength(1);
    clock.increment(1);
    expect(connections).toHaveLength(2);
    for (let failures = 2; failures <= 12; failures += 1) {
      actor.send({ type: 'closed', reason: '' });
      clock.increment(5_000);
    }
    expect(connections).toHaveLength(13);
    actor.send({ type: 'closed', reason: '' });
    clock.increment(4_999);
    expect(actor.getSnapshot().value).toBe('lost');
    actor.send({ type: 'retry' });
    expect(actor.getSnapshot().value).toEqual({ attached: 'connecting' });
    expect(connections.filter(({ open }) => open)).toHaveLength(1);
  });

  test('is impatient again after it was open', () => {
    const { actor, clock } = link();
    for (let failures = 0; failures < 5; failures += 1) {
      actor.send({ type: 'closed', reason: '' });
      clock.increment(5_000);
    }
    actor.send({ type: 'greeted', version: 1 });
    actor.send({ type: 'closed', reason: '' });
    clock.increment(200);
    expect(actor.getSnapshot().value).toEqual({ attached: 'connecting' });
  });

  test('gives up where the program speaks another version: only a new page helps', () => {
    const { actor, connections } = link();
    actor.send({ type: 'greeted', version: 3 });
    expect(actor.getSnapshot()).toMatchObject({ value: 'outdated', status: 'done' });
    expect(connections).toEqual([{ open: false }]);
  });
});

const traveller = () => {
  const asked: (number | null)[] = [];
  const actor = createActor(
    travelMachine.provide({ actions: { ask: (_scene, { rootSeq }) => void asked.push(rootSeq) } }),
  ).start();
  const go = (rootSeq: number, rootId = 'run') => actor.send({ type: 'go', rootId, rootSeq });
  return { actor, asked, go };
};

describe('Travelling in time', () => {
  test('asks for one moment at a time, and next for the one that is wanted by then', () => {
    const { actor, asked, go } = traveller();
    for (const place of [9, 8, 7, 6]) go(place);
    expect(asked).toEqual([9]);
    actor.send({ type: 'shown' });
    expect(asked).toEqual([9, 6]);
    actor.send({ type: 'shown' });
    expect(asked).toEqual([9, 6]);
    go(5);
    expect(asked).toEqual([9, 6, 5]);
  });

  test('ends with the present, once', () => {
    const { actor, asked, go } = traveller();
    go(4);
    actor.send({ type: 'present' });
    actor.send({ type: 'present' });
    expect(asked).toEqual([4, null]);
    expect(actor.getSnapshot().context.wanted).toBeNull();
  });

  test('ends where a moment cannot be shown', () => {
    const { actor, asked, go } = traveller();
    go(4);
    actor.send({ type: 'refused' });
    expect(asked).toEqual([4, null]);
  });

  test('leaves one tree before it goes to another', () => {
    const { actor, asked, go } = traveller();
    go(4);
    actor.send({ type: 'shown' });
    go(2, 'other');
    expect(asked).toEqual([4, null, 2]);
    expect(actor.getSnapshot().context).toMatchObject({ rootId: 'other', wanted: 2 });
  });

  test('asks again after the connection was lost', () => {
    const { actor, asked, go } = traveller();
    go(4);
    actor.send({ type: 'shown' });
    actor.send({ type: 'greeted' });
    expect(asked).toEqual([4, 4]);
  });
});
