/** What is stored of a sub-agent: who it is, whose, and what it was asked last. How its runs went is in the store of runs. */
import { JSONValue, Message } from '@troupe/protocol';
import * as z from 'zod';

/** Where the results of a sub-agent go, and on whose behalf it works. */
export const Requester = z.object({
  /** The session that asked for it, and sees it; `null`: the program itself, which sees everything. */
  sessionKey: z.string().nullable(),
  /** The way to the person behind it, as a gateway names it, like `telegram:main`; `null`: nothing is pushed, results are collected. */
  channel: z.string().nullable(),
  /** What the gateway needs to answer there. */
  metadata: z.record(z.string(), JSONValue),
  /** The message that is answered. */
  replyTo: z.string().nullable(),
});
export type Requester = z.infer<typeof Requester>;

/** How a sub-agent is made. Data; it names a provider, and holds no key. */
export const SubagentConfig = z.object({
  role: z.string().optional(),
  model: z.string().optional(),
  /** One of the manager's `providers`. Default: its parent's. */
  provider: z.string().optional(),
  toolProfile: z.string(),
  /** Names of tools, in place of a profile. */
  tools: z.array(z.string()).optional(),
  instructions: z.string().optional(),
  specialization: z.string().optional(),
  keywords: z.array(z.string()),
  examples: z.array(z.string()),
  /** Model answers for each run. */
  maxTurns: z.number(),
  /** Milliseconds for each run. */
  timeoutMs: z.number().optional(),
  /** `run`: for one task. `session`: named, goes on for as long as its profile. */
  mode: z.enum(['run', 'session']),
  /** `delete`: nothing is left of it once its result was delivered. */
  cleanup: z.enum(['keep', 'delete']),
  routing: z.enum(['direct', 'orchestrated']),
  allowSubagents: z.boolean(),
  /** Whether a program may route to it: see `matchAgent`. The manager never does. */
  autoRoute: z.boolean(),
  thinking: z.enum(['off', 'basic', 'extended']).optional(),
  /** Whether it has the manager's skills. Default: as its parent. */
  skills: z.boolean().optional(),
});
export type SubagentConfig = z.infer<typeof SubagentConfig>;

/** How the result of a run was handed over. */
export const Delivery = z.object({
  runId: z.string(),
  /** `pushed`: left for the requester's session. `pulled`: collected. `steered`: there is none, another run stands for it. */
  how: z.enum(['pushed', 'pulled', 'steered']),
  /** Who collected it: the same again gets the same. */
  by: z.string().optional(),
});
export type Delivery = z.infer<typeof Delivery>;

/** A sub-agent as it is stored. */
export const SubagentRecord = z.object({
  /** `sub_` and ten hexadecimal digits. */
  agentId: z.string(),
  /** Its name, where it has one: the same for ever. */
  name: z.string().optional(),
  parentId: z.string().nullable(),
  /** 1 for those without a parent. */
  depth: z.number(),
  label: z.string(),
  config: SubagentConfig,
  /** The conversation that its runs go on with. */
  sessionKey: z.string(),
  requester: Requester,
  /** What it was asked last, and the run that does it; absent for a profile that was never run. */
  run: z
    .object({
      runId: z.string(),
      task: z.string(),
      askedAt: z.number(),
      /** It is known to be stored. */
      begun: z.boolean().optional(),
      /** The run before it was stopped in favour of this one. */
      restarted: z.boolean().optional(),
      /** The call that asked for it. */
      origin: z
        .object({ runId: z.string(), rootId: z.string(), callId: z.string(), key: z.string().optional() })
        .optional(),
    })
    .optional(),
  /** Results that were handed over, of its latest runs. */
  delivered: z.array(Delivery),
  /** Runs before its latest whose results nobody was given: of all others as old, they were. */
  owed: z.array(z.string()).optional(),
  /** What was said before its first run, where it was brought along from elsewhere. */
  history: z.array(Message).optional(),
  /** It was told to stop these, and why: what a program that crashed did not come to is done by the next one. */
  cancelled: z.object({ runIds: z.array(z.string()), reason: z.string() }).optional(),
  /** Letters that wake it no more, for it was cancelled since: a run that one of them begins is stopped as it begins. */
  hushed: z.object({ letters: z.array(z.string()), reason: z.string() }).optional(),
  /** Nothing is to be left of it: it and its runs are about to go. */
  gone: z.literal(true).optional(),
  /** Epoch milliseconds. */
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type SubagentRecord = z.infer<typeof SubagentRecord>;

/** How a sub-agent stands: `idle` where it was never run here. */
export type SubagentState = 'idle' | 'pending' | 'running' | 'completed' | 'failed' | 'cancelled';
