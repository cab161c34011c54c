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
export async function* chatParts(stream: AsyncIterable<unknown>, turn: number): AsyncGenerator<ModelPart> {
  const calls = new CallAssembly();
  let ended: string | undefined;
  let refused = false;
  try {
    for await (const each of stream) {
      const chunk = chunkOf(each);
      const choice = chunk.choices?.find(({ index = 0 }) => index === 0);
      const delta = choice?.delta ?? choice?.message ?? {};
      const reasoning = textIn(delta.reasoning_content) ?? textIn(delta.reasoning);
      if (reasoning) yield { type: 'reasoning', delta: reasoning };
      const text = textIn(delta.content);
      if (text) yield { type: 'text', delta: text };
      const refusal = textIn(delta.refusal);
      if (refusal) {
        refused = true;
        yield { type: 'text', delta: refusal };
      }
      for (const piece of delta.tool_calls ?? []) calls.add(piece);
      if (choice?.finish_reason) ended = choice.finish_reason;
      if (chunk.usage) yield { type: 'usage', usage: usageOf(chunk.usage) };
    }
  } catch (error) {
    // A turn that was complete stays complete, whatever becomes of the connection.
    if (ended === undefined) throw error;
  }
  if (ended === undefined) throw new StreamError('model.stream_cut', 'The stream ended without a finish reason.');
  if (ended === 'error') throw new StreamError('model.unavailable', 'The server gave up in the middle of its answer.');
  yield* calls.parts(turn);
  yield { type: 'finish', reason: refused ? 'filter' : finishOf(ended, !calls.isEmpty) };
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

const textIn = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** Why a turn ended. Some servers say `stop` although they made calls, and each has words of its own. */
export const finishOf = (reason: string, hasCalls: boolean): Extract<ModelPart, { type: 'finish' }>['reason'] => {
  switch (reason) {
    case 'length':
    case 'max_tokens':
      return 'length';
    case 'content_filter':
    case 'refusal':
      return 'filter';
    default:
      return hasCalls ? 'calls' : 'stop';
  }
};
