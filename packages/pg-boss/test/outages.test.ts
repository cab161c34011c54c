import { inspect } from 'node:util';
import type { Activation } from '@troupe/protocol';
import { expect, onTestFinished, test, vi } from 'vitest';
import { guarded } from '../../../test/tools/postgres/cluster.ts';
import { ownServer, sharedServer } from '../../../test/tools/postgres/server.ts';
import { pgBoss } from '../src/index.ts';
import { openForTest } from './open.ts';

const serving = { queues: ['q'], concurrency: 4, workerId: 'w' };
const executor = { run: async () => 'done' as const };

test.each([
  'postgres://someone:hunter2-hunter2@127.0.0.1:1/somewhere',
  'postgres://someone:hunter2-%z@127.0.0.1:1/somewhere',
  'postgres://someone@127.0.0.1:1/somewhere?password=hunter2-hunter2',
])('a database that is not there is named, and its password is not: %s', async (url) => {
  const placement = pgBoss(url);
  onTestFinished(() => placement.close());
  const message = expect.stringMatching(
    /^The engine in the database "somewhere" at 127\.0\.0\.1:1 could not be reached/,
  );
  const unavailable = { code: 'placement.unavailable', retryable: true, message };
  const dispatched = placement.dispatch({ runId: 'r', queue: 'q' });
  await expect(dispatched).rejects.toMatchObject(unavailable);
  await expect(placement.serve(executor, serving)).rejects.toMatchObject(unavailable);
  const error = await dispatched.catch((thrown: unknown) => thrown);
  expect(inspect(error, { depth: 9 })).not.toContain('hunter2');
});

test('a database that lets nobody in is not worth asking again', async () => {
  const { port } = new URL(await sharedServer());
  const placement = pgBoss(`postgres://${guarded.role}:wrong-password@127.0.0.1:${port}/postgres`);
  onTestFinished(() => placement.close());
  const dispatched = placement.dispatch({ runId: 'r', queue: 'q' });
  await expect(dispatched).rejects.toMatchObject({ code: 'placement.unavailable', retryable: false });
});

test('a server outlives its database: it says so once, and goes on when the database is back', {
  timeout: 90_000,
}, async () => {
  const server = await ownServer();
  onTestFinished(() => server.end());
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const placement = await openForTest({ url: server.url, schema: 'pgboss', logger: { warn: say, error: say } });
  const begun: string[] = [];
  const ends = new Map<string, (outcome: Activation) => void>();
  const run = (runId: string) => {
    begun.push(runId);
    return new Promise<Activation>((resolve) => void ends.set(runId, resolve));
  };
  await placement.serve({ run }, serving);
  await placement.dispatch({ runId: 'r', queue: 'q' });
  await vi.waitFor(() => expect(begun).toEqual(['r']));
  // when the database crashes while a run is executed, and the run ends
  await server.crash();
  const dispatch = () => placement.dispatch({ runId: 's', queue: 'q' });
  await expect(dispatch()).rejects.toMatchObject({ code: 'placement.unavailable', retryable: true });
  ends.get('r')?.('done');
  await vi.waitFor(() => expect(said.join('\n')).toContain('it could not be told that an activation is over'));
  await vi.waitFor(() => expect(said.join('\n')).toContain('work could not be fetched'));
  const complaints = said.length;
  await server.start();
  // then others are executed once it is back, and the same one again: the engine knows that it has ended
  await vi.waitFor(dispatch, { timeout: 10_000, interval: 100 });
  await vi.waitFor(() => expect(begun).toEqual(['r', 's']), { timeout: 10_000 });
  await placement.dispatch({ runId: 'r', queue: 'q' });
  await vi.waitFor(() => expect(begun).toEqual(['r', 's', 'r']), { timeout: 10_000 });
  // and there were not two lines a second of it
  expect(complaints).toBeLessThan(8);
  // when it is gone for good, closing does not wait for it
  await server.crash();
  const from = performance.now();
  await placement.close();
  expect(performance.now() - from).toBeLessThan(6_000);
});
