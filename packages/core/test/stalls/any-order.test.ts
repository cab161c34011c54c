/** The rules of silence, said once more in a few lines, and held against runs to which things happen in any order. */
import type { AgentOptions } from '@troupe/core';
import { isTerminal } from '@troupe/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { alone, childId, grandchildId, inARow, rootId } from './fed.ts';

const numRuns = Number(process.env.RUNS ?? 200);
const ms = fc.integer({ min: 1, max: 14 });

/** What happens: time passes, a run says something, a call begins or ends, the run is paused and goes on. */
type Step = { do: 'pass'; ms: number } | { do: 'speak' | 'call' | 'pause'; who: number };
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: ms.map((ms): Step => ({ do: 'pass', ms })) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(fc.constantFrom('speak' as const, 'speak' as const, 'call' as const, 'pause' as const), fc.nat(2))
        .map(([what, who]): Step => ({ do: what, who })),
    },
  ),
  { maxLength: 20 },
);

type Rule = { noticeMs(inCall: boolean): number; over(since: number, noticedAt: number): number; said: boolean };

/** A run of which one thing is watched. */
class Silence {
  now = 0;
  since = 0;
  inCall = false;
  paused = false;
  noticedAt: number | undefined;
  said: number[] = [];
  endedAt: number | undefined;
  readonly rule: Rule;
  constructor(rule: Rule) {
    this.rule = rule;
  }
  progress(): void {
    this.since = this.now;
    this.noticedAt = undefined;
  }
  pass(ms: number): void {
    this.now += ms;
    if (this.paused || this.endedAt !== undefined) return;
    const { noticeMs, over, said } = this.rule;
    if (this.noticedAt === undefined && this.now - this.since >= noticeMs(this.inCall)) {
      this.noticedAt = this.now;
      if (said) this.said.push(this.now);
    }
    if (this.noticedAt !== undefined && this.now >= over(this.since, this.noticedAt)) this.endedAt = this.now;
  }
}

const rules = fc.oneof(
  fc
    .record({ idleMs: fc.integer({ min: 1, max: 30 }), warnAt: fc.constantFrom(0.3, 0.8, 1) })
    .map(({ idleMs, warnAt }) => ({
      agent: { budget: { idleMs, warnAt } } as Partial<AgentOptions>,
      rule: { noticeMs: () => idleMs * warnAt, over: (since: number) => since + idleMs, said: warnAt < 1 },
    })),
  fc
    .record({
      idleMs: fc.integer({ min: 1, max: 20 }),
      callMs: fc.integer({ min: 1, max: 30 }),
      graceMs: fc.nat(10),
      onStall: fc.constantFrom('warn' as const, 'interrupt' as const),
    })
    .map((heartbeat) => ({
      agent: { heartbeat } as Partial<AgentOptions>,
      rule: {
        noticeMs: (inCall: boolean) => (inCall ? heartbeat.callMs : heartbeat.idleMs),
        over: (_since: number, noticedAt: number) =>
          heartbeat.onStall === 'warn' ? Number.POSITIVE_INFINITY : noticedAt + heartbeat.graceMs,
        said: true,
      },
    })),
);

test('a run is warned and ended exactly when its rule says so, whatever happens in between [HM-131, HM-133, HM-134, F-18, L1]', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(rules, steps, async ({ agent, rule }, all) => {
      const model = new Silence(rule);
      const budget = { turns: 100, toolCalls: 100, ...agent.budget };
      const { run, gate, events, clock, feedOf, call, warned, stalls } = await alone({ ...agent, budget });
      const isOver = () => model.endedAt !== undefined;
      for (const step of all) {
        if (isOver()) break;
        if (step.do === 'pass') {
          model.pass(step.ms);
          clock.increment(step.ms);
        } else if (step.do === 'pause') {
          model.paused = !model.paused;
          if (!model.paused) model.progress();
          await (model.paused ? run.pause() : run.resume());
        } else if (!model.paused) {
          model.progress();
          if (step.do === 'speak' && model.inCall) gate.open.at(-1)?.context.progress('digging');
          else if (step.do === 'speak') feedOf(rootId).push({ type: 'text', delta: 'a' });
          else {
            if (model.inCall) gate.open.at(-1)?.finish();
            else await call(rootId, 'dig');
            model.inCall = !model.inCall;
          }
        }
        await settle(4);
        expect([...warned(), ...stalls()].map(({ at }) => at)).toEqual(model.said);
        const ends = events.filter(isTerminal);
        expect(ends.map(({ at, type }) => [at, type])).toEqual(isOver() ? [[model.endedAt, 'run.failed']] : []);
      }
      await run.interrupt();
      await settle(4);
      expect(events.filter(isTerminal)).toHaveLength(1);
    }),
    { numRuns },
  );
});

test('of three runs in a row the lowest ends first, and none while anything below it makes progress [HM-130, HM-134, L2]', {
  timeout: 120_000,
}, async () => {
  const ids = [rootId, childId, grandchildId];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 5, max: 25 }), { minLength: 3, maxLength: 3 }),
      fc.array(
        fc.oneof(
          ms.map((ms) => ({ ms })),
          fc.constant('speak' as const),
        ),
        { maxLength: 25 },
      ),
      async (limits, all) => {
        const agent = (n: number) => ({ budget: { idleMs: limits[n] ?? 0, warnAt: 1 } });
        const tree = { root: agent(0), child: agent(1), grandchild: agent(2) };
        const { run, events, clock, speak } = await inARow(tree);
        // an ancestor's limit binds those below it
        const bound = limits.map((_, n) => Math.min(...limits.slice(0, n + 1)));
        let since = 0;
        let now = 0;
        /** The runs that are left, root first; only the last one waits for its model. */
        let left = 3;
        const ends: [string, number][] = [];
        for (const step of all) {
          if (left === 0) break;
          if (step === 'speak') {
            since = now;
            await speak(ids[left - 1] ?? '');
          } else {
            now += step.ms;
            clock.increment(step.ms);
            const limit = bound[left - 1] ?? 0;
            if (now - since >= limit) {
              left -= 1;
              ends.push([ids[left] ?? '', now]);
              since = now;
            }
            await settle(6);
          }
          expect(events.filter(isTerminal).map(({ runId, at }) => [runId, at])).toEqual(ends);
        }
        await run.interrupt();
        await settle(4);
        expect(events.filter(isTerminal)).toHaveLength(3);
      },
    ),
    { numRuns: numRuns / 2 },
  );
});
