/** Sessions whose process has died, or whose store has failed: their runs go on one after another, in one place. */
import { defineAgent } from '@troupe/core';
import { isTerminal, type RunRow, type StoredEvent } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { severalProcesses } from './several.ts';

const clerk = defineAgent({ name: 'clerk', instructions: '' });
type World = ReturnType<typeof severalProcesses>;
const slow = (delayMs: number) => () => ({ text: 'well', delayMs });

const statusesIn = ({ base }: World) =>
  Object.fromEntries((base.list() as RunRow[]).map(({ runId, status }) => [runId, status]));
/** When runs began and ended. */
const linesIn = ({ base }: World): string[] =>
  [...(base.events({}) as Iterable<StoredEvent>)].flatMap((event) =>
    event.type === 'run.started' || isTerminal(event) ? `${event.runId} ${event.type}` : [],
  );
const oneAfterAnother = (...ids: string[]) => ids.flatMap((id) => [`${id} run.started`, `${id} run.completed`]);

/** A process has died that had so many runs of a session. */
const died = async (runs: number) => {
  const world = severalProcesses();
  const first = world.boot(() => ({ hang: true }), { agents: [clerk] });
  const session = first.runtime.session(clerk, { sessionKey: 'k' });
  for (let n = 1; n <= runs; n++) await session.send(`${n}`, { runId: `r${n}` });
  await world.pass(200, 3);
  first.mortal.die();
  await world.pass(1_000, 40);
  return world;
};

describe('runs of a session that two processes recover at once', () => {
  test('go on one after another, and all of them [L1, L7]', async () => {
    const world = await died(4);
    const processes = [1, 2].map(() => world.boot(slow(500), { agents: [clerk] }));
    await Promise.all(processes.map(({ runtime }) => runtime.recover()));
    await world.pass(1_000, 30);
    expect(statusesIn(world)).toEqual({ r1: 'completed', r2: 'completed', r3: 'completed', r4: 'completed' });
    // the first had begun before
    expect(linesIn(world).slice(1)).toEqual(oneAfterAnother('r1', 'r2', 'r3', 'r4').slice(1));
  });

  test('go on one after another, though somebody has something to say to the last of them', async () => {
    const world = await died(3);
    const [one, two] = [1, 2].map(() => world.boot(slow(500), { agents: [clerk] }));
    const last = await one?.runtime.attach('r3');
    const said = last?.steer('Hurry.');
    await two?.runtime.recover();
    await world.pass(1_000, 30);
    expect(await said).toMatchObject({ status: 'accepted' });
    await world.pass(1_000, 30);
    expect(linesIn(world).slice(1)).toEqual(oneAfterAnother('r1', 'r2', 'r3').slice(1));
  });

  test('are in the process that has the first of them: another one that uses the session is told so', async () => {
    const world = await died(3);
    const processes = [1, 2].map(() => world.boot(slow(20_000), { agents: [clerk] }));
    const found = await Promise.all(processes.map(({ runtime }) => runtime.recover()));
    const had = found.map(({ recovered }) => recovered.length);
    expect([Math.min(...had), Math.max(...had)]).toEqual([0, 3]);
    const other = processes[had.indexOf(0)];
    await expect(other?.runtime.session(clerk, { sessionKey: 'k' }).runs()).rejects.toMatchObject({
      code: 'run.claimed',
    });
    await world.pass(1_000, 80);
    expect(statusesIn(world)).toEqual({ r1: 'completed', r2: 'completed', r3: 'completed' });
  });

  test('hear what is left for their session once [F-14]', async () => {
    const world = await died(2);
    await world.boot(slow(0)).runtime.deliver('k', { id: 'a', text: 'A letter.' });
    const late =
      <A extends unknown[], R>(ask: (...given: A) => R) =>
      async (...given: A): Promise<Awaited<R>> => {
        const found = await ask(...given);
        for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
        return found;
      };
    const processes = [1, 2].map(() =>
      world.boot(slow(5_000), { agents: [clerk] }, ({ sessionInbox, checkpoint }) => ({
        sessionInbox: late(sessionInbox),
        checkpoint: late(checkpoint),
      })),
    );
    await Promise.all(processes.map(({ runtime }) => runtime.recover()));
    await world.pass(1_000, 60);
    const heard = [...(world.base.events({}) as Iterable<StoredEvent>)].flatMap((event) =>
      event.type === 'turn.started' ? (event.heard ?? []) : [],
    );
    expect(heard.filter((said) => said === 'A letter.')).toHaveLength(1);
    expect(statusesIn(world)).toEqual({ r1: 'completed', r2: 'completed' });
  });
});

describe('what is sent to a conversation that a plain run has begun', () => {
  test('waits for it, also after a crash', async () => {
    const world = severalProcesses();
    const first = world.boot(() => ({ hang: true }), { agents: [clerk] });
    first.runtime.start(clerk, 'first', { runId: 'k' });
    await world.pass();
    await first.runtime.session(clerk, { sessionKey: 'k' }).send('second', { runId: 'r2' });
    await world.pass();
    first.mortal.die();
    await world.pass(1_000, 40);
    const second = world.boot(slow(5_000), { agents: [clerk] });
    await second.runtime.recover();
    await world.pass(1_000, 20);
    expect(linesIn(world)).toEqual(oneAfterAnother('k', 'r2'));
  });

  test('waits for it, also where that could not be stored and is brought back', async () => {
    const world = severalProcesses();
    let fails = 1;
    const { runtime } = world.boot(slow(10_000), { agents: [clerk] }, ({ commit }) => ({
      commit(steps) {
        if (steps.some(({ events }) => events.some(({ id }) => id === 'k:3')) && fails-- > 0)
          throw new Error('no disk');
        return commit(steps);
      },
    }));
    runtime.start(clerk, 'first', { runId: 'k' });
    await world.pass();
    await runtime.session(clerk, { sessionKey: 'k' }).send('second', { runId: 'r2' });
    await world.pass(1_000, 60);
    expect(fails).toBeLessThan(1);
    expect(linesIn(world)).toEqual(oneAfterAnother('k', 'r2'));
  });

  test('waits for it, also where something later could not be stored', async () => {
    const world = severalProcesses();
    const { runtime } = world.boot(slow(10_000), { agents: [clerk] }, ({ commit }) => ({
      commit(steps) {
        if (steps.some(({ runId }) => runId === 'r3')) throw new Error('no disk');
        return commit(steps);
      },
    }));
    runtime.start(clerk, 'first', { runId: 'k' });
    await world.pass();
    const session = runtime.session(clerk, { sessionKey: 'k' });
    await session.send('second', { runId: 'r2' });
    await session.send('third', { runId: 'r3' });
    await world.pass(1_000, 30);
    expect(linesIn(world)).toEqual(oneAfterAnother('k', 'r2'));
  });
});
