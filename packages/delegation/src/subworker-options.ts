import type { Tool } from '@troupe/core';
import { FaultError } from '@troupe/protocol';
import { checkOptions, toolsIn } from './check-given.ts';

/** How sub-workers may be started. See {@link createSubworkerTool}. */
export type SubworkerOptions = {
  /** Tools that a sub-worker may ask for, by name. Default: none. */
  availableTools?: readonly Tool[];
  /** The model of a sub-worker that names none; then the runtime's. */
  defaultModel?: string;
  /** Models that sub-workers may use. Absent: any. Empty: none. Read once. */
  allowedModels?: Iterable<string>;
  /** Sub-workers that may complete, over all runs that use this tool. Failed and paused ones give their place back. Default 5. */
  maxSubworkers?: number;
  /** Tools that one sub-worker may ask for. Default 8. */
  maxToolsPerSubworker?: number;
  /** Turns of each sub-worker. Default 10. */
  maxIterations?: number;
  /** Tool calls of each sub-worker. Default 10. */
  maxToolCalls?: number;
  /** How often a sub-worker's misfitting structured answer is asked for again. Default 1. */
  structuredOutputRetries?: number;
  /**
   * What becomes of the call when its sub-worker waits for a person. `error` (default): the call fails, the sub-worker is let go
   * and stays answerable by its run id. `bubble`: the call waits, the question is asked at the root.
   */
  onPaused?: 'error' | 'bubble';
  /** Tools with the same id share their count of sub-workers. Default: each tool counts for itself. */
  id?: string;
};

/** Options with every default filled in and every collection copied. */
export type SubworkerPolicy = Required<
  Omit<SubworkerOptions, 'availableTools' | 'defaultModel' | 'allowedModels' | 'id'>
> & {
  readonly tools: ReadonlyMap<string, Tool>;
  readonly defaultModel: string | undefined;
  readonly allowedModels: ReadonlySet<string> | undefined;
  readonly quotaKey: string;
};

const least = {
  maxSubworkers: 1,
  maxToolsPerSubworker: 0,
  maxIterations: 1,
  maxToolCalls: 1,
  structuredOutputRetries: 0,
} as const;

let instances = 0;

/** @throws FaultError `subworker.invalid`, `tool.duplicate` */
export const policyOf = (toolName: string, options: SubworkerOptions): SubworkerPolicy => {
  const taker = { who: `the tool "${toolName}"`, code: 'subworker.invalid' };
  checkOptions(options, taker);
  const limits = {
    maxSubworkers: 5,
    maxToolsPerSubworker: 8,
    maxIterations: 10,
    maxToolCalls: 10,
    structuredOutputRetries: 1,
  };
  for (const [option, min] of Object.entries(least) as [keyof typeof least, number][]) {
    const value = options[option] ?? limits[option];
    if (!Number.isInteger(value) || value < min)
      throw new FaultError('subworker.invalid', `${option} must be >= ${min}, and a whole number. Found ${value}.`);
    limits[option] = value;
  }
  const tools = new Map<string, Tool>();
  for (const tool of toolsIn('availableTools', options.availableTools, taker)) {
    if (tools.has(tool.name))
      throw new FaultError(
        'tool.duplicate',
        `Tool name already registered: ${tool.name}. Rename one of the availableTools.`,
      );
    tools.set(tool.name, tool);
  }
  instances += 1;
  return {
    ...limits,
    tools,
    defaultModel: options.defaultModel,
    allowedModels: options.allowedModels === undefined ? undefined : new Set(options.allowedModels),
    onPaused: options.onPaused ?? 'error',
    quotaKey: `${toolName}:${options.id ?? `#${instances}`}`,
  };
};
