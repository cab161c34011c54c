/** Time as a run sees it. XState's `SimulatedClock` is one; timers of a clock may keep the process alive. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
}

/** Makes ids that were never used before. */
export interface IdSource {
  /** @param kind What the id is for, for example `run`; it may show in the id. */
  next(kind: string): string;
}

/** Where the library says what no event can carry. Never gets a secret. */
export interface Logger {
  warn(message: string, details?: Record<string, unknown>): void;
  error(message: string, details?: Record<string, unknown>): void;
}
