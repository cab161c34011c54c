import {
  type AgentOptions,
  type AnyAgent,
  defineAgent,
  defineTool,
  type RunView,
  spawned,
  type Tool,
  type ToolResult,
} from '@troupe/core';
import { toJSON } from '@troupe/protocol';
import * as z from 'zod';
import { delegating } from './delegate/tool-access.ts';
import { policyOf, type SubworkerOptions, type SubworkerPolicy } from './subworker-options.ts';
import { resultOf } from './subworker-result.ts';

/** What a model hands to a spawn tool. */
const inputSchema = z.object({
  name: z.string().min(1).describe('A short name for the sub-worker.'),
  instructions: z.string().describe('How it should work: its role, its rules, the form of its answer.'),
  task: z.string().describe('What it should do. It knows nothing of this conversation: say everything it needs.'),
  tools: z.array(z.string()).nullable().default([]).describe('Names of the tools it may use.'),
  model: z.string().nullable().default(null).describe('The model it should use; leave out for the default.'),
});
type SpawnInput = z.output<typeof inputSchema>;

/** The first model that somebody named: the call, the tool, the runtime. */
const modelFor = (input: SpawnInput, policy: SubworkerPolicy, view: RunView): string | undefined =>
  [input.model, policy.defaultModel, view.defaultModel].find((model) => model?.trim()) ?? undefined;

/** The model of a sub-worker, or why the policy forbids it. In this order; none of it costs a place. */
const decide = (input: SpawnInput, policy: SubworkerPolicy, view: RunView): { model: string } | { error: string } => {
  const model = modelFor(input, policy, view);
  if (model === undefined) return { error: 'Subworker model is not configured' };
  if (policy.allowedModels && !policy.allowedModels.has(model))
    return { error: `Model "${model}" is not allowed for subworkers` };
  const { maxToolsPerSubworker } = policy;
  const tools = input.tools ?? [];
  if (tools.length > maxToolsPerSubworker)
    return {
      error: `Too many tools requested for subworker "${input.name}": ${tools.length} > ${maxToolsPerSubworker}`,
    };
  const missing = tools.filter((name) => !policy.tools.has(name));
  return missing.length > 0 ? { error: `Requested tools are not available: ${missing.join(', ')}` } : { model };
};

const describe = (policy: SubworkerPolicy): string => {
  const tools = [...policy.tools.values()].map(
    ({ name, description }) => `${name}${typeof description === 'string' ? ` (${description})` : ''}`,
  );
  return [
    'Starts a sub-worker: a separate agent with its own conversation, which works on one task and gives back its answer.',
    'Several calls in one turn run side by side.',
    tools.length > 0 ? `Tools it can be given: ${tools.join('; ')}.` : 'It has no tools.',
    policy.allowedModels ? `Models: ${[...policy.allowedModels].join(', ') || 'none'}.` : '',
    `At most ${policy.maxSubworkers} sub-workers may complete.`,
  ]
    .filter(Boolean)
    .join(' ');
};

/** What a sub-worker is made of: data, so that it can be made again after a restart. */
type Made = Pick<AgentOptions, 'name' | 'instructions' | 'model' | 'settings' | 'compaction'> & { tools: string[] };

const make = ({ tools, ...made }: Made, policy: SubworkerPolicy): AnyAgent =>
  defineAgent({
    ...made,
    tools: tools.flatMap((wanted) => policy.tools.get(wanted) ?? []),
    outputRetries: policy.structuredOutputRetries,
  });

const create = (name: string, options: SubworkerOptions): Tool => {
  const policy = policyOf(name, options);
  const tool = defineTool({
    name,
    description: describe(policy),
    inputSchema,
    offered: ({ maySpawn }) => maySpawn,
    execute: (input, { view }): ToolResult | ReturnType<typeof spawned> => {
      const decision = decide(input, policy, view);
      if ('error' in decision) return decision;
      const { name: worker, instructions, tools } = input;
      const { settings, compaction } = view;
      const made: Made = {
        name: worker,
        instructions,
        model: decision.model,
        tools: [...new Set(tools)],
        ...(settings && { settings }),
        ...(compaction && { compaction }),
      };
      return spawned([
        {
          agent: make(made, policy),
          data: toJSON(made),
          job: input.task,
          budget: { turns: policy.maxIterations, toolCalls: policy.maxToolCalls },
          onPaused: policy.onPaused,
          quota: {
            key: policy.quotaKey,
            max: policy.maxSubworkers,
            message: `Subworker budget exceeded: max_subworkers=${policy.maxSubworkers}`,
          },
        },
      ]);
    },
    rebuild: (data) => make(data as Made, policy),
    settle: ([report]) => (report ? resultOf(report) : { error: 'Subworker failed' }),
  });
  delegating.add(tool);
  return tool;
};

/**
 * A tool named `spawn_subworker`: lets a model start bounded child runs of its own making, each with the tools, the model and the
 * limits that the options allow. Each child is a real run: it spends from its parent's budget, is interrupted with it, and its
 * outcome (status, exit reason, errors) reaches the model beside its text.
 *
 * @throws FaultError `subworker.invalid`, `tool.duplicate`
 * @see docs/subworkers.md. After `create_subworker_tool` of blackgeorge.
 */
export const createSubworkerTool = (options: SubworkerOptions = {}): Tool => create('spawn_subworker', options);

/** The same tool, named `spawn_agent`. */
export const createSwarmTool = (options: SubworkerOptions = {}): Tool => create('spawn_agent', options);
