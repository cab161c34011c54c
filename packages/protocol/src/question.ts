import * as z from 'zod';
import { JSONValue } from './json.ts';

/** Something that a run waits for a person to answer. */
export const Question = z.object({
  id: z.string(),
  runId: z.string(),
  rootId: z.string(),
  callId: z.string(),
  kind: z.enum(['confirmation', 'input', 'handoff']),
  tool: z.string(),
  arguments: JSONValue,
  prompt: z.string(),
  /** What may be answered: `['yes', 'no']` for a confirmation, empty where any text will do. */
  options: z.array(z.string()),
  /** The argument that the answer of an `input` question is written to. */
  inputKey: z.string().optional(),
  /** Epoch milliseconds. */
  askedAt: z.number(),
});
export type Question = z.infer<typeof Question>;

/** `true`/`false` or their words for a confirmation; text or a value for input and hand-off; `decline` for any. */
export const Answer = z.union([
  z.boolean(),
  z.string(),
  z.object({ value: JSONValue }),
  z.object({ decline: z.string() }),
]);
export type Answer = z.infer<typeof Answer>;

/** What became of a command. `until` says what must happen first. */
export type Receipt =
  | { status: 'accepted' }
  | { status: 'deferred'; until: 'question.answered' | 'call.settled' | 'turn.completed' | 'resumed' }
  | { status: 'rejected'; reason: string };
