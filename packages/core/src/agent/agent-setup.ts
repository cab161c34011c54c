/**
 * The words of the chart of a run: what its guards ask, what its actions do, which actors it starts. `turns`, `calls`, `children` and
 * `life` say what a decision does to the run; here they get their names.
 */
import { type AnyEventObject, fromCallback, type NonReducibleUnknown, setup } from 'xstate';
import { readAnswer } from './answers.ts';
import { answerCall, isLastCall, openQuestion, planCalls, settleCall } from './calls.ts';
import { grantSlots, pauseChild, releaseSlot, resumeChild, settleChild, spawn, wantSlot } from './children.ts';
import type {
  AgentContext,
  ClosedTurn,
  CrewOrder,
  GivenTurn,
  RunContext,
  RunFact,
  RunInput,
  RunMachineEvent,
  RunOutput,
} from './context.ts';
import * as life from './life.ts';
import { exhaustedBy } from './limits.ts';
import { raiseLimits, raiseProblem } from './raise.ts';
import { type Step, say, stepOf } from './step.ts';
import { leaveStrays } from './strays.ts';
import * as turns from './turns.ts';
import { type AlarmInput, setAlarm, startWatch, watchesOf } from './watches.ts';

/** What the leaf actors of a run are given. */
export type TurnInput = { runId: string; turn: number; given?: GivenTurn };
/** `given`: what is there already, and is not asked for. */
export type SummaryInput = { runId: string; turn: number; given?: Extract<RunFact, { type: 'context.summarized' }> };
export type MemoryInput = {
  runId: string;
  scope: string;
  store: boolean;
  given?: Extract<RunFact, { type: 'memory.recalled' }>;
};
export type CrewMessage = { type: 'crew.orders'; orders: CrewOrder[] };

const absent = <Input extends NonReducibleUnknown>(name: string) =>
  fromCallback<AnyEventObject, Input>(() => {
    throw new Error(
      `The agent machine was started without its actor "${name}". Provide it, or start runs with a runtime.`,
    );
  });

const types = {} as { context: AgentContext; events: RunMachineEvent; input: RunInput; output: RunOutput };
const base = setup({
  types,
  actors: {
    /** Takes one turn. Leaving `thinking` aborts it. */
    model: absent<TurnInput>('model'),
    /** Everything that works for the run and may outlive a turn's state: calls and children. From the first call on, also in a pause. */
    crew: absent<{ runId: string }>('crew'),
    /** Says when time is up. */
    alarm: absent<AlarmInput>('alarm'),
    /** Reads before the first turn, writes after the last. */
    memory: absent<MemoryInput>('memory'),
    /** Makes a summary of what was said. */
    summarizer: absent<SummaryInput>('summarizer'),
  },
});

type EventOf<T extends RunMachineEvent['type']> = Extract<RunMachineEvent, { type: T }>;

/**
 * An action that does one thing to a run, with what follows from it for others. `T` names the events it is used with. What follows is
 * left in the outbox, and is sent when the step is recorded: an action that enqueues others costs XState more than all else in a step.
 */
const act = <T extends RunMachineEvent['type']>(change: (step: Step, event: EventOf<T>) => void) =>
  base.assign(({ context, event }) => {
    const step = stepOf(context.run);
    change(step, event as EventOf<T>);
    return { run: step.run };
  });

/** A person has answered. @param held Nothing is executed before the run goes on. */
const answered = ({ held }: { held: boolean }) =>
  act<'answer'>((step, event) => {
    answerCall(step, event, held);
    life.hearAnswered(step);
  });

/** A question about a closed turn. */
const ifTurn =
  (test: (turn: ClosedTurn, run: RunContext) => boolean) =>
  ({ context: { run }, event }: { context: AgentContext; event: RunMachineEvent }): boolean =>
    event.type === 'turn.closed' && test(event.turn, run);

const problemOf = (turn: ClosedTurn): string | undefined =>
  turn.output && 'problem' in turn.output ? turn.output.problem : undefined;
const isCut = (turn: ClosedTurn): turn is ClosedTurn & { finish: 'length' | 'filter' } =>
  turn.finish === 'length' || turn.finish === 'filter';
const isContextError = (event: RunMachineEvent): boolean =>
  event.type === 'turn.failed' && event.fault.code === 'model.context_length';

/** What {@link agentMachine} is made of. */
export const agentSetup = base.extend({
  guards: {
    isQueued: ({ context: { run } }) => run.slot === 'wanted',
    hasSlot: ({ context: { run } }) => run.slot !== 'wanted',
    mustRecall: ({ context: { run } }) => run.memoryScope !== undefined && !run.recalled,
    isForgetful: ({ context: { run } }) => run.memoryScope === undefined,
    hasOpenCalls: ({ context: { run } }) => run.open > 0,
    hasNoOpenCalls: ({ context: { run } }) => run.open === 0,
    /** Nothing is left to be waited for once this is answered: straight on, a step less than by way of `acting`. */
    answersLastCall: ({ context: { run }, event }) => event.type === 'call.settled' && isLastCall(run, event.index),
    waitsForPerson: ({ context: { run } }) => run.open > 0 && run.open === run.stuck,
    canGoOn: ({ context: { run } }) => run.open === 0 || run.open > run.stuck,
    madeTooManyCalls: ({ context: { run } }) => run.overCalls,
    isExhausted: ({ context: { run } }) => exhaustedBy(run) !== null,
    needsSlot: ({ context: { run } }) => run.slot === 'released',
    isTooLong: ({
      context: {
        run: { compaction, compactedAt, turns, messages, lastInputTokens },
      },
    }) =>
      turns > compactedAt &&
      (messages > (compaction.maxMessages ?? Number.POSITIVE_INFINITY) ||
        lastInputTokens > (compaction.maxInputTokens ?? Number.POSITIVE_INFINITY)),
    wantsCalls: ifTurn((turn) => turn.calls.length > 0),
    wasSteered: ifTurn((turn, run) => run.inbox.length + run.mail.length > 0 && turns.mayGoOn(run, turn)),
    wasCut: ifTurn(isCut),
    mayAnswerAgain: ifTurn(
      (turn, run) =>
        problemOf(turn) !== undefined && run.outputAttempts < run.outputRetries && turns.mayGoOn(run, turn),
    ),
    keepsBadOutput: ifTurn((turn, { outputMismatch }) => problemOf(turn) !== undefined && outputMismatch === 'keep'),
    keepsBadOutputAndForgets: ifTurn(
      (turn, { outputMismatch, memoryScope }) =>
        problemOf(turn) !== undefined && outputMismatch === 'keep' && memoryScope === undefined,
    ),
    hasBadOutput: ifTurn((turn) => problemOf(turn) !== undefined),
    saysNothing: ifTurn((turn, run) => turn.text.trim() === '' && !turn.output && !run.askedForAnswer),
    saysNothingAgain: ifTurn((turn) => turn.text.trim() === '' && !turn.output),
    mayCompact: ({ context: { run }, event }) =>
      isContextError(event) && run.compaction.onContextError && run.compactions < 2,
    isContextError: ({ event }) => isContextError(event),
    endsFailed: ({ context: { run } }) => run.open === 0 && run.end?.status === 'failed',
    endsInterrupted: ({ context: { run } }) => run.open === 0,
    isAnswer: ({ context: { run }, event }) => {
      if (event.type !== 'answer') return false;
      const question = openQuestion(run, event.questionId);
      return question !== undefined && readAnswer(question, event.answer).decision !== 'unclear';
    },
    mayRaise: ({ context: { run }, event }) => event.type === 'raise' && raiseProblem(run, event.limits) === null,
    mayHoldSpawning: ({ context: { run } }) => !run.spawningPaused,
    holdsSpawning: ({ context: { run } }) => run.spawningPaused === true,
    isLost: ({ event }) => event.type === 'recovered' && event.lost !== undefined,
    letsGo: ({ context: { run } }) => run.parentId !== undefined && !run.detached,
    /** Whoever is on its own has nobody above it. */
    mayInterrupt: ({ context: { run }, event }) =>
      !(run.isOnItsOwn && event.type === 'interrupt' && event.exitReason === 'parent_interrupted'),
  },
  actions: {
    announceQueued: act(life.announceQueued),
    /** Says that the run works, where that is news, and has it watched. */
    begin: base.assign(({ context, spawn }) => {
      const step = stepOf(context.run);
      life.begin(step);
      startWatch(step.run, spawn);
      return { run: step.run };
    }),
    takeSlot: act<'slot.granted'>(life.takeSlot),
    askForSlot: act(life.askForSlot),
    askPerson: act(life.askPerson),
    stopAsking: act(life.stopAsking),
    sayAnswered: act((step) => say(step, { type: 'run.resumed', by: 'answer' })),
    pause: act(life.pause),
    resume: act(life.resume),
    steer: act<'steer'>((step, { text }) => life.steer(step, text)),
    raise: act<'raise'>((step, { limits, by }) => {
      raiseLimits(step, limits, by);
      grantSlots(step);
    }),
    pauseSpawning: act<'pauseSpawning'>((step, { by }) => life.pauseSpawning(step, by)),
    resumeSpawning: act<'resumeSpawning'>((step, { by }) => life.resumeSpawning(step, by)),
    receiveMail: act<'deliver'>((step, { mail }) => life.receiveMail(step, mail)),
    interrupt: act<'interrupt'>((step, { reason, exitReason }) => life.interrupt(step, reason, exitReason)),
    warnOfTime: act<'limit.near'>((step, { kind, limit, spent }) => life.warnOfTime(step, kind, limit, spent)),
    runOutOfTime: act<'limit.reached'>((step, { kind, limit, spent }) => life.runOutOfTime(step, kind, limit, spent)),
    warnOfStall: act<'stall.noticed'>((step, { quietMs, thresholdMs }) => life.warnOfStall(step, quietMs, thresholdMs)),
    failStalled: act<'stall.lasted'>((step, { quietMs, thresholdMs }) => life.failStalled(step, quietMs, thresholdMs)),
    detach: act(life.detach),
    fork: act<'forked'>(life.fork),
    endGrace: act(life.endGrace),
    warn: act<'warning'>((step, { code, message }) => say(step, { type: 'warning.raised', code, message })),

    openTurn: act(turns.openTurn),
    use: act<'model.used'>(({ run }, { usage }) => {
      run.pendingUsage = usage;
    }),
    attempt: act<'model.attempted'>((step, { attempt, costUsd }) => turns.recordAttempt(step, attempt, costUsd)),
    recordTurn: act<'turn.closed'>((step, { turn }) => turns.recordTurn(step, turn)),
    /** The first call that is executed, or waits, brings the run's crew to life, to last as long as the run does. */
    recordCalls: base.assign(({ context, event, spawn }) => {
      const step = stepOf(context.run);
      const { run } = step;
      const { turn } = event as EventOf<'turn.closed'>;
      turns.recordTurn(step, turn);
      planCalls(step, turn.planned);
      if (!run.hasCrew && run.open > 0) {
        spawn('crew', { id: 'crew', input: { runId: run.runId } });
        run.hasCrew = true;
      }
      return { run };
    }),
    recordAnswer: act<'turn.closed'>((step, { turn }) => {
      turns.recordTurn(step, turn);
      turns.accept(step, turn);
    }),
    recordMisfit: act<'turn.closed'>((step, { turn }) => {
      turns.recordTurn(step, turn);
      turns.acceptMisfit(step, turn, problemOf(turn) ?? '');
    }),
    askForOutput: act<'turn.closed'>((step, { turn }) => turns.askForOutput(step, problemOf(turn) ?? '')),
    askForAnswer: act(turns.askForAnswer),
    failCut: act<'turn.closed'>((step, { turn }) => isCut(turn) && turns.failCut(step, turn.finish)),
    failOutput: act<'turn.closed'>((step, { turn }) => turns.failOutput(step, problemOf(turn) ?? '')),
    failNoAnswer: act(turns.failNoAnswer),
    failExhausted: act(turns.failExhausted),
    failOverCalls: act(turns.failOverCalls),
    failTurn: act<'turn.failed'>((step, { fault }) => turns.failTurn(step, fault)),
    chargeAborted: act<'turn.failed'>((step, { fault }) => turns.chargeAborted(step, fault)),
    failBug: act((step, event) => turns.fail(step, 'error', turns.bug((event as unknown as { error: unknown }).error))),
    compact: act((step) => turns.compact(step, false)),
    contextFull: act((step) => turns.compact(step, true)),
    compacted: act<'context.summarized'>((step, event) => turns.compacted(step, event)),
    keepContext: act<'context.kept'>((step, event) => turns.keepContext(step, event)),

    spawn: act<'call.spawns'>((step, event) => {
      spawn(step, event);
      life.giveSlotBackIfIdle(step);
    }),
    spawnHeld: act<'call.spawns'>((step, event) => {
      spawn(step, event);
      life.holdChildren(step);
    }),
    settleCall: act<'call.settled'>((step, { index, outcome }) => {
      settleCall(step, index, outcome);
      life.giveSlotBackIfIdle(step);
    }),
    answer: answered({ held: false }),
    answerLater: answered({ held: true }),
    hearAnswered: act(life.hearAnswered),
    leaveStrays: act<'strays.gone'>((step, { runIds }) => leaveStrays(step, runIds)),
    settleChild: act<'child.settled'>((step, { end }) => settleChild(step, end)),
    pauseChild: act<'child.paused'>((step, { end }) => pauseChild(step, end)),
    resumeChild: act<'child.resumed'>((step, { childId }) => resumeChild(step, childId)),
    releaseSlot: act<'slot.released'>((step, { childId }) => releaseSlot(step, childId)),
    wantSlot: act<'slot.wanted'>((step, { childId }) => wantSlot(step, childId)),

    recover: act<'recovered'>(life.recover),
    recoverInterrupting: act(life.recoverInterrupting),
    lose: act<'recovered'>(life.lose),

    recall: act<'memory.recalled'>((step, event) => life.recalled(step, event)),
    remember: act<'memory.stored'>((step, event) => life.remembered(step, event)),
    setAlarm: base.assign(({ context: { run }, spawn }) => {
      setAlarm(run, spawn);
      return {};
    }),
    /** A deadline that was moved rings when it is now. */
    moveAlarm: base.enqueueActions(({ event, enqueue }) => {
      if (event.type !== 'raise' || event.limits.deadlineAt === undefined) return;
      enqueue.stopChild('deadline');
      enqueue('setAlarm' as never);
    }),
    startWatch: base.assign(({ context: { run }, spawn }) => {
      startWatch(run, spawn);
      return {};
    }),
    /** A watch whose limit was raised goes by what it is now; every other watches on. */
    moveWatch: base.enqueueActions(({ context: { run }, event, enqueue }) => {
      if (event.type !== 'raise') return;
      for (const [id, kind] of watchesOf(run)) {
        if (kind === 'heartbeat' || event.limits[kind] === undefined) continue;
        enqueue.stopChild(id);
        enqueue.spawnChild('alarm', { id, input: { runId: run.runId, kind } });
      }
    }),
    /** What does not work is not watched. A run that ends takes its watches along. */
    stopWatch: base.enqueueActions(({ context: { run }, enqueue }) => {
      for (const [id] of watchesOf(run)) enqueue.stopChild(id);
    }),
  },
});
