import type { ForkChange } from '@troupe/core';
import type { Answer } from '@troupe/protocol';
import * as z from 'zod';
import type { Action, AttendFlags, CommonFlags, RuntimeFlags } from './asked.ts';
import { attend } from './attend.ts';
import { placingOf } from './open-placement.ts';
import { openOutput } from './output.ts';
import { misuse } from './problem.ts';
import { budgetOf, jsonOf } from './values.ts';
import { openWorkspace } from './workspace.ts';

type Flags = CommonFlags &
  RuntimeFlags &
  AttendFlags & { at: string; id?: string; answer?: string; answerValue?: string; turn?: string };

/** Goes on from an event of a stored tree, in another way; stays until that has ended. */
export const fork: Action<[rootId: string], Flags> = async ({ args: [rootId], flags, terminal }) => {
  const change = changeIn(flags);
  const output = openOutput(terminal, flags.json);
  if (flags.file === undefined) throw misuse('A fork goes on here: give its agent file with --file FILE.');
  const workspace = await openWorkspace({ ...flags, budget: undefined, placing: placingOf(flags) }, terminal);
  try {
    if (workspace.notice !== null) output.note(workspace.notice);
    const at = /^\d+$/.test(flags.at) ? `${rootId}:${flags.at}` : flags.at;
    const { id: runId } = flags;
    await terminal.signals.hold();
    const run = await workspace.runtime.fork(rootId, { at, change, ...(runId !== undefined && { runId }) });
    output.note(`Run: ${run.id}, from ${at}`);
    return await attend({ run, workspace, terminal, output, flags });
  } finally {
    await workspace.close();
  }
};

const Turn = z.strictObject({
  text: z.string().optional(),
  calls: z.array(z.strictObject({ name: z.string(), arguments: z.json(), id: z.string().optional() })).optional(),
});

const changeIn = ({ answer, answerValue, turn, budget }: Flags): ForkChange => {
  if (answer !== undefined && answerValue !== undefined) throw misuse('Give --answer or --answer-value, not both.');
  const answered: Answer | undefined =
    answerValue === undefined ? answer : { value: jsonOf(answerValue, '--answer-value') };
  const limits = budgetOf(budget);
  return {
    ...(turn !== undefined && { turn: turnIn(turn) }),
    ...(answered !== undefined && { answer: answered }),
    ...(limits && { budget: limits }),
  };
};

/** Text, or `{"text":…,"calls":[…]}`. */
const turnIn = (said: string): NonNullable<ForkChange['turn']> => {
  if (!said.trimStart().startsWith('{')) return { text: said };
  const read = Turn.safeParse(jsonOf(said, '--turn'));
  if (!read.success)
    throw misuse(`--turn is ${said}. Expected text, or {"text":"…","calls":[{"name":"…","arguments":{}}]}.`);
  const { text, calls } = read.data;
  return {
    ...(text !== undefined && { text }),
    ...(calls && {
      calls: calls.map(({ name, arguments: given, id }) => ({
        name,
        arguments: given,
        ...(id !== undefined && { id }),
      })),
    }),
  };
};
