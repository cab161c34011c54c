/** What the stored events of one run add up to, as its row shows it. The same events give the same row, live, read back or replayed. */
import {
  addUsage,
  isTerminal,
  noUsage,
  type Question,
  type StoredEvent,
  type TerminalEvent,
  tokensOf,
  type Usage,
} from '@troupe/protocol';
import type { Gauge, RunLine, Spending } from '../wire.ts';
import { firstLine } from './text.ts';

type Limits = Extract<StoredEvent, { type: 'budget.raised' }>['budget'];

export type Tally = {
  line: Omit<RunLine, 'tools' | 'questions' | 'gauges' | 'own' | 'total'>;
  /** Calls without a result, in call order. */
  open: { callId: string; tool: string }[];
  questions: Question[];
  limits: Limits;
  own: Usage;
  total: Usage;
  turns: number;
  toolCalls: number;
  /** Runs that it has started, and those of them that it was not charged for yet. */
  children: string[];
  unsettled: Set<string>;
  /** It was let go: nobody above it is charged for what it uses from then on. */
  isDetached: boolean;
  activeMs: number;
  /** Since when it works; `null` while it waits. */
  activeSince: number | null;
  begun: boolean;
};

/** The tally of a run before its first event, which says who it is. */
export const openTally = (first: StoredEvent): Tally => {
  const { runId, rootId, parentId, callId, depth, agent, at } = first;
  return {
    line: {
      kind: 'run',
      id: runId,
      rootId,
      ...(parentId !== undefined && { parentId }),
      // In the events of a call `callId` is another one: the first event of a run is none of these.
      ...(callId !== undefined && { callId }),
      name: agent,
      depth,
      model: '',
      title: '',
      status: 'queued',
      turn: 0,
      createdAt: at,
      lastAt: at,
      seq: 0,
      rootSeq: 0,
    },
    open: [],
    questions: [],
    limits: {},
    own: noUsage,
    total: noUsage,
    turns: 0,
    toolCalls: 0,
    children: [],
    unsettled: new Set(),
    isDetached: false,
    activeMs: 0,
    activeSince: null,
    begun: false,
  };
};

const rest = (tally: Tally, at: number): void => {
  if (tally.activeSince !== null) tally.activeMs += Math.max(0, at - tally.activeSince);
  tally.activeSince = null;
};

const goOn = (tally: Tally, at: number): void => {
  rest(tally, tally.line.lastAt);
  tally.activeSince = at;
};

const spend = (tally: Tally, usage: Usage, costUsd: number | null | undefined): void => {
  const priced = typeof costUsd === 'number' ? { ...usage, costUsd } : usage;
  tally.own = addUsage(tally.own, priced);
  tally.total = addUsage(tally.total, priced);
};

const answer = (tally: Tally, event: Extract<StoredEvent, { type: 'call.completed' | 'call.failed' }>): void => {
  const { callId, tool } = event;
  // Models name several calls alike: they are answered in the order in which they were made.
  const place = tally.open.findIndex((call) => call.callId === callId && call.tool === tool);
  if (place >= 0) tally.open.splice(place, 1);
  const status = event.type === 'call.completed' ? 'ok' : (event.status ?? 'error');
  if (status === 'ok' || status === 'error') tally.toolCalls += 1;
};

const end = (tally: Tally, event: TerminalEvent): void => {
  rest(tally, event.at);
  const { line } = tally;
  delete line.pausedFor;
  line.status = event.type === 'run.completed' ? 'completed' : event.type === 'run.failed' ? 'failed' : 'interrupted';
  line.exitReason = event.type === 'run.completed' ? 'answered' : event.exitReason;
  line.endedAt = event.at;
  if (event.type === 'run.failed') line.trouble = firstLine(event.fault.message);
  tally.open = [];
  tally.questions = [];
  tally.unsettled.clear();
  tally.total = event.usage.total;
  tally.own = event.usage.own;
  tally.activeMs = event.usage.activeMs;
};

const begin = (tally: Tally, event: Extract<StoredEvent, { type: 'run.started' }>): void => {
  const { line } = tally;
  line.status = 'running';
  line.model = event.model;
  if (event.origin) {
    line.parentId = event.origin.runId;
    line.background = true;
  }
  tally.begun = true;
  tally.limits = event.budget;
  tally.activeSince = event.at;
};

/** Adds an event: the one that comes next in the run. Changes the tally in place. */
export const enter = (tally: Tally, event: StoredEvent): void => {
  const { line } = tally;
  if (event.waitedMs !== undefined && tally.activeSince !== null) tally.activeSince += event.waitedMs;
  if ('job' in event) line.title = firstLine(event.job.input);
  if (isTerminal(event)) end(tally, event);
  else change(tally, event);
  line.lastAt = event.at;
  line.seq = event.seq;
  line.rootSeq = event.rootSeq;
};

const change = (tally: Tally, event: Exclude<StoredEvent, TerminalEvent>): void => {
  const { line } = tally;
  switch (event.type) {
    case 'run.started':
      return begin(tally, event);
    case 'run.paused':
      line.status = 'paused';
      line.pausedFor = event.reason;
      return rest(tally, event.at);
    case 'run.resumed':
      line.status = tally.begun ? 'running' : 'queued';
      delete line.pausedFor;
      if (tally.begun) tally.activeSince = event.at;
      return;
    case 'run.recovered':
      // Nobody worked between the last event and this one.
      return tally.activeSince === null ? undefined : goOn(tally, event.at);
    case 'run.forked':
      if (event.budget) tally.limits = event.budget;
      return tally.activeSince === null ? undefined : goOn(tally, event.at);
    case 'spawning.paused':
      line.spawningPaused = true;
      return;
    case 'spawning.resumed':
      delete line.spawningPaused;
      return;
    case 'turn.started':
      line.turn = event.turn;
      line.model = event.model;
      return;
    case 'turn.completed':
      tally.turns += 1;
      return spend(tally, event.usage, event.costUsd);
    case 'turn.attempted':
      return event.usage && spend(tally, event.usage, undefined);
    case 'context.compacted':
      return spend(tally, event.usage, event.costUsd);
    case 'call.started':
      tally.open.push({ callId: event.callId, tool: event.tool });
      return;
    case 'call.completed':
    case 'call.failed':
      return answer(tally, event);
    case 'question.asked':
      tally.questions.push(event.question);
      return;
    case 'question.answered':
      tally.questions = tally.questions.filter(({ id }) => id !== event.questionId);
      return;
    case 'child.started':
      tally.children.push(event.childId);
      tally.unsettled.add(event.childId);
      return;
    case 'child.settled':
      tally.unsettled.delete(event.childId);
      tally.total = addUsage(tally.total, event.usage);
      return;
    case 'run.detached':
      tally.isDetached = true;
      return;
    case 'budget.raised':
      tally.limits = { ...tally.limits, ...event.budget };
      return;
    case 'warning.raised':
      line.trouble = firstLine(event.message);
      return;
    default:
      return;
  }
};

const spendingOf = (usage: Usage): Spending => ({ tokens: tokensOf(usage), costUsd: usage.costUsd ?? null });

/** What is below a run: what those have used that it was not charged for yet, and how many there are. */
export type Below = { usage: Usage; runs: () => number };

const gaugesOf = (tally: Tally, below: Below): Gauge[] => {
  const { limits, line, own, activeMs, activeSince } = tally;
  const total = addUsage(tally.total, below.usage);
  const { createdAt, endedAt, lastAt, status } = line;
  const counted = { turns: tally.turns, toolCalls: tally.toolCalls, children: tally.children.length };
  const spent = { ...counted, tokens: tokensOf(total), costUsd: total.costUsd ?? 0 };
  const gauges: Gauge[] = [];
  for (const kind of ['turns', 'toolCalls', 'tokens', 'costUsd', 'children'] as const) {
    const limit = limits[kind];
    if (limit === undefined) continue;
    const its = kind === 'tokens' ? tokensOf(own) : kind === 'costUsd' ? (own.costUsd ?? 0) : spent[kind];
    const others = spent[kind] - its;
    gauges.push({ kind, spent: spent[kind], limit, ...(others > 0 && { below: others }) });
  }
  if (limits.descendants !== undefined) {
    const runs = below.runs();
    gauges.push({ kind: 'descendants', spent: runs, limit: limits.descendants, ...(runs > 0 && { below: runs }) });
  }
  const growing = (kind: string, limit: number | undefined, sofar: number, since: number | null): void => {
    if (limit !== undefined) gauges.push({ kind, spent: sofar, limit, ...(since !== null && { since }) });
  };
  growing('activeMs', limits.activeMs, activeMs, activeSince);
  const { deadlineAt } = limits;
  const deadlineMs = deadlineAt === undefined ? undefined : deadlineAt - createdAt;
  growing(
    'deadlineMs',
    deadlineMs,
    endedAt === undefined ? 0 : endedAt - createdAt,
    endedAt === undefined ? createdAt : null,
  );
  growing('idleMs', limits.idleMs, 0, status === 'running' ? lastAt : null);
  return gauges;
};

/** The row of a run, as it stands. */
export const lineOf = (tally: Tally, below: Below): RunLine => ({
  ...tally.line,
  tools: tally.open.map(({ tool }) => tool),
  questions: tally.questions.map(({ id }) => id),
  gauges: gaugesOf(tally, below),
  own: spendingOf(tally.own),
  total: spendingOf(tally.total),
});
