import { expect } from 'vitest';
import { expectNothingWaits, openDesk, type PlacementSentences, serveDesk } from './bench.ts';

const q = 'q';
/** Of which nothing is left out that could be guessed. */
const long = Array.from({ length: 1_000 }, (_, i) => (i * i * 7_919).toString(36)).join('');
const strange = ['run_1/2-0/1', 'Run_1/2-0/1', ' Zoë 👩‍👩‍👧 "\'\\ \u2028', 'a\u0000b', '\ud800', long];

/** From a dispatch to an activation, and when another one follows. */
export const handingOut: PlacementSentences = [
  [
    'says how long it takes at most until it hands on what a dead worker had',
    async ({ placement }) => {
      expect(placement.name).not.toBe('');
      expect(placement.caps.maxDetectMs).toBeGreaterThanOrEqual(0);
      expect(placement.caps.maxDetectMs).toBeLessThan(Number.POSITIVE_INFINITY);
    },
  ],
  [
    'hands a run to whoever serves its queue, now or later',
    async (bench) => {
      const { placement } = bench;
      await placement.dispatch({ runId: 'early', queue: q });
      const desk = await serveDesk(bench, placement, { workerId: 'w 1' });
      const early = await desk.next();
      expect(early).toMatchObject({ runId: 'early', workerId: 'w 1', signal: { aborted: false } });
      early.end('done');
      await placement.dispatch({ runId: 'late', queue: q });
      expect(await desk.next()).toMatchObject({ runId: 'late', workerId: 'w 1' });
    },
  ],
  [
    'hands out ids as they were given',
    async (bench) => {
      const { placement } = bench;
      const desk = await serveDesk(bench, placement, { concurrency: strange.length });
      for (const runId of strange) await placement.dispatch({ runId, queue: q });
      const seen: string[] = [];
      for (const _ of strange) seen.push((await desk.next()).runId);
      expect(seen.sort()).toEqual([...strange].sort());
    },
  ],
  [
    'activates a run once, however often it was dispatched before',
    async (bench) => {
      const { placement } = bench;
      for (const _ of [1, 2, 3]) await placement.dispatch({ runId: 'r', queue: q });
      const desk = await serveDesk(bench, placement);
      (await desk.next()).end('done');
      await expectNothingWaits(placement, desk);
    },
  ],
  ...(['done', 'idle', 'gone', 'fenced'] as const).map((outcome): PlacementSentences[number] => [
    `leaves a run alone that is ${outcome}, until it is dispatched again`,
    async (bench) => {
      const { placement } = bench;
      const desk = await serveDesk(bench, placement);
      for (const _ of [1, 2]) {
        await placement.dispatch({ runId: 'r', queue: q });
        const begun = await desk.next();
        expect(begun.runId).toBe('r');
        begun.end(outcome);
        await expectNothingWaits(placement, desk);
      }
    },
  ]),
  [
    'activates a run once more that was dispatched while it was executed, and not before that has ended',
    async (bench) => {
      const { placement } = bench;
      const desk = await serveDesk(bench, placement, { concurrency: 2 });
      await placement.dispatch({ runId: 'r', queue: q });
      const first = await desk.next();
      for (const _ of [1, 2, 3]) await placement.dispatch({ runId: 'r', queue: q });
      await expectNothingWaits(placement, desk);
      first.end('idle');
      const second = await desk.next();
      expect(second.runId).toBe('r');
      second.end('done');
      await expectNothingWaits(placement, desk);
    },
  ],
  [
    'loses no dispatch, and never executes a run twice at once',
    async ({ placement, beside, time }) => {
      const runs = ['a', 'b', 'c'];
      const wanted = new Map<string, number>();
      const seen = new Map<string, number>();
      const active = new Set<string>();
      let overlaps = 0;
      const executor = {
        async run(runId: string) {
          if (active.has(runId)) overlaps += 1;
          active.add(runId);
          seen.set(runId, wanted.get(runId) ?? 0);
          for (let ticks = 0; ticks <= runId.charCodeAt(0) % 3; ticks++) await time.tick();
          active.delete(runId);
          return 'idle' as const;
        },
      };
      const other = await beside();
      for (const [index, place] of [placement, other].entries())
        await place.serve(executor, { queues: [q], concurrency: 2, workerId: `w${index}` });
      for (let step = 0; step < 60; step++) {
        const runId = runs[(step * 7) % 3] as string;
        wanted.set(runId, step);
        await (step % 2 === 0 ? placement : other).dispatch({ runId, queue: q });
        if (step % 5 === 0) await time.tick();
      }
      for (let ticks = 0; ticks < 1_000 && runs.some((run) => seen.get(run) !== wanted.get(run)); ticks++)
        await time.tick();
      expect(seen).toEqual(wanted);
      expect(overlaps).toBe(0);
    },
  ],
  [
    'asks an executor that throws at once like one that rejects',
    async ({ placement, time }) => {
      const desk = openDesk(time);
      let times = 0;
      const executor = {
        run(runId: string, options: { signal: AbortSignal; workerId: string }) {
          if (times++ === 0) throw new Error('the store is away');
          return desk.executor.run(runId, options);
        },
      };
      await placement.serve(executor, { queues: [q], concurrency: 1, workerId: 'w' });
      await placement.dispatch({ runId: 'r', queue: q });
      expect((await desk.next()).runId).toBe('r');
    },
  ],
];
