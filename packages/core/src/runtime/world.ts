import type {
  Clock,
  FaultError,
  IdSource,
  LiveDraft,
  Logger,
  MemoryStore,
  ModelProvider,
  Pricing,
  Question,
  Report,
  RunStore,
  Usage,
} from '@troupe/protocol';
import type { AnyActorRef } from 'xstate';
import type { CrewOrder, RunCommand } from '../agent/context.ts';
import type { ToolResult } from '../agent/outcome.ts';
import type { Dispatching } from '../background/dispatch.ts';
import type { ChildRequest, Dispatch, OwnRuns } from '../define-tool.ts';
import type { LiveRun, PendingSpawn } from '../run/live-run.ts';
import type { Run } from '../run/run.ts';

/**
 * What the actors of a runtime reach from the side of a run that is alive: who answers, who pays, who records.
 * One a runtime; the machines know nothing of it.
 */
export type World = {
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly store: RunStore;
  readonly memory: MemoryStore;
  readonly pricing: Pricing | undefined;
  /** The model of agents that name none. */
  readonly defaultModel: string | undefined;
  readonly unknownPrice: 'zero' | 'deny';
  /** Runs that have not ended, by id. */
  readonly runs: Map<string, LiveRun>;
  readonly quotas: Quotas;
  spawningPaused: boolean;
  /** The provider of a model id, and the id it knows the model by. @throws FaultError */
  providerOf(model: string, run: LiveRun): { provider: ModelProvider; model: string };
  /** US dollars, or `null` when no price is known. */
  priceOf(model: string, usage: Usage): number | null;
  tellLive(run: LiveRun, draft: LiveDraft): void;
  /** Makes the child of an admitted spawn and starts its actor under `parent`, or one that stands for it. */
  startChild(
    run: LiveRun,
    order: Extract<CrewOrder, { type: 'crew.start' }>,
    parent: AnyActorRef,
  ): { child: LiveRun; actor: AnyActorRef | undefined };
  /**
   * Brings a stored child back under `parent`. `null` when it had ended, or is not stored: its run is told so.
   */
  bringBackChild(run: LiveRun, childId: string, parent: AnyActorRef): AnyActorRef | null;
  /** The actor of a child that has not ended, or the one that stands for it. */
  actorOf(run: LiveRun, childId: string): AnyActorRef | undefined;
  /** Tells a run something that was let go below another, and that is not here. */
  tellStray(run: LiveRun, runId: string, command: RunCommand): void;
  /** Tells a run which of those that were let go below it have ended. */
  reviewStrays(run: LiveRun, runIds: readonly string[]): void;
  /** A child that is executed elsewhere and has just begun to wait for a person. */
  reportAway(run: LiveRun, childId: string): { child: LiveRun; report: Report } | undefined;
  /** Registers an agent's spawn under the id its child will have. @throws FaultError when the job or the budget is wrong */
  prepare(run: LiveRun, childId: string, request: ChildRequest, reply?: Pick<PendingSpawn, 'accept' | 'refuse'>): void;
  handleOf(run: LiveRun): Run;
  /** What a run may know of the runs below it, and say to them. */
  runsBelow(run: LiveRun): OwnRuns;
  questionsOf(runId: string): Question[];
  /** The report of a run that has just begun to wait for a person. */
  reportPaused(run: LiveRun): Report;
  detach(run: LiveRun): void;
  /** Starts a background unit for a call, or finds it; gives back what the model is told. */
  dispatch(run: LiveRun, call: Dispatching, dispatch: Dispatch): Promise<ToolResult>;
  refusal(message: string, details: { kind: string; limit?: number }): FaultError;
};

/**
 * Counts that several runs share: a place is taken before a child starts and kept only if it completes (BG-013). Of a capacity, whose
 * key begins with `capacity:`, every place comes back.
 */
export type Quotas = {
  /** True when a place was free and is now taken. */
  take(key: string, max: number, holder: string): boolean;
  /** Counts runs that had completed before, and those that hold a place still. */
  restore(key: string, completed: number, holders: readonly string[]): void;
  /** Gives the place back, or keeps it for good. */
  settle(key: string, holder: string, completed: boolean): void;
};
