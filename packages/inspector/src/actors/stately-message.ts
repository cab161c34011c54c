/** Stately's inspection messages, as `@statelyai/inspect` sends them over a WebSocket. */
import * as z from 'zod';

/** Epoch milliseconds as text. */
const createdAt = z.union([z.string(), z.number()]).optional();
const snapshot = z.looseObject({
  status: z.string().optional(),
  value: z.unknown().optional(),
  context: z.unknown().optional(),
});
const event = z.looseObject({ type: z.string() });

export const StatelyMessage = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('@xstate.actor'),
    sessionId: z.string(),
    name: z.string().optional(),
    parentId: z.string().nullish(),
    rootId: z.string().nullish(),
    /** The machine's configuration as JSON. */
    definition: z.string().nullish(),
    snapshot: snapshot.nullish(),
    createdAt,
  }),
  z.looseObject({
    type: z.literal('@xstate.event'),
    sessionId: z.string(),
    sourceId: z.string().nullish(),
    event,
    createdAt,
  }),
  z.looseObject({
    type: z.literal('@xstate.snapshot'),
    sessionId: z.string(),
    snapshot: snapshot.nullish(),
    event: event.nullish(),
    createdAt,
  }),
]);
export type StatelyMessage = z.infer<typeof StatelyMessage>;
