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
import type { StateMachine } from 'xstate';
import { agentSetup } from './agent-setup.ts';
import type { AgentContext, RunInput, RunMachineEvent, RunOutput } from './context.ts';
import { openContext } from './step.ts';
import { bug } from './turns.ts';
import { setAlarm } from './watches.ts';

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

export const agentMachine: AgentMachine = agentSetup.createMachine({
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
