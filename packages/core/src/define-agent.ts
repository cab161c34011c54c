import {
  Budget,
  FaultError,
  type JSONSchema,
  type JSONValue,
  type ModelSettings,
  type OutputOf,
  type Schema,
} from '@troupe/protocol';
import { jsonSchemaOf, type Tool } from './define-tool.ts';

/** What an agent is made of. See {@link defineAgent}. */
export type AgentOptions<S extends Schema | undefined = Schema | undefined> = {
  name: string;
  description?: string;
  /** The system prompt. */
  instructions: string;
  /** A model id; default: the runtime's. */
  model?: string;
  tools?: readonly Tool[];
  /** The answer must be JSON of this schema; `report.data` is what the schema made of it. */
  outputSchema?: S;
  /** How often a misfitting answer is asked for again. Default 1. */
  outputRetries?: number;
  /** Limits of every run of this agent, and of the runs below it. */
  budget?: Budget;
  /** Where its runs remember. Default: `agent:<name>` when the runtime has a memory of its own, else nowhere. */
  memoryScope?: string;
  settings?: ModelSettings;
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

/** Checks a budget; the error names whose it is, what was found and what is allowed. */
export const checkBudget = (budget: Budget | undefined, whose: string): void => {
  if (budget === undefined) return;
  const found = Budget.strict().safeParse(budget);
  if (found.success) return;
  const [issue] = found.error.issues;
  throw new FaultError(
    'budget.invalid',
    `The budget of ${whose} is wrong at "${issue?.path.join('.') || Object.keys(budget).join(', ')}": ${issue?.message}. Expected limits of 0 or more; leave out what should not be limited.`,
  );
};

/** Tools by name; a name that is taken twice is an error. */
export const checkTools = (tools: readonly Tool[], whose: string): void => {
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

/**
 * Makes an agent. Nothing runs until a runtime starts it.
 *
 * @throws FaultError `agent.invalid`, `tool.duplicate`, `budget.invalid` or `schema.invalid` when the definition contradicts itself.
 */
export const defineAgent = <S extends Schema | undefined = undefined>(
  options: AgentOptions<S>,
): Agent<S extends Schema ? OutputOf<S> : JSONValue> => {
  const { name, tools = [], outputSchema, outputRetries = 1, budget } = options;
  if (typeof name !== 'string' || name.trim() === '')
    throw new FaultError('agent.invalid', 'An agent needs a name; found a blank one.');
  if (typeof options.instructions !== 'string')
    throw new FaultError('agent.invalid', `Agent "${name}": instructions must be text.`);
  if (!Number.isInteger(outputRetries) || outputRetries < 0)
    throw new FaultError(
      'agent.invalid',
      `Agent "${name}": outputRetries is ${outputRetries}. Expected a whole number of 0 or more.`,
    );
  checkBudget(budget, `agent "${name}"`);
  checkTools(tools, `Agent "${name}"`);
  return Object.freeze({
    ...options,
    tools: Object.freeze([...tools]),
    ...(outputSchema && { outputJSONSchema: jsonSchemaOf(outputSchema, `The outputSchema of agent "${name}"`) }),
  }) as Agent<never>;
};
