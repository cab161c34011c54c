import { expect } from 'vitest';
import { expectNothingWaits, inTime, openDesk, type PlacementSentences, serveDesk } from './bench.ts';

const q = 'q';
const wrong = { code: 'placement.invalid' };
const closed = { code: 'placement.closed' };

/** Servers: what they take, and how they leave. */
export const serving: PlacementSentences = [
  [
    'executes as many runs at a time as a server takes, over all its queues',
    async (bench) => {
      const { placement } = bench;
      const queues = ['a', 'b'];
      const desk = await serveDesk(bench, placement, { queues, concurrency: 3 });
      for (const runId of ['1', '2', '3', '4']) for (const queue of queues) await placement.dispatch({ runId, queue });
      const begun = [await desk.next(), await desk.next(), await desk.next()];
      for (let ended = 0; ended < 8; ended++) {
        begun[ended]?.end('done');
        if (begun.length < 8) begun.push(await desk.next());
      }
      expect(desk.peak).toBe(3);
      expect(begun.map(({ runId }) => runId).sort()).toEqual(['1', '1', '2', '2', '3', '3', '4', '4']);
    },
  ],
  [
    'leaves queues alone that a server does not serve',
    async (bench) => {
      const { placement, beside } = bench;
      await placement.dispatch({ runId: 'r', queue: 'other' });
      const desk = await serveDesk(bench, placement);
      await expectNothingWaits(placement, desk);
      const other = await serveDesk(bench, await beside(), { queues: ['none', 'other'], workerId: 'other' });
      expect(await other.next()).toMatchObject({ runId: 'r', workerId: 'other' });
    },
  ],
  [
    'shares work between servers, and gives none of it to both',
    async (bench) => {
      const { placement, beside } = bench;
      const one = await serveDesk(bench, placement, { workerId: 'one' });
      const two = await serveDesk(bench, await beside(), { workerId: 'two' });
      for (const runId of ['a', 'b', 'c', 'd']) await placement.dispatch({ runId, queue: q });
      const seen: string[] = [];
      for (const desk of [one, two, one, two]) {
        const begun = await desk.next();
        seen.push(begun.runId);
        if (seen.length > 2) continue;
        begun.end('done');
      }
      expect(seen.sort()).toEqual(['a', 'b', 'c', 'd']);
    },
  ],
  [
    'gives nothing to a server that was drained',
    async (bench) => {
      const { placement, beside } = bench;
      const gone = await serveDesk(bench, placement, { workerId: 'gone' });
      await inTime(bench.time, 'The server is drained', gone.server.drain(1_000));
      await placement.dispatch({ runId: 'r', queue: q });
      const desk = await serveDesk(bench, await beside(), { workerId: 'new' });
      expect(await desk.next()).toMatchObject({ runId: 'r', workerId: 'new' });
      expect(gone.peak).toBe(0);
    },
  ],
  [
    'aborts what is executed when a server is drained, and waits for it',
    async (bench) => {
      const { placement, beside, time } = bench;
      const desk = await serveDesk(bench, placement);
      await placement.dispatch({ runId: 'r', queue: q });
      const begun = await desk.next();
      let isDrained = false;
      const drained = desk.server.drain(15_000).then(() => {
        isDrained = true;
      });
      for (let ticks = 0; ticks < 5; ticks++) await time.tick();
      expect(begun.signal.aborted).toBe(true);
      expect(isDrained).toBe(false);
      begun.end('done');
      await inTime(time, 'The server is drained', drained);
      await expectNothingWaits(placement, await serveDesk(bench, await beside()));
    },
  ],
  [
    'hands a run to another server that a drain has interrupted',
    async (bench) => {
      const { placement, beside, time } = bench;
      const desk = await serveDesk(bench, placement);
      const other = await serveDesk(bench, await beside(), { queues: [q, 'more'], workerId: 'other' });
      // The other one is busy, until the first has left.
      await placement.dispatch({ runId: 'busy', queue: 'more' });
      const busy = await other.next();
      await placement.dispatch({ runId: 'r', queue: q });
      const begun = await desk.next();
      const drained = desk.server.drain(15_000);
      begun.end('idle');
      await inTime(time, 'The server is drained', drained);
      busy.end('done');
      const again = await other.next();
      expect(again).toMatchObject({ runId: 'r', workerId: 'other' });
      again.end('done');
      await expectNothingWaits(placement, other);
    },
  ],
  [
    'waits no longer than it was told, and hands on what is executed still',
    async (bench) => {
      const { placement, beside, time } = bench;
      const desk = await serveDesk(bench, placement);
      await placement.dispatch({ runId: 'r', queue: q });
      const begun = await desk.next();
      await inTime(time, 'The server is drained', desk.server.drain(200));
      const other = await serveDesk(bench, await beside(), { workerId: 'other' });
      const again = await other.next();
      expect(again).toMatchObject({ runId: 'r', workerId: 'other' });
      // What comes of the first one is of no importance any more.
      begun.end('idle');
      again.end('done');
      await expectNothingWaits(placement, other);
    },
  ],
  [
    'refuses what cannot be',
    async ({ placement, time }) => {
      const { executor } = openDesk(time);
      const good = { queues: [q], concurrency: 1, workerId: 'w' };
      await expect(placement.serve(executor, { ...good, concurrency: 0 })).rejects.toMatchObject(wrong);
      await expect(placement.serve(executor, { ...good, concurrency: 1.5 })).rejects.toMatchObject(wrong);
      await expect(placement.serve(executor, { ...good, queues: [] })).rejects.toMatchObject(wrong);
      const never = { runId: 'r', queue: q, notBefore: Number.NaN };
      await expect(placement.dispatch(never)).rejects.toMatchObject(wrong);
    },
  ],
  [
    'aborts what is executed when it is closed, and takes nothing more',
    async (bench) => {
      const { placement, time } = bench;
      const desk = await serveDesk(bench, placement);
      await placement.dispatch({ runId: 'r', queue: q });
      const begun = await desk.next();
      for (const _ of [1, 2]) await inTime(time, 'The placement is closed', placement.close());
      expect(begun.signal.aborted).toBe(true);
      await expect(placement.dispatch({ runId: 's', queue: q })).rejects.toMatchObject(closed);
      const serving = { queues: [q], concurrency: 1, workerId: 'w' };
      await expect(placement.serve(desk.executor, serving)).rejects.toMatchObject(closed);
      await inTime(time, 'A server of a closed placement is drained', desk.server.drain(0));
    },
  ],
];
