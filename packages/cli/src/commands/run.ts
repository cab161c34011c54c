import { text } from 'node:stream/consumers';
import type { Agent } from '@troupe/core';
import { agentIn } from './agent-file.ts';
import type { Action, AttendFlags, CommonFlags, RuntimeFlags } from './asked.ts';
import { attend } from './attend.ts';
import { placingOf } from './open-placement.ts';
import { openOutput } from './output.ts';
import { misuse } from './problem.ts';
import { budgetOf } from './values.ts';
import { openWorkspace } from './workspace.ts';

type Flags = CommonFlags & RuntimeFlags & AttendFlags & { agent?: string; id?: string; session?: string };

/** Starts an agent of a file with a job, and stays until the run has ended. */
export const run: Action<[file: string, words: string[]], Flags> = async ({ args: [file, words], flags, terminal }) => {
  const budget = budgetOf(flags.budget);
  const output = openOutput(terminal, flags.json);
  const workspace = await openWorkspace(
    { ...flags, file, budget, mayBegin: true, placing: placingOf(flags) },
    terminal,
  );
  try {
    const { runtime, file: loaded, notice, storeName } = workspace;
    if (!loaded) throw misuse('An agent file is missing.');
    const agent = agentIn(loaded, flags.agent) as Agent;
    const input = await jobIn(words, terminal.input);
    if (notice !== null) output.note(notice);
    const { id: runId, session } = flags;
    await terminal.signals.hold();
    const started = session
      ? await runtime.session(agent, { sessionKey: session }).send(input, runId === undefined ? {} : { runId })
      : runtime.start(agent, input, runId === undefined ? {} : { runId });
    output.note(`Run: ${started.id}${storeName === null ? '' : `  Store: ${storeName}`}`);
    return await attend({ run: started, workspace, terminal, output, flags });
  } finally {
    await workspace.close();
  }
};

/** The words after the file; where there are none, or only `-`, what comes in. */
const jobIn = async (words: readonly string[], input: NodeJS.ReadableStream & { isTTY?: boolean }): Promise<string> => {
  const said = words.join(' ').trim();
  const isPiped = said === '-' || (said === '' && input.isTTY !== true);
  const job = isPiped ? (await text(input)).trim() : said;
  if (job !== '') return job;
  throw misuse(
    'There is no job. Put it after the agent file, in quotes, or pipe it in: echo "…" | troupe run agents.mjs',
  );
};
