import { memoryStore } from '@troupe/core';
import { expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { settle } from '../../../../test/support/open-runtime.ts';
import { openCourier } from '../../src/background/courier.ts';
import { openLiveRun } from '../../src/run/live-run.ts';
import { unknownAgent } from '../../src/runtime/stored-run.ts';

test('a run that came to life while the store was asked is given only what is stored since', async () => {
  const store = memoryStore();
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  const sent: unknown[] = [];
  const about = { runId: 'r', rootId: 'r', depth: 0, agent: unknownAgent('lead'), tools: new Map(), model: 'm' };
  const run = openLiveRun({ ...about, job: { input: 'go' } });
  run.actor = { getSnapshot: () => ({ can: () => true }), send: (event: unknown) => sent.push(event) } as never;
  const alive: (typeof run)[] = [];
  const letter = (id: string) => ({
    id,
    runId: id,
    sessionKey: 'k',
    at: 0,
    message: { type: 'deliver', text: `${id} is done.`, rootId: 'r', wakes: true },
  });
  void store.post(letter('heard elsewhere'));
  void store.post(letter('new'));
  const courier = openCourier(
    {
      clock: new SimulatedClock(),
      maxWakes: 20,
      logger: { warn: () => {}, error: () => {} },
      store: {
        ...store,
        sessionInbox: async (key) => {
          const mail = await store.sessionInbox(key);
          asked += 1;
          if (asked === 1) await gate.promise;
          return mail;
        },
      },
    },
    { atWork: () => alive, wake: () => Promise.reject(new Error('Nobody is to be woken.')), moved: () => {} },
  );
  courier.news('k');
  await settle();
  // when the run is brought back here from where it has heard one of them
  void store.withdraw('heard elsewhere', { status: 'accepted' });
  alive.push(run);
  gate.resolve();
  await settle();
  expect(asked).toBe(2);
  expect(sent).toEqual([{ type: 'deliver', mail: [{ id: 'new', text: 'new is done.' }] }]);
  // and nothing twice, nor to anybody else while it has not ended
  courier.news('k');
  await settle();
  expect(sent).toHaveLength(1);
  expect(await courier.unheard('k')).toEqual([]);
  courier.close();
  courier.news('k');
  courier.tryAgain();
  courier.changed('k');
  await settle();
  expect(asked).toBe(4);
});
