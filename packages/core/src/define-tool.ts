import type {
  Budget,
  ExitReason,
  JSONSchema,
  JSONValue,
  ModelProvider,
  ModelSettings,
  OutputOf,
  Receipt,
  Report,
  RunRow,
  Schema,
} from '@troupe/protocol';
import type { ToolResult } from './agent/outcome.ts';
import { checkDispatch, checkRequests } from './check-handover.ts';
import { checkToolOptions, inputSchemaOf, invalidTool } from './check-tool.ts';
import type { Agent, AgentOptions, AnyAgent } from './define-agent.ts';
import type { Job } from './job.ts';
import type { Run } from './run/run.ts';

export { jsonSchemaOf } from './json-schema-of.ts';

/** What a tool may know of the run that calls it. Read-only. */
export type RunView = {
  readonly runId: string;
  /** The root of its tree: itself, if nothing started it. */
  readonly rootId: string;
  readonly agent: string;
  /** Names of the tools that the model is offered. */
  readonly tools: readonly string[];
  readonly model: string;
  /** The runtime's default model, if it has one. */
  readonly defaultModel?: string;
  /** The agent's own settings and compaction, for children that should be like it. */
  readonly settings?: ModelSettings;
  readonly compaction?: AgentOptions['compaction'];
  readonly depth: number;
  /** Limits of the run, and what is left of those that can be used up. A kind that is missing is not limited. */
  readonly budget: { readonly granted: Budget; readonly left: Budget };
  readonly spawningPaused: boolean;
  /** In a background unit: what the call that {@link dispatched} it gave along. */
  readonly unit?: { readonly data: JSONValue };
  /** `false` when every spawn would be refused, whatever it asks for: too deep, switched off, or nothing left to give. */
  readonly maySpawn: boolean;
  readonly sessionKey?: string;
};

/**
 * The runs below a run: its children at any depth, and the background units that it or they dispatched, with everything below those.
 * Of all others it knows nothing: a run that is not below it is unknown, like one that does not exist.
 */
export type OwnRuns = {
  /** Those that have not ended, oldest first; a root is a background unit. */
  list(): Promise<RunRow[]>;
  /** @throws FaultError `run.unknown` */
  steer(runId: string, text: string): Promise<Receipt>;
  /** @throws FaultError `run.unknown` */
  interrupt(runId: string, reason?: string): Promise<Receipt>;
};

/** Who runs a tool, and what it can reach from there. */
export type ToolContext = {
  /**
   * Aborted when the run is interrupted, its time is up, or the call's own timeout has passed, and always once the call has ended: what a
   * tool leaves running ends with it. With `timeoutMs` each attempt has a signal of its own, aborted at the end of the attempt.
   */
  readonly signal: AbortSignal;
  readonly runId: string;
  readonly callId: string;
  /** The same whenever this call is executed again: send it along as an idempotency key. */
  readonly key: string;
  readonly view: RunView;
  /** The run's own tools, by name: what a tool may hand on to children. In a background unit those of the run that dispatched it. */
  readonly tools: ReadonlyMap<string, Tool>;
  /** The provider that the run's agent brings, if it does: what children of its kind may need, too. */
  readonly provider?: ModelProvider;
  /** Runs that this run has started, and everything below them: see {@link OwnRuns}. */
  readonly runs: OwnRuns;
  /** Tells those who watch; never stored. */
  progress(note: string): void;
  /**
   * Starts a child run of this call and gives back its handle. The call ends no earlier than its children.
   *
   * @throws FaultError `spawn.refused` with `details.kind` and `details.limit` when the budget, the depth or a policy forbids it;
   *   `spawn.invalid` when it is no agent.
   */
  spawn<T = JSONValue>(
    agent: Agent<T>,
    job: Job,
    options?: { budget?: Budget; onPaused?: 'error' | 'bubble' },
  ): Promise<Run<T>>;
};

/** Whose result is made, of what. */
export type SettleContext = Pick<ToolContext, 'runId' | 'callId' | 'key' | 'view' | 'tools' | 'provider'> & {
  /**
   * The `data` of the requests that the reports are of, in their order: as it is stored, without secrets, also after a restart.
   * `undefined` where the request had none, or was refused.
   */
  readonly data: readonly (JSONValue | undefined)[];
  /** Rounds of children that have ended: 1, unless `settle` asked for more. 0 where `execute` asked for none. */
  readonly round: number;
  /** Nothing more can be started, since the run has ended or every round of `maxRounds` was made: {@link spawned} would be an error. */
  readonly final: boolean;
};

/** A call as hooks see it. */
export type HookCall = {
  readonly tool: string;
  readonly callId: string;
  readonly runId: string;
  readonly arguments: JSONValue;
};

/**
 * Runs beside a call: `before` hooks get the call, `after` hooks the call and its result. A `before` hook that throws prevents
 * execution; an `after` hook that throws turns the result into an error.
 */
export type Hook = { name?: string; run(call: HookCall, result?: ToolResult): void | Promise<void> };

/** A child that a tool asks for. Data, except for the agent, which is kept under the child's id. */
export type ChildRequest = {
  agent: AnyAgent;
  job: Job;
  budget?: Budget;
  /** `bubble` (default): the call waits with its child. `error`: the call fails, the child is let go and stays answerable. */
  onPaused?: 'error' | 'bubble';
  /** What the tool's `rebuild` makes the agent from again after a restart, where it was made for this child alone. */
  data?: JSONValue;
  /** A count that several runs share: the child takes a place before it starts and keeps it only if it completes. */
  quota?: { key: string; max: number; message: string };
};

const spawnMark = Symbol.for('@troupe/spawned');
/** What {@link spawned} gives. */
export type Spawned = {
  readonly [spawnMark]: true;
  readonly requests: readonly ChildRequest[];
  readonly allOrNone: boolean;
};

/**
 * Returned by `execute`, it makes the call its children: nothing is awaited, `settle` makes one result of their reports. Returned by
 * `settle`, it starts more children of the call: their indices go on, and once they have ended `settle` is called again.
 *
 * @param options.allOrNone When one of them must be refused, none is started, and all are refused with its reason. Default false.
 * @throws FaultError `spawn.invalid` when they are no requests
 */
export const spawned = (
  requests: readonly ChildRequest[],
  { allOrNone = false }: { allOrNone?: boolean } = {},
): Spawned => {
  checkRequests(requests);
  return { [spawnMark]: true, requests, allOrNone };
};
/** Whether what a tool gave is {@link spawned}: then its call is its children, and there is no result yet. */
export const isSpawned = (value: unknown): value is Spawned =>
  typeof value === 'object' && value !== null && spawnMark in value;

/** How a call goes on in the background. See {@link dispatched}. */
export type Dispatch = {
  /** What the tool needs to do the work later, worked out and checked now: `view.unit.data` when it is executed in the unit. */
  data: JSONValue;
  /** What the model is told at once. */
  answer: (unit: { runId: string }) => ToolResult | Promise<ToolResult>;
  /** `each`: what every child of the unit comes to is delivered by itself as it ends, not all of it at once. Default `unit`. */
  completions?: 'unit' | 'each';
  /** How many units may be at work at once, over all that share the key. One more is refused, with `message` as the call's error. */
  capacity?: { key: string; max: number; message: string };
  /** What the unit and everything below it may spend, on top of the runtime's own limits. The calling run pays nothing. */
  budget?: Budget;
};

const dispatchMark = Symbol.for('@troupe/dispatched');
/** What {@link dispatched} gives. */
export type Dispatched = { readonly [dispatchMark]: true; readonly dispatch: Dispatch };

/**
 * Returned by `execute`, it answers the call at once and lets its work go on in the background: in a *unit*, a root run of its own that
 * belongs to the session. There the tool is executed again, with the same input and `view.unit`, and does the work: alone, or by
 * children. What comes of it is delivered to the session once: heard before the next turn of the run at work, or, when none is, by a
 * new run of the session's agent. Interrupting the calling run does not reach the unit; interrupting the unit or the session does.
 * Units are stored: after a restart they go on, and what was not delivered is.
 *
 * @throws FaultError `dispatch.invalid` when there is nothing to answer with
 */
export const dispatched = (dispatch: Dispatch): Dispatched => {
  checkDispatch(dispatch);
  return { [dispatchMark]: true, dispatch };
};
/** Whether what a tool gave is {@link dispatched}: then its work goes on in the background. */
export const isDispatched = (value: unknown): value is Dispatched =>
  typeof value === 'object' && value !== null && dispatchMark in value;

/** What a background unit has come to, as its tool reads it. */
export type UnitEnd = {
  runId: string;
  /** `failed` also when the tool's result is an error. */
  status: 'completed' | 'failed' | 'interrupted';
  exitReason: ExitReason;
  /** What the tool's result held, and what a model would be told of it; absent when the unit ended before. */
  data?: JSONValue;
  text?: string;
  /** Why it did not complete. */
  reason?: string;
  dispatchedAt: number;
  endedAt: number;
};

/** What a tool is made of. See {@link defineTool}. */
export type ToolOptions<I extends Schema = Schema, O = unknown> = {
  name: string;
  /** What the model is told; as a function, anew for each turn. */
  description: string | ((view: RunView) => string);
  /** zod, or any Standard Schema that yields JSON Schema. Input that does not fit never reaches `execute`. */
  inputSchema: I;
  /** Checks what `execute` gave. A misfit is the call's error. */
  outputSchema?: Schema<unknown, O>;
  /** Does the work. An error that is thrown, or given back, is the call's error, never the run's. */
  execute: (
    input: OutputOf<I>,
    context: ToolContext,
  ) => O | ToolResult | Spawned | Dispatched | Promise<O | ToolResult | Spawned | Dispatched>;
  /**
   * Makes the result of a call that became its children. Reports come in the order of the requests, those of every round; refused ones
   * are failed reports. It may give {@link spawned} with one request or more: the call goes on with these children, too, and it is called
   * again with all reports. Called when the run is interrupted, too, with what there is by then: then nothing more is started (`final`).
   */
  settle?: (
    reports: Report[],
    input: OutputOf<I>,
    context: SettleContext,
  ) => ToolResult | Spawned | Promise<ToolResult | Spawned>;
  /** Rounds of children that one call may have, the first included. One more is the call's error. Default 10. */
  maxRounds?: number;
  /** Of a tool that dispatches: what its session is told once a unit has ended, however it did. Default: a sentence, and the result. */
  completion?: (end: UnitEnd) => string;
  /**
   * The same for one child of a unit that delivers each by itself. Default: its answer, or why there is none. `childData` is the `data`
   * of its request as it is stored, where it had some.
   */
  childCompletion?: (report: Report, unit: { runId: string; data: JSONValue; childData?: JSONValue }) => string;
  /**
   * What is left to tell when a unit has ended that delivered each of its children by itself: what became of them all together, and none
   * of them could say. `data` is what it was dispatched with. Default, and where it gives nothing: nothing.
   */
  lastCompletion?: (end: UnitEnd, unit: { data: JSONValue }) => string | undefined;
  /** Makes an agent again from the data it was stored with, for a child of a run that has these tools and this provider. */
  rebuild?: (data: JSONValue, made: Pick<ToolContext, 'tools' | 'provider'>) => AnyAgent;
  /** `false`, or a sentence that says why: absent from what the model sees, and refused if called all the same. */
  offered?: (view: RunView) => boolean | string;
  /** The external server that the tool comes from, as in MCP. Absent for tools of the program itself. */
  server?: string;
  /**
   * How many calls of it a model may make in one turn: the first of them run, each of the others is answered with an error, and uses no
   * tool call of the budget. As a function it is asked for each call; what is below 1, or an error, counts as 1. Default: no limit.
   */
  maxPerTurn?: number | ((view: RunView) => number);
  /** A person must approve before it runs. */
  confirm?: boolean | ((input: OutputOf<I>) => boolean);
  /** A person gives the value of the argument `inputKey` (default `user_input`) before it runs. */
  askUser?: boolean;
  inputKey?: string;
  /** A person takes over: what they answer is the result, and the tool does not run. */
  handoff?: boolean;
  /** What the person is asked. Default: the `question` argument, the description, or `Confirm <tool>`. */
  prompt?: string;
  /** Milliseconds for one attempt. Default: none. */
  timeoutMs?: number;
  /** Attempts after the first. Default 0. */
  retries?: number;
  /** Milliseconds before the first retry, doubled for each further one. Default 0. */
  retryDelayMs?: number;
  /** Whether it may run again when nobody knows if it ran. Default false. */
  idempotent?: boolean;
  before?: readonly Hook[];
  after?: readonly Hook[];
  /** Characters of the result that events show. Default 200. */
  previewLength?: number;
};

/** A tool: something a model may call. Make one with {@link defineTool}. */
export type Tool = Readonly<Omit<ToolOptions, 'execute' | 'settle' | 'confirm'>> & {
  readonly execute: (input: never, context: ToolContext) => unknown;
  readonly settle?: (
    reports: Report[],
    input: never,
    context: SettleContext,
  ) => ToolResult | Spawned | Promise<ToolResult | Spawned>;
  readonly confirm?: boolean | ((input: never) => boolean);
  /** The input schema as JSON Schema, made once. */
  readonly inputJSONSchema: JSONSchema;
};

/**
 * Makes a tool. Parallel calls of one turn run side by side; each is answered once, whatever it does.
 *
 * @throws FaultError `tool.invalid` or `schema.invalid` when the definition contradicts itself.
 */
export const defineTool = <I extends Schema, O>(options: ToolOptions<I, O>): Tool => {
  checkToolOptions(options);
  const { name, maxPerTurn, maxRounds, timeoutMs, retries = 0, retryDelayMs = 0, previewLength = 200 } = options;
  const asking = (['confirm', 'askUser', 'handoff'] as const).filter(
    (key) => options[key] !== undefined && options[key] !== false,
  );
  if (asking.length > 1)
    throw invalidTool(name, `${asking.join(' and ')} are both set`, 'at most one of confirm, askUser and handoff');
  if (
    maxPerTurn !== undefined &&
    typeof maxPerTurn !== 'function' &&
    !(Number.isInteger(maxPerTurn) && maxPerTurn >= 1)
  )
    throw invalidTool(name, `maxPerTurn is ${maxPerTurn}`, 'a whole number of 1 or more, or a function that gives one');
  if (maxRounds !== undefined && !(Number.isInteger(maxRounds) && maxRounds >= 1))
    throw invalidTool(name, `maxRounds is ${maxRounds}`, 'a whole number of 1 or more');
  if (timeoutMs !== undefined && !(timeoutMs > 0))
    throw invalidTool(name, `timeoutMs is ${timeoutMs}`, 'milliseconds above 0, or none');
  if (!Number.isInteger(retries) || retries < 0)
    throw invalidTool(name, `retries is ${retries}`, 'a whole number of 0 or more');
  if (!(retryDelayMs >= 0)) throw invalidTool(name, `retryDelayMs is ${retryDelayMs}`, 'milliseconds of 0 or more');
  if (!(previewLength >= 0))
    throw invalidTool(name, `previewLength is ${previewLength}`, 'a number of characters of 0 or more');
  return Object.freeze({ ...options, inputJSONSchema: inputSchemaOf(options) });
};
