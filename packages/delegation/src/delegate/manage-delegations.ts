import { defineTool, type Tool, type ToolContext, type ToolResult } from '@troupe/core';
import { isFaultError, type Receipt, type RunRow, toJSON } from '@troupe/protocol';
import * as z from 'zod';
import { delegationOf, goalOf } from '../delegation-of.ts';

const inputSchema = z.object({
  action: z.enum(['list', 'steer', 'stop']).describe('What to do.'),
  run_id: z.string().nullish().describe('Which child, or which delegation: for steer and stop.'),
  message: z.string().nullish().describe('What to tell it: for steer. For stop, why.'),
});
type Input = z.output<typeof inputSchema>;

const shown = ({ runId, rootId, origin, after, agent, status, job, model, depth, createdAt, usage }: RunRow) => ({
  run_id: runId,
  ...(origin && { kind: after === undefined ? 'background delegation' : 'sub-agent' }),
  ...(!origin && runId !== rootId && { parent_delegation: rootId }),
  agent,
  status,
  ...(!origin && { goal: goalOf(job), role: delegationOf(job)?.role ?? 'leaf', model, depth }),
  started_at: createdAt,
  turns: usage.turns,
  tool_calls: usage.toolCalls,
});

const receiptResult = (runId: string, receipt: Receipt): ToolResult =>
  receipt.status === 'rejected'
    ? { error: `"${runId}" was not told: ${receipt.reason}.` }
    : { data: toJSON({ run_id: runId, ...receipt }) };

const act = async ({ action, run_id: runId, message }: Input, { runs }: ToolContext): Promise<ToolResult> => {
  if (action === 'list') return { data: toJSON({ runs: (await runs.list()).map(shown) }) };
  if (!runId?.trim()) return { error: `Give the run_id that you want to ${action}. "list" shows them.` };
  if (action === 'stop')
    return receiptResult(
      runId,
      await runs.interrupt(runId, message?.trim() || 'Stopped by the run that delegated it.'),
    );
  if (!message?.trim()) return { error: 'Give the message that you want to steer it with.' };
  return receiptResult(runId, await runs.steer(runId, message));
};

/**
 * A tool named `manage_delegations`: lets a model list, steer and stop what it has delegated, in the background too. It reaches runs
 * below its own and nothing else. A message is heard before the run's next turn; one that has ended says so.
 */
export const createManageDelegationsTool = (): Tool =>
  defineTool({
    name: 'manage_delegations',
    description:
      'Lists, steers or stops the children and background delegations that you started. A steered child hears the message before its next turn. Stopping a delegation stops all of its children; their results so far come all the same.',
    inputSchema,
    execute: async (input, context) => {
      try {
        return await act(input, context);
      } catch (error) {
        if (isFaultError(error) && error.code === 'run.unknown')
          return { error: `You have no run "${input.run_id}" at work. "list" shows those that there are.` };
        throw error;
      }
    },
  });
