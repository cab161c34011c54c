import { memoryStore } from '@troupe/core';
import { isEnded, type RunEvent, type RunRow } from '@troupe/protocol';
import { checkRunLaws, mortalStore } from '@troupe/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { settle } from '../../../../test/support/open-runtime.ts';
import { deliveriesIn, openOffice } from './office.ts';

const capacity = 3;
const stepOfPlan = fc.constantFrom(
  ...['send a', 'send quick', 'send quick,a', 'send hang', 'send fail', 'send ask', 'both quick,quick,a'],
  ...['work 700', 'think 400', 'ask', 'fail', 'say so'],
);
const plan = fc.array(stepOfPlan, { minLength: 1, maxLength: 4 }).map((steps) => `do: ${steps.join('; ')}`);
const happening = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('send' as const, 'start'), key: fc.constantFrom('k', 'l'), plan }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 300, 1_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('answer' as const, 'interrupt run', 'interrupt unit'), n: fc.nat() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop session' as const), key: fc.constantFrom('k', 'l') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume'), n: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('die' as const, 'close') }) },
);

test('whatever leads send off, hear, are asked and suffer: what each unit came to reaches its session once [F-14, HM-153, HM-158, L7]', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(happening, { minLength: 3, maxLength: 14 }),
      fc.nat({ max: 3 }),
      async (happenings, lag) => {
        const clock = new SimulatedClock();
        const base = memoryStore({ now: () => clock.now() });
        let asked = 0;
        /** A store that answers when it likes to. */
        const slow = <A extends unknown[], R>(ask: (...given: A) => R) =>
          (lag === 0
            ? ask
            : async (...given: A) => {
                await settle((asked++ * lag) % 3);
                return ask(...given);
              }) as (...given: A) => R;
        const live = () => {
          const { commit, sessionInbox, list, get } = base;
          const lagging = { commit: slow(commit), sessionInbox: slow(sessionInbox), list: slow(list), get: slow(get) };
          const mortal = mortalStore({ ...base, ...lagging, lasting: true });
          return { mortal, ...openOffice({ store: mortal.store, clock, life: true, sending: { capacity } }) };
        };
        const rows = (): RunRow[] => (base.list({ limit: 10_000 }) as RunRow[]).toReversed();
        const open = (of: (row: RunRow) => boolean): RunRow[] =>
          rows().filter((row) => !isEnded(row.status) && of(row));
        const isUnit = ({ origin }: RunRow): boolean => origin !== undefined;
        let office = live();
        const quiet = () => settle(20 + lag * 40);
        const reach = async (
          row: RunRow | undefined,
          act: (run: Awaited<ReturnType<typeof office.runtime.attach>>) => Promise<unknown>,
        ) => {
          if (!row) return;
          const run = await office.runtime.attach(row.runId).catch(() => undefined);
          if (run) await Promise.race([act(run).catch(() => {}), quiet()]);
        };
        const answerAll = async (): Promise<void> => {
          for (const row of open(({ parentId }) => parentId === undefined))
            await reach(row, async (run) => {
              for (const { id } of run.questions) await office.runtime.answer(id, true);
            });
        };
        const again = async (): Promise<void> => {
          office = live();
          await office.runtime.recover();
          await quiet();
        };
        for (const each of happenings) {
          const { runtime, lead } = office;
          if (each.do === 'send')
            await Promise.race([
              runtime
                .session(lead, { sessionKey: each.key })
                .send(each.plan)
                .catch(() => {}),
              quiet(),
            ]);
          if (each.do === 'start') runtime.start(lead, each.plan, each.key === 'k' ? { sessionKey: 'k' } : {});
          if (each.do === 'pass') clock.increment(each.ms);
          if (each.do === 'answer') await answerAll();
          if (each.do === 'interrupt run')
            await reach(open((row) => !isUnit(row))[each.n % 5], (run) => run.interrupt());
          if (each.do === 'interrupt unit') await reach(open(isUnit)[each.n % 5], (run) => run.interrupt());
          if (each.do === 'pause') await reach(open(() => true)[each.n % 5], (run) => run.pause());
          if (each.do === 'resume')
            await reach(open(({ status }) => status === 'paused')[each.n % 3], (run) => run.resume());
          if (each.do === 'stop session')
            await Promise.race([
              runtime
                .session(lead, { sessionKey: each.key })
                .interrupt()
                .catch(() => {}),
              quiet(),
            ]);
          if (each.do === 'die') office.mortal.die();
          if (each.do === 'close') await runtime.close({ runs: 'suspend' });
          if (each.do === 'die' || each.do === 'close') await again();
          await quiet();
          expect(open(isUnit).length).toBeLessThanOrEqual(capacity);
        }
        // when all that hangs is ended, all that waits is answered, and time passes
        for (let round = 0; round < 60 && open(() => true).length > 0; round++) {
          for (const row of open(({ status, rootId, runId }) => status === 'paused' && rootId === runId))
            await reach(row, (run) => run.resume());
          await answerAll();
          if (round % 5 === 4) for (const row of open(isUnit)) await reach(row, (run) => run.interrupt());
          clock.increment(500);
          await quiet();
        }
        await quiet();
        expect(open(() => true)).toEqual([]);
        // then each unit was heard once, or its letter waits, and waits for a reason
        const events = [...(base.events({}) as Iterable<RunEvent>)];
        const heard = deliveriesIn(events);
        const left = await base.sessionInbox();
        for (const { runId, sessionKey } of rows().filter(isUnit)) {
          const places = heard[runId] ?? [];
          const waits = left.filter(({ id }) => id === runId);
          expect([runId, places.length + waits.length]).toEqual([runId, 1]);
          for (const place of places) {
            const row = base.get(place) as RunRow;
            expect(row.sessionKey ?? row.rootId).toBe(sessionKey);
          }
        }
        expect(checkRunLaws(events)).toEqual([]);
        // and the next run of each session hears what is left, all of it
        for (const key of new Set(left.map(({ sessionKey }) => sessionKey ?? ''))) {
          const run = await office.runtime.session(office.lead, { sessionKey: key }).send('do: say so');
          await quiet();
          clock.increment(1);
          await quiet();
          expect((await run.ended).text).toBe('so');
        }
        expect(await base.sessionInbox()).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);
