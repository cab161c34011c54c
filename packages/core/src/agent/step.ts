/**
 * One step of a run: a copy of its context to write on, and what goes out with it. Everything in `agent/` that changes a run is a
 * function on a `Step`; the machine turns it into one `assign`.
 */
import type { Message } from '@troupe/protocol';
import type { CallState, CrewOrder, Draft, ParentNote, RunContext, RunInput } from './context.ts';
import { emptyPool, warningsOf } from './limits.ts';
import { changed, itemAt } from './rows.ts';

export type Step = {
  readonly run: RunContext;
  /** What the crew is to do, and what the run above is told: sent once the step is recorded. */
  readonly orders: CrewOrder[];
  readonly notes: ParentNote[];
};

/** Opens a step. */
export const stepOf = (context: RunContext): Step => {
  const { events, messages, orders, notes } = context.outbox;
  const outbox = { events: [...events], messages: [...messages], orders: [...orders], notes: [...notes] };
  return { run: { ...context, outbox }, orders: outbox.orders, notes: outbox.notes };
};

export const say = ({ run }: Step, ...events: Draft[]): void => {
  run.outbox.events.push(...events);
};

/** Adds to the conversation. */
export const tell = ({ run }: Step, ...messages: Message[]): void => {
  run.outbox.messages.push(...messages);
  run.messages += messages.length;
};

const isStuck = (call: CallState): boolean =>
  call.phase === 'asking' || call.phase === 'ready' || (call.live > 0 && call.asking === call.live);

/** Puts a call in the place of another. */
export const putCall = ({ run }: Step, index: number, call: CallState): void => {
  run.calls = changed(run.calls, index, call);
};

/** Replaces one call and keeps the counts of open and waiting ones. */
export const setCall = (step: Step, index: number, next: CallState): void => {
  const { run } = step;
  const before = itemAt(run.calls, index);
  if (!before) return;
  putCall(step, index, next);
  if (before.phase !== 'settled' && next.phase === 'settled') run.open -= 1;
  const was = before.phase !== 'settled' && isStuck(before);
  const is = next.phase !== 'settled' && isStuck(next);
  run.stuck += Number(is) - Number(was);
  run.shares += next.shares - before.shares;
  run.live += next.live - before.live;
};

/** Says which soft limits were passed just now, once for each kind. */
export const warn = (step: Step): void => {
  const found = warningsOf(step.run, step.run.warned);
  if (found.length === 0) return;
  step.run.warned = [...step.run.warned, ...found.map(({ kind }) => kind)];
  for (const warning of found) say(step, { type: 'budget.warned', ...warning });
};

/** The context a run starts with. */
export const openContext = (input: RunInput): RunContext => ({
  ...input,
  spent: emptyPool,
  reserved: emptyPool,
  turns: 0,
  toolCalls: 0,
  children: 0,
  usage: { own: { inputTokens: 0, outputTokens: 0 }, total: { inputTokens: 0, outputTokens: 0 }, byModel: {} },
  pendingUsage: null,
  turn: 0,
  calls: [],
  open: 0,
  stuck: 0,
  shares: 0,
  live: 0,
  told: 0,
  overCalls: false,
  queue: [],
  working: 0,
  inbox: [],
  mail: input.mail ?? [],
  warned: [],
  wrapUp: false,
  messages: input.opening,
  lastInputTokens: 0,
  outputAttempts: 0,
  compactions: 0,
  contextFull: false,
  compactedAt: -1,
  askedForAnswer: false,
  announced: 'no',
  recalled: false,
  hasCrew: false,
  detached: false,
  text: '',
  outbox: { events: [], messages: [], orders: [], notes: [] },
});
