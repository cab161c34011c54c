/** Where a hub has its runs from: a running program, or a store. */
import type {
  Ask,
  EventStream,
  ForkOptions,
  ReadOptions,
  Replay,
  ReplayOptions,
  Runtime,
  StoredRuns,
} from '@troupe/core';
import type { EventQuery, Receipt, RunFilter, RunRow } from '@troupe/protocol';

/** What a hub needs. */
export type RunSource = {
  kind: 'runtime' | 'store';
  /** Stored events, then those that come: as `runtime.events`. */
  events(query?: EventQuery, options?: ReadOptions): EventStream;
  /** Where what comes begins: `events({ after })`. */
  cursor(): Promise<string>;
  /** Newest first, as `runtime.runs.list`. */
  list(filter: RunFilter): Promise<RunRow[]>;
  /** `undefined` for what was forgotten. */
  get(runId: string): Promise<RunRow | undefined>;
  /** @throws FaultError `replay.differs` */
  replay(runId: string, options?: ReplayOptions): Promise<Replay>;
  /** Finds a run, once, to say what any number of commands to it would come to. */
  asking(runId: string): Promise<(ask: Ask) => Promise<Receipt>>;
  send(runId: string, ask: Ask): Promise<Receipt>;
  /** Starts a new tree; absent where nobody could execute it. Gives back its id. */
  fork?(rootId: string, options: ForkOptions): Promise<string>;
  /** Whether the program refuses every new child; absent where no program is looked at. */
  isSpawningPaused?(): boolean;
  close(): void;
};

/** The runs of a program, and of those that share its store. */
export const runtimeSource = (runtime: Runtime): RunSource => ({
  kind: 'runtime',
  events: (query, options) => runtime.events(query, options),
  cursor: () => runtime.runs.cursor(),
  list: (filter) => runtime.runs.list(filter),
  get: (runId) => runtime.runs.get(runId),
  replay: (runId, options) => runtime.replay(runId, options),
  async asking(runId) {
    const run = await runtime.attach(runId);
    return (ask) => run.can(ask);
  },
  async send(runId, ask) {
    const run = await runtime.attach(runId);
    switch (ask.type) {
      case 'steer':
        return run.steer(ask.text);
      case 'interrupt':
        return run.interrupt(ask.reason);
      case 'answer':
        return run.answer(ask.questionId, ask.answer);
      case 'raise':
        return run.raise(ask.budget);
      default:
        return run[ask.type]();
    }
  },
  fork: async (rootId, options) => (await runtime.fork(rootId, options)).id,
  isSpawningPaused: () => runtime.spawningPaused,
  close: () => {},
});

/** The runs of a store: commands reach those that some process executes. */
export const storeSource = (runs: StoredRuns): RunSource => ({
  kind: 'store',
  events: (query, options) => runs.events(query, options),
  cursor: () => runs.runs.cursor(),
  list: (filter) => runs.runs.list(filter),
  get: (runId) => runs.runs.get(runId),
  replay: (runId, options) => runs.replay(runId, options),
  asking: async (runId) => (ask) => runs.can(runId, ask),
  send: (runId, ask) => runs.send(runId, ask),
  close: () => runs.close(),
});
