/**
 * The arithmetic of budgets (L4). Pure: who may spend what, what a child is granted, what is used up.
 *
 *   granted = spent + reserved + left          a child's grant is reserved in its parent until it settles
 */
import type { Budget, Grant } from '@troupe/protocol';

/** A budget with its deadline as a point in time (epoch milliseconds). */
export type Limits = Omit<Budget, 'deadlineMs' | 'warnAt' | 'keep'> & { deadlineAt?: number };

/** What is pooled over a tree. */
export type Pool = { tokens: number; costUsd: number; descendants: number };
export const poolKinds = ['tokens', 'costUsd', 'descendants'] as const;
export const emptyPool: Pool = Object.freeze({ tokens: 0, costUsd: 0, descendants: 0 });

/** What binds a run when nobody set a limit of that kind. A default binds only the run it is applied to. */
export const defaultBudget = Object.freeze({ turns: 10, toolCalls: 20, depth: 5 }) satisfies Budget;

/** What a run may spend, what of it was set on purpose (and so binds its children, too), and how it shares. */
export type Allowance = { limits: Limits; ceilings: Limits; warnAt: number; keep: number };

export type Ledger = {
  allowance: Allowance;
  /** Of the run itself and its settled children. */
  spent: Pool;
  /** Promised to children that have not settled. */
  reserved: Pool;
  turns: number;
  toolCalls: number;
  children: number;
};

const tighten = (limits: Limits, budget: Budget | Limits | undefined, now: number): Limits => {
  if (!budget) return limits;
  const out: Limits = { ...limits };
  for (const key of [
    'turns',
    'toolCalls',
    'tokens',
    'costUsd',
    'activeMs',
    'idleMs',
    'children',
    'descendants',
    'depth',
    'concurrency',
    'toolsPerChild',
    'deadlineAt',
  ] as const) {
    const value = (budget as Limits)[key];
    if (value !== undefined && value < (out[key] ?? Number.POSITIVE_INFINITY)) out[key] = value;
  }
  const ms = (budget as Budget).deadlineMs;
  if (ms !== undefined && now + ms < (out.deadlineAt ?? Number.POSITIVE_INFINITY)) out.deadlineAt = now + ms;
  return out;
};

/** Two budgets that both bind, as one. How to warn and to keep is said by the second, if it says so. */
export const tightest = (a: Budget | undefined, b: Budget | undefined): Budget | undefined => {
  if (!a || !b) return a ?? b;
  const out: Budget = { ...a, ...b };
  for (const [key, value] of Object.entries(a) as [keyof Budget, number | undefined][])
    if (key !== 'warnAt' && key !== 'keep' && value !== undefined) out[key] = Math.min(value, out[key] ?? value);
  return out;
};

const last = <K extends 'warnAt' | 'keep'>(
  key: K,
  budgets: readonly (Budget | undefined)[],
  otherwise: number,
): number => {
  for (let i = budgets.length - 1; i >= 0; i--) {
    const value = budgets[i]?.[key];
    if (value !== undefined) return value;
  }
  return otherwise;
};

/** The tightest of all budgets that were set on purpose, with defaults where none was (F-10). */
export const allowanceOf = (inherited: Limits, budgets: readonly (Budget | undefined)[], now: number): Allowance => {
  const ceilings = budgets.reduce<Limits>((limits, budget) => tighten(limits, budget, now), inherited);
  return {
    ceilings,
    limits: { ...defaultBudget, ...ceilings },
    warnAt: last('warnAt', budgets, 0.8),
    keep: last('keep', budgets, 0.1),
  };
};

/** What a child inherits whatever else is said: everything but the pools, which come as its grant. */
export const inheritable = ({ tokens: _t, costUsd: _c, descendants: _d, ...limits }: Limits): Limits => limits;

/** What is left of a pooled kind, promises to children taken off; `Infinity` without a limit. */
export const leftOf = (ledger: Ledger, kind: keyof Pool): number => {
  const limit = ledger.allowance.limits[kind];
  return limit === undefined ? Number.POSITIVE_INFINITY : limit - ledger.spent[kind] - ledger.reserved[kind];
};

export type Exhausted = { kind: string; spent: number; limit: number };

/** The first limit that forbids another turn, or `null`. A pool that cannot pay for a turn (tokens, cost) counts as used up at 0. */
export const exhaustedBy = (ledger: Ledger): Exhausted | null => {
  const { limits } = ledger.allowance;
  if (limits.turns !== undefined && ledger.turns >= limits.turns)
    return { kind: 'turns', spent: ledger.turns, limit: limits.turns };
  for (const kind of ['tokens', 'costUsd'] as const) {
    const limit = limits[kind];
    if (limit !== undefined && leftOf(ledger, kind) <= 0) return { kind, spent: ledger.spent[kind], limit };
  }
  return null;
};

/** Kinds that have passed the soft limit and were not warned of yet. */
export const warningsOf = (ledger: Ledger, warned: readonly string[]): Exhausted[] => {
  const { limits, warnAt } = ledger.allowance;
  const found: Exhausted[] = [];
  const check = (kind: string, spent: number, limit: number | undefined) => {
    if (limit !== undefined && limit > 0 && spent >= limit * warnAt && !warned.includes(kind))
      found.push({ kind, spent, limit });
  };
  check('turns', ledger.turns, limits.turns);
  check('toolCalls', ledger.toolCalls, limits.toolCalls);
  check('tokens', ledger.spent.tokens, limits.tokens);
  check('costUsd', ledger.spent.costUsd, limits.costUsd);
  check('children', ledger.children, limits.children);
  check('descendants', ledger.spent.descendants, limits.descendants);
  return found;
};

/** What a spawn asks for. */
export type SpawnAsk = {
  agent: string;
  /** Depth the child would have. */
  depth: number;
  /** How many tools the child would get. */
  tools: number;
  /** Set by the spawn itself: must be affordable as it is. */
  budget?: Budget | undefined;
  /** Set on the child's agent: cut down to what is there. */
  agentBudget?: Budget | undefined;
  /** Spawns that share what is left with this one, itself included: see {@link admit}. */
  shares: number;
};

export type Refusal = { kind: string; limit: number; message: string };

const refuse = (kind: string, limit: number, message: string): { refusal: Refusal } => ({
  refusal: { kind, limit, message },
});

/**
 * Decides whether a child may start, and what it is granted. The spawn's own budget is refused when it cannot be afforded;
 * a grant that nobody asked for is an equal share: `floor((left − keep) / shares)`.
 */
export const admit = (ledger: Ledger, ask: SpawnAsk): { grant: Grant } | { refusal: Refusal } => {
  const { limits, keep } = ledger.allowance;
  const who = `"${ask.agent}" was not started`;
  if (limits.depth !== undefined && ask.depth > limits.depth)
    return refuse(
      'depth',
      limits.depth,
      `${who}: it would run at depth ${ask.depth}, and budget.depth allows ${limits.depth}. Do this work yourself.`,
    );
  if (limits.toolsPerChild !== undefined && ask.tools > limits.toolsPerChild)
    return refuse(
      'toolsPerChild',
      limits.toolsPerChild,
      `${who}: it would get ${ask.tools} tools, and budget.toolsPerChild allows ${limits.toolsPerChild}. Ask for fewer tools.`,
    );
  if (limits.children !== undefined && ledger.children >= limits.children)
    return refuse(
      'children',
      limits.children,
      `${who}: ${ledger.children} children were started, and budget.children allows ${limits.children}. Do this work yourself.`,
    );

  const grant: Grant = {};
  for (const kind of poolKinds) {
    const asked = ask.budget?.[kind];
    const most = ask.agentBudget?.[kind];
    const limit = limits[kind];
    if (limit === undefined) {
      const own = Math.min(asked ?? Number.POSITIVE_INFINITY, most ?? Number.POSITIVE_INFINITY);
      if (own !== Number.POSITIVE_INFINITY) grant[kind] = own;
      continue;
    }
    const itself = kind === 'descendants' ? 1 : 0;
    const free = leftOf(ledger, kind) - (itself ? 0 : limit * keep);
    const fair = free / ask.shares - itself;
    const share = kind === 'costUsd' ? fair : Math.max(itself ? 0 : Number.NEGATIVE_INFINITY, Math.floor(fair));
    const given = Math.min(asked ?? share, most ?? Number.POSITIVE_INFINITY);
    const affordable = itself ? given >= 0 && given + itself <= free : given > 0 && given <= free;
    if (!affordable)
      return refuse(
        kind,
        limit,
        `${who}: it needs ${asked === undefined ? 'a share of' : `${asked + itself}`} ${kind}, and ${Math.max(0, Math.floor(free * 1e6) / 1e6)} of ${limit} can be given away. Finish with what is there.`,
      );
    grant[kind] = given;
  }
  return { grant };
};

/** What a parent sets aside for a grant. A kind that the parent does not limit is not reserved. */
export const reservationOf = (limits: Limits, grant: Grant): Pool => ({
  tokens: limits.tokens === undefined ? 0 : (grant.tokens ?? 0),
  costUsd: limits.costUsd === undefined ? 0 : (grant.costUsd ?? 0),
  descendants: limits.descendants === undefined ? 0 : (grant.descendants ?? 0) + 1,
});

export const addPool = (a: Pool, b: Pool): Pool => ({
  tokens: a.tokens + b.tokens,
  costUsd: a.costUsd + b.costUsd,
  descendants: a.descendants + b.descendants,
});
/** Takes off what was set aside; never below nothing, whatever rounding left. */
export const takePool = (a: Pool, b: Pool): Pool => ({
  tokens: Math.max(0, a.tokens - b.tokens),
  costUsd: Math.max(0, a.costUsd - b.costUsd),
  descendants: Math.max(0, a.descendants - b.descendants),
});
