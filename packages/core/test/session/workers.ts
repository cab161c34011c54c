/** Agents that a program makes of data, for an office. */
import { type Agent, type AgentOptions, defineAgent, type Runtime } from '@troupe/core';
import type { JSONValue, RunRow } from '@troupe/protocol';
import { z } from 'zod';

const Worker = z.object({ name: z.string().default('worker'), says: z.string().default('You work.') });

/** Makes agents that can do what the lead can. @param more What else they are like, whatever their data. */
export const workersIn = (
  { runtime, lead }: { runtime: Runtime; lead: Agent<unknown> },
  more: Partial<AgentOptions> = {},
): ((data: JSONValue) => Agent) =>
  runtime.defineAgents('workers', (data) => {
    const { name, says } = Worker.parse(data);
    return defineAgent({
      name,
      instructions: says,
      memoryScope: null,
      tools: lead.tools,
      ...more,
    } as AgentOptions<undefined>);
  });

/** On behalf of a run of the session `k`. */
export const behalfOf = (runId: string, sessionKey = 'k') => ({ runId, rootId: runId, callId: 'c1', sessionKey });

export const idsOf = (rows: readonly Pick<RunRow, 'runId'>[]): string[] => rows.map(({ runId }) => runId);
