/**
 * The life of one run.
 *
 *   queued ◀─slot─▶ running ────────────────────────────────────────────▶ completed
 *                    deciding ─▶ thinking ─answer─▶ concluding ──────────┘
 *                       ▲ │         │ calls
 *                       │ └─▶ recalling · waiting · compacting
 *                       └────── acting ◀┘
 *                                 │ nothing can go on without a person
 *   paused { question · command } ◀┘          interrupt, timeout ─▶ interrupting ─▶ interrupted · failed
 *
 * `deciding` is the one gate: every turn, every resume passes its guards before anything is spent.
 * The chart decides; `turns`, `calls`, `children` and `life` say what a decision does to the run; the actors do the work and are
 * provided from outside. The context is JSON: a run can be stored in any state.
 *
 * Keeps L2 (no actor outlives its run), L3 (each call answered once), L4 (budgets are a tree), L9 (interrupts reach everything).
 */
import type { Fault } from '@troupe/protocol';
import { type AnyEventObject, fromCallback, type NonReducibleUnknown, type StateMachine, setup } from 'xstate';
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
  TimeKind,
} from './context.ts';
import * as life from './life.ts';
import { exhaustedBy } from './limits.ts';
import { raiseLimits, raiseProblem } from './raise.ts';
import { openContext, type Step, say, stepOf } from './step.ts';
import { leaveStrays } from './strays.ts';
import * as turns from './turns.ts';

/**
 * The chart of every run, with actors that must be provided. Importable, drawable, explorable. What it says and orders stands in
 * `context.run.outbox` after each step: whoever runs it takes it from there, as a runtime does.
 */
export type AgentMachine = StateMachine<
  AgentContext,
  RunMachineEvent,
  // biome-ignore lint/suspicious/noExplicitAny: the inferred type cannot be named in a declaration file (TS2742)
  Record<string, any>,
  // biome-ignore lint/suspicious/noExplicitAny: see above
  any,
  // biome-ignore lint/suspicious/noExplicitAny: see above
  any,
  // biome-ignore lint/suspicious/noExplicitAny: see above
  any,
  string,
  // biome-ignore lint/suspicious/noExplicitAny: see above
  any,
  string,
  RunInput,
  RunOutput,
  // biome-ignore lint/suspicious/noExplicitAny: see above
  any,
  // biome-ignore lint/suspicious/noExplicitAny: see above
  any,
  // biome-ignore lint/suspicious/noExplicitAny: see above
  any
>;

/** What the leaf actors of a run are given. */
export type TurnInput = { runId: string; turn: number; given?: GivenTurn };
export type AlarmInput = { runId: string; kind: TimeKind | 'heartbeat' | 'grace' };
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

/** The alarms of a run that works, by id. */
const watches = [
  ['watch', 'activeMs'],
  ['idle', 'idleMs'],
  ['heartbeat', 'heartbeat'],
] as const;
const watchesOf = ({ allowance: { limits }, heartbeat }: RunContext) =>
  watches.filter(([, kind]) => (kind === 'heartbeat' ? heartbeat : limits[kind]) !== undefined);

type Spawn = (src: 'alarm', options: { id: string; input: AlarmInput }) => unknown;
const setAlarm = ({ runId, allowance: { limits } }: RunContext, spawn: Spawn): void => {
  if (limits.deadlineAt !== undefined) spawn('alarm', { id: 'deadline', input: { runId, kind: 'deadlineMs' } });
};
const startWatch = (run: RunContext, spawn: Spawn): void => {
  for (const [id, kind] of watchesOf(run)) spawn('alarm', { id, input: { runId: run.runId, kind } });
};

const bug = (error: unknown): Fault => ({
  code: 'run.bug',
  message: `An actor of the run broke: ${error instanceof Error ? error.message : String(error)}`,
  retryable: false,
});

export const agentMachine: AgentMachine = base
  .extend({
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
      warnOfStall: act<'stall.noticed'>((step, { quietMs, thresholdMs }) =>
        life.warnOfStall(step, quietMs, thresholdMs),
      ),
      failStalled: act<'stall.lasted'>((step, { quietMs, thresholdMs }) =>
        life.failStalled(step, quietMs, thresholdMs),
      ),
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
      failBug: act((step, event) => turns.fail(step, 'error', bug((event as unknown as { error: unknown }).error))),
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
  })
  .createMachine({
    id: 'agent',
    context: ({ input, spawn }) => {
      const run = openContext(input);
      setAlarm(run, spawn);
      return { run };
    },
    initial: 'running',
    on: {
      'xstate.error.actor.crew': { target: '.failed', actions: 'failBug' },
      // Wherever the run is, its calls and children keep reporting.
      'call.spawns': { actions: 'spawn' },
      'call.settled': { actions: 'settleCall' },
      'child.settled': { actions: 'settleChild' },
      'child.paused': { actions: 'pauseChild' },
      'child.resumed': { actions: 'resumeChild' },
      'child.answered': { actions: 'hearAnswered' },
      'strays.gone': { actions: 'leaveStrays' },
      'slot.released': { actions: 'releaseSlot' },
      'slot.wanted': { actions: 'wantSlot' },
      'slot.granted': { actions: 'takeSlot' },
      warning: { actions: 'warn' },
      recovered: [{ guard: 'isLost', target: '.interrupting', actions: 'lose' }, { actions: 'recover' }],
      forked: { actions: 'fork' },
      steer: { actions: 'steer' },
      deliver: { actions: 'receiveMail' },
      answer: { guard: 'isAnswer', actions: 'answer' },
      raise: { guard: 'mayRaise', actions: ['raise', 'moveAlarm'] },
      pauseSpawning: { guard: 'mayHoldSpawning', actions: 'pauseSpawning' },
      resumeSpawning: { guard: 'holdsSpawning', actions: 'resumeSpawning' },
      detach: { guard: 'letsGo', actions: 'detach' },
      interrupt: { guard: 'mayInterrupt', target: '.interrupting', actions: 'interrupt' },
      'limit.near': { actions: 'warnOfTime' },
      'limit.reached': { target: '.interrupting', actions: 'runOutOfTime' },
    },
    states: {
      queued: {
        entry: ['announceQueued', 'stopWatch'],
        always: { guard: 'hasSlot', target: 'running' },
        on: { pause: { target: 'paused.command', actions: 'pause' } },
      },
      running: {
        entry: 'begin',
        initial: 'deciding',
        on: {
          pause: { target: 'paused.command', actions: 'pause' },
          raise: { guard: 'mayRaise', actions: ['raise', 'moveAlarm', 'moveWatch'] },
          'stall.noticed': { actions: 'warnOfStall' },
          'stall.lasted': { target: 'interrupting', actions: 'failStalled' },
        },
        states: {
          deciding: {
            always: [
              { guard: 'isQueued', target: '#agent.queued' },
              { guard: 'mustRecall', target: 'recalling' },
              { guard: 'hasOpenCalls', target: 'acting' },
              { guard: 'madeTooManyCalls', target: '#agent.failed', actions: 'failOverCalls' },
              { guard: 'isExhausted', target: '#agent.failed', actions: 'failExhausted' },
              { guard: 'needsSlot', target: 'waiting' },
              { guard: 'isTooLong', target: 'compacting', actions: 'compact' },
              { target: 'thinking', actions: 'openTurn' },
            ],
          },
          recalling: {
            invoke: {
              id: 'memory',
              src: 'memory',
              input: ({ context: { run } }) => ({ runId: run.runId, scope: run.memoryScope ?? '', store: false }),
              onError: { target: '#agent.failed', actions: 'failBug' },
            },
            on: { 'memory.recalled': { target: 'deciding', actions: 'recall' } },
          },
          waiting: {
            entry: ['askForSlot', 'stopWatch'],
            exit: 'startWatch',
            always: { guard: 'hasSlot', target: 'deciding' },
            on: { raise: { guard: 'mayRaise', actions: ['raise', 'moveAlarm'] } },
          },
          thinking: {
            invoke: {
              id: 'model',
              src: 'model',
              input: ({ context: { run } }) => ({ runId: run.runId, turn: run.turn }),
              onError: { target: '#agent.failed', actions: 'failBug' },
            },
            on: {
              'model.used': { actions: 'use' },
              'model.attempted': { actions: 'attempt' },
              'turn.closed': [
                { guard: 'wantsCalls', target: 'acting', actions: 'recordCalls' },
                { guard: 'wasSteered', target: 'deciding', actions: 'recordTurn' },
                { guard: 'wasCut', target: '#agent.failed', actions: ['recordTurn', 'failCut'] },
                { guard: 'mayAnswerAgain', target: 'deciding', actions: ['recordTurn', 'askForOutput'] },
                { guard: 'keepsBadOutputAndForgets', target: '#agent.completed', actions: 'recordMisfit' },
                { guard: 'keepsBadOutput', target: 'concluding', actions: 'recordMisfit' },
                { guard: 'hasBadOutput', target: '#agent.failed', actions: ['recordTurn', 'failOutput'] },
                { guard: 'saysNothing', target: 'deciding', actions: ['recordTurn', 'askForAnswer'] },
                { guard: 'saysNothingAgain', target: '#agent.failed', actions: ['recordTurn', 'failNoAnswer'] },
                { guard: 'isForgetful', target: '#agent.completed', actions: 'recordAnswer' },
                { target: 'concluding', actions: 'recordAnswer' },
              ],
              'turn.failed': [
                { guard: 'mayCompact', target: 'compacting', actions: ['chargeAborted', 'contextFull'] },
                { target: '#agent.failed', actions: ['chargeAborted', 'failTurn'] },
              ],
            },
          },
          acting: {
            on: { 'call.settled': { guard: 'answersLastCall', target: 'deciding', actions: 'settleCall' } },
            always: [
              { guard: 'hasNoOpenCalls', target: 'deciding' },
              { guard: 'waitsForPerson', target: '#agent.paused.question' },
            ],
          },
          compacting: {
            invoke: {
              id: 'summarizer',
              src: 'summarizer',
              input: ({ context: { run } }) => ({ runId: run.runId, turn: run.turn }),
              onError: { target: '#agent.failed', actions: 'failBug' },
            },
            on: {
              'model.used': { actions: 'use' },
              'model.attempted': { actions: 'attempt' },
              'context.summarized': { target: 'deciding', actions: 'compacted' },
              'context.kept': { target: 'deciding', actions: 'keepContext' },
              'turn.failed': { target: '#agent.failed', actions: ['chargeAborted', 'failTurn'] },
            },
          },
          concluding: {
            invoke: {
              id: 'memory',
              src: 'memory',
              input: ({ context: { run } }) => ({ runId: run.runId, scope: run.memoryScope ?? '', store: true }),
              onError: { target: '#agent.failed', actions: 'failBug' },
            },
            on: {
              'memory.stored': { target: '#agent.completed', actions: 'remember' },
              steer: {},
              deliver: {},
              pause: {},
              raise: {},
              pauseSpawning: {},
              resumeSpawning: {},
            },
          },
        },
      },
      paused: {
        entry: 'stopWatch',
        initial: 'command',
        states: {
          question: {
            entry: 'askPerson',
            exit: 'stopAsking',
            always: { guard: 'canGoOn', target: '#agent.running', actions: 'sayAnswered' },
            on: { pause: { target: 'command', actions: 'pause' } },
          },
          command: {
            on: {
              answer: { guard: 'isAnswer', actions: 'answerLater' },
              'call.spawns': { actions: 'spawnHeld' },
              resume: [
                { guard: 'isQueued', target: '#agent.queued', actions: 'resume' },
                { target: '#agent.running', actions: 'resume' },
              ],
            },
          },
        },
      },
      interrupting: {
        entry: 'stopWatch',
        invoke: { id: 'grace', src: 'alarm', input: ({ context: { run } }) => ({ runId: run.runId, kind: 'grace' }) },
        always: [
          { guard: 'endsFailed', target: 'failed' },
          { guard: 'endsInterrupted', target: 'interrupted' },
        ],
        on: {
          'grace.over': { actions: 'endGrace' },
          recovered: { actions: 'recoverInterrupting' },
          interrupt: {},
          'limit.near': {},
          'limit.reached': {},
          steer: {},
          deliver: {},
          answer: {},
          raise: {},
          pauseSpawning: {},
          resumeSpawning: {},
          detach: {},
        },
      },
      completed: { type: 'final' },
      failed: { type: 'final' },
      interrupted: { type: 'final' },
    },
    output: ({ context: { run } }) => ({
      ...(run.end ?? { status: 'failed', exitReason: 'error', fault: bug('it ended without saying how') }),
      runId: run.runId,
      text: run.text,
      ...(run.data !== undefined && { data: run.data }),
      spent: run.spent,
    }),
  });
