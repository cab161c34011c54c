import type { ModelPart, ModelRequest } from '@troupe/protocol';
import type OpenAI from 'openai';

/** How requests are written, where servers differ. */
export type WireOptions = {
  /** `true`: always strict. `false`: never. Else answers are strict where their schema allows it, and tools are not. */
  strictSchemas?: boolean;
  /** What the limit of an answer is called on Chat Completions. */
  tokenLimit: 'max_completion_tokens' | 'max_tokens';
  /** Whether to ask for usage at the end of a Chat Completions stream. */
  includeUsage: boolean;
  /** What to tell of the model's reasoning on the Responses wire. */
  reasoningSummary?: 'auto' | 'concise' | 'detailed';
};

/** One of the two protocols: how a request is written and how its stream is read. */
export type Wire = {
  /** Sends a request; resolves when the answer begins. */
  open(
    client: OpenAI,
    request: ModelRequest,
    options: WireOptions,
    signal: AbortSignal,
  ): Promise<AsyncIterable<unknown>>;
  /**
   * The parts of a turn, `finish` the last of them.
   *
   * @param turn The number of the turn, for the ids of calls that came without one.
   * @param complete Called when all that the answer says was heard, before the stream is let go.
   * @throws StreamError when the stream tells of an error, makes no sense, or ends too early.
   */
  read(stream: AsyncIterable<unknown>, turn: number, complete: () => void): AsyncIterable<ModelPart>;
};
