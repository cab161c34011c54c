/**
 * What the events of one run add up to: its status, its calls, its children, its conversation, the time it worked. The same events
 * give the same ledger, live or replayed, so a report never knows more than was stored.
 */
import {
  type Answer,
  addUsage,
  type CallReport,
  type ChildReport,
  type EventOf,
  type ExitReason,
  type Fault,
  type JSONValue,
  lessUsage,
  noUsage,
  type RunStatus,
  type StoredEvent,
  type Usage,
  type UsageReport,
} from '@troupe/protocol';

export type Ledger = {
  status: RunStatus;
  /** False while a run is queued for the first time, whatever else happens to it. */
  begun: boolean;
  /** Of the turn in hand. */
  model: string;
  exitReason?: ExitReason;
  pausedFor?: 'question' | 'paused';
  text: string | null;
  data?: JSONValue;
  partialText?: string;
  fault?: Fault;
  usage: UsageReport;
  /** Of a forked run: what it began with had been used before. */
  carried?: Usage;
  calls: CallReport[];
  /** What it was answered, by question. */
  answers?: Map<string, Answer>;
  /** Calls before this one are answered. */
  answered: number;
  children: ChildReport[];
  createdAt: number;
  endedAt?: number;
  /** When its last event was. */
  lastAt: number;
  /** Since when the run has been working, or `null`. */
  activeSince: number | null;
  /** Since when a run that had begun waits for a slot again, and how long it did since its last event. */
  waitingSince: number | null;
  waitedMs: number;
};

export const openLedger = (): Ledger => ({
  status: 'queued',
  begun: false,
  model: '',
  text: null,
  usage: { total: noUsage, own: noUsage, byModel: {}, turns: 0, toolCalls: 0, activeMs: 0 },
  calls: [],
  answered: 0,
  children: [],
  createdAt: 0,
  lastAt: 0,
  activeSince: null,
  waitingSince: null,
  waitedMs: 0,
});

/** Milliseconds of work until `now`. */
export const activeMsOf = ({ usage, activeSince, waitingSince, waitedMs }: Ledger, now: number): number => {
  if (activeSince === null) return usage.activeMs;
  const waited = waitedMs + (waitingSince === null ? 0 : now - waitingSince);
  return usage.activeMs + Math.max(0, now - activeSince - waited);
};

/** Takes note of whether the run waits for a slot now; the next event tells how long it did. */
export const noteWaiting = (ledger: Ledger, waits: boolean, now: number): void => {
  if (waits === (ledger.waitingSince !== null) || ledger.activeSince === null) return;
  if (ledger.waitingSince !== null) ledger.waitedMs += now - ledger.waitingSince;
  ledger.waitingSince = waits ? now : null;
};

/** From now on a question of the run is answered. */
export const noteAnswer = (ledger: Ledger, { questionId, answer }: { questionId: string; answer: Answer }): void => {
  ledger.answers ??= new Map();
  ledger.answers.set(questionId, answer);
};

const rest = (ledger: Ledger, at: number): void => {
  ledger.usage = { ...ledger.usage, activeMs: activeMsOf(ledger, at) };
  ledger.activeSince = null;
};

const answer = (ledger: Ledger, event: EventOf<'call.completed' | 'call.failed'>): void => {
  const call = ledger.calls[ledger.answered];
  if (!call) return;
  ledger.answered += 1;
  call.endedAt = event.at;
  call.result = event.result;
  call.status = event.type === 'call.completed' ? 'ok' : (event.status ?? 'error');
  if (event.data !== undefined) call.data = event.data;
  if (call.status === 'ok' || call.status === 'error')
    ledger.usage = { ...ledger.usage, toolCalls: ledger.usage.toolCalls + 1 };
};

const spend = (
  ledger: Ledger,
  usage: StoredEvent & { type: 'turn.completed' | 'turn.attempted' | 'context.compacted' },
): void => {
  if (!usage.usage) return;
  const costUsd = 'costUsd' in usage && usage.costUsd !== null ? usage.costUsd : usage.usage.costUsd;
  const priced = costUsd === undefined ? usage.usage : { ...usage.usage, costUsd };
  const { own, total, byModel } = ledger.usage;
  const model = usage.model ?? ledger.model;
  ledger.usage = {
    ...ledger.usage,
    own: addUsage(own, priced),
    byModel: { ...byModel, [model]: addUsage(byModel[model] ?? noUsage, priced) },
    ...totals(ledger, addUsage(total, priced)),
  };
};

const totals = ({ carried }: Ledger, total: Usage): Pick<UsageReport, 'total' | 'sinceFork'> => ({
  total,
  ...(carried && { sinceFork: lessUsage(total, carried) }),
});

/** Adds one event. Changes the ledger in place: it belongs to one run and one owner. */
export const enter = (ledger: Ledger, event: StoredEvent): void => {
  if (event.seq === 1) ledger.createdAt = event.at;
  if (event.waitedMs !== undefined && ledger.activeSince !== null) ledger.activeSince += event.waitedMs;
  ledger.waitedMs = 0;
  switch (event.type) {
    case 'run.started':
      ledger.status = 'running';
      ledger.begun = true;
      ledger.activeSince = event.at;
      break;
    case 'run.paused':
      ledger.status = 'paused';
      ledger.pausedFor = event.reason;
      rest(ledger, event.at);
      break;
    case 'run.resumed':
      ledger.status = ledger.begun ? 'running' : 'queued';
      delete ledger.pausedFor;
      if (ledger.begun) ledger.activeSince = event.at;
      break;
    case 'run.recovered':
      // Nobody worked between the last event and this one.
      if (ledger.activeSince === null) break;
      rest(ledger, ledger.lastAt);
      ledger.activeSince = event.at;
      break;
    case 'run.forked':
      ledger.carried = event.carried;
      ledger.usage = { ...ledger.usage, ...totals(ledger, ledger.usage.total) };
      // Nobody worked between the cut and this.
      if (ledger.activeSince === null) break;
      rest(ledger, ledger.lastAt);
      ledger.activeSince = event.at;
      break;
    case 'turn.started':
      ledger.model = event.model;
      break;
    case 'turn.completed':
      ledger.usage = { ...ledger.usage, turns: ledger.usage.turns + 1 };
      spend(ledger, event);
      break;
    case 'turn.attempted':
    case 'context.compacted':
      spend(ledger, event);
      break;
    case 'call.started':
      ledger.calls.push({
        callId: event.callId,
        tool: event.tool,
        arguments: event.arguments,
        result: '',
        status: 'error',
        startedAt: event.at,
        endedAt: event.at,
      });
      break;
    case 'call.completed':
    case 'call.failed':
      answer(ledger, event);
      break;
    case 'question.answered':
      noteAnswer(ledger, event);
      break;
    case 'child.settled': {
      const { childId: runId, childAgent: agent, status, exitReason, usage } = event;
      ledger.children.push({ runId, agent, status, exitReason, usage });
      const byModel = { ...ledger.usage.byModel };
      for (const [model, used] of Object.entries(event.byModel ?? {}))
        byModel[model] = addUsage(byModel[model] ?? noUsage, used);
      ledger.usage = { ...ledger.usage, byModel, ...totals(ledger, addUsage(ledger.usage.total, usage)) };
      break;
    }
    case 'run.completed':
      ledger.text = event.text;
      if (event.data !== undefined) ledger.data = event.data;
      end(ledger, event, 'completed', 'answered');
      break;
    case 'run.failed':
      ledger.fault = event.fault;
      if (event.partialText !== undefined) ledger.partialText = event.partialText;
      end(ledger, event, 'failed', event.exitReason);
      break;
    case 'run.interrupted':
      if (event.partialText !== undefined) ledger.partialText = event.partialText;
      end(ledger, event, 'interrupted', event.exitReason);
      break;
    default:
      break;
  }
  ledger.lastAt = event.at;
};

const end = (ledger: Ledger, event: StoredEvent, status: RunStatus, exitReason: ExitReason): void => {
  rest(ledger, event.at);
  delete ledger.pausedFor;
  ledger.status = status;
  ledger.exitReason = exitReason;
  ledger.endedAt = event.at;
};
