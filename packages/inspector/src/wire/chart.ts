import { JSONValue } from '@troupe/protocol';
import * as z from 'zod';

/** A state of a machine. Ids are XState's: unique in the machine. */
export type ChartState = {
  id: string;
  key: string;
  type: 'atomic' | 'compound' | 'parallel' | 'final' | 'history';
  /** The id of the state that it begins in. */
  initial?: string | undefined;
  description?: string | undefined;
  /** What it does, by name: actors that live while it is active, actions on the way in and out. */
  invokes: string[];
  entry: string[];
  exit: string[];
  states: ChartState[];
};
export const ChartState: z.ZodType<ChartState> = z.object({
  id: z.string(),
  key: z.string(),
  type: z.enum(['atomic', 'compound', 'parallel', 'final', 'history']),
  initial: z.string().optional(),
  description: z.string().optional(),
  invokes: z.array(z.string()),
  entry: z.array(z.string()),
  exit: z.array(z.string()),
  get states() {
    return z.array(ChartState);
  },
});

/** A transition as it is defined. */
export const ChartEdge = z.object({
  /** Unique in the machine, and the same every time: what a {@link Step} names. */
  id: z.string(),
  /** The id of the state that it leaves. */
  from: z.string(),
  /** Ids of where it leads; empty when it only acts. */
  to: z.array(z.string()),
  /** What it answers to: an event's type, `done` and `error` of an actor with its id, `after 500`, or `always`. */
  label: z.string(),
  guard: z.string().optional(),
  actions: z.array(z.string()),
});
export type ChartEdge = z.infer<typeof ChartEdge>;

/** A machine, to be drawn. Sent once to each viewer. */
export const Machine = z.object({
  /** The same for the same machine. */
  id: z.string(),
  name: z.string(),
  root: ChartState,
  edges: z.array(ChartEdge),
});
export type Machine = z.infer<typeof Machine>;

/** One thing that a machine heard, and where it was then. */
export const Step = z.object({
  /** 0 for how it began, then 1, 2, 3 … without gap. */
  n: z.number(),
  /** Epoch milliseconds. */
  at: z.number(),
  /** The type of what it heard. */
  event: z.string(),
  /** The same with its data, shortened. Only of the last step that is shown. */
  data: JSONValue.optional(),
  /** Ids of the edges that it took, in order, `always` ones too; empty when it only acted, or nothing is known of it. */
  edges: z.array(z.string()),
  /** Ids of the states that were active after it. */
  active: z.array(z.string()),
  /** Types of the run events that it led to. */
  said: z.array(z.string()),
  /** The last event of the tree that was stored by then: where the time slider stands. Runs only. */
  rootSeq: z.number().optional(),
});
export type Step = z.infer<typeof Step>;
