import { admit, allowanceOf } from '@troupe/core';
import type { Budget } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import {
  addPool,
  emptyPool,
  exhaustedBy,
  inheritable,
  type Ledger,
  leftOf,
  reservationOf,
  type SpawnAsk,
  takePool,
  tightest,
  warningsOf,
} from '../../src/agent/limits.ts';

/** The books of a run that was given `budget` and nothing else. */
const books = (budget: Budget, so: Partial<Ledger> = {}): Ledger => ({
  allowance: allowanceOf({}, [budget], 0),
  spent: emptyPool,
  reserved: emptyPool,
  turns: 0,
  toolCalls: 0,
  children: 0,
  ...so,
});
const pool = (tokens: number, costUsd = 0, descendants = 0) => ({ tokens, costUsd, descendants });
const ask = (more: Partial<SpawnAsk> = {}): SpawnAsk => ({ agent: 'helper', depth: 1, tools: 0, shares: 1, ...more });

describe('an allowance', () => {
  test('is the tightest of all that was set, whoever set it', () => {
    const { limits } = allowanceOf(
      { tokens: 500, costUsd: 1 },
      [{ tokens: 900, turns: 7 }, undefined, { tokens: 700, costUsd: 0.5 }],
      0,
    );
    expect(limits).toMatchObject({ tokens: 500, costUsd: 0.5, turns: 7 });
  });

  test('takes a default only where nothing was set, be it lower or higher', () => {
    expect(allowanceOf({}, [], 0).limits).toEqual({ turns: 10, toolCalls: 20, depth: 5 });
    expect(allowanceOf({}, [{ turns: 50, toolCalls: 1 }], 0).limits).toEqual({ turns: 50, toolCalls: 1, depth: 5 });
  });

  test('hands down what was set on purpose, never a default', () => {
    expect(allowanceOf({}, [{ turns: 50 }], 0).ceilings).toEqual({ turns: 50 });
  });

  test('makes a deadline a point in time, the earliest of all', () => {
    expect(allowanceOf({ deadlineAt: 5_000 }, [{ deadlineMs: 3_000 }], 1_000).limits.deadlineAt).toBe(4_000);
    expect(allowanceOf({ deadlineAt: 5_000 }, [{ deadlineMs: 9_000 }], 1_000).limits.deadlineAt).toBe(5_000);
  });

  test('warns and keeps as the last who said so wants', () => {
    expect(allowanceOf({}, [], 0)).toMatchObject({ warnAt: 0.8, keep: 0.1 });
    expect(allowanceOf({}, [{ warnAt: 0.5, keep: 0 }, { warnAt: 0.6 }], 0)).toMatchObject({ warnAt: 0.6, keep: 0 });
  });

  test('is inherited without its pools, which come as a grant', () => {
    expect(inheritable({ tokens: 1, costUsd: 2, descendants: 3, turns: 4, depth: 5 })).toEqual({ turns: 4, depth: 5 });
  });
});

describe('what is left', () => {
  test('is the grant without what was spent and what was promised', () => {
    const run = books({ tokens: 1_000 }, { spent: pool(300), reserved: pool(250) });
    expect(leftOf(run, 'tokens')).toBe(450);
    expect(leftOf(run, 'costUsd')).toBe(Number.POSITIVE_INFINITY);
  });

  test.each<[string, Budget, Partial<Ledger>, object | null]>([
    ['nothing is used up', { turns: 2, tokens: 10, costUsd: 1 }, { turns: 1, spent: pool(9, 0.99) }, null],
    ['turns are', { turns: 2 }, { turns: 2 }, { kind: 'turns', spent: 2, limit: 2 }],
    ['tokens are', { tokens: 10 }, { spent: pool(10) }, { kind: 'tokens', spent: 10, limit: 10 }],
    [
      'tokens are promised to children',
      { tokens: 10 },
      { spent: pool(4), reserved: pool(6) },
      { kind: 'tokens', spent: 4, limit: 10 },
    ],
    ['cost is overspent', { costUsd: 1 }, { spent: pool(0, 1.5) }, { kind: 'costUsd', spent: 1.5, limit: 1 }],
    ['a limit of 0 forbids the first turn', { turns: 0 }, {}, { kind: 'turns', spent: 0, limit: 0 }],
    ['descendants are: the run may still think', { descendants: 1 }, { spent: pool(0, 0, 1) }, null],
  ])('forbids another turn, or not: %s', (_what, budget, so, found) => {
    expect(exhaustedBy(books(budget, so))).toEqual(found);
  });

  test('is warned of from the soft limit on, once for each kind', () => {
    const run = books({ tokens: 10, turns: 10, toolCalls: 5 }, { spent: pool(8), turns: 7, toolCalls: 4 });
    expect(warningsOf(run, [])).toEqual([
      { kind: 'toolCalls', spent: 4, limit: 5 },
      { kind: 'tokens', spent: 8, limit: 10 },
    ]);
    expect(warningsOf(run, ['tokens', 'toolCalls'])).toEqual([]);
    expect(warningsOf(books({ tokens: 0 }), [])).toEqual([]);
  });
});

describe('a child is admitted', () => {
  test('without a grant by a run that has no pools', () => {
    expect(admit(books({}), ask())).toEqual({ grant: {} });
  });

  test('with what it asks for when nobody limits that', () => {
    expect(admit(books({}), ask({ budget: { tokens: 70 }, agentBudget: { tokens: 50, costUsd: 2 } }))).toEqual({
      grant: { tokens: 50, costUsd: 2 },
    });
  });

  test('with an equal share of what is left above what the parent keeps', () => {
    // 1000 - 200 spent - 100 kept = 700, shared by 3 = 233
    const run = books({ tokens: 1_000, costUsd: 1 }, { spent: pool(200, 0.3) });
    expect(admit(run, ask({ shares: 3 }))).toEqual({ grant: { tokens: 233, costUsd: expect.closeTo(0.2) } });
  });

  test('with just what its spawn asks for, if it can be afforded', () => {
    const run = books({ tokens: 1_000 });
    expect(admit(run, ask({ budget: { tokens: 900 }, shares: 2 }))).toEqual({ grant: { tokens: 900 } });
    expect(admit(run, ask({ budget: { tokens: 901 } }))).toMatchObject({ refusal: { kind: 'tokens', limit: 1_000 } });
  });

  test("with its agent's own limit where that is less", () => {
    expect(admit(books({ tokens: 1_000 }), ask({ agentBudget: { tokens: 50 } }))).toEqual({ grant: { tokens: 50 } });
  });

  test('with descendants of its own that leave room for itself', () => {
    expect(admit(books({ descendants: 1 }), ask())).toEqual({ grant: { descendants: 0 } });
    expect(admit(books({ descendants: 7 }), ask({ shares: 2 }))).toEqual({ grant: { descendants: 2 } });
    expect(admit(books({ descendants: 1 }, { spent: pool(0, 0, 1) }), ask())).toMatchObject({
      refusal: { kind: 'descendants' },
    });
  });

  test.each<[string, Budget, Partial<Ledger>, Partial<SpawnAsk>, object]>([
    ['too deep', { depth: 1 }, {}, { depth: 2 }, { kind: 'depth', limit: 1 }],
    ['too many tools', { toolsPerChild: 2 }, {}, { tools: 3 }, { kind: 'toolsPerChild', limit: 2 }],
    ['too many children', { children: 2 }, { children: 2 }, {}, { kind: 'children', limit: 2 }],
    ['nothing left', { costUsd: 1 }, { spent: pool(0, 0.95) }, {}, { kind: 'costUsd', limit: 1 }],
    ['less than one token for each', { tokens: 10 }, { spent: pool(7) }, { shares: 3 }, { kind: 'tokens', limit: 10 }],
  ])('no more, and told which limit forbids it: %s', (_what, budget, so, more, refusal) => {
    expect(admit(books(budget, so), ask(more))).toMatchObject({
      refusal: { ...refusal, message: expect.stringContaining('"helper" was not started') },
    });
  });
});

test('what is set aside for a child is its grant and the child itself, in the kinds that the parent limits', () => {
  expect(reservationOf({ tokens: 100, descendants: 5 }, { tokens: 40, costUsd: 3, descendants: 1 })).toEqual(
    pool(40, 0, 2),
  );
  expect(addPool(pool(1, 2, 3), pool(10, 20, 30))).toEqual(pool(11, 22, 33));
  expect(takePool(pool(11, 22, 33), pool(10, 30, 3))).toEqual(pool(1, 0, 30));
});

describe('two budgets that both bind', () => {
  test('are one budget: the smaller of each kind, and how to warn as the second says [F-10]', () => {
    expect(tightest({ tokens: 5, turns: 3, warnAt: 0.5 }, { tokens: 9, children: 1, warnAt: 0.9 })).toEqual({
      tokens: 5,
      turns: 3,
      children: 1,
      warnAt: 0.9,
    });
    expect(tightest({ keep: 0.3 }, { tokens: 1 })).toEqual({ keep: 0.3, tokens: 1 });
  });

  test('are the one that is there', () => {
    expect(tightest(undefined, { turns: 2 })).toEqual({ turns: 2 });
    expect(tightest({ turns: 2 }, undefined)).toEqual({ turns: 2 });
    expect(tightest(undefined, undefined)).toBeUndefined();
  });
});
