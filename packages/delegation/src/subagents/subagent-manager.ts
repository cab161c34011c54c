/** What a manager of sub-agents offers to programs, to the `spawn` tool and to commands. */
import type { Usage } from '@troupe/protocol';
import type { Observable } from 'rxjs';
import type { Role } from './roles.ts';
import type { SubagentRequestConfig } from './subagent-config.ts';
import type { Requester, SubagentConfig, SubagentRecord, SubagentState } from './subagent-record.ts';

/** Parts that are left out are the manager's own; `null` clears one. */
export type RequesterInput = Partial<Requester>;

/** On whose behalf something is asked. */
export type Asking = {
  /** The session that asks: it sees what it asked for, and everything below that. Left out: the program, which sees everything. */
  scope?: string | undefined;
};

/** The call that asks, where one does: executed again, as after a crash, it asks for nothing new and is answered as before. */
export type AskedBy = {
  runId: string;
  rootId: string;
  callId: string;
  /** What it is known by; as models repeat the ids of calls, give the call's own `key`. Default: run and call id. */
  key?: string | undefined;
};

export type SpawnRequest = Asking & {
  task: string;
  /** Default: the beginning of the task. */
  label?: string | undefined;
  /** The name of a persistent sub-agent: `config.mode` is `session` then. */
  name?: string | undefined;
  config?: SubagentRequestConfig | undefined;
  /** The sub-agent that it is below. One that is not there, or not seen, counts as none. */
  parentId?: string | null | undefined;
  requester?: RequesterInput | undefined;
  origin?: AskedBy | undefined;
};

export type ResumeRequest = Asking & {
  task: string;
  /** What is not said stays as it was; `null`: all of it. */
  config?: SubagentRequestConfig | null | undefined;
  /** Default: where it is. `null`: below none. */
  parentId?: string | null | undefined;
  requester?: RequesterInput | undefined;
  origin?: AskedBy | undefined;
} & ({ name: string; agentId?: undefined } | { agentId: string; name?: undefined });

export type DispatchRequest = Asking & {
  name: string;
  /** What the user asked for, in their words. */
  request: string;
  parentId?: string | null | undefined;
  requester?: RequesterInput | undefined;
  origin?: AskedBy | undefined;
};

/** A sub-agent that was asked to do something. */
export type Spawned = {
  agentId: string;
  runId: string;
  sessionKey: string;
  label: string;
  depth: number;
  parentId: string | null;
  name?: string;
  config: SubagentConfig;
  /** Model that it is asked with, where one is known. */
  model?: string;
  /** Whether it has the manager's skills. */
  skills: boolean;
};

export type SteerOutcome =
  | { status: 'accepted'; agentId: string; label: string; runId: string }
  | { status: 'not_found'; message: string }
  | { status: 'done'; message: string; state: SubagentState }
  | { status: 'rate_limited'; message: string; retryAfterMs: number }
  | { status: 'failed'; message: string };

/** What a run of a sub-agent came to. One for each run id, whatever happened to it. */
export type SubagentResult = {
  agentId: string;
  runId: string;
  label: string;
  name?: string;
  state: 'completed' | 'failed' | 'cancelled';
  /** The answer of a run that completed. */
  result: string | null;
  /** Why it did not complete. */
  error: string | null;
  /** What it had said last, of one that did not. */
  partial?: string;
  elapsedSeconds: number;
  model: string | null;
  requester: Requester;
  usage?: Usage;
  /**
   * Sub-agents below it that were at work when it ended, and that it is told of: each wakes it, and what it says then is a result of its
   * own. Such a result is left for its session without waking it. Absent where there are none, and where it was asked for again.
   */
  pendingDescendants?: number;
  /** Units of its own that had not ended when it did: each may wake it. Absent where there are none, and where it was asked for again. */
  background?: number;
  /** Set where it was asked for again: how it was handed over before. */
  delivered?: 'pushed' | 'pulled';
};

export type CollectRequest = {
  /** Milliseconds to wait for the first that fits. Default 0: what is there. */
  timeoutMs?: number | undefined;
  /** The session that asked for the runs. Left out: any. */
  sessionKey?: string | undefined;
  agentId?: string | undefined;
  runId?: string | undefined;
  /** Those that were handed over before, too: the last run of each sub-agent that fits. Default false. */
  includeDelivered?: boolean | undefined;
  /**
   * Who collects: the same again, as after a restart, is given the same again. A tool gives its `context.key`: what it was given is not
   * forgotten until its result is stored. Default: nobody in particular.
   */
  by?: string | undefined;
  /** Ends the wait; what was not handed over stays. */
  signal?: AbortSignal | undefined;
};

/** A sub-agent in a list. */
export type SubagentSummary = {
  agentId: string;
  runId: string | null;
  label: string;
  state: SubagentState;
  depth: number;
  model: string | null;
  elapsedSeconds: number;
  /** Of those below it, how many have not ended. */
  pendingDescendants: number;
  /** Background units of its own that have not ended: each may wake it, and what it says then is a result of its own. */
  background: number;
  mode: SubagentConfig['mode'];
  name: string | null;
  allowSubagents: boolean;
};

export type SubagentStatus = {
  total: number;
  active: SubagentSummary[];
  /** Those that have ended, newest first, at most ten. */
  recent: SubagentSummary[];
  byState: Record<SubagentState, number>;
};

export type SubagentInfo = SubagentSummary & {
  parentId: string | null;
  task: string | null;
  config: SubagentConfig;
  sessionKey: string;
  requester: Requester;
  children: string[];
  /** Whether it has the manager's skills, by itself or by its parents. */
  effectiveSkills: boolean;
  /** At most 300 characters. */
  resultPreview: string | null;
  error: string | null;
  usage: Usage | null;
  createdAt: number;
  startedAt: number | null;
  completedAt: number | null;
};

/** What happens to sub-agents, as users are told of it. Live; the runs' own events are the record. */
export type SubagentEvent = {
  type: 'spawning' | 'started' | 'completed' | 'failed' | 'cancelled' | 'steered';
  agentId: string;
  runId: string;
  label: string;
  name?: string;
  parentId: string | null;
  depth: number;
  model: string | null;
  result: string | null;
  error: string | null;
  elapsedSeconds: number | null;
  requester: Requester;
  at: number;
  /** Of `started`: it takes the place of a run that was steered. */
  restarted?: true;
  /** Of `steered`: what it does now. */
  task?: string;
};

export type Cancelled = {
  /** Whether something was stopped. */
  cancelled: boolean;
  /** Sub-agents below it that were stopped, too. */
  descendants: number;
};

/** How many, how deep, how long. */
export type SubagentLimits = {
  maxDepth: number;
  maxChildrenPerAgent: number;
  maxTotal: number;
  maxPersistent: number;
};

/**
 * Keeps sub-agents: spawned for a task or named for good, in a tree, each with its own conversation, over restarts. Make one with
 * `createSubagentManager`. Every command waits until what is stored was read.
 *
 * What a scope does not see does not exist for it.
 */
export type SubagentManager = {
  readonly id: string;
  readonly limits: SubagentLimits;
  readonly roles: Readonly<Record<string, Role>>;
  /** What is stored was read. Rejects when it could not be: commands reject likewise. */
  readonly ready: Promise<void>;
  /** What happens to sub-agents, in one order whatever comes of a run. A subscriber that throws is logged. */
  readonly events$: Observable<SubagentEvent>;
  /**
   * Starts a sub-agent and resolves once its run is stored. Nothing is changed by a refusal.
   *
   * @throws FaultError `subagent.refused` with `details.kind` (`nesting`, `depth`, `children`, `total`, `name`, `exists`, `persistent`)
   * and `details.limit`; `subagent.invalid`; `store.unavailable`; `runtime.closed`
   */
  spawn(request: SpawnRequest): Promise<Spawned>;
  /**
   * Goes on with one that has ended, under a new run id; by name also where only its profile is stored. Limits are checked again.
   *
   * @throws FaultError as `spawn`, and `subagent.unknown`; kinds `active` (it is at work), `cycle`
   */
  resume(request: ResumeRequest): Promise<Spawned>;
  /** Hands a user's request to a persistent sub-agent. @throws FaultError as `resume` */
  dispatch(request: DispatchRequest): Promise<Spawned>;
  /**
   * Stores a persistent sub-agent that nobody has asked anything yet. What `config` and its role do not say: profile `coding`, and the
   * description as its specialization and keyword. A session sees it that `requester` names, and the program.
   *
   * @throws FaultError `subagent.refused`, `subagent.invalid`
   */
  createProfile(profile: {
    description: string;
    /** Where it is taken, the next that is free: `-2`, `-3` … Default: made of the description. */
    name?: string;
    config?: SubagentRequestConfig;
    requester?: RequesterInput;
  }): Promise<SubagentInfo>;
  /** Forgets a sub-agent that is not at work, be it in the background; those below it move up. Its stored runs stay. Gives whether it did. */
  forget(agentId: string, asking?: Asking): Promise<boolean>;
  /** Stops what it does and gives it something else to do, in the same conversation. Not more often than every two seconds. */
  steer(request: Asking & { agentId: string; message: string; origin?: AskedBy | undefined }): Promise<SteerOutcome>;
  /**
   * Stops it with its background units, and with `cascade` (default) everything below it first, deepest first. What was about to wake it,
   * or one of those, wakes it no more.
   */
  cancel(agentId: string, options?: Asking & { cascade?: boolean; reason?: string }): Promise<Cancelled>;
  /** Stops every one that is seen, with everything below; gives how many. */
  cancelAll(options?: Asking & { parentId?: string | undefined; reason?: string }): Promise<number>;
  status(asking?: Asking & { parentId?: string | undefined }): Promise<SubagentStatus>;
  info(agentId: string, asking?: Asking): Promise<SubagentInfo | null>;
  /** Persistent ones, by name. */
  listPersistent(asking?: Asking): Promise<SubagentInfo[]>;
  /**
   * Results that nobody was given yet, each to one who asks. Empty when none came in time. After a restart those of the latest 20 runs of each
   * sub-agent that is still there are among them.
   */
  collect(request?: CollectRequest): Promise<SubagentResult[]>;
  /** The sub-agent whose conversation a session is. */
  agentOf(sessionKey: string): SubagentRecord | null;
  /** From now on, calls of this session ask with all of this: nothing of what was bound before is left. */
  bind(requester: Requester & { sessionKey: string }): void;
  /** Where results for a session go: what was bound, else mail to the session itself. */
  boundTo(sessionKey: string): Requester;
  /**
   * Brings sub-agents along that another program kept, in their order: ids and names that are there already are left out, and so are
   * names beyond `maxPersistent`, with all that is below what is left out and not there. Gives how many came, and a sentence for each that did not. @throws FaultError `store.unavailable`
   */
  adopt(records: readonly SubagentRecord[]): Promise<{ adopted: number; notes: string[] }>;
  /**
   * Takes no more commands; who waits for results is given none. `interrupt`: stops every sub-agent and waits for its end; `leave`
   * (default): runs go on, and after a restart results are handed over that could not be. Safe to call twice.
   */
  close(options?: { runs?: 'leave' | 'interrupt' }): Promise<void>;
};
