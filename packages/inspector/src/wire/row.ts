import { ExitReason, RunStatus } from '@troupe/protocol';
import * as z from 'zod';

/**
 * How much of a limit is used. `since` is there while it grows by itself: by one for each millisecond from then on (epoch
 * milliseconds), so a page needs no new row to show it now.
 */
export const Gauge = z.object({
  /** As in `Budget`: `tokens`, `turns`, `activeMs` … */
  kind: z.string(),
  spent: z.number(),
  limit: z.number(),
  since: z.number().optional(),
  /** Of `tokens`, `costUsd` and `descendants`: how much of `spent` is that of runs below, those that have not settled included. */
  below: z.number().optional(),
});
export type Gauge = z.infer<typeof Gauge>;

/** What was used. `costUsd` is `null` while no price is known. */
export const Spending = z.object({ tokens: z.number(), costUsd: z.number().nullable() });
export type Spending = z.infer<typeof Spending>;

const place = {
  /** Names the row, and stands in every message about it. */
  id: z.string(),
  /** The top of its tree. A root is its own. */
  rootId: z.string(),
  /** Below which row it is shown: who started it, or from where it was dispatched in the background. */
  parentId: z.string().optional(),
  /** What it is: the agent of a run, the name of an actor. */
  name: z.string(),
  /** Epoch milliseconds. */
  createdAt: z.number(),
  endedAt: z.number().optional(),
  /** When something last happened to it. */
  lastAt: z.number(),
};

/** One run, as its stored events add up. Nothing that only streams changes it, so it is the same for every viewer. */
export const RunLine = z.object({
  kind: z.literal('run'),
  ...place,
  depth: z.number(),
  /** True for work in the background: a tree of its own (`rootId` is its own id) that is shown below who asked for it. */
  background: z.boolean().optional(),
  /** The call of the parent that started it. */
  callId: z.string().optional(),
  model: z.string(),
  /** The first line of what it was asked, at most 200 characters. */
  title: z.string(),
  status: RunStatus,
  exitReason: ExitReason.optional(),
  /** What it waits for while it is paused: a person's answer, or `resume`. */
  pausedFor: z.enum(['question', 'paused']).optional(),
  /** True while it, and each run below it, is refused new children: told of the run that was asked, not of those below it. */
  spawningPaused: z.boolean().optional(),
  /** The turn in hand, from 1; 0 before the first. */
  turn: z.number(),
  /** Names of the tools in use: calls without a result, in call order. */
  tools: z.array(z.string()),
  /** Ids of its own open questions. */
  questions: z.array(z.string()),
  /** What binds it, and how much of it is used. */
  gauges: z.array(Gauge),
  /** Of its own turns; and with all children that have settled. */
  own: Spending,
  total: Spending,
  /** Why it failed, or what it warned of last, in one line. */
  trouble: z.string().optional(),
  /** Where it stands in its own events, and in those of its tree. The head of a tree is the largest `rootSeq` of its rows. */
  seq: z.number(),
  rootSeq: z.number(),
});
export type RunLine = z.infer<typeof RunLine>;

/** One actor of a program that sends Stately's inspection messages. */
export const ActorLine = z.object({
  kind: z.literal('actor'),
  ...place,
  /** XState's: `active`, `done`, `error`, `stopped`. */
  status: z.string(),
  /** Where its machine is, as `running.thinking`; empty for actors that are no machines. */
  state: z.string(),
  /** The last event that it was sent. */
  event: z.string().optional(),
  /** Events that it was sent. */
  seq: z.number(),
});
export type ActorLine = z.infer<typeof ActorLine>;

/** A row of the tree. */
export const Line = z.discriminatedUnion('kind', [RunLine, ActorLine]);
export type Line = z.infer<typeof Line>;
