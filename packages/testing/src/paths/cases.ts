import type { AnyStateMachine, ContextFrom, EventFromLogic, InputFrom, SnapshotFrom } from 'xstate';

/** How a child ends: what its `onDone` or its `onError` gets. */
export type Settlement = { output: unknown } | { error: unknown };

/** A live child, as a case sees it. */
export type LiveChild<Machine extends AnyStateMachine> = { id: string; snapshot: SnapshotFrom<Machine> };

/**
 * What the world may do to a machine. `settles` and `tells` go by the name that the machine gave the child's logic (its `src`),
 * or, for logic without a name, by the child's id.
 */
export type Cases<Machine extends AnyStateMachine> = {
  /** Events from outside; tried wherever they can do something. */
  events?:
    | readonly EventFromLogic<Machine>[]
    | ((snapshot: SnapshotFrom<Machine>) => readonly EventFromLogic<Machine>[]);
  /** Ways a live child may end. */
  settles?: Readonly<Record<string, (child: LiveChild<Machine>) => readonly Settlement[]>>;
  /** Events that a live child may send to its parent; tried wherever they can do something. */
  tells?: Readonly<Record<string, (child: LiveChild<Machine>) => readonly EventFromLogic<Machine>[]>>;
  /**
   * What of the context decides what can happen next: what guards look at. Everything else is left out, so that the graph stays
   * small and finite. Default: the whole context.
   */
  abstract?: (context: ContextFrom<Machine>, snapshot: SnapshotFrom<Machine>) => unknown;
  input?: InputFrom<Machine>;
  /** Transitions to follow at most. A machine that has more is either unbounded or not abstract enough. Default 5 000. */
  limit?: number;
};
