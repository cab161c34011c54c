/** Statuses and amounts, as people read them. */
import { oneLine } from '../text-width.ts';
import type { RunNode } from './tree.ts';

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const frameMs = 80;

/** The sign for a run's status; the one of a running run turns with the time. */
export const markOf = ({ status, exitReason }: Pick<RunNode, 'status' | 'exitReason'>, now: number): string => {
  switch (status) {
    case 'queued':
      return '…';
    case 'running':
    case 'interrupting':
      return frames[Math.floor(now / frameMs) % frames.length] ?? '';
    case 'paused':
      return exitReason === 'question' ? '?' : '‖';
    case 'completed':
      return '✔';
    case 'failed':
      return '✖';
    case 'interrupted':
      return '■';
  }
};

/** Words for a status: a run that ended without an answer says why. */
export const statusOf = ({ status, exitReason }: Pick<RunNode, 'status' | 'exitReason'>): string => {
  if (status === 'paused' && exitReason === 'question') return 'waits for an answer';
  const why = status === 'failed' || (status === 'interrupted' && exitReason !== 'interrupted');
  return why ? `${status}: ${exitReason}` : status;
};

/** How often each name occurs: `read_file ×3, search_text`. */
export const countsOf = (names: readonly string[]): string => {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, n]) => (n === 1 ? oneLine(name) : `${oneLine(name)} ×${n}`)).join(', ');
};

/** `812`, `12.4k`, `1.23M`. */
export const tokensText = (tokens: number): string => {
  if (tokens < 1_000) return String(tokens);
  if (tokens < 999_950) return `${(tokens / 1_000).toFixed(1)}k`;
  return `${(tokens / 1_000_000).toFixed(2)}M`;
};

/** US dollars; small amounts with enough digits to be told from nothing. */
export const costText = (costUsd: number): string => {
  if (costUsd === 0) return '$0';
  if (costUsd >= 0.1) return `$${costUsd.toFixed(2)}`;
  return costUsd < 0.0001 ? '<$0.0001' : `$${costUsd.toFixed(4)}`;
};

/** `0.4 s`, `12 s`, `3:05 min`, `1:02:03 h`. */
export const timeText = (ms: number): string => {
  const seconds = Math.max(0, ms) / 1_000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 3_600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
  return `${Math.floor(whole / 3_600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)} h`;
};
