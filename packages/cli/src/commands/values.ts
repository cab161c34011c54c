/** Values of flags, read. Each throws FaultError `cli.usage` that says what was found and what was expected. */
import { Budget, JSONValue } from '@troupe/protocol';
import { misuse } from './problem.ts';

const limits = Object.keys(Budget.shape);

/** `turns=5,costUsd=0.2`, any number of times; the last one of a kind counts. */
export const budgetOf = (said: readonly string[] = [], whose = '--budget'): Budget | undefined => {
  const pairs = said.flatMap((text) => text.split(',')).map((pair) => pair.split('=').map((part) => part.trim()));
  if (pairs.length === 0) return undefined;
  const budget: Record<string, number> = {};
  for (const [kind = '', value = '', ...rest] of pairs) {
    if (!limits.includes(kind))
      throw misuse(`${whose} names the limit "${kind}". Expected ${limits.join(', ')}, as in ${whose} turns=5.`);
    const amount = Number(value);
    if (value === '' || rest.length > 0 || !(amount >= 0))
      throw misuse(`${whose} ${kind} is "${[value, ...rest].join('=')}". Expected a number of 0 or more.`);
    budget[kind] = amount;
  }
  const read = Budget.safeParse(budget);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw misuse(`${whose} ${issue?.path.join('.')} is ${budget[String(issue?.path[0])]}: ${issue?.message}.`);
};

const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30d`, `12h`, `5m`, `10s`, `0`, in milliseconds. */
export const durationOf = (said: string, flag: string): number => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(said.trim()) ?? [];
  if (said.trim() === '0') return 0;
  if (amount === undefined || unit === undefined)
    throw misuse(`${flag} is "${said}". Expected a time such as 30d, 12h, 5m, 10s, or 0.`);
  return Number(amount) * (units[unit] ?? 0);
};

export const countOf = (said: string, flag: string): number => {
  const count = Number(said);
  if (said.trim() !== '' && Number.isSafeInteger(count) && count >= 0) return count;
  throw misuse(`${flag} is "${said}". Expected a whole number of 0 or more.`);
};

export const jsonOf = (said: string, flag: string): JSONValue => {
  try {
    return JSONValue.parse(JSON.parse(said));
  } catch {
    throw misuse(`${flag} is ${JSON.stringify(said)}. Expected JSON, as in ${flag} '{"colour":"red"}'.`);
  }
};
