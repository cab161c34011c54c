/** What a tool does whose helpers send helpers off, too. */
import { defineAgent, dispatched, spawned, type Tool, type ToolOptions } from '@troupe/core';
import { helper } from './office.ts';

const chiefWith = (tools: ReadonlyMap<string, Tool>) =>
  defineAgent({ name: 'chief', instructions: 'You lead.', memoryScope: null, tools: [...tools.values()] });

/** Sent for `inner`, it starts a chief, who sends for `leaf`; sent for anything else, a helper. */
export const nested: Partial<ToolOptions> = {
  execute: (input, { view, tools }) => {
    const [job = ''] = (input as { jobs: string[] }).jobs;
    if (!view.unit) return dispatched({ data: null, answer: ({ runId }) => ({ content: `Sent as ${runId}.` }) });
    const chief = { agent: chiefWith(tools), job: 'do: send leaf', data: null };
    return spawned([job === 'inner' ? chief : { agent: helper, job }]);
  },
  rebuild: (_data, { tools }) => chiefWith(tools),
};
