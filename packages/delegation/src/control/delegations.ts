import type { Run, Runtime } from '@troupe/core';
import { isEnded, isWithin, type Question, type Receipt, type RunStatus, type UsageReport } from '@troupe/protocol';
import { audit, defer, map, type Observable, startWith } from 'rxjs';
import type { Delegation } from '../delegation-of.ts';
import type { WatchedChild } from '../relay/watched-child.ts';
import { openActiveChildren } from './active-children.ts';
import { answerRequest, type ControlRequest, type ControlResponse } from './answer-request.ts';

/** A child at work. A copy: changing it changes nothing. */
export type DelegationRecord = {
  runId: string;
  rootId: string;
  /** The run that started it, where that is a child itself. */
  parentId?: string;
  /** Children of a root have 0. */
  depth: number;
  goal: string;
  agent: string;
  /** Known from its start. */
  model?: string;
  /** Absent where another tool than `delegate_task` started it. */
  role?: Delegation['role'];
  status: RunStatus;
  /** Epoch milliseconds: when it began to work; of a queued one, when it was asked for. */
  startedAt: number;
  /** Tool calls that it has begun, and the tool of the last one. */
  toolCount: number;
  lastTool?: string;
};

/** One child, looked at closely. */
export type DelegationDetails = DelegationRecord & {
  /** So far; as its last step left it. */
  usage: UsageReport;
  /** What it and everything below it asks. */
  questions: Question[];
};

/** How things stand. */
export type DelegationStatus = {
  active: DelegationRecord[];
  /** True while the runtime starts no child. What one run holds, with `run.pauseSpawning()`, its events tell. */
  paused: boolean;
  maxSpawnDepth?: number;
  maxConcurrentChildren?: number;
};

export type DelegationFilter = {
  rootId?: string;
  /** Only what is below this run. */
  under?: string;
  status?: RunStatus | readonly RunStatus[];
};

/** The children that a runtime has at work, for the program: see {@link delegations}. */
export type Delegations = {
  /** Children that were there before are known from now on. Rejects when the store could not be read; new ones are known all the same. */
  readonly ready: Promise<void>;
  /** Copies, oldest first. */
  list(filter?: DelegationFilter): DelegationRecord[];
  /** Starts with the current list and tells every change, at most one list a tick. Completes with the runtime. */
  readonly active$: Observable<DelegationRecord[]>;
  /** `undefined` of a run that is no child at work. */
  inspect(runId: string): Promise<DelegationDetails | undefined>;
  /**
   * Ends a child, or a background unit by its `delegation_id`, and everything below it, nothing beside it. False for a run that is
   * neither at work, or could not be told.
   */
  interrupt(runId: string, reason?: string): Promise<boolean>;
  /** Says something to a child; it hears it before its next turn. Rejected for a run that is no child at work. */
  steer(runId: string, text: string): Promise<Receipt>;
  /** Interrupts all children of one tree, or of all; their roots go on. Gives back the ids of those that were told. */
  stop(rootId?: string): Promise<string[]>;
  /** No more children are started, by anybody; those at work go on. */
  pause(): void;
  resume(): void;
  status(): DelegationStatus;
  /** Answers a request of a gateway: `delegation.status`, `delegation.pause`, `subagent.interrupt`. Never rejects. */
  handle(request: ControlRequest): Promise<ControlResponse>;
  /** Stops listening; nothing else is touched. */
  close(): void;
};

const recordOf = (child: WatchedChild): DelegationRecord => {
  const { runId, rootId, parentId, depth, goal, agent, model, delegation, status, toolCount, lastTool } = child;
  return {
    runId,
    rootId,
    ...(parentId !== undefined && { parentId }),
    depth,
    goal,
    agent,
    ...(model !== undefined && { model }),
    ...(delegation && { role: delegation.role }),
    status,
    startedAt: child.startedAt ?? child.createdAt,
    toolCount,
    ...(lastTool !== undefined && { lastTool }),
  };
};

const thisTick = Promise.resolve();

/**
 * The children that a runtime has at work, at any depth: to list them, look at them, interrupt, steer and stop them, and to hold back
 * new ones. It keeps no truth of its own: it reads the store once and hears the runtime's events, so a child is listed from its first
 * event to its last. Trees that another process starts later are not listed.
 *
 * @param limits What `status` says of the limits of the delegating tool.
 */
export const delegations = (
  runtime: Runtime,
  limits: Pick<DelegationStatus, 'maxSpawnDepth' | 'maxConcurrentChildren'> = {},
): Delegations => {
  const { children, changed$, ready, forget, close } = openActiveChildren(runtime);

  const list = ({ rootId, under, status }: DelegationFilter = {}): DelegationRecord[] => {
    const wanted = typeof status === 'string' ? [status] : status;
    const records: DelegationRecord[] = [];
    for (const child of children.values()) {
      if (rootId !== undefined && child.rootId !== rootId) continue;
      if (under !== undefined && (child.runId === under || !isWithin(child.runId, under))) continue;
      if (wanted === undefined || wanted.includes(child.status)) records.push(recordOf(child));
    }
    return records;
  };

  /** The handle of a child at work. One that ended where nobody told of it is forgotten. */
  const find = async (runId: string): Promise<{ child: WatchedChild; run: Run } | undefined> => {
    await ready.catch(() => {});
    const child = children.get(runId);
    if (!child) return undefined;
    const run = await runtime.attach(runId);
    if (!isEnded(run.status)) return { child, run };
    forget(runId);
    return undefined;
  };

  /** The handle of a background unit: no child itself, though its children are. */
  const unitAtWork = async (runId: string): Promise<Run | undefined> => {
    const row = await runtime.runs.get(runId);
    return row?.origin && !isEnded(row.status) ? runtime.attach(runId) : undefined;
  };

  const control: Delegations = {
    ready,
    list,
    active$: runtime.events$.pipe(() =>
      defer(() =>
        changed$.pipe(
          audit(() => thisTick),
          map(() => list()),
          startWith(list()),
        ),
      ),
    ),
    async inspect(runId) {
      const found = await find(runId);
      const row = found && (await runtime.runs.get(runId));
      return found && row && { ...recordOf(found.child), usage: row.usage, questions: found.run.questions };
    },
    async interrupt(runId, reason) {
      try {
        const found = await find(runId);
        const run = found?.run ?? (await unitAtWork(runId));
        const receipt = await run?.interrupt(reason);
        return receipt !== undefined && receipt.status !== 'rejected';
      } catch {
        return false;
      }
    },
    async steer(runId, text) {
      const found = await find(runId);
      return found ? found.run.steer(text) : { status: 'rejected', reason: `no child "${runId}" is at work` };
    },
    async stop(rootId) {
      await ready.catch(() => {});
      const topmost = list(rootId === undefined ? {} : { rootId }).filter(
        ({ parentId }) => parentId === undefined || !children.has(parentId),
      );
      const told = await Promise.all(
        topmost.map(async ({ runId }) =>
          (await control.interrupt(runId, 'All children were stopped.')) ? [runId] : [],
        ),
      );
      return told.flat();
    },
    pause: () => runtime.pauseSpawning(),
    resume: () => runtime.resumeSpawning(),
    status: () => ({ active: list(), paused: runtime.spawningPaused, ...limits }),
    handle: (request) => answerRequest(control, request),
    close,
  };
  return control;
};
