/** Commands to runs, wherever they are executed: another process hears them through the store. */
import type { Run } from '@troupe/core';
import { type Answer, FaultError, type Question, type Receipt, runOfQuestion } from '@troupe/protocol';
import { exitCode } from '../exit-code.ts';
import type { Action, AttendFlags, CommonFlags, RuntimeFlags } from './asked.ts';
import { attend } from './attend.ts';
import { placingOf } from './open-placement.ts';
import { openOutput } from './output.ts';
import { misuse } from './problem.ts';
import { reach } from './reachable.ts';
import { tellReceipt } from './receipt.ts';
import { budgetOf, jsonOf } from './values.ts';
import { openWorkspace } from './workspace.ts';

type Flags = CommonFlags & RuntimeFlags & AttendFlags;
/** What is said to a run, and in which word that is told. `isOurs`: it was brought to life here. */
type Order = { what: string; isLast?: boolean; send(run: Run, isOurs: () => Promise<boolean>): Promise<Receipt> };

/** Says something to a run. What is brought to life here for it is attended until it has ended. */
const say =
  <Args extends [runId: string, ...unknown[]], More extends object>(
    orderOf: (args: Args, flags: Flags & More) => Order,
  ): Action<Args, Flags & More> =>
  async ({ args, flags, terminal }) => {
    const order = orderOf(args, flags);
    const output = openOutput(terminal, flags.json);
    const [named] = args;
    const runId = runOfQuestion(named) ?? named;
    const workspace = await openWorkspace(
      { store: flags.store, file: flags.file, model: flags.model, placing: placingOf(flags) },
      terminal,
    );
    try {
      const where = await reach(workspace, runId);
      if (where === 'workers') output.note(`Run "${runId}" waits: a worker that takes it up hears this.`);
      const run = await workspace.runtime.attach(runId);
      const isOurs = async (): Promise<boolean> => where === 'here' && (await workspace.store.holder(runId)) !== null;
      if (where === 'here') await terminal.signals.hold();
      const receipt = await order.send(run, isOurs);
      if (where !== 'here') {
        tellReceipt(output, runId, order.what, receipt);
        return exitCode.done;
      }
      // With --json the only line is the report.
      tellReceipt(flags.json ? { ...output, give: () => {} } : output, runId, order.what, receipt);
      const code = await attend({ run, workspace, terminal, output, flags });
      return order.isLast ? exitCode.done : code;
    } finally {
      await workspace.close();
    }
  };

const text = (words: readonly string[], what: string): string => {
  const said = words.join(' ').trim();
  if (said === '') throw misuse(`${what} is missing. Put it after the run id, in quotes.`);
  return said;
};

export const steer = say<[string, string[]], object>(([, words]) => {
  const said = text(words, 'What the run is to be told');
  return { what: 'told', send: (run) => run.steer(said) };
});

type SpawningFlag = { spawning?: true };

/** The run itself, or with `--spawning` only that it starts children. */
export const pause = say<[string], SpawningFlag>((_, { spawning }) =>
  spawning
    ? { what: 'kept from starting children', send: (run) => run.pauseSpawning() }
    : { what: 'paused', send: (run) => run.pause() },
);

export const interrupt = say<[string, string[]], object>(([, words]) => ({
  what: 'interrupted',
  isLast: true,
  send: (run) => run.interrupt(words.join(' ').trim() || 'Interrupted by the user.'),
}));

/** What is brought to life here goes on by itself, or waits for an answer: it need not have been paused. */
export const resume = say<[string], SpawningFlag>((_, { spawning }) =>
  spawning
    ? { what: 'allowed to start children', send: (run) => run.resumeSpawning() }
    : {
        what: 'resumed',
        async send(run, isOurs) {
          const receipt = await run.resume();
          return (await isOurs()) ? { status: 'accepted' } : receipt;
        },
      },
);

/** Limits are only raised: what is lower than it is leaves it as it is. */
export const raise = say<[string, string[]], object>(([, limits]) => {
  const budget = budgetOf(limits, 'raise');
  if (!budget) throw misuse('Give the limits after the run id, as in: troupe raise run_1 turns=20 costUsd=1');
  return { what: 'given more', send: (run) => run.raise(budget) };
});

type AnswerFlags = { decline?: string | true; value?: string; question?: string };

/** What is answered. Exactly one of words, `--value` and `--decline`. */
const answerOf = (words: readonly string[], { decline, value }: AnswerFlags): Answer => {
  const said = words.join(' ').trim();
  const given = [said !== '', decline !== undefined, value !== undefined].filter(Boolean).length;
  if (given !== 1) throw misuse('Give one answer: words after the run id, --value JSON, or --decline [REASON].');
  if (decline !== undefined) return { decline: decline === true ? 'Declined by the user.' : decline };
  return value === undefined ? said : { value: jsonOf(value, '--value') };
};

/** @throws FaultError `question.unknown`, `question.ambiguous` */
const questionIn = (run: Run, named: string | undefined): Question => {
  const open = run.questions;
  const found = named === undefined ? open.length === 1 && open[0] : open.find(({ id }) => id === named);
  if (found) return found;
  const list = open.map(({ id, prompt }) => `${id} (${prompt})`).join(', ');
  if (open.length === 0 || named !== undefined)
    throw new FaultError(
      'question.unknown',
      named === undefined
        ? `Run "${run.id}" asks nothing now.`
        : `Run "${run.id}" does not ask "${named}" now. Open: ${list || 'none'}.`,
    );
  throw new FaultError('question.ambiguous', `Run "${run.id}" asks several things: ${list}. Say which: --question ID.`);
};

export const answer = say<[string, string[]], AnswerFlags>(([named, words], flags) => {
  const given = answerOf(words, flags);
  const asked = flags.question ?? (runOfQuestion(named) === null ? undefined : named);
  return { what: 'answered', send: (run) => run.answer(questionIn(run, asked).id, given) };
});
