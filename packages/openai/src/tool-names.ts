import type { ModelPart, ModelRequest } from '@troupe/protocol';

/** What OpenAI lets a function be called. Tools of MCP servers are often called more: `calendar.read`. */
const allowed = /^[a-zA-Z0-9_-]{1,64}$/;
const longest = 64;

/** How the tools of a request are called on the wire, and what the calls in its answer mean. */
export type ToolNames = {
  /** The request with names that the vendor takes, the calls of its conversation included. */
  sent(request: ModelRequest): ModelRequest;
  /** The parts of its answer, calls under the names that the run knows. */
  known(parts: AsyncIterable<ModelPart>): AsyncIterable<ModelPart>;
};

const asTheyAre: ToolNames = { sent: (request) => request, known: (parts) => parts };

/**
 * Names that no vendor refuses, for the tools that a request offers and those that its conversation has called: a model may have called
 * one that is none. What may be sent as it is stays; every other tool gets a name of its own, the same in each turn with these tools.
 */
export const toolNames = (request: ModelRequest): ToolNames => {
  const offered = request.tools.map(({ name }) => name);
  const called = request.messages.flatMap(({ calls = [] }) => calls.map(({ name }) => name));
  const odd = new Set([...offered, ...called].filter((name) => !allowed.test(name)));
  if (odd.size === 0) return asTheyAre;
  // What was only called is none of these: it would give an offered tool another name from then on.
  const taken = new Set([...offered, ...vendorNames(request.settings?.tools)]);
  const sent = new Map<string, string>();
  for (const name of odd) {
    const free = freeName(name, taken);
    taken.add(free);
    sent.set(name, free);
  }
  const known = new Map([...sent].map(([name, free]) => [free, name]));
  return { sent: (asked) => renamed(asked, sent), known: (parts) => calledBack(parts, known) };
};

/** Tools that the settings hand to the vendor are called what they are called. */
const vendorNames = (tools: unknown): string[] =>
  (Array.isArray(tools) ? tools : []).flatMap((tool: { name?: unknown; function?: { name?: unknown } } | null) =>
    [tool?.name, tool?.function?.name].filter((name) => typeof name === 'string'),
  );

const freeName = (name: string, taken: ReadonlySet<string>): string => {
  const plain = name.replace(/[^a-zA-Z0-9_-]/gu, '_') || '_';
  for (let n = 1; ; n++) {
    const end = n === 1 ? '' : `_${n}`;
    const free = plain.slice(0, longest - end.length) + end;
    if (!taken.has(free)) return free;
  }
};

const renamed = (request: ModelRequest, sent: ReadonlyMap<string, string>): ModelRequest => {
  const named = <T extends { name: string }>(one: T): T => ({ ...one, name: sent.get(one.name) ?? one.name });
  return {
    ...request,
    tools: request.tools.map(named),
    messages: request.messages.map((message) =>
      message.calls ? { ...message, calls: message.calls.map(named) } : message,
    ),
  };
};

async function* calledBack(
  parts: AsyncIterable<ModelPart>,
  known: ReadonlyMap<string, string>,
): AsyncGenerator<ModelPart> {
  for await (const part of parts)
    yield part.type === 'call' ? { ...part, name: known.get(part.name) ?? part.name } : part;
}
