/** What the rehearsal model is asked, as it comes over the wire of Chat Completions. Only what it looks at. */
export type ChatRequest = {
  messages: ChatMessage[];
  tools?: { function: { name: string; description?: string } }[];
  response_format?: { [key: string]: unknown };
};

export type ChatMessage = {
  role: string;
  content: string | { type: string; text?: string }[] | null;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
};

/** What it answers: text, or calls. */
export type Reply = { text: string } | { calls: { name: string; arguments: Record<string, unknown> }[] };

/** One call it made earlier, with what came of it. */
export type PastCall = { name: string; arguments: Record<string, unknown>; result: string };

export const textOf = ({ content }: Pick<ChatMessage, 'content'>): string =>
  typeof content === 'string' ? content : (content ?? []).map(({ text = '' }) => text).join('');

/** All text of one role, in order. */
export const saidBy = (request: ChatRequest, role: string): string =>
  request.messages
    .filter((message) => message.role === role)
    .map(textOf)
    .join('\n');

export const hasTool = (request: ChatRequest, name: string): boolean =>
  (request.tools ?? []).some((tool) => tool.function.name === name);

/** What a tool says of itself; nothing where it is not offered. */
export const toolText = (request: ChatRequest, name: string): string =>
  (request.tools ?? []).find((tool) => tool.function.name === name)?.function.description ?? '';

/** The calls made so far and their results, in call order. Ids are matched per assistant message: models may repeat them. */
export const pastCalls = ({ messages }: ChatRequest): PastCall[] => {
  const calls: PastCall[] = [];
  let open = new Map<string, PastCall[]>();
  for (const message of messages) {
    if (message.role === 'assistant') open = new Map();
    for (const { id, function: called } of message.tool_calls ?? []) {
      const call = { name: called.name, arguments: objectIn(called.arguments), result: '' };
      calls.push(call);
      open.set(id, [...(open.get(id) ?? []), call]);
    }
    if (message.role !== 'tool') continue;
    const call = open.get(message.tool_call_id ?? '')?.shift();
    if (call) call.result = textOf(message);
  }
  return calls;
};

/** Any JSON, or `undefined`. */
export const jsonIn = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const objectIn = (text: string): Record<string, unknown> => {
  const value = jsonIn(text);
  return isObject(value) ? value : {};
};

/** The items of an array that are objects. */
export const objectsIn = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter(isObject) : [];

/** The schema that an answer must fit: of the request itself, or of a ```json block in the instructions. */
export const schemaAsked = (request: ChatRequest): Record<string, unknown> | null => {
  const format = request.response_format?.json_schema;
  if (isObject(format) && isObject(format.schema)) return format.schema;
  const block = schemaBlock(saidBy(request, 'system'));
  return block === null ? null : objectIn(block);
};

/** The text of the last ```json block that holds a JSON Schema. */
export const schemaBlock = (instructions: string): string | null =>
  [...instructions.matchAll(/```json\s*\n([\s\S]*?)```/g)]
    .map(([, block = '']) => block.trim())
    .findLast((block) => 'type' in objectIn(block)) ?? null;
