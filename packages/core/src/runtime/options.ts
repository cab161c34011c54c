import {
  type Budget,
  type Clock,
  FaultError,
  type IdSource,
  type Logger,
  type MemoryStore,
  type ModelProvider,
  type Placement,
  type Pricing,
  type RunEvent,
  type RunStore,
  type Usage,
} from '@troupe/protocol';
import type { InspectionEvent, Observer } from 'xstate';
import { unitModel } from '../background/unit.ts';
import { memoryStore } from '../defaults/memory-store.ts';
import { consoleLogger, randomIds, systemClock } from '../defaults/system.ts';
import { type AnyAgent, checkBudget } from '../define-agent.ts';
import { checkPlace, type PlaceRule } from '../placement/place.ts';
import { whatIs } from '../what-is.ts';
import { checkPorts } from './check-ports.ts';

/** Everything a runtime can be given. Only a provider is needed. */
export type RuntimeOptions = {
  /** One provider for every model id, unchanged. Excludes `providers`. */
  provider?: ModelProvider;
  /** Providers by the text before the first `/` of a model id. */
  providers?: Record<string, ModelProvider>;
  /** The model of agents that name none. */
  model?: string;
  /** The agents of this program. Names must be unique: stored runs name their agent. */
  agents?: readonly AnyAgent[];
  /** Where runs are stored. Default: `memoryStore()`, for the life of the process. */
  store?: RunStore & Partial<MemoryStore>;
  /** Where agents remember. With it, every agent reads and writes under `agent:<name>` unless it names a scope. */
  memory?: MemoryStore;
  pricing?: Pricing;
  /** What a model without a known price costs: `zero` with a warning (default), or its runs are denied. */
  unknownPrice?: 'zero' | 'deny';
  /** Limits of every root run, on top of its agent's and its job's. */
  budget?: Budget;
  clock?: Clock;
  ids?: IdSource;
  /** Called when a child starts and when it settles. What they throw is logged. */
  hooks?: { childStart?(event: RunEvent): void; childStop?(event: RunEvent): void };
  logger?: Logger;
  /** XState's inspection observer. What it throws is logged. */
  inspect?: Observer<InspectionEvent> | ((event: InspectionEvent) => void);
  /** Milliseconds that children get to end by themselves when a run is interrupted. Default 5,000. */
  graceMs?: number;
  /**
   * What {@link Runtime.recover} does with a run whose agent is defined differently now: it fails, exit reason `agent_changed`
   * (`refuse`, default), or goes on with a warning (`continue`).
   */
  onAgentChanged?: 'refuse' | 'continue';
  /**
   * What {@link Runtime.recover} does with runs whose process is gone: they go on (`continue`, default), or are interrupted, exit
   * reason `orphaned`, and what waits for them is told (`orphan`): for programs whose work makes no sense later.
   */
  recover?: 'continue' | 'orphan';
  /**
   * What happens to a call that was executing when its process ended, and whose tool is not `idempotent`: a person is asked whether
   * to run it again (`ask`, default), or it fails, and the model is told that its outcome is unknown (`fail`). In a run whose
   * `approval` policy lets nobody be asked it always fails.
   */
  unknownOutcome?: 'ask' | 'fail';
  /**
   * How often in a row the completions of background units may wake a session without anybody sending it anything. What comes then
   * waits for the next run that is sent, so that agents that answer every completion with new work come to an end. Default 20.
   */
  maxWakes?: number;
  /**
   * Who executes children that are not executed where their parent is: an engine that hands them to workers. The store must be one that
   * those reach, too. Without it every run is executed by the process that started it.
   */
  placement?: Placement;
  /**
   * Which children those are, where their agent does not say (see `AgentOptions.placement`): all of them (`remote`, default), none
   * (`local`), or as a function says of each. What cannot be made again elsewhere is executed here: a child of an agent that is neither
   * in `agents` nor made of data by a tool's `rebuild` or by `defineAgents`, or whose job brings tools of its own.
   */
  place?: PlaceRule;
  /** Milliseconds after which runs of a process that has gone silent may be taken over by another one. Default 30,000. */
  leaseMs?: number;
};

const isMemory = (store: Partial<MemoryStore>): store is MemoryStore =>
  typeof store.read === 'function' && typeof store.write === 'function';

/** The same logger; when it throws, what it was told is lost, and nothing else (L8). */
const unbreakable = (logger: Logger): Logger => {
  const attempt =
    (level: keyof Logger) =>
    (...said: Parameters<Logger['warn']>): void => {
      try {
        const given: unknown = logger[level](...said);
        if (given instanceof Promise) given.catch(() => {});
      } catch {}
    };
  return { warn: attempt('warn'), error: attempt('error') };
};

/** Options with every default filled in. */
export type Settled = ReturnType<typeof settle>;

/** @throws FaultError `runtime.invalid`, `budget.invalid` when options contradict themselves */
export const settle = (options: RuntimeOptions) => {
  checkPorts(options);
  const { provider, providers, store = memoryStore(), budget, agents = [], graceMs = 5_000, model } = options;
  if (provider && providers)
    throw new FaultError('runtime.invalid', 'A runtime was given both "provider" and "providers". Give one of them.');
  if (!provider && (!providers || Object.keys(providers).length === 0))
    throw new FaultError(
      'runtime.invalid',
      'A runtime needs a model provider: give it "provider", or "providers" with at least one.',
    );
  if (model != null && (typeof model !== 'string' || model.trim() === ''))
    throw new FaultError(
      'runtime.invalid',
      `The runtime's model is ${typeof model === 'string' ? 'blank' : whatIs(model)}. Give a model id, or leave it out.`,
    );
  if (!(graceMs >= 0))
    throw new FaultError('runtime.invalid', `graceMs is ${graceMs}. Expected milliseconds of 0 or more.`);
  if (options.unknownPrice !== undefined && options.unknownPrice !== 'zero' && options.unknownPrice !== 'deny')
    throw new FaultError(
      'runtime.invalid',
      `unknownPrice is "${String(options.unknownPrice)}". Expected "zero" or "deny".`,
    );
  const { onAgentChanged = 'refuse', recover = 'continue', unknownOutcome = 'ask', leaseMs = 30_000 } = options;
  if (recover !== 'continue' && recover !== 'orphan')
    throw new FaultError('runtime.invalid', `recover is "${String(recover)}". Expected "continue" or "orphan".`);
  if (onAgentChanged !== 'refuse' && onAgentChanged !== 'continue')
    throw new FaultError(
      'runtime.invalid',
      `onAgentChanged is "${String(onAgentChanged)}". Expected "refuse" or "continue".`,
    );
  if (unknownOutcome !== 'ask' && unknownOutcome !== 'fail')
    throw new FaultError('runtime.invalid', `unknownOutcome is "${String(unknownOutcome)}". Expected "ask" or "fail".`);
  if (!(leaseMs >= 0))
    throw new FaultError('runtime.invalid', `leaseMs is ${leaseMs}. Expected milliseconds of 0 or more.`);
  const { placement, place = 'remote' } = options;
  if (typeof place !== 'function') checkPlace(place, 'The place of a runtime');
  if (placement && !store.changes)
    throw new FaultError(
      'runtime.invalid',
      `A runtime was given the placement "${placement.name}" and a store that no other process reaches. Give it a store that tells of changes, such as postgresStore() or sqliteStore().`,
    );
  const { maxWakes = 20 } = options;
  if (!(Number.isInteger(maxWakes) && maxWakes >= 0) && maxWakes !== Number.POSITIVE_INFINITY)
    throw new FaultError(
      'runtime.invalid',
      `maxWakes is ${maxWakes}. Expected a whole number of 0 or more, or Infinity.`,
    );
  checkBudget(budget, 'the runtime');
  const names = new Set<string>();
  for (const { name } of agents) {
    if (names.has(name))
      throw new FaultError('runtime.invalid', `Two agents are named "${name}". Names must be unique: rename one.`);
    names.add(name);
  }
  const memory = options.memory ?? (isMemory(store) ? store : memoryStore());
  return {
    ...options,
    store,
    memory,
    agents,
    graceMs,
    onAgentChanged,
    recover,
    unknownOutcome,
    leaseMs,
    maxWakes,
    placement,
    place,
    remembers: options.memory !== undefined,
    unknownPrice: options.unknownPrice ?? ('zero' as const),
    clock: options.clock ?? systemClock,
    ids: options.ids ?? randomIds,
    logger: unbreakable(options.logger ?? consoleLogger),
  };
};

/** Finds the provider of a model id: the agent's own, else the runtime's. @throws FaultError `model.not_set`, `model.provider_unknown` */
export const findProvider = (
  { provider, providers = {} }: Pick<RuntimeOptions, 'provider' | 'providers'>,
  id: string,
  agent: Pick<AnyAgent, 'name' | 'provider'>,
): { provider: ModelProvider; model: string } => {
  if (id === '')
    throw new FaultError(
      'model.not_set',
      `No model is set for agent "${agent.name}". Name one in the agent, or give the runtime a default "model".`,
    );
  const one = agent.provider ?? provider;
  if (one) return { provider: one, model: id };
  const cut = id.indexOf('/');
  const name = id.slice(0, Math.max(cut, 0));
  const named = Object.hasOwn(providers, name) ? providers[name] : undefined;
  if (named) return { provider: named, model: id.slice(cut + 1) };
  const [only, ...others] = Object.values(providers);
  if (only && others.length === 0) return { provider: only, model: id };
  throw new FaultError(
    'model.provider_unknown',
    `No provider for model "${id}". Expected one of ${Object.keys(providers).join(', ')} before the first "/".`,
  );
};

/** What a usage costs: as the provider said, else by the price list, else unknown. What no provider is asked for is free. */
export const priceBy =
  (pricing: Pricing | undefined) =>
  (model: string, usage: Usage): number | null => {
    const price = usage.costUsd ?? (model === unitModel ? 0 : pricing?.price(model, usage)) ?? null;
    // What is no price is not known: a budget would not hold any more.
    return price !== null && Number.isFinite(price) && price >= 0 ? price : null;
  };
