import {
  Budget,
  FaultError,
  hashOf,
  type JSONSchema,
  type JSONValue,
  type ModelProvider,
  type ModelSettings,
  type OutputOf,
  type Schema,
  toJSON,
} from '@troupe/protocol';
import type { Approval } from './agent/approval.ts';
import { checkAgentOptions } from './check-agent.ts';
import type { Tool } from './define-tool.ts';
import { jsonSchemaOf } from './json-schema-of.ts';
import { checkPlace, type Place } from './placement/place.ts';
import { whatIs } from './what-is.ts';

/** What an agent is made of. See {@link defineAgent}. */
export type AgentOptions<S extends Schema | undefined = Schema | undefined> = {
  name: string;
  description?: string;
  /** The system prompt. */
  instructions: string;
  /** A model id; default: the runtime's. */
  model?: string;
  /**
   * Asked for its turns and summaries instead of the runtime's, with the model id unchanged. Not stored, and no part of what the agent
   * says: after a restart it comes with the agent that is given to `createRuntime({ agents })`, or that a tool's `rebuild` makes.
   */
  provider?: ModelProvider;
  tools?: readonly Tool[];
  /** The answer must be JSON of this schema; `report.data` is what the schema made of it. */
  outputSchema?: S;
  /** How often a misfitting answer is asked for again. Default 1. */
  outputRetries?: number;
  /**
   * What becomes of a run whose answer does not fit then: it fails, exit reason `invalid_output` (`fail`, default), or completes with
   * its text and without `data`, and `warning.raised` with code `output.invalid` says what was wrong (`keep`).
   */
  outputMismatch?: 'fail' | 'keep';
  /** Limits of every run of this agent, and of the runs below it. */
  budget?: Budget;
  /** Where its runs remember. Default: `agent:<name>` when the runtime has a memory of its own, else nowhere. `null`: nowhere. */
  memoryScope?: string | null;
  settings?: ModelSettings;
  /**
   * What becomes of calls whose tool asks a person (`confirm`, `askUser`, `handoff`), in runs of this agent and in all below them.
   * `bubble` (default): the run waits, and the question is seen at the root. `deny`: the call is declined at once, and its model told
   * why. `allow`: what waits for approval runs; `askUser` and `handoff` are declined. Each decision is told as `policy.applied`.
   * An agent below may be stricter (`deny` over `allow` over `bubble`), never looser.
   */
  approval?: Approval;
  /**
   * Watches whether its runs make progress: they record or tell something, or runs below them do. What waits for a person, a slot or
   * `resume` is not watched. Absent: nothing is watched.
   */
  heartbeat?: {
    /** Milliseconds without progress between calls, while a run waits for its model. Default 450_000. */
    idleMs?: number;
    /** Milliseconds without progress while a call of the run executes, or waits for its children. Default 1_200_000. */
    callMs?: number;
    /**
     * `warn` (default): `warning.raised`, code `run.stalled`, once for each silence. `interrupt`: the same, and a run that makes no
     * progress in `graceMs` more fails, exit reason `stalled`; of runs that wait for each other the lowest fails first.
     */
    onStall?: 'warn' | 'interrupt';
    /** Milliseconds between that warning and the end. Default 120_000. */
    graceMs?: number;
  };
  /**
   * Where its runs are executed when they are children and the runtime has a `placement`: `local`, where their parent is; `remote`, by
   * whoever serves the placement; or by those alone who serve a queue. Default: as the runtime's `place` says.
   */
  placement?: Place;
  /** What to do about long conversations. */
  compaction?: {
    /** Summarise before a turn when there are more messages than this. Default: never. */
    maxMessages?: number;
    /** Summarise before a turn when the last one took more input tokens than this. Default: never. */
    maxInputTokens?: number;
    /** Summarise and try again, at most twice, when the provider says that the conversation is too long. Default true. */
    onContextError?: boolean;
  };
};

/** An agent: a definition that runs are made of. `T` is the type of its structured answer. */
export type Agent<T = JSONValue> = Readonly<Omit<AgentOptions, 'tools'>> & {
  readonly tools: readonly Tool[];
  /** The output schema as JSON Schema, made once. */
  readonly outputJSONSchema?: JSONSchema;
  /** Carries the type of the answer; never present. */
  readonly '~output'?: T;
};

/** An agent of whatever answer. */
export type AnyAgent = Agent<unknown>;

// Made once: zod compiles a schema when it is first used, and every agent and every job with a budget comes through here.
const StrictBudget = Budget.strict();

/** Checks a budget; the error names whose it is, what was found and what is allowed. */
export const checkBudget = (budget: Budget | undefined, whose: string): void => {
  if (budget === undefined) return;
  const found = StrictBudget.safeParse(budget);
  if (found.success) return;
  const [issue] = found.error.issues;
  throw new FaultError(
    'budget.invalid',
    `The budget of ${whose} is wrong at "${issue?.path.join('.') || Object.keys(Object(budget)).join(', ')}": ${issue?.message}. Expected limits of 0 or more; leave out what should not be limited.`,
  );
};

/** Tools by name; a name that is taken twice is an error. */
const checkTools = (tools: readonly Tool[], whose: string): void => {
  const seen = new Set<string>();
  for (const { name } of tools) {
    if (seen.has(name))
      throw new FaultError(
        'tool.duplicate',
        `Tool name already registered: ${name}. ${whose} has two tools of that name; rename one.`,
      );
    seen.add(name);
  }
};

const reasonings = ['off', 'low', 'medium', 'high'];
const approvals = ['bubble', 'deny', 'allow'];
const mismatches = ['fail', 'keep'];

/** Checks what an agent's model is asked with; the error names agent, option, what was found and what was expected. */
const checkChoices = ({
  name,
  model,
  outputRetries,
  outputMismatch,
  approval,
  settings = {},
  compaction = {},
  heartbeat = {},
}: AgentOptions): void => {
  const check = (option: string, found: unknown, fits: boolean, expected: string): void => {
    if (found !== undefined && !fits)
      throw new FaultError(
        'agent.invalid',
        `Agent "${name}": ${option} is ${typeof found === 'string' ? `"${found}"` : String(found)}. Expected ${expected}.`,
      );
  };
  const { temperature, maxOutputTokens, reasoning } = settings;
  const { maxMessages, maxInputTokens } = compaction;
  const { idleMs, callMs, onStall, graceMs, ...others } = heartbeat;
  const isWhole = (value: number | undefined, least: number): boolean =>
    Number.isInteger(value) && (value ?? 0) >= least;
  if (model != null && (typeof model !== 'string' || model.trim() === ''))
    throw new FaultError(
      'agent.invalid',
      `Agent "${name}": model is ${typeof model === 'string' ? 'blank' : whatIs(model)}. Expected a model id, or none for the runtime's default.`,
    );
  check('outputRetries', outputRetries, isWhole(outputRetries, 0), 'a whole number of 0 or more');
  check('outputMismatch', outputMismatch, mismatches.includes(outputMismatch ?? ''), `one of ${mismatches.join(', ')}`);
  check('approval', approval, approvals.includes(approval ?? ''), `one of ${approvals.join(', ')}`);
  check('settings.temperature', temperature, (temperature ?? 0) >= 0, 'a number of 0 or more');
  check('settings.maxOutputTokens', maxOutputTokens, isWhole(maxOutputTokens, 1), 'a whole number of 1 or more');
  check('settings.reasoning', reasoning, reasonings.includes(reasoning ?? ''), `one of ${reasonings.join(', ')}`);
  check('compaction.maxMessages', maxMessages, isWhole(maxMessages, 1), 'a whole number of 1 or more');
  check('compaction.maxInputTokens', maxInputTokens, isWhole(maxInputTokens, 1), 'a whole number of 1 or more');
  check('heartbeat.idleMs', idleMs, isWhole(idleMs, 1), 'a whole number of milliseconds, 1 or more');
  check('heartbeat.callMs', callMs, isWhole(callMs, 1), 'a whole number of milliseconds, 1 or more');
  check('heartbeat.graceMs', graceMs, isWhole(graceMs, 0), 'a whole number of milliseconds, 0 or more');
  const [unknown] = Object.keys(others);
  check('an option of heartbeat', unknown, false, 'only idleMs, callMs, onStall and graceMs');
  check('heartbeat.onStall', onStall, onStall === 'warn' || onStall === 'interrupt', '"warn" or "interrupt"');
};

/**
 * Whether two definitions say the same, whatever objects they are made of. What their tools do cannot be compared, only what a
 * model is told of them, and neither can their providers.
 */
export const isSameAgent = (a: AnyAgent, b: AnyAgent): boolean => a === b || wordsOf(a) === wordsOf(b);

const fingerprints = new WeakMap<AnyAgent, string>();

/** What an agent says, as a short text: another text means that its definition has changed. */
export const fingerprintOf = (agent: AnyAgent): string => {
  const known = fingerprints.get(agent);
  if (known !== undefined) return known;
  const print = hashOf(wordsOf(agent));
  fingerprints.set(agent, print);
  return print;
};

const wordsOf = ({ outputSchema: _schema, provider: _provider, placement: _place, tools, ...rest }: AnyAgent): string =>
  JSON.stringify(
    toJSON({ ...rest, tools: tools.map(({ name, inputJSONSchema }) => ({ name, inputJSONSchema })) }),
    inOrder,
  );

/** Objects with their keys in one order, so that only what they say counts. */
const inOrder = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/**
 * Makes an agent. Nothing runs until a runtime starts it.
 *
 * @throws FaultError `agent.invalid`, `tool.duplicate`, `budget.invalid` or `schema.invalid` when the definition contradicts itself.
 */
export const defineAgent = <S extends Schema | undefined = undefined>(
  options: AgentOptions<S>,
): Agent<S extends Schema ? OutputOf<S> : JSONValue> => {
  checkAgentOptions(options);
  const { name, tools = [], outputSchema, budget } = options;
  if (options.provider !== undefined && typeof options.provider?.takeTurn !== 'function')
    throw new FaultError(
      'agent.invalid',
      `Agent "${name}": its provider has no takeTurn. Expected a ModelProvider, or none for the runtime's.`,
    );
  checkChoices(options);
  checkPlace(options.placement, `The placement of agent "${name}"`);
  checkBudget(budget, `agent "${name}"`);
  checkTools(tools, `Agent "${name}"`);
  return Object.freeze({
    ...options,
    tools: Object.freeze([...tools]),
    ...(outputSchema && { outputJSONSchema: jsonSchemaOf(outputSchema, `The outputSchema of agent "${name}"`) }),
  }) as Agent<never>;
};
