import { expect, test } from 'vitest';
import { createActor, fromPromise } from 'xstate';
import { stopMachine } from '../../src/screen/stop-machine.ts';

const start = (interrupt: () => Promise<void> = () => new Promise(() => {})) => {
  let interrupts = 0;
  const actors = {
    interrupt: fromPromise(() => {
      interrupts += 1;
      return interrupt();
    }),
  };
  const actor = createActor(stopMachine.provide({ actors })).start();
  return { actor, interrupts: () => interrupts };
};

test('runs that settle by themselves interrupt nobody', () => {
  const { actor, interrupts } = start();
  actor.send({ type: 'settled' });
  expect([actor.getSnapshot().value, actor.getSnapshot().status, interrupts()]).toEqual(['settled', 'done', 0]);
});

test('the first stop interrupts, and waits for the end', () => {
  const { actor, interrupts } = start();
  actor.send({ type: 'stop' });
  expect([actor.getSnapshot().value, interrupts()]).toEqual(['interrupting', 1]);
  actor.send({ type: 'settled' });
  expect(actor.getSnapshot().value).toBe('settled');
});

test('the second stop leaves, whatever has become of the first', async () => {
  const { actor } = start(() => Promise.reject(new Error('The store is gone.')));
  actor.send({ type: 'stop' });
  await Promise.resolve();
  expect(actor.getSnapshot().status).toBe('active');
  actor.send({ type: 'stop' });
  expect([actor.getSnapshot().value, actor.getSnapshot().status]).toEqual(['left', 'done']);
});
