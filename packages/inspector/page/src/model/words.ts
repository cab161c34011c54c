/** How numbers, times and states read on the page. */
import type { Gauge, Line, ReceiptLine, RunLine } from '../../../src/wire.ts';

const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat('en');

export const countText = (count: number): string => (count < 10_000 ? whole.format(count) : short.format(count));

export const costText = (costUsd: number | null | undefined): string => {
  if (costUsd === null || costUsd === undefined) return '–';
  if (costUsd === 0) return '$0';
  if (costUsd < 0.01) return `$${costUsd.toFixed(4)}`;
  return `$${costUsd < 100 ? costUsd.toFixed(2) : whole.format(Math.round(costUsd))}`;
};

/** A span of time in one or two units: `840 ms`, `12 s`, `3 m 20 s`. */
export const spanText = (ms: number): string => {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} m`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`;
};

/** The same in at most four characters, for a column. */
export const ageText = (ms: number): string => {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 100) return `${seconds}s`;
  if (seconds < 6_000) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
};

export const timeText = (at: number): string => {
  const date = new Date(at);
  const two = (value: number, digits = 2) => String(value).padStart(digits, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`;
};

/** How a row stands, as one of the few that have a colour and a sign of their own. */
export type Standing = 'busy' | 'waiting' | 'asking' | 'done' | 'failed' | 'stopped';

export const standingOf = (line: Line): Standing => {
  if (line.kind === 'actor') return ACTOR_STANDINGS[line.status] ?? 'busy';
  if (line.questions.length > 0) return 'asking';
  switch (line.status) {
    case 'queued':
    case 'paused':
      return 'waiting';
    case 'running':
    case 'interrupting':
      return 'busy';
    case 'completed':
      return 'done';
    case 'failed':
      return 'failed';
    case 'interrupted':
      return 'stopped';
  }
};
const ACTOR_STANDINGS: Record<string, Standing> = { active: 'busy', done: 'done', error: 'failed', stopped: 'stopped' };

/** What a row does now, in a column's width. */
export const activityOf = (line: Line): string => {
  if (line.kind === 'actor') return line.state || line.status;
  if (line.questions.length > 0) return 'asks a person';
  if (line.status === 'running') {
    const [tool, ...more] = line.tools;
    const turn = line.turn > 0 ? `turn ${line.turn}` : 'starting';
    return tool === undefined ? turn : `${turn} · ${tool}${more.length > 0 ? ` +${more.length}` : ''}`;
  }
  const reason = line.exitReason?.replaceAll('_', ' ');
  return reason === undefined || reason === 'answered' || reason === line.status ? line.status : reason;
};

/** The run that keeps this one from starting children: itself, or the nearest above it. Work in the background is below nobody. */
export const spawningHeldBy = (
  line: Line | undefined,
  lineOf: (id: string) => Line | undefined,
): RunLine | undefined => {
  if (line?.kind !== 'run') return undefined;
  if (line.spawningPaused) return line;
  return line.background || line.parentId === undefined ? undefined : spawningHeldBy(lineOf(line.parentId), lineOf);
};

const KINDS: Record<string, string> = {
  tokens: 'Tokens',
  costUsd: 'Cost',
  turns: 'Turns',
  toolCalls: 'Tool calls',
  activeMs: 'Active time',
  idleMs: 'Silence',
  deadlineMs: 'Deadline',
  children: 'Children',
  descendants: 'Descendants',
  depth: 'Depth',
  concurrency: 'At once',
  toolsPerChild: 'Tools per child',
};
export const kindText = (kind: string): string => KINDS[kind] ?? kind;

export const amountText = (kind: string, amount: number): string =>
  kind === 'costUsd' ? costText(amount) : kind.endsWith('Ms') ? spanText(amount) : countText(amount);

/** What is used of a gauge at a moment: some grow by themselves. */
export const spentAt = ({ spent, since }: Gauge, now: number): number =>
  since === undefined ? spent : spent + Math.max(0, now - since);

/** The gauge of a row that is closest to its limit. */
export const tightest = (gauges: readonly Gauge[], now: number): Gauge | undefined => {
  let found: Gauge | undefined;
  let share = -1;
  for (const gauge of gauges) {
    const its = gauge.limit > 0 ? spentAt(gauge, now) / gauge.limit : 1;
    if (its > share) {
      found = gauge;
      share = its;
    }
  }
  return found;
};

const UNTIL: Record<Extract<ReceiptLine, { status: 'deferred' }>['until'], string> = {
  'question.answered': 'takes effect once the question is answered',
  'call.settled': 'takes effect once its calls are answered',
  'turn.completed': 'takes effect after this turn',
  resumed: 'takes effect when it is resumed',
};

/** A receipt as a sentence. */
export const receiptText = (receipt: ReceiptLine): string => {
  if (receipt.status === 'accepted') return 'accepted';
  return receipt.status === 'deferred' ? `accepted, ${UNTIL[receipt.until]}` : `refused: ${receipt.reason}`;
};
