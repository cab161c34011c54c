/** What a model hands to `spawn`, and what is wrong with it: each as one sentence that names what was found and what there is. */
import { type JSONValue, type Schema, shorten } from '@troupe/protocol';
import * as z from 'zod';
import type { SubagentRequestConfig } from './subagent-config.ts';
import { thinkingIn } from './thinking.ts';

export const spawnActions = [
  'spawn',
  'list_roles',
  'resume',
  'status',
  'results',
  'wait',
  'cancel',
  'kill',
  'steer',
  'info',
] as const;

const text = z.string('expected text');
const yesOrNo = z.boolean('expected true or false');
const seconds = z.number('expected a number of seconds').min(0, 'expected 0 seconds or more');
const listOf = (what: string) => z.array(z.string(`expected a list of ${what}`), `expected a list of ${what}`);
const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, `choose one of ${values.join(', ')}`);
const thinkingExpected = 'choose one of off, basic, extended';

// What it says is the same for every manager: roles and limits, which are not, stand in the description of the tool.
const Fields = z
  .strictObject({
    action: oneOf(spawnActions).describe('What to do. Default: status.'),
    task: text.describe(
      'For spawn and resume: what to do, with everything that must be known. It sees nothing of this conversation.',
    ),
    role: text.describe('For spawn: one of the roles in the description of this tool.'),
    label: text.describe('For spawn: what it is called in lists. Default: the beginning of the task.'),
    task_id: text.describe('For spawn: the sub-agent that goes on, in its own conversation, instead of a new one.'),
    agent_id: text.describe(
      'Which sub-agent: for steer and info; also for cancel, results and wait, which concern all without it.',
    ),
    run_id: text.describe('For results and wait: which run.'),
    agent_name: text.describe(
      'For resume, and for spawn with spawn_mode "session": the name of a persistent sub-agent.',
    ),
    message: text.describe('For steer: what it should do instead. For cancel: why.'),
    timeout: seconds.describe('For wait (default 30) and results (default 0): seconds to wait for a result.'),
    include_delivered: yesOrNo.describe(
      'For results and wait: those that were handed over before, too. Default false.',
    ),
    model: text.describe('For spawn and resume: the model. Default: the usual one.'),
    tool_profile: text.describe('For spawn and resume: which tools it has. Default: those of its role.'),
    thinking: z
      .union([z.string(), z.boolean()], thinkingExpected)
      .refine((level) => thinkingIn(level) !== undefined, thinkingExpected)
      .describe('For spawn and resume: off, basic or extended.'),
    enable_skills: yesOrNo.describe('For spawn and resume: whether it has skills. Default: as usual.'),
    timeout_seconds: z
      .number('expected a number of seconds')
      .min(10, 'expected 10 to 3600 seconds')
      .max(3_600, 'expected 10 to 3600 seconds')
      .describe('For spawn and resume: seconds that a run may take. Default: none.'),
    spawn_mode: oneOf(['run', 'session']).describe(
      'For spawn: "run" (default) does one task; "session" has a name and is kept, to be resumed by it.',
    ),
    cleanup: oneOf(['keep', 'delete']).describe(
      'For spawn: "delete" forgets it once its result was handed over. Default keep.',
    ),
    routing_mode: oneOf(['direct', 'orchestrated']).describe(
      'For spawn and resume: "orchestrated" hands work on to sub-agents of its own. Default direct.',
    ),
    allow_subagents: yesOrNo.describe('For spawn and resume: whether it may spawn sub-agents. Default false.'),
    specialization: text.describe('For spawn and resume: what it is good at.'),
    match_keywords: listOf('texts').describe('For spawn and resume: words that say what it is for.'),
    match_examples: listOf('texts').describe('For spawn and resume: requests that it is for.'),
    auto_route: yesOrNo.describe(
      'For spawn: whether a program may choose it for a request. Nothing is routed by itself.',
    ),
  })
  .partial();
export type SpawnInput = z.infer<typeof Fields>;

/** The input of the tool. Everything is let through: what is wrong with it is said by {@link readSpawnInput}, in sentences that help. */
export const spawnSchema: Schema<unknown, JSONValue> = {
  '~standard': {
    version: 1,
    vendor: 'troupe',
    validate: (value) => ({ value: value as JSONValue }),
    jsonSchema: Fields['~standard'].jsonSchema,
  },
};

const shown = (value: unknown): string => shorten(JSON.stringify(value), 100);

const sentenceOf = (issue: z.core.$ZodIssue, given: Readonly<Record<string, unknown>>): string => {
  if (issue.code === 'unrecognized_keys')
    return `Unknown field "${issue.keys.join('", "')}". Fields are: ${Object.keys(Fields.shape).join(', ')}.`;
  const field = String(issue.path[0]);
  if (field === 'action') return `Unknown action ${shown(given.action)}: ${issue.message}.`;
  return `Invalid ${field} ${shown(given[field])}: ${issue.message}.`;
};

const isBlank = (value: unknown): boolean =>
  value === null || value === undefined || (typeof value === 'string' && value.trim() === '');

/** What a model handed over, understood; what is `null` or blank was not given. */
export const readSpawnInput = (given: Readonly<Record<string, unknown>>): SpawnInput | { error: string } => {
  const said = Object.fromEntries(
    Object.entries(given).flatMap(([field, value]) =>
      isBlank(value) ? [] : [[field, typeof value === 'string' ? value.trim() : value]],
    ),
  );
  const found = Fields.safeParse(said);
  if (found.success) return found.data;
  return { error: found.error.issues.map((issue) => sentenceOf(issue, said)).join(' ') };
};

/** What the call says of how the sub-agent is made; `undefined` when it says nothing. */
export const configIn = (input: SpawnInput): SubagentRequestConfig | undefined => {
  const config = {
    role: input.role,
    model: input.model,
    toolProfile: input.tool_profile,
    thinking: thinkingIn(input.thinking),
    skills: input.enable_skills,
    timeoutMs: input.timeout_seconds === undefined ? undefined : input.timeout_seconds * 1_000,
    mode: input.spawn_mode,
    cleanup: input.cleanup,
    routing: input.routing_mode,
    allowSubagents: input.allow_subagents,
    specialization: input.specialization,
    keywords: input.match_keywords,
    examples: input.match_examples,
    autoRoute: input.auto_route,
  } satisfies SubagentRequestConfig;
  const said = Object.entries(config).filter(([, value]) => value !== undefined);
  return said.length > 0 ? Object.fromEntries(said) : undefined;
};
