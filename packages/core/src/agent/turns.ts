/** What a turn does to a run: begun, charged, closed, or come to nothing. */
import { addUsage, type Fault, tokensOf, type Usage } from '@troupe/protocol';
import type { ClosedTurn, RunContext } from './context.ts';
import { exhaustedBy } from './limits.ts';
import { type Step, say, tell, warn } from './step.ts';

const wrapUpNote =
  'This is your last turn. Do not call any more tools: answer now, with what you have, and say plainly what is missing.';
const askAgain = 'You gave no answer. Answer now in text, with what you have.';

const isLastTurn = ({ allowance, turns }: Pick<RunContext, 'allowance' | 'turns'>): boolean =>
  allowance.limits.turns !== undefined && allowance.limits.turns > 1 && turns + 1 >= allowance.limits.turns;

/** Opens a turn: what was steered is read now, and before the last turn the run is told to wrap up. */
export const openTurn = (step: Step): void => {
  const { run } = step;
  const delivered = run.mail.map(({ id }) => id);
  const heard = [...run.mail.map(({ text }) => text), ...run.inbox];
  run.mail = [];
  run.inbox = [];
  if (!run.wrapUp && isLastTurn(run)) {
    run.wrapUp = true;
    heard.push(wrapUpNote);
  }
  for (const content of heard) tell(step, { role: 'user', content });
  run.turn = run.turns + 1;
  say(step, {
    type: 'turn.started',
    turn: run.turn,
    model: run.model,
    ...(heard.length > 0 && { heard }),
    ...(delivered.length > 0 && { delivered }),
  });
};

/** True when the run could take another turn after this one: only then is something worth hearing, or asking again. */
export const mayGoOn = (run: RunContext, { usage, costUsd }: ClosedTurn): boolean => {
  const spent = {
    ...run.spent,
    tokens: run.spent.tokens + tokensOf(usage),
    costUsd: run.spent.costUsd + (costUsd ?? 0),
  };
  return exhaustedBy({ ...run, spent, turns: run.turns + 1 }) === null;
};

/** A steer that came with the last turn: the answer stands, and whoever sent it hears that nobody will. */
const sayUnheard = (step: Step): void => {
  const { length } = step.run.inbox;
  if (length > 0)
    say(step, {
      type: 'warning.raised',
      code: 'steer.unheard',
      message: `${length === 1 ? 'A message' : `${length} messages`} to "${step.run.agent}" came with its last turn, and no other can be taken: the answer stands.`,
    });
};

/** Books what a model call used: on the run, on its tree, on its model. */
const charge = ({ run }: Step, usage: Usage, costUsd: number | null, model = run.model): void => {
  const priced: Usage = costUsd === null ? usage : { ...usage, costUsd };
  run.usage = {
    own: addUsage(run.usage.own, priced),
    total: addUsage(run.usage.total, priced),
    byModel: {
      ...run.usage.byModel,
      [model]: addUsage(run.usage.byModel[model] ?? { inputTokens: 0, outputTokens: 0 }, priced),
    },
  };
  run.spent = {
    tokens: run.spent.tokens + tokensOf(usage),
    costUsd: run.spent.costUsd + (costUsd ?? 0),
    descendants: run.spent.descendants,
  };
};

/** A closed turn enters the conversation. */
export const recordTurn = (step: Step, turn: ClosedTurn): void => {
  const { run } = step;
  run.pendingUsage = null;
  run.turns += 1;
  run.lastInputTokens = turn.usage.inputTokens;
  if (turn.text) run.text = turn.text;
  charge(step, turn.usage, turn.costUsd, turn.model);
  const message = {
    role: 'assistant' as const,
    content: turn.text,
    ...(turn.calls.length > 0 && { calls: turn.calls }),
  };
  tell(step, message);
  say(step, {
    type: 'turn.completed',
    turn: run.turn,
    message,
    ...(turn.reasoning && { reasoning: turn.reasoning }),
    usage: turn.usage,
    costUsd: turn.costUsd,
    ...(turn.model !== undefined && { model: turn.model }),
    finish: turn.finish,
  });
  warn(step);
};

/** What an aborted or failed attempt had used is charged all the same (L9). */
export const chargeAborted = (step: Step, fault?: Fault): void => {
  const { run } = step;
  const usage = run.pendingUsage;
  if (!usage) return;
  run.pendingUsage = null;
  charge(step, usage, usage.costUsd ?? null);
  say(step, {
    type: 'turn.attempted',
    turn: run.turn,
    number: 1,
    provider: '',
    model: run.model,
    fault: fault ?? { code: 'model.aborted', message: 'The model call was aborted.', retryable: false },
    usage,
  });
  warn(step);
};

/** An attempt that came to nothing: what it used is charged, what it said is void. */
export const recordAttempt = (
  step: Step,
  attempt: Omit<Extract<RunContext['outbox']['events'][number], { type: 'turn.attempted' }>, 'type' | 'turn'>,
  costUsd: number | null,
): void => {
  step.run.pendingUsage = null;
  if (attempt.usage) charge(step, attempt.usage, costUsd, attempt.model);
  say(step, { type: 'turn.attempted', turn: step.run.turn, ...attempt });
  warn(step);
};

export const failTurn = (step: Step, fault: Fault): void =>
  fail(
    step,
    fault.code === 'model.context_length'
      ? 'context_length'
      : fault.code.startsWith('model.') || fault.code.startsWith('script.')
        ? 'model_error'
        : 'error',
    fault,
  );

/** The answer stands. */
export const accept = (step: Step, turn: ClosedTurn): void => {
  const { run } = step;
  sayUnheard(step);
  run.text = turn.text;
  if (turn.output && 'data' in turn.output) run.data = turn.output.data;
  run.end = { status: 'completed', exitReason: 'answered' };
};

/** The answer stands as text, and what is wrong with it is said. */
export const acceptMisfit = (step: Step, turn: ClosedTurn, problem: string): void => {
  const { agent, outputAttempts } = step.run;
  const message = `The answer of "${agent}" is kept as text, without data: it did not fit the required format after ${outputAttempts + 1} attempts: ${problem}`;
  say(step, { type: 'warning.raised', code: 'output.invalid', message });
  accept(step, turn);
};

/** The run is told before its next turn. */
const remind = ({ run }: Step, text: string): void => {
  run.inbox = [...run.inbox, text];
};

/** The answer does not fit the output schema: the model hears what is wrong. */
export const askForOutput = (step: Step, problem: string): void => {
  step.run.outputAttempts += 1;
  remind(step, `Your answer does not fit the required format: ${problem}\nAnswer again with valid JSON only.`);
};

export const askForAnswer = (step: Step): void => {
  step.run.askedForAnswer = true;
  remind(step, askAgain);
};

/** The conversation is to be made shorter. `full`: because the provider said that it is too long. */
export const compact = ({ run }: Step, full: boolean): void => {
  run.contextFull = full;
  run.compactedAt = run.turns;
};

export const compacted = (
  step: Step,
  {
    summary,
    summarized,
    kept,
    usage,
    costUsd,
    model = step.run.model,
  }: { summary: string; summarized: number; kept: number; usage: Usage; costUsd: number | null; model?: string },
): void => {
  const proactive = !step.run.contextFull;
  step.run.pendingUsage = null;
  charge(step, usage, costUsd, model);
  step.run.lastInputTokens = 0;
  step.run.contextFull = false;
  step.run.messages += 1 - summarized;
  if (!proactive) step.run.compactions += 1;
  say(step, { type: 'context.compacted', model, summarized, kept, proactive, summary, usage, costUsd });
  warn(step);
};

/** The conversation stays as it is. What was tried in vain is tried again once it is twice as long: each time costs. */
export const keepContext = ({ run }: Step, { tried = false }: { tried?: boolean }): void => {
  if (tried) run.compactedAt = 2 * run.turns;
};

const cutReasons = { length: 'its output limit', filter: "the provider's content filter" } as const;

/** A fault of an actor that threw what nobody expects. */
export const bug = (error: unknown): Fault => ({
  code: 'run.bug',
  message: `An actor of the run broke: ${error instanceof Error ? error.message : String(error)}`,
  retryable: false,
});

/** Ends a run as failed. */
export const fail = ({ run }: Step, exitReason: NonNullable<RunContext['end']>['exitReason'], fault: Fault): void => {
  run.end = { status: 'failed', exitReason, fault: { ...fault, runId: run.runId } };
};

export const failCut = (step: Step, finish: 'length' | 'filter'): void =>
  fail(step, 'model_error', {
    code: `model.${finish === 'length' ? 'output_cut' : 'filtered'}`,
    message: `The answer of "${step.run.agent}" was cut off by ${cutReasons[finish]}. Raise settings.maxOutputTokens, or ask for less.`,
    retryable: false,
  });

/** Ends a run whose budget forbids another turn; says so before. */
export const failExhausted = (step: Step): void => {
  const { run } = step;
  const found = exhaustedBy(run);
  if (!found) return;
  say(step, { type: 'budget.exhausted', ...found });
  const turns = found.kind === 'turns';
  fail(step, turns ? 'max_turns' : 'budget', {
    code: turns ? 'budget.turns' : 'budget.exhausted',
    message: `"${run.agent}" has spent ${found.spent} of ${found.limit} ${found.kind} without coming to an answer. Raise budget.${found.kind}, or ask for less.`,
    retryable: false,
    details: { kind: found.kind, spent: found.spent, limit: found.limit },
  });
};

export const failOverCalls = (step: Step): void => {
  const { run } = step;
  const limit = run.allowance.limits.toolCalls ?? 0;
  say(step, { type: 'budget.exhausted', kind: 'toolCalls', spent: run.toolCalls, limit });
  fail(step, 'max_tool_calls', {
    code: 'budget.tool_calls',
    message: `"${run.agent}" asked for more tool calls than budget.toolCalls allows: ${limit} were executed, the others were refused. Raise budget.toolCalls, or ask for less.`,
    retryable: false,
    details: { kind: 'toolCalls', spent: run.toolCalls, limit },
  });
};

export const failNoAnswer = (step: Step): void =>
  fail(step, 'no_answer', {
    code: 'model.no_answer',
    message: `"${step.run.agent}" stopped twice without text, data or calls.`,
    retryable: true,
  });

export const failOutput = (step: Step, problem: string): void =>
  fail(step, 'invalid_output', {
    code: 'model.invalid_output',
    message: `"${step.run.agent}" did not answer in the required format after ${step.run.outputAttempts + 1} attempts: ${problem}`,
    retryable: false,
  });
