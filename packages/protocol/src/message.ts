import * as z from 'zod';

/** A piece of a message. `image` and `file` carry a URL, a `data:` URL included. */
export const Part = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('image'), url: z.string(), mediaType: z.string().optional() }),
  z.object({ type: z.literal('file'), url: z.string(), mediaType: z.string().optional(), name: z.string().optional() }),
]);
export type Part = z.infer<typeof Part>;

/** A tool call as a model makes it: `arguments` is JSON text, and may be malformed. */
export const ToolCall = z.object({ id: z.string(), name: z.string(), arguments: z.string() });
export type ToolCall = z.infer<typeof ToolCall>;

/** One message of a conversation. `calls` belongs to `assistant`, `callId` to `tool`. */
export const Message = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.union([z.string(), z.array(Part)]),
  calls: z.array(ToolCall).optional(),
  callId: z.string().optional(),
});
export type Message = z.infer<typeof Message>;

/** The text of a message, its other parts left out. */
export const textOfMessage = ({ content }: Pick<Message, 'content'>): string =>
  typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('');
