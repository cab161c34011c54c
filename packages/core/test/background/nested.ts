/** What a tool does whose helpers send helpers off, too. */
import { defineAgent, dispatched, spawned, type Tool, type ToolOptions } from '@troupe/core';
import { helper } from './office.ts';

const chiefWith = (tools: ReadonlyMap<string, Tool>) =>
  defineAgent({ name: 'chief', instructions: 'You lead.', memoryScope: null, tools: [...tools.values()] });

/** Sent for `inner`, it starts a chief, who sends for `leaf`, or, sent for `inner slow`, for something `quick`; else a helper. */
export const nested: Partial<ToolOptions> = {
  execute: (input, { view, tools }) => {
    const [job = ''] = (input as { jobs: string[] }).jobs;
    if (!view.unit) return dispatched({ data: null, answer: ({ runId }) => ({ content: `Sent as ${runId}.` }) });
    if (!job.startsWith('inner')) return spawned([{ agent: helper, job }]);
    const plan = job === 'inner' ? 'send leaf' : 'send quick; think 5000';
    return spawned([{ agent: chiefWith(tools), job: `do: ${plan}`, data: null }]);
  },
  rebuild: (_data, { tools }) => chiefWith(tools),
};
