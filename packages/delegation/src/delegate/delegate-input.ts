/** What a model hands to `delegate_task`, and what is wrong with it: in the order in which it is checked, each as one sentence. */
import { type JSONSchema, type JSONValue, messageOf, type Schema, schemaOf } from '@troupe/protocol';
import type { DelegatePolicy } from './delegate-options.ts';

export type Role = 'leaf' | 'orchestrator';

/** One task as the model gave it, understood. */
export type Task = {
  goal: string;
  context?: string;
  role: Role;
  toolsets?: string[];
  outputSchema?: JSONSchema;
  /** A model id, of those that may be named. */
  model?: string;
  /** URLs. */
  images?: string[];
};

type Fields = Record<string, unknown>;
export type Tasks = { tasks: Task[]; isBatch: boolean; warnings: string[] };
type Understood<T> = T | { error: string };

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isBlank = (value: unknown): boolean => typeof value !== 'string' || value.trim() === '';
/** The word for what a JSON value is. */
const kindOf = (value: unknown): string => {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
};
const neither = "Provide either 'goal' (single task) or 'tasks' (batch).";

const parsed = (text: string): { value: unknown } | { problem: string } => {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { problem: messageOf(error) };
  }
};

/** The list of tasks, or `null` when there is none. Models send it as text, too. */
const listIn = (given: unknown): Understood<{ list: unknown[] | null }> => {
  if (given === undefined || given === null || (typeof given === 'string' && given.trim() === ''))
    return { list: null };
  if (Array.isArray(given)) return { list: given.length > 0 ? given : null };
  if (typeof given !== 'string') return { error: `'tasks' must be an array of objects, got ${kindOf(given)}.` };
  const found = parsed(given);
  if ('problem' in found) return { error: `'tasks' is text that could not be parsed as JSON: ${found.problem}` };
  if (!Array.isArray(found.value))
    return { error: `'tasks' must be an array of objects, but parsed ${kindOf(found.value)} instead.` };
  return { list: found.value.length > 0 ? found.value : null };
};

const textIn = (value: unknown): string | undefined => {
  if (value === undefined || value === null) return undefined;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.trim() === '' ? undefined : text;
};

const roleIn = (value: unknown, warnings: string[]): Role => {
  if (value === undefined || value === null || value === '') return 'leaf';
  const role = typeof value === 'string' ? value.trim().toLowerCase() : '';
  if (role === 'leaf' || role === 'orchestrator') return role;
  const given = typeof value === 'string' ? `"${value}"` : `that is ${kindOf(value)}`;
  warnings.push(`Unknown role ${given}: it is a leaf. Known are leaf and orchestrator.`);
  return 'leaf';
};

/** Names in a list, in a text with commas, or in a text that is a list: models send each. */
const toolsetsIn = (value: unknown, whose: string, warnings: string[]): Understood<{ toolsets?: string[] }> => {
  if (value === undefined || value === null) return {};
  const isJSON = typeof value === 'string' && value.trim().startsWith('[');
  const found = isJSON ? parsed(value) : { value: typeof value === 'string' ? value.split(',') : value };
  if ('problem' in found) return { error: `${whose}'toolsets' could not be parsed as JSON: ${found.problem}` };
  if (!Array.isArray(found.value))
    return { error: `${whose}'toolsets' must be a list of names, got ${kindOf(found.value)}.` };
  const list: unknown[] = found.value;
  const texts = list.filter((name) => typeof name === 'string');
  const others = list.length - texts.length;
  // Without a name it would have all tools, which is not what was meant.
  if (others > 0 && texts.length === 0) return { error: `${whose}'toolsets' must be a list of names, got none.` };
  if (others > 0) warnings.push(`${whose}'toolsets' holds ${others} that are no names: the others hold.`);
  const toolsets = texts.map((name) => name.trim()).filter(Boolean);
  return toolsets.length > 0 ? { toolsets } : {};
};

const schemaIn = (value: unknown, whose: string): Understood<{ schema?: JSONSchema }> => {
  if (value === undefined || value === null || value === '') return {};
  const found = typeof value === 'string' ? parsed(value) : { value };
  if ('problem' in found) return { error: `${whose}'output_schema' could not be parsed as JSON: ${found.problem}` };
  if (!isObject(found.value))
    return { error: `${whose}'output_schema' must be an object, got ${kindOf(found.value)}.` };
  try {
    schemaOf(found.value);
    return { schema: found.value };
  } catch (error) {
    return { error: `${whose}'output_schema' is no JSON Schema that can be checked: ${messageOf(error)}` };
  }
};

/** How many images a task may bring. */
const mostImages = 8;

const imagesIn = (value: unknown, whose: string): Understood<{ images?: string[] }> => {
  if (value === undefined || value === null || value === '') return {};
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > mostImages)
    return { error: `${whose}${list.length} images provided, but at most ${mostImages} go along.` };
  const images = list.flatMap((url) =>
    typeof url === 'string' && /^(https?|data):/i.test(url.trim()) ? url.trim() : [],
  );
  if (images.length < list.length) return { error: `${whose}'images' must be URLs (https: or data:).` };
  return images.length > 0 ? { images } : {};
};

const modelIn = (value: unknown, models: DelegatePolicy['models'], whose: string): Understood<{ model?: string }> => {
  const names = Object.keys(models);
  // Where none can be chosen, what is said of models counts for nothing.
  if (names.length === 0 || value === undefined || value === null || value === '') return {};
  const name = typeof value === 'string' ? value.trim() : '';
  const model = Object.hasOwn(models, name) ? models[name] : undefined;
  return model === undefined ? { error: `${whose}unknown 'model'. Known are: ${names.join(', ')}.` } : { model };
};

const taskIn = (
  own: Fields,
  shared: Fields,
  whose: string,
  { models, offerImages }: DelegatePolicy,
  warnings: string[],
): Understood<{ task: Task }> => {
  const found = schemaIn(own.output_schema ?? shared.output_schema, whose);
  if ('error' in found) return found;
  const chosen = modelIn(own.model ?? shared.model, models, whose);
  if ('error' in chosen) return chosen;
  const brought = offerImages ? imagesIn(own.images, whose) : {};
  if ('error' in brought) return brought;
  const context = textIn(own.context);
  const asked = [toolsetsIn(own.toolsets, whose, warnings), toolsetsIn(shared.toolsets, '', warnings)];
  const wrong = asked.find((each) => 'error' in each);
  if (wrong && 'error' in wrong) return wrong;
  const [toolsets] = asked.flatMap((each) => ('toolsets' in each && each.toolsets ? [each.toolsets] : []));
  return {
    task: {
      goal: String(own.goal).trim(),
      role: roleIn(own.role || shared.role, warnings),
      ...(context !== undefined && { context }),
      ...(toolsets && { toolsets }),
      ...(found.schema && { outputSchema: found.schema }),
      ...chosen,
      ...brought,
    },
  };
};

/** All tasks of a call, or why not one of them may start. */
export const tasksIn = (given: unknown, policy: DelegatePolicy): Understood<Tasks> => {
  const { maxConcurrentChildren: max } = policy;
  const input = isObject(given) ? given : {};
  const warnings: string[] = [];
  const found = listIn(input.tasks);
  if ('error' in found) return found;
  if (found.list === null) {
    if (isBlank(input.goal)) return { error: neither };
    const one = taskIn(input, {}, '', policy, warnings);
    return 'error' in one ? one : { tasks: [one.task], isBatch: false, warnings };
  }
  const { list } = found;
  if (list.length > max)
    return {
      error: `Too many tasks: ${list.length} provided, but max_concurrent_children is ${max}. Nothing was started: send fewer, or send the rest later.`,
    };
  for (const [i, task] of list.entries()) {
    if (!isObject(task)) return { error: `Task ${i} must be an object, got ${kindOf(task)}.` };
    if (isBlank(task.goal)) return { error: `Task ${i} is missing a 'goal'.` };
  }
  const tasks: Task[] = [];
  for (const [i, task] of list.entries()) {
    const one = taskIn(task as Fields, input, `Task ${i}: `, policy, warnings);
    if ('error' in one) return one;
    tasks.push(one.task);
  }
  return { tasks, isBatch: true, warnings };
};

const roleText = ({ orchestrators, maxSpawnDepth }: DelegatePolicy): string => {
  if (!orchestrators) return 'Orchestrators are switched off: every child is a leaf.';
  if (maxSpawnDepth < 2) return 'Children are leaves here: delegation is one level deep.';
  return `"leaf" (default) does the work itself; "orchestrator" may delegate further, down to level ${maxSpawnDepth}.`;
};

/**
 * The input of the tool. Everything is let through: what is wrong is said by {@link tasksIn}, in sentences that help, not by the schema.
 */
export const delegateSchema = (policy: DelegatePolicy): Schema<unknown, JSONValue> => {
  const role = { type: 'string', enum: ['leaf', 'orchestrator'], description: roleText(policy) };
  const context = {
    type: 'string',
    description: 'What the child must know: it sees nothing of this conversation. Name paths, facts, constraints.',
  };
  const outputSchema = {
    type: 'object',
    description: 'JSON Schema that the answer should fit; the entry then says whether it does.',
  };
  const toolsets = {
    type: 'array',
    items: { type: 'string' },
    description: `What it may use, of what you have: names of tools${Object.keys(policy.toolsets).length > 0 ? `, or ${Object.keys(policy.toolsets).join(', ')}` : ''}.`,
  };
  const models = Object.keys(policy.models);
  const images = {
    type: 'array',
    items: { type: 'string' },
    description: `URLs of images that it should see, at most ${mostImages}.`,
  };
  const about = {
    context,
    role,
    output_schema: outputSchema,
    ...(policy.offerToolsets && { toolsets }),
    ...(models.length > 0 && { model: { type: 'string', enum: models, description: 'Which model should do it.' } }),
    ...(policy.offerImages && { images }),
  };
  const schema = {
    type: 'object',
    properties: {
      goal: { type: 'string', description: 'What one child should achieve. Ignored when there are tasks.' },
      ...about,
      tasks: {
        type: 'array',
        items: {
          type: 'object',
          properties: { goal: { type: 'string', description: 'What this child should achieve.' }, ...about },
          required: ['goal'],
        },
        description: `Several children side by side: up to ${policy.maxConcurrentChildren}. Each needs a context of its own.`,
      },
      background: {
        type: 'boolean',
        description: 'Accepted, and not decisive: whether you wait depends on where you run.',
      },
    },
  };
  return {
    '~standard': {
      version: 1,
      vendor: 'troupe',
      validate: (value) => ({ value: value as JSONValue }),
      jsonSchema: { input: () => schema, output: () => schema },
    },
  };
};
