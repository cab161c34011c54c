import { type Agent, defineAgent, type Tool } from '@troupe/core';
import { createDelegateTool, type DelegateOptions } from '@troupe/delegation';
import type { Budget } from '@troupe/protocol';

const instructions = `You answer a question about a folder of files. Scouts do the reading for you.

1. List the folder.
2. Call delegate_task with one goal: a first look at the top level. Read what comes back.
3. Call delegate_task with tasks: one for each part that matters most for the question, three at most.
4. Call delegate_in_background with one goal that takes long: a search through every file for what the question is about. Then end
   your turn with one sentence on what is known by now. Do not wait: its result comes as a message by itself.
5. When that message has come, write the answer in Markdown: first a short answer to the question, then what each scout found, at
   last which scouts failed. Name the file, and the line where you know it, for everything you say. Invent nothing.

A scout knows nothing of this conversation. Put the path it should look at and the question into its context, tell it to read real
files and to report only what it has seen, with file and line.`;

/** What each run of the lead, and each background unit, may spend together with the scouts below it. */
export const budget: Budget = { turns: 12, tokens: 2_000_000, costUsd: 1, deadlineMs: 15 * 60_000 };

/** The agent that leads a research. Its scouts get the file tools, and cannot delegate. */
export const leadAgent = (fileTools: readonly Tool[]): Agent => {
  const scouts: DelegateOptions = { tools: fileTools.map(({ name }) => name), maxIterations: 8, timeoutMs: 5 * 60_000 };
  return defineAgent({
    name: 'lead',
    instructions,
    tools: [
      ...fileTools,
      // Waited for: one scout, or several side by side.
      createDelegateTool({ ...scouts, background: false }),
      // The same tool once more, under another name: answered at once, heard of later.
      createDelegateTool({ ...scouts, name: 'delegate_in_background', background: true }),
    ],
  });
};
