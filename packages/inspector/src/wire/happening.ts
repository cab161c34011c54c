import * as z from 'zod';

/**
 * Something that happened, as the timeline and the message sequence draw it. `from` and `to` are lanes: the id of a row, `person`,
 * `model`, or `tool:<name>`; the same twice for what a run does by itself.
 */
export const Happening = z.object({
  /** Of the stored event: `<runId>:<seq>`. Of actors, unique as well. */
  id: z.string(),
  /** The row that it happened to. */
  rowId: z.string(),
  rootId: z.string(),
  /** Its place in the tree; 0 where there is none. */
  rootSeq: z.number(),
  /** Epoch milliseconds. */
  at: z.number(),
  /** The type of the event. */
  type: z.string(),
  from: z.string(),
  to: z.string(),
  /** In a few words: a tool, a child, the beginning of a text. At most 200 characters. */
  text: z.string(),
});
export type Happening = z.infer<typeof Happening>;
