import {
  type Clock,
  FaultError,
  type IdSource,
  type Logger,
  type MemoryStore,
  type ModelProvider,
  type Placement,
  type Pricing,
  type RunStore,
} from '@troupe/protocol';
import { isAgent, sentence, whatIs } from '../what-is.ts';
import type { RuntimeOptions } from './options.ts';

/** Methods that every adapter of a port has. */
type MethodOf<Port> = { [K in keyof Port]-?: Port[K] extends (...given: never) => unknown ? K : never }[keyof Port];

const port = <Port>(name: string, methods: Record<MethodOf<Port>, true>, todo: string) => ({
  name,
  methods: Object.keys(methods),
  todo,
});

const model = port<ModelProvider>('ModelProvider', { takeTurn: true }, 'Give it one, such as openai({ … }).');

const ports = {
  provider: model,
  store: port<RunStore>(
    'RunStore',
    {
      claim: true,
      holder: true,
      renew: true,
      release: true,
      commit: true,
      post: true,
      inbox: true,
      sessionInbox: true,
      receipt: true,
      withdraw: true,
      checkpoint: true,
      journal: true,
      get: true,
      list: true,
      quotas: true,
      events: true,
      cursor: true,
      prune: true,
    },
    'Give it one, such as sqliteStore(path), or leave it out: runs are then kept in memory.',
  ),
  memory: port<MemoryStore>(
    'MemoryStore',
    { read: true, write: true, search: true, reset: true },
    'Give it one, such as memoryStore(), or leave it out.',
  ),
  pricing: port<Pricing>('Pricing', { price: true }, 'Give it one, such as prices(), or leave it out.'),
  placement: port<Placement>(
    'Placement',
    { dispatch: true, serve: true, close: true },
    'Give it one, such as pgBoss({ … }), or leave it out: every run is then executed here.',
  ),
  clock: port<Clock>('Clock', { now: true, setTimeout: true, clearTimeout: true }, "Leave it out for the machine's."),
  ids: port<IdSource>('IdSource', { next: true }, 'Leave it out for ids by chance.'),
  logger: port<Logger>('Logger', { warn: true, error: true }, 'Give it one, such as console, or leave it out.'),
};

/** Refuses what cannot do the work it was given for. @throws FaultError `runtime.invalid` that names the option and what it lacks */
export const checkPorts = (options: RuntimeOptions): void => {
  if (typeof options !== 'object' || options === null)
    throw new FaultError(
      'runtime.invalid',
      `createRuntime was given ${sentence(whatIs(options))} Expected options, with a model provider: createRuntime({ provider, … }).`,
    );
  for (const [option, expected] of Object.entries(ports))
    checkPort(option, options[option as keyof typeof ports], expected);
  for (const [name, provider] of Object.entries(options.providers ?? {}))
    checkPort(`providers.${name}`, provider, model);
  checkAgents(options.agents);
};

const checkAgents = (agents: unknown): void => {
  if (agents === undefined) return;
  const expected = 'an agent made by defineAgent({ name, instructions, … })';
  const refused = (option: string, given: unknown, what: string): FaultError =>
    new FaultError(
      'runtime.invalid',
      `A runtime was given as "${option}" ${sentence(whatIs(given))} Expected ${what}.`,
    );
  if (!Array.isArray(agents)) throw refused('agents', agents, `a list, each of it ${expected}`);
  for (const [index, agent] of agents.entries())
    if (!isAgent(agent)) throw refused(`agents[${index}]`, agent, expected);
};

const checkPort = (option: string, given: unknown, { name, methods, todo }: (typeof ports)['store']): void => {
  if (given === undefined) return;
  const lacks = methods.filter((method) => typeof Object(given)[method] !== 'function');
  if (lacks.length === 0) return;
  throw new FaultError(
    'runtime.invalid',
    `A runtime was given as "${option}" ${foundIn(given, lacks)}. Expected a ${name}. ${todo}`,
  );
};

/** What was given, in words. Never what it holds: that may be a key. */
const foundIn = (given: unknown, lacks: readonly string[]): string => {
  if (given === null) return 'null';
  if (typeof given === 'function') return 'a function, which may be one to be called';
  if (typeof given !== 'object' || typeof Reflect.get(given, 'then') === 'function') return whatIs(given);
  const rest = lacks.length > 3 ? ` and ${lacks.length - 3} more` : '';
  return `an object without ${lacks.slice(0, 3).join(', ')}${rest}`;
};
