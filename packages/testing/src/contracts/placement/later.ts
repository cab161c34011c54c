import { expect } from 'vitest';
import { expectNothingWaits, type PlacementSentences, serveDesk } from './bench.ts';

const q = 'q';

/** Activations that are for later: of their own accord, or because somebody said so. */
export const later: PlacementSentences = [
  [
    'hands out again a little later what another process holds, and other runs meanwhile',
    async (bench) => {
      const { placement, time } = bench;
      const desk = await serveDesk(bench, placement);
      await placement.dispatch({ runId: 'r', queue: q });
      for (const _ of [1, 2]) {
        const begun = await desk.next();
        const from = time.clock.now();
        begun.end('held');
        await placement.dispatch({ runId: 'another', queue: q });
        const first = await desk.next();
        first.end('done');
        const second = await desk.next();
        second.end('done');
        expect([first.runId, second.runId].sort()).toEqual(['another', 'r']);
        const again = first.runId === 'r' ? first : second;
        expect(again.at - from).toBeGreaterThanOrEqual(1_000);
        expect(again.at - from).toBeLessThan(10_000);
        await placement.dispatch({ runId: 'r', queue: q });
      }
    },
  ],
  [
    'hands it out once, also when it is dispatched while it waits for that',
    async (bench) => {
      const { placement, time } = bench;
      const desk = await serveDesk(bench, placement);
      await placement.dispatch({ runId: 'r', queue: q });
      const first = await desk.next();
      const from = time.clock.now();
      first.end('held');
      for (let ticks = 0; ticks < 10; ticks++) await time.tick();
      await placement.dispatch({ runId: 'r', queue: q });
      // Would come first if the other one still waited.
      await placement.dispatch({ runId: 'soon', queue: q, notBefore: from + 1_700 });
      await placement.dispatch({ runId: 'end', queue: q, notBefore: from + 4_000 });
      for (const runId of ['r', 'soon', 'end']) {
        const begun = await desk.next();
        expect(begun.runId).toBe(runId);
        begun.end('done');
      }
    },
  ],
  [
    'hands it out once, also when it was dispatched while it was executed',
    async (bench) => {
      const { placement, time } = bench;
      const desk = await serveDesk(bench, placement);
      await placement.dispatch({ runId: 'r', queue: q });
      const first = await desk.next();
      await placement.dispatch({ runId: 'r', queue: q });
      const from = time.clock.now();
      first.end('held');
      const again = await desk.next();
      expect(again.runId).toBe('r');
      again.end('done');
      await placement.dispatch({ runId: 'end', queue: q, notBefore: from + 4_000 });
      expect((await desk.next()).runId).toBe('end');
    },
  ],
  [
    'asks an executor again that rejects, later each time',
    async (bench) => {
      const { placement } = bench;
      const desk = await serveDesk(bench, placement);
      await placement.dispatch({ runId: 'r', queue: q });
      const pauses: number[] = [];
      let last = await desk.next();
      for (const _ of [1, 2]) {
        last.reject(new Error('the store is away'));
        const again = await desk.next();
        expect(again.runId).toBe('r');
        pauses.push(again.at - last.at);
        last = again;
      }
      expect(pauses[0]).toBeGreaterThanOrEqual(500);
      expect(pauses[1]).toBeGreaterThanOrEqual(1_500);
      last.end('done');
      await expectNothingWaits(placement, desk);
    },
  ],
  [
    'waits for the moment that a run was dispatched for',
    async (bench) => {
      const { placement, time } = bench;
      const desk = await serveDesk(bench, placement);
      const notBefore = time.clock.now() + 1_500;
      await placement.dispatch({ runId: 'r', queue: q, notBefore });
      const begun = await desk.next();
      expect(begun.runId).toBe('r');
      // Clocks of machines differ a little.
      expect(begun.at).toBeGreaterThanOrEqual(notBefore - 50);
    },
  ],
  [
    'does not wait for a moment that has passed',
    async (bench) => {
      const { placement, time } = bench;
      const desk = await serveDesk(bench, placement);
      for (const notBefore of [0, time.clock.now() - 1]) {
        await placement.dispatch({ runId: 'r', queue: q, notBefore });
        (await desk.next()).end('done');
      }
    },
  ],
  [
    'begins at the earliest of the moments that a run was dispatched for',
    async (bench) => {
      const { placement, time } = bench;
      const desk = await serveDesk(bench, placement);
      const from = time.clock.now();
      for (const ms of [60_000, 1_000, 30_000])
        await placement.dispatch({ runId: 'r', queue: q, notBefore: from + ms });
      const begun = await desk.next();
      expect(begun.at - from).toBeGreaterThanOrEqual(950);
      expect(begun.at - from).toBeLessThan(10_000);
      begun.end('done');
      await placement.dispatch({ runId: 'r', queue: q, notBefore: from + 60_000 });
      await placement.dispatch({ runId: 'r', queue: q });
      (await desk.next()).end('done');
      await expectNothingWaits(placement, desk);
    },
  ],
];
