/**
 * L4: pooled budget is conserved at every node:
 *
 *     spent by its own turns + used by settled children + granted to live children  ≤  granted
 *
 * It is checked where something is taken. When a child is asked for, its grant must fit into what is left, and may leave no
 * kind open that its parent has a limit for. When a turn begins, something of `tokens` and `costUsd` must be left: a turn
 * that began so may overshoot, with all its attempts; the overshoot stays charged, so the next turn and the next child find
 * nothing left. `descendants` never overshoots: a child costs one and its grant.
 *
 * And it is checked that nothing gets lost: what a child used is what its events say, every grant returns before its parent
 * ends, and the usage of a terminal event is the sum of all.
 */
import { type EventOf, type Grant, isTerminal, type StoredEvent, tokensOf, type Usage } from '@troupe/protocol';
import { at, isUnstored, type Log, type Violation } from './log.ts';

type Pool = { tokens: number; costUsd: number; descendants: number };
type Kind = keyof Pool;
const kinds: readonly Kind[] = ['tokens', 'costUsd', 'descendants'];
/** Cost is a sum of fractions. */
const tolerance = 1e-9;

type Account = {
  limits: Grant;
  spent: Pool;
  /** Children that were asked for and have not settled. */
  live: Map<string, { grant: Grant; started: boolean }>;
  turnOpen: boolean;
  /** What it had spent when its parent let it go: from there on it is its own root. */
  left?: Pool;
};

const newAccount = (): Account => ({
  limits: {},
  spent: { tokens: 0, costUsd: 0, descendants: 0 },
  live: new Map(),
  turnOpen: false,
});

export const budgets = ({ stored, runs }: Log): Violation[] => {
  const accounts = new Map<string, Account>();
  const accountOf = (runId: string): Account => {
    const account = accounts.get(runId) ?? newAccount();
    accounts.set(runId, account);
    return account;
  };
  return stored.flatMap((event) => {
    const account = accountOf(event.runId);
    switch (event.type) {
      case 'run.started':
        return open(account, event);
      case 'run.forked':
        if (event.budget) account.limits = limitsIn(event.budget);
        return [];
      case 'run.detached':
        account.left = { ...account.spent };
        return [];
      case 'budget.raised':
        return raise(account, event);
      case 'turn.started':
        account.turnOpen = true;
        return mayTurn(account, event);
      case 'turn.completed': {
        const found = account.turnOpen ? [] : mayTurn(account, event);
        account.turnOpen = false;
        charge(account, event.usage, event.costUsd);
        return found;
      }
      case 'turn.attempted':
        if (event.usage) charge(account, event.usage);
        return [];
      case 'context.compacted':
        charge(account, event.usage, event.costUsd);
        return [];
      case 'child.requested':
        return reserve(account, event, accountOf(event.childId));
      case 'child.started':
        return start(account, event, accountOf(event.childId));
      case 'child.settled':
        return settle(account, event, runs.has(event.childId) ? accountOf(event.childId) : undefined);
      default:
        return isTerminal(event) ? close(account, event) : [];
    }
  });
};

const open = (account: Account, event: EventOf<'run.started'>): Violation[] =>
  kinds.flatMap((kind) => {
    const granted = account.limits[kind] ?? Number.POSITIVE_INFINITY;
    const taken = event.budget[kind];
    if (taken === undefined) return [];
    account.limits[kind] = Math.min(taken, granted);
    if (taken <= granted + tolerance) return [];
    return [at('L4', event, `it started with ${taken} ${kind}, but was granted ${granted}.`)];
  });

const limitsIn = ({ tokens, costUsd, descendants }: Grant): Grant => ({
  ...(tokens !== undefined && { tokens }),
  ...(costUsd !== undefined && { costUsd }),
  ...(descendants !== undefined && { descendants }),
});

/** What a child may spend of a pool was set aside for it: only the top of a tree can be given more. */
const raise = (account: Account, event: EventOf<'budget.raised'>): Violation[] => {
  const limits = limitsIn(event.budget);
  const isChild = event.parentId !== undefined && Object.keys(limits).length > 0 && !account.left;
  Object.assign(account.limits, limits);
  return isChild ? [at('L4', event, 'it was given more than its parent has set aside for it.')] : [];
};

const mayTurn = (account: Account, event: StoredEvent): Violation[] =>
  (['tokens', 'costUsd'] as const).flatMap((kind) => {
    const left = leftOf(account, kind);
    return left > 0 ? [] : [at('L4', event, `${event.type} when ${left} ${kind} were left.`)];
  });

const charge = ({ spent }: Account, usage: Usage, costUsd: number | null = usage.costUsd ?? null): void => {
  spent.tokens += tokensOf(usage);
  spent.costUsd += costUsd ?? 0;
};

type ChildEvent = EventOf<'child.requested' | 'child.started' | 'child.settled'>;

const reserve = (account: Account, event: ChildEvent, child: Account): Violation[] => {
  const { childId, grant } = event;
  if (account.live.has(childId)) return [at('L4', event, `child "${childId}" was asked for twice.`)];
  account.live.set(childId, { grant, started: false });
  child.limits = { ...grant };
  return kinds.flatMap((kind) => {
    if (account.limits[kind] === undefined) return [];
    if (grant[kind] === undefined)
      return [at('L4', event, `child "${childId}" has no limit of ${kind}, but its parent has.`)];
    const left = leftOf(account, kind);
    if (left >= -tolerance) return [];
    return [at('L4', event, `child "${childId}" was granted ${-left} ${kind} more than were left.`)];
  });
};

/** A child that nobody asked for before reserves as it starts. */
const start = (account: Account, event: EventOf<'child.started'>, child: Account): Violation[] => {
  const known = account.live.get(event.childId);
  const found = known ? [] : reserve(account, event, child);
  if (known?.started) found.push(at('L4', event, `child "${event.childId}" started twice.`));
  account.live.set(event.childId, { grant: event.grant, started: true });
  return found;
};

const settle = (account: Account, event: EventOf<'child.settled'>, child: Account | undefined): Violation[] => {
  const { childId, usage } = event;
  if (!account.live.delete(childId))
    return [at('L4', event, `child "${childId}" settled, but nothing was set aside for it.`)];
  charge(account, usage);
  const spent = event.status === 'paused' ? (child?.left ?? child?.spent) : child?.spent;
  account.spent.descendants += 1 + (spent?.descendants ?? 0);
  const used = spent?.tokens ?? tokensOf(usage);
  if (used === tokensOf(usage)) return [];
  return [at('L4', event, `child "${childId}" is charged with ${tokensOf(usage)} tokens, but used ${used}.`)];
};

const close = (account: Account, event: EventOf<'run.completed' | 'run.failed' | 'run.interrupted'>): Violation[] => {
  if (isUnstored(event)) return [];
  const told = tokensOf(event.usage.total);
  const found = [...account.live.keys()].map((childId) =>
    at('L4', event, `it ended, but what was set aside for child "${childId}" has not returned.`),
  );
  account.live.clear();
  if (told !== account.spent.tokens)
    found.push(at('L4', event, `${event.type} tells of ${told} tokens, but ${account.spent.tokens} were used.`));
  return found;
};

/** `Infinity` without a limit. */
const leftOf = ({ limits, spent, live }: Account, kind: Kind): number => {
  const limit = limits[kind];
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  let left = limit - spent[kind];
  for (const { grant } of live.values()) left -= (grant[kind] ?? 0) + (kind === 'descendants' ? 1 : 0);
  return left;
};
