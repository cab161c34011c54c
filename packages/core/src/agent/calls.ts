/**
 * What tool calls do to a run (L3): each call that a model made is answered exactly once, in call order, whatever becomes of it.
 */
import { type Answer, againOf, callKeyOf, type Fault, type Question, questionIdOf } from '@troupe/protocol';
import { readAnswer } from './answers.ts';
import { decisionOn, whyDenied } from './approval.ts';
import type { CallState, PlannedCall, RunContext, UnknownOutcome } from './context.ts';
import { type CallOutcome, declined, notExecuted, previewOf } from './outcome.ts';
import { itemAt, itemsOf, rowsOf } from './rows.ts';
import { putCall, type Step, say, setCall, tell, warn } from './step.ts';

const settledAs = (call: PlannedCall, outcome: CallOutcome): CallState => ({
  ...blank(call),
  phase: 'settled',
  shares: 0,
  outcome,
});

const blank = ({ callId, tool, arguments: args, delegates }: PlannedCall): CallState => ({
  callId,
  tool,
  arguments: args,
  phase: 'running',
  shares: delegates ? 1 : 0,
  children: [],
  live: 0,
  asking: 0,
});

/** Of each call that is more than its tool allows in one turn, its number among those of that tool; of all others none. */
const excessIn = (planned: readonly PlannedCall[]): (number | undefined)[] => {
  const numbers = new Map<string, number>();
  return planned.map(({ tool, maxPerTurn = Number.POSITIVE_INFINITY }) => {
    const number = (numbers.get(tool) ?? 0) + 1;
    numbers.set(tool, number);
    return number > maxPerTurn ? number : undefined;
  });
};

const tooManyText = ({ tool, maxPerTurn }: PlannedCall, number: number): string => {
  const [calls, are] = maxPerTurn === 1 ? ['call', 'is'] : ['calls', 'are'];
  return `Not executed: too many at once, ${maxPerTurn} ${calls} of "${tool}" in one turn ${are} allowed, this was number ${number}. Call again in a later turn if it is still needed.`;
};

/**
 * Plans the calls of a turn, in order: those that their tool does not allow in one turn, and those over the limit, are refused, those
 * that cannot run are answered, the first that asks a person waits, those after it are skipped, the rest start now. Where nobody is
 * asked, nothing waits and nothing is skipped.
 */
export const planCalls = (step: Step, planned: readonly PlannedCall[]): void => {
  const { run } = step;
  const allowed = (run.allowance.limits.toolCalls ?? Number.POSITIVE_INFINITY) - run.toolCalls;
  const excess = excessIn(planned);
  const over = excess.filter((number) => number === undefined).length > allowed;
  let counted = 0;
  let asked = false;
  const decided = new Map<number, 'allowed' | 'denied'>();
  const calls = planned.map((call, index): CallState => {
    const number = excess[index];
    if (number !== undefined) return settledAs(call, notExecuted('refused', tooManyText(call, number)));
    counted += 1;
    if (counted > allowed)
      return settledAs(
        call,
        notExecuted(
          'refused',
          `Not executed: this run may make ${run.allowance.limits.toolCalls} tool calls, and all were made.`,
        ),
      );
    if (asked)
      return settledAs(
        call,
        notExecuted(
          'skipped',
          'Skipped: an earlier call of this turn waits for a person. Call again if it is still needed.',
        ),
      );
    if (call.problem !== undefined) return settledAs(call, notExecuted('error', call.problem));
    if (!call.asks) return blank(call);
    if (run.approval) {
      const { kind } = call.asks;
      const decision = decisionOn(run.approval, kind);
      decided.set(index, decision);
      if (decision === 'allowed') return blank(call);
      return settledAs(call, declined(whyDenied(run.approval, call.tool, kind)));
    }
    if (over)
      return settledAs(
        call,
        notExecuted('refused', 'Not executed: this run made more tool calls than it may, so nobody is asked.'),
      );
    asked = true;
    const question: Question = {
      id: questionIdOf(callKeyOf(run.runId, run.turn, index)),
      runId: run.runId,
      rootId: run.rootId,
      callId: call.callId,
      tool: call.tool,
      arguments: call.arguments,
      askedAt: 0,
      ...call.asks,
    };
    return { ...blank(call), phase: 'asking', kind: question.kind, question };
  });
  run.calls = rowsOf(calls);
  run.told = 0;
  run.overCalls = over;
  run.open = 0;
  run.stuck = 0;
  run.live = 0;
  run.shares = calls.reduce((sum, call) => sum + call.shares, 0);
  calls.forEach((call, index) => {
    if (call.outcome?.status !== 'skipped' && call.outcome?.status !== 'refused') run.toolCalls += 1;
    say(step, { type: 'call.started', callId: call.callId, tool: call.tool, arguments: call.arguments });
    const decision = decided.get(index);
    if (decision) sayApplied(step, call.tool, decision);
    if (call.phase === 'settled') return;
    run.open += 1;
    if (call.question) {
      run.stuck += 1;
      say(step, { type: 'question.asked', question: call.question });
    } else execute(step, index, call);
  });
  warn(step);
  tellSettled(step);
};

/** What the approval policy decided of a call, for those who look into it later. */
const sayApplied = (step: Step, tool: string, decision: 'allowed' | 'denied'): void =>
  say(step, { type: 'policy.applied', policy: 'approval', decision, subject: tool });

const execute = (
  { run, orders }: Step,
  index: number,
  { callId, tool, arguments: args, given, kind }: CallState,
): void => {
  orders.push({
    type: 'crew.execute',
    index,
    turn: run.turn,
    callId,
    tool,
    arguments: args,
    ...(given !== undefined && { given }),
    ...(kind && { kind }),
  });
};

/** Answers go into the conversation in call order: as far as everything before is settled. */
const tellSettled = (step: Step): void => {
  const { run } = step;
  const next = () => itemAt(run.calls, run.told);
  for (let call = next(); call?.phase === 'settled' && call.outcome; call = next()) {
    const { callId, tool, outcome } = call;
    const { preview, truncated } = previewOf(outcome.result, outcome.previewLength);
    const data = outcome.data === undefined ? {} : { data: outcome.data };
    if (outcome.status === 'ok')
      say(step, { type: 'call.completed', callId, tool, preview, truncated, result: outcome.result, ...data });
    else
      say(step, {
        type: 'call.failed',
        callId,
        tool,
        error: outcome.error ?? outcome.result,
        ...(outcome.timedOut && { timedOut: true }),
        ...(outcome.cancelled && { cancelled: true }),
        status: outcome.status,
        result: outcome.result,
        ...data,
      });
    tell(step, { role: 'tool', callId, content: outcome.result });
    putCall(step, run.told, answered(call));
    run.told += 1;
  }
};

/** What is left of a call once it is answered: what it said and was told stands in the conversation. */
const answered = ({ callId, tool }: CallState): CallState => ({
  callId,
  tool,
  arguments: null,
  phase: 'settled',
  shares: 0,
  children: [],
  live: 0,
  asking: 0,
});

/** A call has its outcome. A call that still has children waits for them: no child outlives its call. */
export const settleCall = (step: Step, index: number, outcome: CallOutcome): void => {
  const call = itemAt(step.run.calls, index);
  if (!call || call.phase === 'settled') return;
  if (call.live > 0)
    return setCall(step, index, { ...call, phase: 'waiting', shares: 0, outcome: call.outcome ?? outcome });
  const isCut = call.phase === 'closing' && step.run.end !== undefined && outcome.status === 'error';
  const settled = { ...(call.outcome ?? outcome), ...(isCut && { cancelled: true }) };
  setCall(step, index, { ...call, phase: 'settled', shares: 0, outcome: settled });
  tellSettled(step);
};

/** Whether a call that is settled now is the last of its turn, and waits for no child of its own. */
export const isLastCall = ({ calls, open }: RunContext, index: number): boolean => {
  const call = itemAt(calls, index);
  return open === 1 && call !== undefined && call.phase !== 'settled' && call.live === 0;
};

/** What a waiting call does once its last child has ended. */
export const afterLastChild = (step: Step, index: number): void => {
  const call = itemAt(step.run.calls, index);
  if (call?.phase !== 'waiting' || call.live > 0) return;
  if (call.outcome) return settleCall(step, index, call.outcome);
  if (step.run.graceOver) return settleCall(step, index, cancelled(step.run.end?.reason));
  setCall(step, index, { ...call, phase: 'closing' });
  step.orders.push({ type: 'crew.close', index, turn: step.run.turn });
};

const cancelled = (reason = 'the run was interrupted'): CallOutcome =>
  notExecuted('error', `Cancelled: ${reason}`, { cancelled: true });

/** True for a call that is its children, and will make its result of them. */
const isItsChildren = ({ phase, outcome }: CallState): boolean => phase === 'waiting' && !outcome;

/**
 * Every call is answered as cancelled, once its children have ended. Calls that are their children still tell what came of them: what
 * is finished is not lost with what is not.
 */
export const cancelCalls = (step: Step, reason: string): void => {
  itemsOf(step.run.calls).forEach((call, index) => {
    // What was making a result was stopped with all the tools.
    if (call.phase === 'closing') step.orders.push({ type: 'crew.close', index, turn: step.run.turn });
    else if (call.phase !== 'settled' && !isItsChildren(call)) settleCall(step, index, cancelled(reason));
  });
};

/** Nothing is waited for any more. */
export const giveUpCalls = (step: Step): void => {
  step.run.graceOver = true;
  itemsOf(step.run.calls).forEach((call, index) => {
    if (call.phase === 'closing') settleCall(step, index, cancelled(step.run.end?.reason));
  });
};

/** The call that asked, by the question's id. */
const askingCall = (run: RunContext, questionId: string): number =>
  itemsOf(run.calls).findIndex((call) => call.question?.id === questionId && call.phase === 'asking');

/** The question that waits under an id; none where nobody asks it, or not any more. */
export const openQuestion = (run: RunContext, questionId: string): Question | undefined =>
  itemAt(run.calls, askingCall(run, questionId))?.question;

/** A person's answer: the call goes on, or is declined. `paused` runs start it when they are resumed. */
export const answerCall = (
  step: Step,
  { questionId, answer, by }: { questionId: string; answer: Answer; by: string },
  paused: boolean,
): void => {
  const index = askingCall(step.run, questionId);
  const call = itemAt(step.run.calls, index);
  if (!call?.question) return;
  const decision = readAnswer(call.question, answer);
  if (decision.decision === 'unclear') return;
  say(step, { type: 'question.answered', questionId, answer, by });
  const isAgain = againOf(questionId) > 0;
  if (decision.decision === 'declined')
    return settleCall(step, index, isAgain ? leftUnknown(call.tool, decision.reason) : declined(decision.reason));
  const given = isAgain ? call : { ...call, given: decision.value };
  if (paused) return setCall(step, index, { ...given, phase: 'ready' });
  setCall(step, index, { ...given, phase: 'running' });
  execute(step, index, given);
};

const unknownText = (tool: string): string =>
  `"${tool}" was executing when its process ended: nobody knows whether it took effect.`;
const leftUnknown = (tool: string, why = ''): CallOutcome =>
  notExecuted('error', `Outcome unknown: ${unknownText(tool)} It was not run again${why && `: ${why}`}.`);

/** After a restart: calls that were executing run again, wait for a person, or fail; children and results are taken up again. */
export const recoverCalls = (step: Step, unknown: Readonly<Record<number, UnknownOutcome>>): void => {
  const { run, orders } = step;
  for (const { children } of itemsOf(run.calls))
    for (const { runId, status } of itemsOf(children))
      if (status !== 'ended') orders.push({ type: 'crew.attach', childId: runId });
  itemsOf(run.calls).forEach((call, index) => {
    if (call.phase === 'closing') orders.push({ type: 'crew.close', index, turn: run.turn });
    if (call.phase === 'waiting') afterLastChild(step, index);
    if (call.phase === 'running') recoverCall(step, index, call, unknown[index] ?? 'again');
  });
};

const recoverCall = (step: Step, index: number, call: CallState, verdict: UnknownOutcome): void => {
  if (verdict === 'again') return execute(step, index, call);
  if (verdict === 'fail') return settleCall(step, index, leftUnknown(call.tool));
  const { approval } = step.run;
  if (approval) {
    // A policy that approves does not know either whether it took effect.
    sayApplied(step, call.tool, 'denied');
    const why = `nobody is asked in this run whether to (approval policy "${approval}")`;
    return settleCall(step, index, leftUnknown(call.tool, why));
  }
  const { runId, rootId, turn } = step.run;
  const question: Question = {
    id: questionIdOf(callKeyOf(runId, turn, index), againOf(call.question?.id ?? '') + 1),
    runId,
    rootId,
    callId: call.callId,
    tool: call.tool,
    arguments: call.arguments,
    kind: 'confirmation',
    prompt: `${unknownText(call.tool)} Run it again?`,
    options: ['yes', 'no'],
    askedAt: 0,
  };
  setCall(step, index, { ...call, phase: 'asking', question });
  say(step, { type: 'question.asked', question });
};

/** Starts what was answered while the run was paused. */
export const startReady = (step: Step): void => {
  itemsOf(step.run.calls).forEach((call, index) => {
    if (call.phase !== 'ready') return;
    setCall(step, index, { ...call, phase: 'running' });
    execute(step, index, call);
  });
};

/** Questions that wait for a person in this run itself. */
export const openQuestions = (run: Pick<RunContext, 'calls'>): Question[] =>
  itemsOf(run.calls).flatMap((call) => (call.phase === 'asking' && call.question ? [call.question] : []));

/** Answers for calls that a run left open when it was stopped or broke, so that its conversation stays whole. */
export const closeOpenCalls = (step: Step, fault: Pick<Fault, 'message'>): void => {
  itemsOf(step.run.calls).forEach((call, index) => {
    if (call.phase === 'settled') return;
    const outcome = call.outcome ?? notExecuted('error', fault.message, { cancelled: true });
    setCall(step, index, { ...call, phase: 'settled', outcome });
  });
  tellSettled(step);
};
