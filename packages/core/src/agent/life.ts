/** What happens to a run as a whole: begun, paused, steered, interrupted, let go. */
import type { ExitReason } from '@troupe/protocol';
import { cancelCalls, closeOpenCalls, giveUpCalls, openQuestions, recoverCalls, startReady } from './calls.ts';
import { grantSlots, onlyWaitsForChildren, settleChild } from './children.ts';
import type { ChildEnd, Letter, RunCommand, RunContext, RunFact, TimeKind } from './context.ts';
import { itemAt, itemsOf } from './rows.ts';
import { type FailedEnd, idleTimeout, stalled, stallMessage, stallWarning } from './stalls.ts';
import { type Step, say, setCall, stepOf } from './step.ts';
import { interruptStrays } from './strays.ts';
import { chargeAborted } from './turns.ts';

export const announceQueued = (step: Step): void => {
  if (step.run.announced !== 'no') return;
  step.run.announced = 'queued';
  say(step, { type: 'run.queued' });
};

export const begin = (step: Step): void => {
  const { run } = step;
  if (run.announced === 'started' || run.slot === 'wanted') return;
  run.announced = 'started';
  const { limits, warnAt, keep } = run.allowance;
  say(step, { type: 'run.started', model: run.model, budget: { ...limits, warnAt, keep } });
};

/** What a run hands up when it settles, or waits. */
export const endOf = (run: RunContext, status: ChildEnd['status'], exitReason: ExitReason): ChildEnd => ({
  childId: run.runId,
  status,
  exitReason,
  usage: run.usage.total,
  byModel: run.usage.byModel,
  spent: run.spent,
  // Who waits goes on minding them.
  ...(run.strays && status !== 'paused' && { strays: itemsOf(run.strays) }),
});

const hasParent = (run: RunContext): boolean => run.parentId !== undefined && !run.detached;

/** Gives the parent's slot back while this run does no work; it asks again before its next turn. */
const giveSlotBack = (step: Step): void => {
  if (step.run.slot !== 'held') return;
  step.run.slot = 'released';
  if (hasParent(step.run)) step.notes.push({ type: 'slot.released', childId: step.run.runId });
};

/** A run without a parent has its slot for good, and so has one whose parent counts none. */
export const takeSlot = ({ run }: Step, { heard = 0, free }: { heard?: number; free?: true }): void => {
  run.slot = hasParent(run) && !free ? 'held' : 'free';
  run.messages += heard;
};

export const giveSlotBackIfIdle = (step: Step): void => {
  if (step.run.slot === 'held' && onlyWaitsForChildren(step.run)) giveSlotBack(step);
};

export const askForSlot = (step: Step): void => {
  if (step.run.slot !== 'released') return;
  step.run.slot = 'wanted';
  if (hasParent(step.run)) step.notes.push({ type: 'slot.wanted', childId: step.run.runId });
  else step.run.slot = 'free';
};

export const askPerson = (step: Step): void => {
  const { run } = step;
  const questionIds = openQuestions(run).map(({ id }) => id);
  say(step, { type: 'run.paused', reason: 'question', questionIds });
  giveSlotBack(step);
  if (hasParent(run)) step.notes.push({ type: 'child.paused', end: endOf(run, 'paused', 'question'), questionIds });
};

/** A run that waited for a person can go on, or stops waiting. */
export const stopAsking = (step: Step): void => {
  if (hasParent(step.run)) step.notes.push({ type: 'child.resumed', childId: step.run.runId });
};

/** A person has answered it, or one below it that it waits with: from then on one that was let go is on its own. */
export const hearAnswered = (step: Step): void => {
  const { run, notes } = step;
  if (run.detached) run.isOnItsOwn = true;
  else if (run.mayLeave && hasParent(run)) notes.push({ type: 'child.answered', childId: run.runId });
};

export const pause = (step: Step): void => {
  chargeAborted(step);
  say(step, { type: 'run.paused', reason: 'paused', questionIds: openQuestions(step.run).map(({ id }) => id) });
  giveSlotBack(step);
  holdChildren(step);
};

/** Everything below waits with the run, also what a call in flight starts only now. */
export const holdChildren = (step: Step): void => {
  step.orders.push({ type: 'crew.cascade', command: { type: 'pause' }, stopTools: false });
};

export const resume = (step: Step): void => {
  say(step, { type: 'run.resumed', by: 'command' });
  startReady(step);
  step.orders.push({ type: 'crew.cascade', command: { type: 'resume' }, stopTools: false });
};

export const steer = (step: Step, text: string): void => {
  step.run.inbox = [...step.run.inbox, text];
  say(step, { type: 'run.steered', text });
};

/** Takes in what units of the session have come to; what is there already is there once. */
export const receiveMail = (step: Step, mail: readonly Letter[]): void => {
  const known = new Set(step.run.mail.map(({ id }) => id));
  step.run.mail = [...step.run.mail, ...mail.filter(({ id }) => !known.has(id))];
};

/** Those below have had their time to end. */
export const endGrace = (step: Step): void => {
  step.orders.push({ type: 'crew.stop' });
  giveUpCalls(step);
};

/** Everything below hears of the end; tools are stopped, children are given time to end by themselves. */
const endChildren = (step: Step, reason: string): void => {
  const command: RunCommand = { type: 'interrupt', reason, exitReason: 'parent_interrupted' };
  step.orders.push({ type: 'crew.cascade', command, stopTools: true });
  interruptStrays(step, reason);
  cancelCalls(step, reason);
};

export const interrupt = (step: Step, reason: string, exitReason: ExitReason = 'interrupted'): void => {
  chargeAborted(step);
  step.run.end = { status: 'interrupted', exitReason, reason };
  endChildren(step, reason);
};

/** Much of the time is gone: the alarm of a kind that was warned of rings for its hard limit only. Each silence is warned of by itself. */
export const warnOfTime = (step: Step, kind: TimeKind, limit: number, spent: number): void => {
  if (kind !== 'idleMs') step.run.warned = [...step.run.warned, kind];
  say(step, { type: 'budget.warned', kind, spent, limit });
};

/** Time is up: the run fails, and takes its children along. */
export const runOutOfTime = (step: Step, kind: TimeKind, limit: number, spent: number): void => {
  const { run } = step;
  chargeAborted(step);
  say(step, { type: 'budget.exhausted', kind, spent, limit });
  endFailed(step, kind === 'idleMs' ? idleTimeout(run, spent, limit) : timeout(run, kind));
};

const timeout = ({ agent, runId }: RunContext, kind: TimeKind): FailedEnd => ({
  exitReason: 'timeout',
  fault: {
    code: 'budget.timeout',
    message: `"${agent}" ran out of time: budget.${kind} was reached. Raise it, or ask for less.`,
    retryable: false,
    runId,
    details: { kind },
  },
});

const endFailed = (step: Step, end: FailedEnd): void => {
  step.run.end = { status: 'failed', ...end };
  endChildren(step, end.fault.message);
};

/** A run with a heartbeat makes no progress: it is told, and nothing else happens yet. */
export const warnOfStall = (step: Step, quietMs: number, thresholdMs: number): void =>
  say(step, { type: 'warning.raised', code: stallWarning, message: stallMessage(step.run, quietMs, thresholdMs) });

/** It made none in its time of grace either: it fails, and takes its children along. */
export const failStalled = (step: Step, quietMs: number, thresholdMs: number): void => {
  chargeAborted(step);
  endFailed(step, stalled(step.run, quietMs, thresholdMs));
};

type Recovered = Extract<RunFact, { type: 'recovered' }>;

/** The run was brought back from its store: its calls and children are taken up again. */
export const recover = (step: Step, { unknown }: Recovered): void => {
  chargeAborted(step, {
    code: 'model.aborted',
    message: 'The process that made this model call ended before it was answered.',
    retryable: true,
  });
  recoverCalls(step, unknown);
  // A fork may have more slots than the tree it comes from.
  grantSlots(step);
};

/** Nobody executes the run any more: it ends, and takes its children along. */
export const lose = (step: Step, { lost }: Recovered): void => {
  if (!lost) return;
  chargeAborted(step);
  recoverCalls(step, {});
  step.run.end = lost;
  endChildren(step, lost.status === 'failed' ? lost.fault.message : lost.reason);
};

/** The run was being interrupted: what is below it hears so again. */
export const recoverInterrupting = (step: Step): void => {
  recoverCalls(step, {});
  endChildren(step, step.run.end?.reason ?? step.run.end?.fault?.message ?? 'The run was interrupted.');
};

type Forked = Extract<RunFact, { type: 'forked' }>;

/** The run goes on in another tree. What a model call in flight used is not this tree's; calls that ended wait to be told so. */
export const fork = (step: Step, { known, laterMs, begins, isAnswered }: Forked): void => {
  const { run } = step;
  run.pendingUsage = null;
  // What was left for the session of the other tree is heard there.
  run.mail = [];
  run.laterMs = (run.laterMs ?? 0) + laterMs;
  if (isAnswered) run.isOnItsOwn = true;
  for (const [index, outcome] of Object.entries(known)) {
    const call = itemAt(run.calls, Number(index));
    if (call?.phase === 'running') setCall(step, Number(index), { ...call, phase: 'waiting', shares: 0, outcome });
  }
  if (!begins) return;
  const { from, changed, carried, allowance } = begins;
  if (allowance) {
    run.allowance = allowance;
    run.warned = [];
    run.wrapUp = false;
  }
  const budget = allowance && { ...allowance.limits, warnAt: allowance.warnAt, keep: allowance.keep };
  say(step, { type: 'run.forked', from, changed, carried, ...(budget && { budget }) });
};

/** What a run leaves behind when its actor has ended, however that was: what is open is charged and answered. */
export const closeRun = (
  context: RunContext,
  { how, ends = [] }: { how: 'done' | 'stopped' | 'error'; ends?: readonly ChildEnd[] },
): RunContext => {
  const step = stepOf(context);
  chargeAborted(step);
  for (const end of ends) settleChild(step, end);
  closeOpenCalls(step, { message: `Cancelled: the run ${how === 'error' ? 'broke' : 'was stopped'}.` });
  return step.run;
};

/** The run that started this one has let it go: it is its own root from now on. */
export const detach = (step: Step): void => {
  step.run.detached = true;
  if (step.run.slot !== 'free') step.run.slot = 'free';
  say(step, { type: 'run.detached' });
};

export const recalled = (step: Step, { text, problem }: { text?: string; problem?: string }): void => {
  const { run } = step;
  run.recalled = true;
  const found = text !== undefined;
  if (found) run.messages += 1;
  if (problem === undefined)
    say(step, {
      type: 'memory.read',
      scope: run.memoryScope ?? '',
      key: 'context',
      found,
      ...(found && { text }),
    });
  else say(step, { type: 'warning.raised', code: 'memory.unreadable', message: problem });
};

/** A memory that could not be written warns; it never fails a run that has its answer. */
export const remembered = (step: Step, { problem }: { problem?: string }): void => {
  if (problem === undefined)
    say(step, { type: 'memory.written', scope: step.run.memoryScope ?? '', key: 'last_output' });
  else say(step, { type: 'warning.raised', code: 'memory.unwritable', message: problem });
};

export const pauseSpawning = (step: Step, by: string): void => {
  step.run.spawningPaused = true;
  say(step, { type: 'spawning.paused', by });
};

export const resumeSpawning = (step: Step, by: string): void => {
  step.run.spawningPaused = false;
  say(step, { type: 'spawning.resumed', by });
};
