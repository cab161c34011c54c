/** Numbers as a reader wants them. */
import type { Spending } from '../wire.ts';

/** `812`, `12.4k`, `1.23M`. */
const tokens = (count: number): string => {
  if (count < 1_000) return String(count);
  return count < 999_950 ? `${(count / 1_000).toFixed(1)}k` : `${(count / 1_000_000).toFixed(2)}M`;
};

/** `48.2k tokens, $0.0312`: without a price where none is known. */
export const spendingText = ({ tokens: count, costUsd }: Spending): string => {
  const used = `${tokens(count)} tokens`;
  return costUsd === null ? used : `${used}, $${costUsd.toFixed(costUsd >= 0.1 || costUsd === 0 ? 2 : 4)}`;
};

/** `0.4 s`, `12.0 s`, `3 min 5 s`, `1 h 2 min`. */
export const timeText = (ms: number): string => {
  const seconds = Math.max(0, ms) / 1_000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
};

/** `2026-11-22 05:30:12 UTC`. */
export const momentText = (at: number): string => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
