/** What can happen to a run, scene by scene: each shows another part of the chart and keeps its graph small. */
import { noUsage } from '@troupe/protocol';
import type { Cases } from '@troupe/testing';
import { matchesState, type SnapshotFrom } from 'xstate';
import { z } from 'zod';
import type { AgentMachine } from '../../src/agent/agent-machine.ts';
import type {
  AgentContext,
  CallState,
  ChildEnd,
  ChildState,
  ClosedTurn,
  RunContext,
  RunMachineEvent,
  SpawnRequest,
} from '../../src/agent/context.ts';
import { emptyPool, exhaustedBy } from '../../src/agent/limits.ts';
import type { Scene } from './stage.ts';

type Happenings = Pick<Cases<AgentMachine>, 'events' | 'tells' | 'settles' | 'limit'>;
type Told = (context: RunContext) => RunMachineEvent[];

const usage = { inputTokens: 6, outputTokens: 4 };
const closed = (turn: Partial<ClosedTurn>): RunMachineEvent => ({
  type: 'turn.closed',
  turn: { text: '', calls: [], planned: [], usage, costUsd: null, finish: turn.calls ? 'calls' : 'stop', ...turn },
});
const question = { kind: 'confirmation' as const, prompt: 'risky', options: ['yes', 'no'] };
/** A turn that calls tools. The place of each call is its argument. */
const calling = (...tools: string[]): RunMachineEvent =>
  closed({
    calls: tools.map((name, n) => ({ id: `c${n}`, name, arguments: `{"n":${n}}` })),
    planned: tools.map((tool, n) => ({
      callId: `c${n}`,
      tool,
      arguments: { n },
      ...(tool === 'risky' && { asks: question }),
      ...(tool === 'delegate' && { delegates: true }),
      ...(tool === 'few' && { maxPerTurn: 1 }),
    })),
  });
const text = closed({ text: 'Done.' });
const fault = (code: string): RunMachineEvent => ({
  type: 'turn.failed',
  fault: { code, message: code, retryable: false },
});
const used: RunMachineEvent = { type: 'model.used', usage: { inputTokens: 1, outputTokens: 1 } };
const attempted: RunMachineEvent = {
  type: 'model.attempted',
  attempt: { number: 1, provider: 'p', model: 'm', usage: { inputTokens: 2, outputTokens: 0 }, waitMs: 1 },
  costUsd: null,
};
const broke = () => [{ error: new Error('an actor breaks') }];
const interrupt: RunMachineEvent = { type: 'interrupt', reason: 'enough' };
const pausing: RunMachineEvent[] = [{ type: 'pause' }, { type: 'resume' }];
const steer: RunMachineEvent = { type: 'steer', text: 'hurry' };
/** Once: what a limit is already it cannot be raised to. */
const raise = (turns: number): RunMachineEvent => ({ type: 'raise', limits: { turns }, by: 'user' });
const deliver: RunMachineEvent = { type: 'deliver', mail: [{ id: 'unit', text: 'It is done.' }] };

const inCalls =
  (of: (call: CallState, index: number) => RunMachineEvent[]): Told =>
  ({ calls }) =>
    calls.flat().flatMap(of);
/** Tools that are executed answer; `how` says in which ways. */
const settling = (...how: ('ok' | 'error')[]) =>
  inCalls((call, index) =>
    (call.phase === 'running' && call.shares === 0 && (call.tool !== 'free' || call.children.length > 0)) ||
    call.phase === 'closing'
      ? how.map((status) => ({ type: 'call.settled', index, outcome: { status, result: 'done' } }))
      : [],
  );
const answers = inCalls((call) =>
  call.phase === 'asking' && call.question
    ? [true, { decline: 'no' }].map((answer) => ({
        type: 'answer' as const,
        questionId: call.question?.id ?? '',
        answer,
        by: 'user',
      }))
    : [],
);
const request = (onPaused: SpawnRequest['onPaused']): SpawnRequest => ({ agent: 'helper', tools: 0, onPaused });
/** Tools that start children do so, once. */
const spawning = (count: number, onPaused: SpawnRequest['onPaused'] = 'bubble') =>
  inCalls((call, index) =>
    call.phase === 'running' && call.children.length === 0 && (call.tool === 'free' || call.shares > 0)
      ? [
          {
            type: 'call.spawns',
            index,
            from: 0,
            at: 0,
            requests: Array.from({ length: count }, () => request(onPaused)),
          },
        ]
      : [],
  );
/** A call that is its children asks for one more, once, where its run has not ended. */
const spawningAgain: Told = ({ calls, end }) =>
  calls
    .flat()
    .flatMap(({ phase, children, rounds }, index) =>
      phase === 'closing' && rounds === undefined && !end
        ? [{ type: 'call.spawns', index, from: children.flat().length, at: 0, requests: [request('bubble')] }]
        : [],
    );
const endOf = ({ runId }: ChildState, status: ChildEnd['status'], exitReason: ChildEnd['exitReason']): ChildEnd => ({
  childId: runId,
  status,
  exitReason,
  usage: noUsage,
  byModel: {},
  spent: emptyPool,
});
export const stopped = (child: ChildState): RunMachineEvent => ({
  type: 'child.settled',
  end: endOf(child, 'interrupted', 'stopped'),
});
const ofChildren: Told = ({ calls, allowance }) =>
  calls
    .flat()
    .flatMap(({ children }) => children.flat())
    .filter(({ status, started }) => status !== 'ended' && started)
    .flatMap((child) => {
      const about = { childId: child.runId };
      const facts: RunMachineEvent[] = [
        { type: 'child.settled', end: endOf(child, 'completed', 'answered') },
        { type: 'child.settled', end: endOf(child, 'failed', 'model_error') },
      ];
      if (child.status === 'live')
        facts.push({ type: 'child.paused', end: endOf(child, 'paused', 'question'), questionIds: [] });
      else facts.push({ type: 'child.resumed', ...about }, { type: 'child.answered', ...about });
      if (child.slot === 'held') facts.push({ type: 'slot.released', ...about });
      if (child.slot === 'none' && allowance.limits.concurrency !== undefined)
        facts.push({ type: 'slot.wanted', ...about });
      return facts;
    });
/** Those that were let go are looked through. */
const review: Told = ({ strays }) => (strays ? [{ type: 'strays.gone', runIds: [] }] : []);
/** The alarm of a limit rings twice: at its soft limit and at the hard one. */
const time =
  (kind: 'activeMs' | 'deadlineMs'): Told =>
  ({ warned }) => [
    {
      type: warned.includes(kind) ? 'limit.reached' : 'limit.near',
      kind,
      limit: 1_000,
      spent: warned.includes(kind) ? 1_000 : 800,
    },
  ];
/** Silence does not change what a run knows: it is warned of, or ends it. */
const silence: Told = () => [
  { type: 'limit.near', kind: 'idleMs', limit: 1_000, spent: 800 },
  { type: 'limit.reached', kind: 'idleMs', limit: 1_000, spent: 1_000 },
];
const stall: Told = () => [
  { type: 'stall.noticed', quietMs: 1_000, thresholdMs: 1_000 },
  { type: 'stall.lasted', quietMs: 1_200, thresholdMs: 1_000 },
];
const memory: Told = ({ recalled }) =>
  recalled
    ? [{ type: 'memory.stored' }, { type: 'memory.stored', problem: 'no memory' }]
    : [{ type: 'memory.recalled' }, { type: 'memory.recalled', problem: 'no memory' }];

/** What each actor of a run may tell it. */
const telling = (by: {
  model?: RunMachineEvent[];
  crew?: Told[];
  alarm?: Told;
  memory?: Told;
  summarizer?: Told;
}): NonNullable<Happenings['tells']> => ({
  model: () => by.model ?? [],
  summarizer: ({ snapshot }) => by.summarizer?.(snapshot.context.run) ?? [],
  crew: ({ snapshot }) => (by.crew ?? []).flatMap((told) => told(snapshot.context.run)),
  memory: ({ snapshot }) => by.memory?.(snapshot.context.run) ?? [],
  alarm: ({ id, snapshot }) => (id === 'grace' ? [{ type: 'grace.over' }] : (by.alarm?.(snapshot.context.run) ?? [])),
});

/** What tells two states of a run apart. */
export const abstract = ({ run: context }: AgentContext) => ({
  turn: [context.turn, context.turns],
  calls: context.calls
    .flat()
    .map(({ phase, outcome, children }) => [
      phase,
      outcome !== undefined,
      children.flat().map(({ status, slot, started }) => [status, slot, started].join()),
    ]),
  slot: context.slot,
  waits: [context.inbox.length > 0, context.mail.length > 0],
  tries: [
    context.outputAttempts,
    context.askedForAnswer,
    context.compactions,
    context.contextFull,
    context.turns > context.compactedAt,
  ],
  once: [
    context.announced,
    context.recalled,
    context.detached,
    context.warned.filter((kind) => kind.endsWith('Ms')).join(),
  ],
  unpaid: context.pendingUsage !== null,
  allowed: context.allowance.limits.turns,
  over: exhaustedBy(context)?.kind,
  long: context.messages > (context.compaction.maxMessages ?? Number.POSITIVE_INFINITY),
  end: context.end?.exitReason,
});

const fitting = closed({ text: '{"ok":true}', output: { data: { ok: true } } });
const misfit = closed({ text: 'Perhaps.', output: { problem: 'the answer holds no JSON.' } });

const talk = ['What?', 'This.', 'And?', 'That.', 'So?', 'Well.'].map((content, n) => ({
  role: n % 2 === 0 ? ('user' as const) : ('assistant' as const),
  content,
}));

export type Played = Scene & { happens: Happenings };

export const scenes: Record<string, Played> = {
  'that answers': {
    agent: { outputSchema: z.object({ ok: z.boolean() }), compaction: { onContextError: false }, budget: { turns: 3 } },
    happens: {
      events: [...pausing, interrupt, steer],
      settles: { model: broke },
      tells: telling({
        model: [
          fitting,
          misfit,
          closed({}),
          closed({ text: 'And th', finish: 'length' }),
          closed({ text: 'And th', finish: 'filter' }),
          fault('model.unavailable'),
          fault('model.context_length'),
          used,
          attempted,
        ],
      }),
    },
  },
  'that keeps what does not fit': {
    agent: { outputSchema: z.object({ ok: z.boolean() }), outputMismatch: 'keep', budget: { turns: 3 } },
    happens: { events: [...pausing, interrupt], tells: telling({ model: [fitting, misfit] }) },
  },
  'that keeps what does not fit, and remembers it': {
    agent: {
      outputSchema: z.object({ ok: z.boolean() }),
      outputMismatch: 'keep',
      memoryScope: 'worker',
      budget: { turns: 3 },
    },
    happens: {
      events: [...pausing, interrupt],
      tells: telling({
        model: [fitting, misfit],
        memory: (context) => memory(context).slice(0, 1),
      }),
    },
  },
  'that remembers, against the clock': {
    agent: { memoryScope: 'worker', budget: { turns: 2, deadlineMs: 1_000 } },
    happens: {
      events: [...pausing, interrupt, steer],
      settles: { memory: broke },
      tells: telling({
        model: [text, calling('work')],
        crew: [settling('ok', 'error')],
        memory,
        alarm: time('deadlineMs'),
      }),
    },
  },
  'that works against the clock': {
    agent: { budget: { turns: 2, activeMs: 1_000 } },
    happens: {
      events: ({ context }) => [...pausing, interrupt, ...answers(context.run)],
      tells: telling({ model: [text, calling('risky')], crew: [settling('ok')], alarm: time('activeMs') }),
    },
  },
  'that may not be silent': {
    agent: { budget: { turns: 2, idleMs: 1_000 }, memoryScope: 'worker' },
    happens: {
      events: [...pausing, interrupt],
      tells: telling({
        model: [text, calling('work', 'work')],
        crew: [settling('ok')],
        memory: (context) => memory(context).slice(0, 1),
        alarm: silence,
      }),
    },
  },
  'with a heartbeat': {
    agent: { budget: { turns: 2 }, heartbeat: { idleMs: 1_000, callMs: 1_000, onStall: 'interrupt', graceMs: 200 } },
    happens: {
      events: [...pausing, interrupt],
      tells: telling({
        model: [text, calling('delegate')],
        crew: [spawning(1), ofChildren, settling('ok')],
        alarm: stall,
      }),
    },
  },
  'that asks': {
    agent: { budget: { turns: 2 } },
    happens: {
      events: ({ context }) => [...pausing, interrupt, steer, ...answers(context.run)],
      settles: { crew: broke },
      tells: telling({ model: [text, calling('work', 'risky', 'work'), calling('risky')], crew: [settling('ok')] }),
    },
  },
  'that hears of its units': {
    agent: { budget: { turns: 2 } },
    happens: { events: [...pausing, deliver, raise(3)], tells: telling({ model: [text] }) },
  },
  'that may start nothing for a while': {
    agent: { budget: { turns: 1 } },
    happens: {
      events: [interrupt, { type: 'pauseSpawning', by: 'user' }, { type: 'resumeSpawning', by: 'user' }],
      tells: telling({ model: [text] }),
    },
  },
  'that denies what asks': {
    agent: { approval: 'deny', budget: { turns: 2 } },
    happens: {
      events: [...pausing, interrupt],
      tells: telling({ model: [text, calling('work', 'risky', 'work'), calling('risky')], crew: [settling('ok')] }),
    },
  },
  'that allows what asks': {
    agent: { approval: 'allow', budget: { turns: 2 } },
    happens: {
      events: [...pausing, interrupt],
      tells: telling({ model: [text, calling('work', 'risky')], crew: [settling('ok', 'error')] }),
    },
  },
  'that calls too much': {
    agent: { budget: { turns: 2, toolCalls: 1 } },
    happens: {
      events: [...pausing],
      tells: telling({ model: [text, calling('work', 'work')], crew: [settling('ok', 'error')] }),
    },
  },
  'that calls too much at once': {
    agent: { budget: { turns: 3, toolCalls: 2 } },
    happens: {
      events: [...pausing],
      tells: telling({ model: [text, calling('few', 'few', 'work'), calling('few', 'few')], crew: [settling('ok')] }),
    },
  },
  'that is poor': {
    agent: { budget: { tokens: 15 } },
    happens: { tells: telling({ model: [text, calling('work')], crew: [settling('ok')] }) },
  },
  'with two children that take turns': {
    agent: { budget: { turns: 2, concurrency: 1, tokens: 100, descendants: 2 } },
    happens: {
      events: [interrupt],
      settles: { crew: broke },
      tells: telling({ model: [text, calling('delegate')], crew: [spawning(2), ofChildren, settling('ok')] }),
    },
  },
  'with a child that asks': {
    agent: { budget: { turns: 2 } },
    happens: {
      events: [...pausing, interrupt],
      settles: { crew: broke },
      tells: telling({ model: [text, calling('delegate', 'work')], crew: [spawning(1), ofChildren, settling('ok')] }),
    },
  },
  'with a child, and then with another': {
    agent: { budget: { turns: 2, children: 2 } },
    happens: {
      events: [...pausing, interrupt],
      settles: { crew: broke },
      tells: telling({
        model: [text, calling('delegate')],
        crew: [spawning(1), spawningAgain, ofChildren, settling('ok', 'error')],
      }),
    },
  },
  'with a child that it lets go': {
    agent: { budget: { turns: 2, deadlineMs: 1_000 } },
    happens: {
      events: [...pausing],
      tells: telling({
        model: [text, calling('free')],
        crew: [spawning(1, 'error'), ofChildren, settling('ok', 'error'), review],
        alarm: time('deadlineMs'),
      }),
    },
  },
  'with a child beside its work': {
    agent: { budget: { turns: 2 } },
    happens: {
      events: [...pausing, interrupt],
      tells: telling({ model: [text, calling('free', 'work')], crew: [spawning(1), ofChildren, settling('ok')] }),
    },
  },
  'that waits for its turn': {
    asChild: true,
    agent: { budget: { turns: 3 }, memoryScope: 'worker' },
    options: { pricing: { price: () => null } },
    happens: {
      events: ({ context }) => [
        ...pausing,
        interrupt,
        { type: 'detach' },
        ...(context.run.slot === 'wanted' ? [{ type: 'slot.granted' as const }, raise(4)] : []),
        ...answers(context.run),
      ],
      tells: telling({
        model: [text, calling('risky')],
        crew: [settling('ok')],
        memory: (context) => memory(context).slice(0, 1),
      }),
    },
  },
  'that talks long': {
    agent: { budget: { turns: 3 }, compaction: { maxMessages: 9 } },
    job: { input: 'go', messages: talk },
    happens: {
      events: [...pausing, interrupt],
      settles: { summarizer: broke },
      tells: telling({
        model: [text, closed({}), fault('model.context_length')],
        summarizer: ({ messages }) => [
          // All but the instructions and the last four.
          { type: 'context.summarized', summary: 'talk', summarized: messages - 5, kept: 4, usage, costUsd: null },
          fault('model.unavailable'),
          used,
          attempted,
        ],
      }),
    },
  },
  'that has nothing to leave out': {
    agent: { budget: { turns: 2 }, compaction: { maxMessages: 1 } },
    happens: {
      tells: telling({
        model: [text, calling('work')],
        crew: [settling('ok')],
        summarizer: () => [{ type: 'context.kept' }],
      }),
    },
  },
};

/** Where there is nothing to summarise, a run is done with summarising at once. */
export const goesOnByItself = ({ value, context }: SnapshotFrom<AgentMachine>): boolean =>
  matchesState({ running: 'compacting' }, value) && context.run.compaction.maxMessages === 1;
