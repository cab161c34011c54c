import { expect, test } from 'vitest';
import { createActor, fromCallback, fromPromise, SimulatedClock } from 'xstate';
import { statusOf, workerMachine } from '../../src/worker/worker-machine.ts';

const start = (drain: () => Promise<void> = () => new Promise(() => {})) => {
  const clock = new SimulatedClock();
  let tell = (): void => {};
  const pulse = fromCallback(({ sendBack }) => {
    tell = () => sendBack({ type: 'answered' });
  });
  const actor = createActor(workerMachine.provide({ actors: { drain: fromPromise(drain), pulse } }), {
    clock,
    input: { leaseMs: 10_000 },
  }).start();
  return { actor, clock, answer: () => tell(), status: () => statusOf(actor.getSnapshot()) };
};

test('a worker is healthy once it serves, and not while it drains', async () => {
  const drained = Promise.withResolvers<void>();
  const { actor, status } = start(() => drained.promise);
  expect(status()).toBe('starting');
  actor.send({ type: 'served' });
  expect(status()).toBe('serving');
  actor.send({ type: 'stop' });
  expect(status()).toBe('draining');
  drained.resolve();
  await drained.promise;
  await Promise.resolve();
  expect([status(), actor.getSnapshot().matches({ life: 'over' })]).toEqual(['draining', true]);
});

test('a second stop waits for nothing; a drain that fails is told from one that does not', async () => {
  const stuck = start();
  for (const type of ['served', 'stop', 'stop'] as const) stuck.actor.send({ type });
  expect(stuck.actor.getSnapshot().matches({ life: 'left' })).toBe(true);
  const failing = start(() => Promise.reject(new Error('The engine is gone.')));
  for (const type of ['served', 'stop'] as const) failing.actor.send({ type });
  await expect.poll(() => failing.actor.getSnapshot().matches({ life: 'broken' })).toBe(true);
});

test('a store that does not answer for a lease is silent until it does', () => {
  const { actor, clock, answer, status } = start();
  actor.send({ type: 'served' });
  clock.increment(9_999);
  answer();
  clock.increment(9_999);
  expect(status()).toBe('serving');
  clock.increment(1);
  expect(status()).toBe('store_silent');
  clock.increment(60_000);
  expect(status()).toBe('store_silent');
  answer();
  expect(status()).toBe('serving');
});
