import type { Budget } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addPool,
  admit,
  allowanceOf,
  emptyPool,
  exhaustedBy,
  type Ledger,
  leftOf,
  poolKinds,
  reservationOf,
  type SpawnAsk,
  takePool,
} from '../../src/agent/limits.ts';

const numRuns = Number(process.env.RUNS ?? 2_000);
const amount = fc.integer({ min: 0, max: 1_000 });
const pools = fc.record(
  { tokens: amount, costUsd: amount.map((cents) => cents / 100), descendants: fc.nat(12) },
  { requiredKeys: [] },
);
const keep = fc.constantFrom(0, 0.1, 0.5, 1);

const ledgerOf = (limits: Budget, share: number, spent = emptyPool): Ledger => ({
  allowance: { limits, ceilings: limits, warnAt: 0.8, keep: share },
  spent,
  reserved: emptyPool,
  turns: 0,
  toolCalls: 0,
  children: 0,
});
const ask = (about: Partial<SpawnAsk> = {}): SpawnAsk => ({ agent: 'a', depth: 1, tools: 0, shares: 1, ...about });
const reserve = (ledger: Ledger, grant: Budget): Ledger => ({
  ...ledger,
  reserved: addPool(ledger.reserved, reservationOf(ledger.allowance.limits, grant)),
  children: ledger.children + 1,
});
/** Dollars are sums of fractions. */
const near = 1e-9;

describe('admit', () => {
  test('gives siblings together no more than there is, and each an equal share [L4]', () => {
    fc.assert(
      fc.property(pools, keep, fc.integer({ min: 1, max: 8 }), (limits, share, siblings) => {
        let ledger = ledgerOf(limits, share);
        const grants: Budget[] = [];
        for (let left = siblings; left > 0; left--) {
          const verdict = admit(ledger, ask({ shares: left }));
          if ('refusal' in verdict) continue;
          grants.push(verdict.grant);
          ledger = reserve(ledger, verdict.grant);
        }
        for (const kind of poolKinds) {
          expect(leftOf(ledger, kind)).toBeGreaterThanOrEqual(-near);
          const given = grants.map((grant) => grant[kind]).filter((value) => value !== undefined);
          expect(given.length).toBe(limits[kind] === undefined ? 0 : grants.length);
          if (grants.length === siblings && given.length > 0)
            expect(Math.max(...given) - Math.min(...given)).toBeLessThanOrEqual(1 + near);
        }
        const kept = (kind: 'tokens' | 'costUsd') => (limits[kind] ?? 0) * share;
        for (const kind of ['tokens', 'costUsd'] as const)
          expect(leftOf(ledger, kind)).toBeGreaterThanOrEqual(kept(kind) - near);
      }),
      { numRuns },
    );
  });

  test('gives exactly what was asked for, or refuses and names the limit [L4, F-11]', () => {
    fc.assert(
      fc.property(pools, keep, fc.array(pools, { maxLength: 6 }), (limits, share, asks) => {
        let ledger = ledgerOf(limits, share);
        for (const budget of asks) {
          const before = ledger;
          const verdict = admit(ledger, ask({ budget }));
          if ('refusal' in verdict) {
            const { kind, limit, message } = verdict.refusal;
            expect(poolKinds).toContain(kind);
            expect(limit).toBe(limits[kind as 'tokens']);
            expect(message).toContain('was not started');
            continue;
          }
          for (const kind of poolKinds) if (budget[kind] !== undefined) expect(verdict.grant[kind]).toBe(budget[kind]);
          ledger = reserve(ledger, verdict.grant);
          for (const kind of poolKinds) {
            expect(leftOf(ledger, kind)).toBeGreaterThanOrEqual(-near);
            expect(leftOf(ledger, kind)).toBeLessThanOrEqual(leftOf(before, kind));
          }
        }
      }),
      { numRuns },
    );
  });

  test('cuts what an agent would like down to what is there [F-10]', () => {
    fc.assert(
      fc.property(pools, pools, keep, (limits, agentBudget, share) => {
        const verdict = admit(ledgerOf(limits, share), ask({ agentBudget }));
        if ('refusal' in verdict) return;
        for (const kind of poolKinds) {
          const granted = verdict.grant[kind] ?? Number.POSITIVE_INFINITY;
          expect(granted).toBeLessThanOrEqual(agentBudget[kind] ?? Number.POSITIVE_INFINITY);
          expect(granted).toBeLessThanOrEqual(limits[kind] ?? Number.POSITIVE_INFINITY);
        }
      }),
      { numRuns },
    );
  });

  test('gives the last of anything to one of those that race for it [L4, F-11]', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 30 }),
        fc.constantFrom('descendants' as const, 'children' as const, 'tokens' as const),
        (racers, kind) => {
          let ledger = ledgerOf({ [kind]: 1 }, 0);
          let admitted = 0;
          for (let racer = 0; racer < racers; racer++) {
            const verdict = admit(ledger, ask(kind === 'tokens' ? { budget: { tokens: 1 } } : {}));
            if ('refusal' in verdict) continue;
            admitted += 1;
            ledger = reserve(ledger, verdict.grant);
          }
          expect(admitted).toBe(1);
        },
      ),
      { numRuns: Math.ceil(numRuns / 10) },
    );
  });
});

describe('a reservation', () => {
  test('returns whole, in whatever order children settle [L4]', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ tokens: amount, costUsd: amount, descendants: amount }), { maxLength: 9 }),
        fc.integer(),
        (grants, seed) => {
          const all = grants.reduce(addPool, emptyPool);
          const shuffled = grants.toSorted((a, b) => ((a.tokens * seed) % 7) - ((b.tokens * seed) % 7));
          expect(shuffled.reduce(takePool, all)).toEqual(emptyPool);
        },
      ),
      { numRuns },
    );
  });
});

describe('allowanceOf', () => {
  test('is the tightest of all limits that were set [F-10]', () => {
    const budget = fc.record(
      { turns: amount, tokens: amount, depth: amount, concurrency: fc.integer({ min: 1, max: 9 }), deadlineMs: amount },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        budget,
        fc.array(fc.option(budget, { nil: undefined }), { maxLength: 4 }),
        amount,
        (first, budgets, now) => {
          const { deadlineMs: _, ...inherited } = first;
          const { ceilings, limits } = allowanceOf(inherited, budgets, now);
          for (const kind of ['turns', 'tokens', 'depth', 'concurrency'] as const) {
            const set = [inherited[kind], ...budgets.map((one) => one?.[kind])].filter((value) => value !== undefined);
            expect(ceilings[kind]).toBe(set.length > 0 ? Math.min(...set) : undefined);
            if (set.length > 0) expect(limits[kind]).toBe(ceilings[kind]);
          }
          const deadlines = budgets.flatMap((one) => (one?.deadlineMs === undefined ? [] : [now + one.deadlineMs]));
          expect(ceilings.deadlineAt).toBe(deadlines.length > 0 ? Math.min(...deadlines) : undefined);
        },
      ),
      { numRuns },
    );
  });
});

describe('exhaustedBy', () => {
  test('forbids a turn exactly when a limit of turns, tokens or dollars is used up', () => {
    fc.assert(
      fc.property(pools, fc.option(fc.nat(3), { nil: undefined }), fc.nat(3), pools, (limits, turns, taken, used) => {
        const spent = { ...emptyPool, ...used };
        const ledger = { ...ledgerOf({ ...limits, ...(turns !== undefined && { turns }) }, 0, spent), turns: taken };
        const usedUp =
          (turns !== undefined && taken >= turns) ||
          (limits.tokens !== undefined && spent.tokens >= limits.tokens) ||
          (limits.costUsd !== undefined && spent.costUsd >= limits.costUsd);
        expect(exhaustedBy(ledger) !== null).toBe(usedUp);
      }),
      { numRuns },
    );
  });
});
