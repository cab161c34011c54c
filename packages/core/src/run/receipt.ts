/** What a command to a run comes to, read off its machine: the same words before and after it is given. */
import { type Answer, type Receipt, type RunStatus, redact } from '@troupe/protocol';
import { readAnswer } from '../agent/answers.ts';
import { openQuestion } from '../agent/calls.ts';
import type { AgentContext, RunCommand, RunContext } from '../agent/context.ts';
import { raiseProblem } from '../agent/raise.ts';

/** Where a machine stands: its own snapshot, or one that was made of what is stored. */
export type Standing = { context: AgentContext; can(event: RunCommand): boolean; matches(value: never): boolean };

const rejected = (reason: string): Receipt => ({ status: 'rejected', reason });

/** What comes of an answer to a question that was answered before: what is stored of that one has no secrets. */
export const repeated = (before: Answer | undefined, answer: Answer): Receipt =>
  JSON.stringify(redact(before)) === JSON.stringify(redact(answer))
    ? { status: 'accepted' }
    : rejected('already answered');

/** What is told whoever commands a run that has ended. */
export const afterEnd = (status: RunStatus): Receipt => rejected(`the run has ended: ${status}`);

const answerProblem = (
  context: RunContext,
  { questionId, answer }: Extract<RunCommand, { type: 'answer' }>,
): string => {
  const question = openQuestion(context, questionId);
  if (!question) return `no open question "${questionId}"`;
  const read = readAnswer(question, answer);
  return `the answer is not clear: expected ${read.decision === 'unclear' ? read.expected : 'another answer'}`;
};

/** Why a machine that stands so does not take a command. */
const problemOf = (at: Standing, command: RunCommand): string => {
  const is = (value: unknown) => at.matches(value as never);
  if (command.type === 'answer') return answerProblem(at.context.run, command);
  if (is('interrupting')) return 'the run is being interrupted';
  if (command.type === 'pause' && is('paused')) return 'the run is paused already';
  if (command.type === 'resume') return is('paused') ? 'the run waits for an answer' : 'the run is not paused';
  const { run } = at.context;
  if (command.type === 'pauseSpawning' && run.spawningPaused) return 'spawning is paused already';
  if (command.type === 'resumeSpawning' && !run.spawningPaused) return 'spawning is not paused';
  const tooMuch = command.type === 'raise' ? raiseProblem(run, command.limits) : null;
  return tooMuch ?? 'the run is about to end';
};

/** What a command comes to where a run has not ended. */
export const receiptAt = (at: Standing, command: RunCommand): Receipt => {
  const is = (value: unknown) => at.matches(value as never);
  if (!at.can(command)) return rejected(problemOf(at, command));
  if (command.type === 'steer') {
    if (is({ paused: 'question' })) return { status: 'deferred', until: 'question.answered' };
    if (is('paused')) return { status: 'deferred', until: 'resumed' };
    if (is({ running: 'thinking' })) return { status: 'deferred', until: 'turn.completed' };
    if (is({ running: 'acting' })) return { status: 'deferred', until: 'call.settled' };
  }
  if (command.type === 'answer' && is({ paused: 'command' })) return { status: 'deferred', until: 'resumed' };
  return { status: 'accepted' };
};
