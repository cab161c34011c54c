/** Random worlds as data: what models and tools do, what people and observers do meanwhile, and how it all ends. */
import type { Budget } from '@troupe/protocol';
import type { Death } from '@troupe/testing';
import fc from 'fast-check';
import type { AgentOptions } from '../../src/define-agent.ts';

const answers = ['text', 'json', 'prose', 'empty', 'long', 'filtered'] as const;
const plainCalls = [
  'one',
  'two',
  'unknown',
  'malformed',
  'same ids',
  'slow',
  'flaky',
  'guarded',
  'confirm',
  'input',
  'handoff',
] as const;
const delegations = [
  'delegate',
  'delegate many',
  'delegate and work',
  'delegate on a budget',
  'let go',
  'spawn',
  'spawn at once',
  'spawn and leave',
  'spawn rich',
] as const;
const modelFaults = [
  'throw',
  'reject',
  'fault',
  'never',
  'deaf',
  'cut',
  'garbage',
  'context full',
  'attempts',
  'half',
] as const;
/** What a model does in one turn. */
export type Said =
  | (typeof answers)[number]
  | (typeof plainCalls)[number]
  | (typeof delegations)[number]
  | (typeof modelFaults)[number];

/** What a tool does when it is called. */
const deeds = ['text', 'data', 'error', 'progress', 'throw', 'reject', 'never', 'deaf', 'undefined'] as const;
export type Deed = (typeof deeds)[number];

/** What somebody does to the `who`-th run, or to the runtime. */
const commands = [
  'pause',
  'resume',
  'steer',
  'interrupt',
  'answer',
  'decline',
  'mumble',
  'abort',
  'start',
  'stop spawning',
  'allow spawning',
  'join',
] as const;
export type Command = (typeof commands)[number];

/** Optional parts of a world. */
const features = [
  'prices',
  'memory',
  'broken memory',
  'schema',
  'short conversations',
  'slow store',
  'quota',
  /** The first root is invoked by a machine of the user. */
  'in a machine',
] as const;
type Feature = (typeof features)[number];

export type Plan = {
  /** Turns in the order they are asked for, whoever asks; every later one is an answer. */
  said: Said[];
  deeds: Deed[];
  /** Milliseconds before the n-th answer of a model or a tool, over and over. */
  delays: number[];
  budget: Budget;
  agentBudget: Budget;
  /** Of every agent. */
  heartbeat?: AgentOptions['heartbeat'];
  features: readonly Feature[];
  /** Observers that throw. */
  rude: readonly ('subscriber' | 'hooks' | 'inspector' | 'logger')[];
  steps: { command: Command | 'nothing'; who: number; ms: number }[];
  /** Done by a subscriber, synchronously, when it hears the `at`-th event. */
  reactions: { at: number; command: Command | 'close' | 'suspend'; who: number }[];
  /** Named guards and actions of the chart that throw the n-th time they are used. */
  bombs: Record<string, number>;
  end: 'close' | 'close at once' | 'suspend' | 'interrupt' | 'stop';
};

/** A world whose processes die. */
export type CrashPlan = Plan & {
  /** How each life but the last ends. */
  deaths: Death[];
  /** Commits of a life that the store refuses, counted from 1. */
  refusals: number[];
  unknownOutcome: 'ask' | 'fail';
};

const small = (max: number) => fc.integer({ min: 0, max });

const pools = {
  tokens: fc.oneof({ weight: 1, arbitrary: small(60) }, { weight: 4, arbitrary: fc.integer({ min: 60, max: 600 }) }),
  costUsd: fc.constantFrom(0, 0.05, 0.2, 0.5),
  descendants: small(5),
};
const others = {
  turns: small(5),
  toolCalls: small(6),
  children: small(3),
  concurrency: fc.integer({ min: 1, max: 2 }),
  depth: small(3),
  toolsPerChild: fc.constantFrom(3, 30),
  activeMs: fc.constantFrom(0, 1, 12, 60),
  deadlineMs: fc.constantFrom(0, 1, 12, 60),
  keep: fc.constantFrom(0, 0.3, 1),
};
const some = <T extends object>(kinds: T, most: number) => fc.subarray(Object.keys(kinds), { maxLength: most });
/** Most kinds are not limited, or little would happen. */
const fewLimits = fc
  .tuple(fc.record(pools), fc.record(others), some(pools, 2), some(others, 2))
  .map(([pooled, counted, ...kinds]): Budget => {
    const all: Budget = { ...pooled, ...counted };
    return Object.fromEntries(kinds.flat().map((kind) => [kind, all[kind as keyof Budget]]));
  });

const said = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...answers) },
  { weight: 4, arbitrary: fc.constantFrom(...plainCalls) },
  { weight: 8, arbitrary: fc.constantFrom(...delegations) },
  { weight: 1, arbitrary: fc.constantFrom(...modelFaults) },
);
const command = fc.constantFrom(...commands);

const plans: fc.Arbitrary<Plan> = fc.record({
  said: fc.array(said, { minLength: 1, maxLength: 14 }),
  deeds: fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom<Deed>('text', 'data') },
      { weight: 1, arbitrary: fc.constantFrom(...deeds) },
    ),
    { minLength: 1, maxLength: 5 },
  ),
  delays: fc.array(fc.constantFrom(0, 0, 0, 1, 5, 20), { minLength: 1, maxLength: 5 }),
  budget: fewLimits,
  agentBudget: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fewLimits }),
  features: fc.subarray([...features], { maxLength: 2 }),
  rude: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.subarray(['subscriber', 'hooks', 'inspector', 'logger'] as const) },
  ) as fc.Arbitrary<Plan['rude']>,
  steps: fc.array(
    fc.record({
      command: fc.oneof({ weight: 3, arbitrary: command }, { weight: 1, arbitrary: fc.constant('nothing' as const) }),
      who: small(5),
      ms: fc.constantFrom(0, 0, 1, 5, 20),
    }),
    { maxLength: 8 },
  ),
  reactions: fc.array(
    fc.record({
      at: small(25),
      command: fc.oneof(
        { weight: 6, arbitrary: command },
        { weight: 1, arbitrary: fc.constantFrom('close' as const, 'suspend' as const) },
      ),
      who: small(5),
    }),
    { maxLength: 2 },
  ),
  bombs: fc.constant<Plan['bombs']>({}),
  end: fc.constantFrom('close', 'close at once', 'suspend', 'interrupt', 'stop'),
});

/** How long anybody waits for somebody who says nothing: mostly for ever. Drawn last, so that a seed stays the world it was. */
const patience = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.record({ idleMs: fc.constantFrom(1, 4, 12, 60) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      heartbeat: fc.record({
        idleMs: fc.constantFrom(1, 6, 20),
        callMs: fc.constantFrom(1, 12, 30),
        graceMs: fc.constantFrom(0, 5, 20),
        onStall: fc.constant('interrupt' as const),
      }),
    }),
  },
);
type Patience = { idleMs?: number; heartbeat?: Plan['heartbeat'] };
export const isPatient = ({ budget, heartbeat }: Plan): boolean => budget.idleMs === undefined && !heartbeat;

const withPatience = <T extends Plan>(base: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.tuple(base, patience).map(([plan, { idleMs, heartbeat }]: [T, Patience]) => ({
    ...plan,
    ...(heartbeat && { heartbeat }),
    budget: { ...plan.budget, ...(idleMs !== undefined && { idleMs }) },
  }));
export const calmPlans = withPatience(plans);

/** The same worlds, in which the chart itself breaks. */
export const wildPlans = (names: readonly string[]): fc.Arbitrary<Plan> =>
  fc
    .tuple(
      calmPlans,
      fc.dictionary(fc.constantFrom(...names), fc.integer({ min: 1, max: 6 }), { minKeys: 1, maxKeys: 2 }),
    )
    .map(([plan, bombs]) => ({ ...plan, bombs }));

const dying: fc.Arbitrary<CrashPlan> = fc
  .record({
    plan: plans,
    deaths: fc.array(
      fc.record({
        afterCommit: fc.integer({ min: 1, max: 12 }),
        as: fc.constantFrom('heard' as const, 'unheard' as const),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    refusals: fc.oneof(
      { weight: 3, arbitrary: fc.constant<number[]>([]) },
      { weight: 1, arbitrary: fc.array(fc.integer({ min: 2, max: 10 }), { maxLength: 2 }) },
    ),
    unknownOutcome: fc.constantFrom('ask' as const, 'fail' as const),
  })
  .map(({ plan, ...more }) => ({ ...plan, ...more }));
export const crashPlans = withPatience(dying);
