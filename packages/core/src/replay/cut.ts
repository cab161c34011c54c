/** Where a tree is cut, and what of it had happened by then. */
import {
  type Answer,
  type Budget,
  FaultError,
  isTerminal,
  type JSONValue,
  type Question,
  type RunRow,
  type StoredEvent,
} from '@troupe/protocol';
import { readAnswer } from '../agent/answers.ts';
import { checkBudget } from '../define-agent.ts';
import type { RunRecord } from './read-run.ts';

/** What goes another way in a forked tree. Without a change, what the event began is done again. */
export type ForkChange = {
  /** What the model answers in the turn of `at`, a `turn.started` or `turn.completed`. It costs nothing. */
  turn?: { text?: string; calls?: readonly { name: string; arguments: JSONValue; id?: string }[] };
  /** What the question of `at` is answered, a `question.asked` or `question.answered`. */
  answer?: Answer;
  /** Limits of the root from here on, each in the place of the one that it had. */
  budget?: Budget;
};

export type ForkOptions = {
  /** The id of an event of the tree, of any of its runs. */
  at: string;
  change?: ForkChange;
  /** Of the new root. Default: a new one. */
  runId?: string;
};

/** A run of a stored tree. */
export type TreeRun = RunRecord & { row: RunRow };

export type Cut = {
  run: TreeRun;
  event: StoredEvent;
  /** Events of the tree that had happened: all that was stored together with the last of them. */
  until: number;
};

const refuse = (message: string): never => {
  throw new FaultError('fork.invalid', message);
};

/** Events that a fork does not begin after but in the place of. */
const isInstead = ({ type, parentId }: StoredEvent): boolean =>
  type === 'turn.completed' ||
  type === 'question.answered' ||
  type === 'budget.exhausted' ||
  (isTerminal({ type }) && parentId === undefined);

/** @throws FaultError `fork.invalid` */
export const cutAt = (tree: readonly TreeRun[], { at, change = {} }: ForkOptions): Cut => {
  const runId = at.slice(0, Math.max(at.lastIndexOf(':'), 0));
  const run = tree.find(({ row }) => row.runId === runId);
  const event = run?.events.find(({ id }) => id === at);
  const rootId = tree[0]?.row.rootId;
  if (!run || !event)
    return refuse(`There is no event "${at}" in the tree of "${rootId}". Give the id of one: "<runId>:<seq>".`);
  check(run, event, change);
  const whole = run.entries.findLast(({ seq }) => seq < event.seq)?.rootSeq ?? event.rootSeq;
  if (!isInstead(event)) return { run, event, until: whole };
  let until = 0;
  for (const { entries } of tree)
    for (const { rootSeq } of entries) if (rootSeq < whole && rootSeq > until) until = rootSeq;
  if (until === 0)
    return refuse(`Nothing had happened in the tree of "${rootId}" before event "${at}": start it again.`);
  return { run, event, until };
};

/** The question that an event is about. */
export const questionOf = ({ events }: TreeRun, event: StoredEvent): Question | undefined => {
  const id = event.type === 'question.asked' ? event.question.id : 'questionId' in event ? event.questionId : undefined;
  const asked = events.find((each) => each.type === 'question.asked' && each.question.id === id);
  return asked?.type === 'question.asked' ? asked.question : undefined;
};

const check = (run: TreeRun, event: StoredEvent, { turn, answer, budget }: ForkChange): void => {
  const { id, type } = event;
  if (turn && type !== 'turn.started' && type !== 'turn.completed')
    refuse(`Another turn was given for event "${id}", a ${type}. Expected a turn.started or a turn.completed.`);
  if (turn && !turn.text && !turn.calls?.length)
    refuse(`The turn that was given for event "${id}" says nothing. Expected text, calls, or both.`);
  const question = questionOf(run, event);
  if (answer !== undefined && !question)
    refuse(`Another answer was given for event "${id}", a ${type}. Expected a question.asked or a question.answered.`);
  const decision = question && answer !== undefined && readAnswer(question, answer);
  if (decision && decision.decision === 'unclear')
    refuse(`The answer ${JSON.stringify(answer)} to "${question?.id}" is not clear. Expected ${decision.expected}.`);
  checkBudget(budget, 'the fork');
};
