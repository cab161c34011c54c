import type { ModelPart } from '@troupe/protocol';
import { CallAssembly, type CallPiece } from './call-assembly.ts';
import { StreamError } from './faults.ts';
import { usageOf } from './usage.ts';

/** A chunk as compatible servers send it: anything may be missing. */
type Delta = {
  content?: unknown;
  refusal?: unknown;
  reasoning_content?: unknown;
  reasoning?: unknown;
  tool_calls?: CallPiece[] | null;
};
type Choice = { index?: number; delta?: Delta | null; message?: Delta | null; finish_reason?: string | null };
type Chunk = {
  choices?: Choice[] | null;
  usage?: object | null;
  object?: string;
  message?: unknown;
  code?: unknown;
  type?: unknown;
};

/** Reads a Chat Completions stream, OpenAI's or that of a compatible server. */
export async function* chatParts(
  stream: AsyncIterable<unknown>,
  turn: number,
  complete: () => void = () => {},
): AsyncGenerator<ModelPart> {
  const calls = new CallAssembly();
  let ended: string | undefined;
  let refused = false;
  /** Deltas have said something. */
  let hasBegun = false;
  try {
    for await (const each of stream) {
      const chunk = chunkOf(each);
      const choice = chunk.choices?.find(({ index = 0 }) => index === 0);
      // Some servers end with the whole message, after its deltas.
      const { message } = choice ?? {};
      // Calls that stand there alone are news all the same.
      const left = calls.size === 0 && message ? { tool_calls: message.tool_calls ?? null } : {};
      const said: Delta = choice?.delta ?? (hasBegun ? left : message) ?? {};
      const reasoning = textIn(said.reasoning_content) ?? textIn(said.reasoning) ?? thoughtIn(said.content);
      if (reasoning) yield { type: 'reasoning', delta: reasoning };
      const text = textIn(said.content);
      if (text) yield { type: 'text', delta: text };
      const refusal = textIn(said.refusal);
      if (refusal) {
        refused = true;
        yield { type: 'text', delta: refusal };
      }
      for (const piece of said.tool_calls ?? []) calls.add(piece);
      hasBegun ||= said === choice?.delta && Boolean(text || refusal || said.tool_calls?.length);
      if (choice?.finish_reason) {
        ended = choice.finish_reason;
        complete();
      }
      if (chunk.usage) yield { type: 'usage', usage: usageOf(chunk.usage) };
    }
  } catch (error) {
    // A turn that was complete stays complete, whatever becomes of the connection.
    if (ended === undefined) throw error;
  }
  if (ended === undefined) throw new StreamError('model.stream_cut', 'The stream ended without a finish reason.');
  const reason = finishOf(ended, calls.size > 0);
  if (reason === 'broken')
    throw new StreamError('model.unavailable', `The server gave up in the middle of its answer: ${ended}`);
  yield* calls.parts(turn, reason === 'length' || reason === 'filter');
  yield { type: 'finish', reason: refused ? 'filter' : reason };
}

const chunkOf = (value: unknown): Chunk => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new StreamError('model.malformed', `A chunk of the stream is not an object: ${JSON.stringify(value)}`);
  }
  const chunk = value as Chunk;
  // vLLM and its kin tell errors without an envelope.
  if (chunk.object === 'error') throw StreamError.of({ ...chunk, message: String(chunk.message) });
  if (chunk.choices !== undefined && chunk.choices !== null && !Array.isArray(chunk.choices)) {
    throw new StreamError('model.malformed', 'A chunk of the stream has choices that are not a list.');
  }
  return chunk;
};

/** A piece of a message whose content is a list, as models of Mistral send it that think. */
type Piece = { type?: unknown; text?: unknown; thinking?: unknown; reasoning?: unknown };

const piecesIn = (content: unknown): Piece[] =>
  Array.isArray(content) ? content.filter((piece) => typeof piece === 'object' && piece !== null) : [];

const textIn = (value: unknown): string | undefined => {
  if (Array.isArray(value))
    return piecesIn(value)
      .map(({ type, text }) => (type === 'text' ? textIn(text) : ''))
      .join('');
  return typeof value === 'string' && value !== '' ? value : undefined;
};

const thoughtIn = (content: unknown): string =>
  piecesIn(content)
    .map(({ thinking, reasoning }) => textIn(thinking) ?? textIn(reasoning) ?? '')
    .join('');

/** How servers say that an answer is not whole, each in words of its own. The first that fits counts. */
const unfinished: readonly (readonly [RegExp, 'length' | 'filter' | 'broken'])[] = [
  // Anthropic and Z.ai say `model_context_window_exceeded`, Mistral `model_length`.
  [/^(length|max_(output_)?tokens|model_length|model_context_window_exceeded)$/, 'length'],
  // Gemini names what it was that it stopped at, some with a prefix: `content_filter: PROHIBITED_CONTENT`.
  [/^(content_filter\b.*|refusal|safety|sensitive|recitation|blocklist|prohibited_content|spii|language)$/, 'filter'],
  // DeepSeek is short of resources; vLLM, SGLang and Zhipu broke off; Gemini could not make a call of what its model said.
  [
    /^(error|abort(ed)?|cancell?ed|network_error|insufficient_system_resource|(function_call_filter\b.*|malformed_function_call))$/,
    'broken',
  ],
];

/**
 * Why a turn ended; `broken` where the server gave up. Some servers say `stop` although they made calls, and what nobody knows is taken
 * for it.
 */
export const finishOf = (
  reason: string,
  hasCalls: boolean,
): Extract<ModelPart, { type: 'finish' }>['reason'] | 'broken' => {
  const said = String(reason).toLowerCase();
  return unfinished.find(([words]) => words.test(said))?.[1] ?? (hasCalls ? 'calls' : 'stop');
};
