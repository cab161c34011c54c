import type { AgentOptions, Approval } from '@troupe/core';
import { type Budget, FaultError, type ModelSettings } from '@troupe/protocol';
import { checkOptions } from '../check-given.ts';
import type { FileRegistry } from '../files/file-registry.ts';
import type { Connect } from '../routes/child-provider.ts';
import type { Endpoint } from '../routes/endpoint.ts';
import type { ParentEndpoint, RouteRequest } from '../routes/route-of.ts';
import { type GiveWorkspace, isWorkspace, type Workspaces } from './workspace.ts';

/** Another endpoint for children. See {@link routeOf} and {@link childProvider}. */
export type DelegateRoute = Omit<RouteRequest, 'parent' | 'delegation'> & {
  /** The endpoint of children. */
  to: Endpoint;
  /** Makes the provider of an endpoint, with the key it is given. */
  connect: Connect;
  /** Where the runs that delegate reach their model. Default: a provider that is called `parent`, of which no more is known. */
  parent?: Omit<ParentEndpoint, 'model'>;
  /** Settings in the vendor's own words that children keep at another endpoint. Default: none. */
  keepSettings?: readonly string[];
};

/** How tasks may be delegated. See {@link createDelegateTool}. Limits are whole numbers of 1 or more, without a ceiling. */
export type DelegateOptions = {
  /** What the model calls it, where an agent has several, say one that waits and one that does not. Default `delegate_task`. */
  name?: string;
  /** Tasks of one call, and calls of one turn. More are refused, none is cut off. Default 3. */
  maxConcurrentChildren?: number;
  /** Background units that may be at work at once, over all runs that use this tool. One more is refused. Default 3. */
  maxAsyncChildren?: number;
  /** Turns of each child. Default 50. */
  maxIterations?: number;
  /** Tool calls of each child. Default: ten for each of its turns. */
  maxToolCalls?: number;
  /**
   * How deep runs may be delegated below the root, which has depth 0. Default 1: every child is a leaf. `budget.depth` of the runs
   * (default 5) binds besides.
   */
  maxSpawnDepth?: number;
  /** Whether children may be orchestrators, which delegate further. `false` makes every child a leaf. Default true. */
  orchestrators?: boolean;
  /** Milliseconds of wall clock for each child. Default: none. */
  timeoutMs?: number;
  /** Milliseconds without progress after which a child fails. Default: none. */
  idleTimeoutMs?: number;
  /**
   * The models that a task is tried again with when its child ran out of time (status `timeout`): each in its turn, by a new child with
   * the same limits, until one does not. All tasks of a call are waited for before one is tried again. Default: none.
   */
  timeoutFallbacks?: readonly { model: string }[];
  /**
   * When a child that makes no progress is warned of, and what then. Default: 450 s between turns, 1,200 s inside a tool; a warning for
   * foreground children, for background ones an interrupt after 120 s of grace. `false`: nobody looks.
   */
  heartbeat?: AgentOptions['heartbeat'] | false;
  /** More limits of each child, on top of the above. */
  budget?: Budget;
  /** `auto` (default): calls of a root run go into the background, calls of children are waited for. */
  background?: 'auto' | boolean;
  /**
   * `batch` (default): one message with all results when every child of a background call has ended. `each`: one for each child as it
   * ends; the call still takes one place among {@link maxAsyncChildren}.
   */
  completions?: 'batch' | 'each';
  /** The model of children. Default: that of the run that delegates. With a `route`, what that says comes first. */
  model?: string;
  /** Where children reach their model, when that is not where their parent does. What is wrong with it is said before a child is made. */
  route?: DelegateRoute;
  /** Models that a task may name instead, by the names that the model is offered. Default: none, it cannot choose. */
  models?: Readonly<Record<string, string>>;
  /** Whether tasks may bring images, at most 8 each, as URLs. Default false. */
  offerImages?: boolean;
  /** Settings of children that differ from those of the run that delegates. */
  settings?: ModelSettings;
  /** Tools and bundles that children get of what the run that delegates has, whatever a task asks for. Default: all of them. */
  tools?: readonly string[];
  /** Names for several tools, or bundles, at once. */
  toolsets?: Readonly<Record<string, readonly string[]>>;
  /** Whether the model may choose `toolsets` for a task. Default false. */
  offerToolsets?: boolean;
  /** Names of tools that no child gets, whatever bundle they are in. Default: {@link deniedTools}. */
  denyTools?: readonly string[];
  /** Whether tools of external servers (`server` of a tool) survive a narrower request. Default true. */
  inheritServerTools?: boolean;
  /** What becomes of calls of children that wait for a person. Default `deny`; each decision is told as `policy.applied`. */
  approval?: Approval;
  /**
   * The folder that children are told to work in: the first of these that is one. `~` is the home folder. As a function, or as
   * {@link Workspaces}, it gives each child its own; where one cannot be had, none of the call is started. Default: none is named.
   */
  workspace?: string | readonly string[] | GiveWorkspace | Workspaces;
  /** Who read and wrote which file, for the note that a child changed what its parent had read. Default: {@link processFiles}. */
  files?: FileRegistry | false;
  /** The folder for logs of children that timed out before their model answered once. Default `~/.troupe/logs`. `false`: none. */
  diagnostics?: string | false;
  /** Characters that are shown of a child's answer, or of what it said last; the rest stays in its run. Default: all. */
  maxSummaryChars?: number;
  /** Tools with the same id share their count of background units. Default: each tool counts for itself. */
  id?: string;
};

/**
 * What no child gets, by name: tools that delegate, ask the user, write shared memory, send messages, or execute code.
 * An orchestrator gets back the tool that it delegates with.
 */
export const deniedTools: readonly string[] = Object.freeze([
  'delegate_task',
  'manage_delegations',
  'spawn_subworker',
  'spawn_agent',
  'spawn',
  'clarify',
  'ask_user',
  'memory',
  'send_message',
  'execute_code',
  'cronjob',
  'start_chat',
]);

const numbers = {
  maxConcurrentChildren: 3,
  maxAsyncChildren: 3,
  maxIterations: 50,
  maxSpawnDepth: 1,
} as const;
type Numbers = { [K in keyof typeof numbers]: number };

/** Options with every default filled in. */
export type DelegatePolicy = Omit<
  DelegateOptions,
  keyof Numbers | 'name' | 'denyTools' | 'approval' | 'background' | 'completions' | 'models'
> &
  Numbers & {
    name: string;
    maxToolCalls: number;
    orchestrators: boolean;
    background: 'auto' | boolean;
    completions: 'batch' | 'each';
    toolsets: Readonly<Record<string, readonly string[]>>;
    models: Readonly<Record<string, string>>;
    denyTools: ReadonlySet<string>;
    inheritServerTools: boolean;
    approval: Approval;
    capacityKey: string;
  };

let instances = 0;

const invalid = (option: string, found: unknown, expected: string): FaultError =>
  new FaultError(
    'delegate.invalid',
    `${option} is ${typeof found === 'number' ? found : JSON.stringify(found)}. Expected ${expected}.`,
  );

const checkNumber = (option: string, value: number | undefined): void => {
  if (value !== undefined && !(Number.isInteger(value) && value >= 1))
    throw invalid(option, value, 'a whole number of 1 or more');
};

/** @throws FaultError `delegate.invalid` */
export const delegatePolicyOf = (options: DelegateOptions): DelegatePolicy => {
  checkOptions(options, { who: 'a delegate tool', code: 'delegate.invalid' });
  const given = {
    ...numbers,
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
  };
  for (const option of Object.keys(numbers) as (keyof Numbers)[]) checkNumber(option, given[option]);
  for (const option of ['maxToolCalls', 'maxSummaryChars', 'timeoutMs', 'idleTimeoutMs'] as const)
    checkNumber(option, options[option]);
  const { name = 'delegate_task', background = 'auto', approval = 'deny', completions = 'batch' } = options;
  if (completions !== 'batch' && completions !== 'each') throw invalid('completions', completions, '"batch" or "each"');
  if (background !== 'auto' && typeof background !== 'boolean')
    throw invalid('background', background, '"auto", true or false');
  if (!['deny', 'allow', 'bubble'].includes(approval)) throw invalid('approval', approval, 'deny, allow or bubble');
  if (!isWorkspace(options.workspace))
    throw invalid('workspace', options.workspace, 'a folder or several, a function, or { give, takeBack }');
  if (options.model?.trim() === '') throw invalid('model', options.model, 'a model id, or none for that of the parent');
  for (const fallback of options.timeoutFallbacks ?? [])
    if (typeof fallback?.model !== 'string' || fallback.model.trim() === '')
      throw invalid('timeoutFallbacks', options.timeoutFallbacks, 'a list of { model }, each with a model id');
  instances += 1;
  return {
    ...given,
    name,
    maxToolCalls: options.maxToolCalls ?? given.maxIterations * 10,
    orchestrators: options.orchestrators ?? true,
    background,
    completions,
    approval,
    toolsets: options.toolsets ?? {},
    models: options.models ?? {},
    denyTools: new Set(options.denyTools ?? deniedTools),
    inheritServerTools: options.inheritServerTools ?? true,
    capacityKey: `${name}:${options.id ?? `#${instances}`}`,
  };
};
