/**
 * What a run knows of itself while it lives: JSON, so that it can be stored in any state.
 *
 * The transcript is not in it: what was said since the last step stands in `outbox.messages`, what happened in `outbox.events`, and
 * what others are to hear of it in `outbox.orders` and `outbox.notes`. Whoever runs the machine takes all of it after every step
 * (see `run/recorded.ts`), so a step costs the same on turn 3 and on turn 3,000.
 */
import type {
  Answer,
  Budget,
  EventDraft,
  ExitReason,
  Fault,
  Grant,
  JobData,
  JSONValue,
  Message,
  Question,
  ToolCall,
  Usage,
} from '@troupe/protocol';
import type { Approval } from './approval.ts';
import type { Allowance, Ledger, Limits, Pool } from './limits.ts';
import type { CallOutcome } from './outcome.ts';
import type { Queue, Rows } from './rows.ts';

/** A child as its parent's call keeps it. */
export type ChildState = {
  runId: string;
  agent: string;
  status: 'live' | 'asking' | 'ended';
  grant: Grant;
  reserved: Pool;
  /** Of the parent's `concurrency`: `none` is not counted, or was given back. */
  slot: 'none' | 'queued' | 'held';
  started: boolean;
  /** What happens to the call when the child waits for a person. */
  onPaused: 'error' | 'bubble';
  /** Why it never ran. */
  refusal?: SpawnRefusal;
  /** It waited for a person when its call let it go. */
  letGo?: true;
};

/** How a run's progress is watched: see `AgentOptions.heartbeat`. Milliseconds. */
export type Heartbeat = { idleMs: number; callMs: number; onStall: 'warn' | 'interrupt'; graceMs: number };

/** Why a spawn was not admitted. */
type SpawnRefusal = { kind: string; limit?: number; message: string };

/** A call of the turn in hand. */
export type CallState = {
  callId: string;
  tool: string;
  arguments: JSONValue;
  /**
   * `asking`: waits for a person · `ready`: answered while the run was paused · `running`: its tool executes ·
   * `waiting`: it is its children now · `closing`: its tool makes one result of them, or asks for more · `settled`: answered
   */
  phase: 'asking' | 'ready' | 'running' | 'waiting' | 'closing' | 'settled';
  /** Spawns this call is still expected to make, so that siblings share what is left. */
  shares: number;
  children: Rows<ChildState>;
  /** How often it became its children, where that was more than once. */
  rounds?: number;
  /** Children that have not ended, and how many of them wait for a person. */
  live: number;
  asking: number;
  outcome?: CallOutcome;
  question?: Question;
  /** How its tool asks, and the value a person gave, for the tool to run with. */
  kind?: Question['kind'];
  given?: JSONValue;
};

/** A call as the model actor understood it: looked up, parsed, asked whether a person must be heard. */
export type PlannedCall = {
  callId: string;
  tool: string;
  arguments: JSONValue;
  /** Why it cannot be executed at all. */
  problem?: string;
  /** How many calls of its tool a turn may hold. */
  maxPerTurn?: number;
  asks?: Pick<Question, 'kind' | 'prompt' | 'options' | 'inputKey'>;
  /** True when its call is its children. */
  delegates?: boolean;
};

/** A closed turn, as the model actor tells it. */
export type ClosedTurn = {
  text: string;
  reasoning?: string;
  calls: ToolCall[];
  planned: PlannedCall[];
  usage: Usage;
  costUsd: number | null;
  /** Who answered, where that is not the run's model. */
  model?: string;
  finish: 'stop' | 'calls' | 'length' | 'filter';
  /** Present when the run has an output schema and the answer was final. */
  output?: { data: JSONValue } | { problem: string };
};

/** An answer of the model that is there already: nobody is asked for it. */
export type GivenTurn = Pick<ClosedTurn, 'text' | 'reasoning' | 'calls' | 'usage' | 'model' | 'finish'>;

/** What a call asks the run to start. Data only: the agent itself waits in the world, under the child's id. */
export type SpawnRequest = {
  agent: string;
  tools: number;
  budget?: Budget;
  agentBudget?: Budget;
  onPaused: 'error' | 'bubble';
  /** Decided before the budget is asked: spawning is paused, a quota is used up … */
  refused?: SpawnRefusal;
};

type Ending = {
  status: 'completed' | 'failed' | 'interrupted';
  exitReason: ExitReason;
  fault?: Fault;
  reason?: string;
};

/** What a run tells the run that started it, while it lives. */
export type ParentNote =
  | { type: 'child.paused'; end: ChildEnd; questionIds: string[] }
  | { type: 'child.resumed'; childId: string }
  /** A person has answered it, or one below it that waits with it: whoever was let go above is on its own now. */
  | { type: 'child.answered'; childId: string }
  | { type: 'slot.released' | 'slot.wanted'; childId: string };

/** What a step leaves for others: for the record, the conversation, the crew and the run above. */
export type Outbox = { events: Draft[]; messages: Message[]; orders: CrewOrder[]; notes: ParentNote[] };

/** What a settled child hands up. */
export type ChildEnd = {
  childId: string;
  status: 'completed' | 'failed' | 'interrupted' | 'paused';
  exitReason: ExitReason;
  usage: Usage;
  byModel: Record<string, Usage>;
  spent: Pool;
  /** Runs below it that were let go, and that nobody may have answered: they are for the run above to mind. */
  strays?: readonly string[];
};

export type RunInput = {
  runId: string;
  rootId: string;
  parentId?: string;
  depth: number;
  agent: string;
  model: string;
  allowance: Allowance;
  /** `free`: nobody counts slots · `held` · `wanted`: queued until the parent grants one. */
  slot: 'free' | 'held' | 'wanted' | 'released';
  /** Where the run remembers; nothing is read or written without it. */
  memoryScope?: string;
  /** What becomes of calls that ask a person, here and below. Without it they are asked. */
  approval?: Exclude<Approval, 'bubble'>;
  /** It is let go where it waits for a person, or one above it is: whoever that is has to hear of answers. */
  mayLeave?: true;
  outputRetries: number;
  /** `keep`: an answer that does not fit after that is an answer all the same. Without it the run fails. */
  outputMismatch?: 'keep';
  compaction: { maxMessages?: number; maxInputTokens?: number; onContextError: boolean };
  graceMs: number;
  /** Nobody watches whether the run makes progress without it. */
  heartbeat?: Heartbeat;
  /** Messages the conversation opens with. */
  opening: number;
  /** What waited for it: heard before its first turn. */
  mail?: Letter[];
};

export type RunContext = RunInput &
  Omit<Ledger, 'allowance'> & {
    usage: { own: Usage; total: Usage; byModel: Record<string, Usage> };
    /** Of the attempt in flight: charged when it comes to nothing. */
    pendingUsage: Usage | null;
    /** The turn in hand, from 1. */
    turn: number;
    calls: Rows<CallState>;
    /** Calls without an answer; of these, how many wait for a person. */
    open: number;
    stuck: number;
    /** Spawns still expected from the calls of this turn; children that have not ended. */
    shares: number;
    live: number;
    /** Calls before this one are answered in the conversation. */
    told: number;
    /** The model asked for more calls than the run may make. */
    overCalls: boolean;
    /** Children that wait for a slot, first in first out; and slots in use. */
    queue: Queue<string>;
    working: number;
    /** What the run is told before its next turn: steering, and notes on its own answers. */
    inbox: string[];
    /** What background units of its session left for it: heard before its next turn, if there is one. */
    mail: Letter[];
    warned: string[];
    wrapUp: boolean;
    messages: number;
    lastInputTokens: number;
    outputAttempts: number;
    compactions: number;
    /** The provider said that the conversation is too long: the next summary answers that. */
    contextFull: boolean;
    /** Turns that were closed when it was last made shorter, or tried to be: once a turn is enough. */
    compactedAt: number;
    askedForAnswer: boolean;
    announced: 'no' | 'queued' | 'started';
    recalled: boolean;
    /** Whether its crew is there: from the first call on that is executed, or waits. */
    hasCrew: boolean;
    detached: boolean;
    /** It was let go, and answered since: nothing above it interrupts it any more. */
    isOnItsOwn?: true;
    /** Runs below that were let go while they waited for a person: until they are answered they are interrupted with this one. */
    strays?: Rows<string>;
    /** How many of them there may be before those are left out that have ended. */
    mostStrays?: number;
    /** It is refused new children, and so is each below it. */
    spawningPaused?: boolean;
    /** It is being interrupted, and those below it have had their time. */
    graceOver?: boolean;
    /** Milliseconds between what happened in another tree and what happened since in this one: nobody's time. */
    laterMs?: number;
    text: string;
    data?: JSONValue;
    end?: Ending;
    outbox: Outbox;
  };

/**
 * The context of a run's machine. One field, for XState copies a context field by field wherever it is assigned to: with the fifty
 * fields of a run that takes longer than all else in a step, and what comes of it takes ten times the memory.
 */
export type AgentContext = { run: RunContext };

type OptionalJob<E> = E extends { job: JobData } ? Omit<E, 'job' | 'sessionKey' | 'origin'> : E;
type WithoutUsage<E> = E extends { type: 'run.completed' | 'run.failed' | 'run.interrupted' } ? never : E;
/** An event before it is stamped. Its job and usage are filled in by the recorder; terminal events are made by it alone. */
export type Draft = OptionalJob<WithoutUsage<EventDraft>>;

/** What was left for the session of a run, as what a background unit has come to. */
export type Letter = { id: string; text: string };

export type RunCommand =
  | { type: 'interrupt'; reason: string; exitReason?: ExitReason }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'steer'; text: string }
  | { type: 'answer'; questionId: string; answer: Answer; by: string }
  /** What limits are to be from now on. */
  | { type: 'raise'; limits: Limits; by: string }
  /** Whether the run, and each below it, may start children. */
  | { type: 'pauseSpawning'; by: string }
  | { type: 'resumeSpawning'; by: string };

/** Limits that a clock watches. */
export type TimeKind = 'activeMs' | 'idleMs' | 'deadlineMs';

export type RunFact =
  /** What units of its session have come to, for the run to hear before its next turn. */
  | { type: 'deliver'; mail: Letter[] }
  | { type: 'model.used'; usage: Usage }
  | {
      type: 'model.attempted';
      attempt: Omit<Extract<Draft, { type: 'turn.attempted' }>, 'type' | 'turn'>;
      costUsd: number | null;
    }
  | { type: 'turn.closed'; turn: ClosedTurn }
  | { type: 'turn.failed'; fault: Fault }
  | {
      type: 'call.spawns';
      index: number;
      from: number;
      at: number;
      requests: SpawnRequest[];
      /** When one must be refused, all are. */
      allOrNone?: true;
      /** The tool itself waits for it, and goes on: though it may become its children, it does not by this. */
      awaited?: true;
    }
  | { type: 'call.settled'; index: number; outcome: CallOutcome }
  | { type: 'child.settled'; end: ChildEnd }
  | { type: 'child.paused'; end: ChildEnd; questionIds: string[] }
  | { type: 'child.resumed'; childId: string }
  | { type: 'child.answered'; childId: string }
  /** Runs that were let go have ended. */
  | { type: 'strays.gone'; runIds: string[] }
  | { type: 'slot.released'; childId: string }
  | { type: 'slot.wanted'; childId: string }
  /** `heard`: messages that the conversation opens with, too. `free`: nobody counts slots. */
  | { type: 'slot.granted'; heard?: number; free?: true }
  | { type: 'detach' }
  | { type: 'limit.near'; kind: TimeKind; limit: number; spent: number }
  | { type: 'limit.reached'; kind: TimeKind; limit: number; spent: number }
  /** A run with a heartbeat makes no progress; it was given time to, and still makes none. */
  | { type: 'stall.noticed'; quietMs: number; thresholdMs: number }
  | { type: 'stall.lasted'; quietMs: number; thresholdMs: number }
  | { type: 'grace.over' }
  | { type: 'memory.recalled'; text?: string; problem?: string }
  | { type: 'memory.stored'; problem?: string }
  | {
      type: 'context.summarized';
      summary: string;
      summarized: number;
      kept: number;
      usage: Usage;
      costUsd: number | null;
      /** The model that made it, where that is not the run's. */
      model?: string;
    }
  /** Nothing of the conversation is left out: nothing can be, or no summary came of what was tried (`tried`). */
  | { type: 'context.kept'; tried?: true }
  | { type: 'warning'; code: string; message: string }
  /** The run goes on in another tree: how calls that were in flight are known to have ended, and of a root how the tree begins. */
  | {
      type: 'forked';
      known: Record<number, CallOutcome>;
      laterMs: number;
      begins?: ForkBegins;
      /** Of a run that was let go: somebody has answered it, or one below it. */
      isAnswered?: boolean;
    }
  /** The run was brought back from its store. */
  | {
      type: 'recovered';
      /** What becomes of the calls that were executing, by index: nobody knows whether they took effect. */
      unknown: Record<number, UnknownOutcome>;
      /** Why the run cannot go on here. */
      lost?: Loss;
    };

/** How a forked tree begins. */
export type ForkBegins = {
  from: string;
  changed: ('turn' | 'answer' | 'budget')[];
  carried: Usage;
  /** What the root may spend from here on. */
  allowance?: Allowance;
};

/** Why a stored run does not go on: nobody can execute it, or nobody is to. */
export type Loss =
  | { status: 'failed'; exitReason: ExitReason; fault: Fault }
  | { status: 'interrupted'; exitReason: ExitReason; reason: string };

/** A call whose outcome is not known runs again, waits for a person, or fails. */
export type UnknownOutcome = 'again' | 'ask' | 'fail';

export type RunMachineEvent = RunCommand | RunFact;

/** What the machine hands over when it is done. */
export type RunOutput = Ending & { runId: string; text: string; data?: JSONValue; spent: Pool };

/** What the machine tells its crew to do: the side of the run that is alive. */
export type CrewOrder =
  | {
      type: 'crew.execute';
      index: number;
      turn: number;
      callId: string;
      tool: string;
      arguments: JSONValue;
      given?: JSONValue;
      kind?: Question['kind'];
    }
  | {
      type: 'crew.start';
      index: number;
      turn: number;
      childId: string;
      grant: Grant;
      slot: RunInput['slot'];
      allowance: Allowance;
      mayLeave?: true;
    }
  | {
      type: 'crew.refuse';
      index: number;
      childId: string;
      agent: string;
      refusal: SpawnRefusal;
    }
  /** A child that was stored: to be brought back under this run, or given to a call that is executed again. */
  | { type: 'crew.attach'; childId: string }
  | { type: 'crew.reuse'; childId: string }
  | { type: 'crew.close'; index: number; turn: number }
  | { type: 'crew.slot'; childId: string }
  | { type: 'crew.detach'; childId: string }
  | { type: 'crew.cascade'; command: RunCommand; stopTools: boolean }
  /** Runs below that were let go: to be told something; to be looked through for those that need not be minded any more. */
  | { type: 'crew.reach'; runIds: readonly string[]; command: RunCommand }
  | { type: 'crew.review'; runIds: readonly string[] }
  | { type: 'crew.stop' };
