import type { Fault } from '../fault.ts';
import type { JSONSchema } from '../json.ts';
import type { Message } from '../message.ts';
import type { Usage } from '../usage.ts';
import type { Clock } from './clock.ts';

/** What a model is told of a tool. */
export type ToolSpec = { name: string; description: string; inputSchema: JSONSchema };

/** How a model should answer. Names that are not listed go to the vendor unchanged. */
export type ModelSettings = {
  temperature?: number;
  maxOutputTokens?: number;
  reasoning?: 'off' | 'low' | 'medium' | 'high';
  [vendor: string]: unknown;
};

/** Everything a provider needs for one turn. */
export type ModelRequest = {
  model: string;
  messages: Message[];
  tools: ToolSpec[];
  /** The answer must be JSON of this schema. */
  output?: { name: string; schema: JSONSchema };
  settings?: ModelSettings;
};

/** Who asks. `key` is the same for every attempt at one turn, also after a restart. */
export type ModelContext = { runId: string; rootId: string; agent: string; turn: number; depth: number; key: string };

export type ModelOptions = { signal: AbortSignal; clock: Clock; context: ModelContext };

/** A piece of a turn. */
export type ModelPart =
  | { type: 'text'; delta: string }
  | { type: 'reasoning'; delta: string }
  /** A complete call; `arguments` is JSON text as the model wrote it. */
  | { type: 'call'; id: string; name: string; arguments: string }
  /**
   * What the turn used so far. A later one of the same attempt replaces it: vendors report running totals.
   * `model` is who answered, where that is not the model that was asked for.
   */
  | { type: 'usage'; usage: Usage; model?: string }
  /** An attempt that came to nothing: what was sent of this turn before is void, its usage is charged. */
  | {
      type: 'attempt';
      number: number;
      provider: string;
      model: string;
      credentialId?: string;
      fault?: Fault;
      waitMs?: number;
      usage?: Usage;
    }
  | { type: 'finish'; reason: 'stop' | 'calls' | 'length' | 'filter' };

/** A model, or many behind one door. Speaks the platform: an adapter needs neither XState nor RxJS. */
export interface ModelProvider {
  /** Shown in `turn.attempted` and in faults. */
  readonly name?: string;
  /**
   * Takes one turn. The iterable ends after `finish`, or throws a `FaultError`: `model.rate_limited`, `model.unavailable`,
   * `model.context_length`, `model.refused`, … with the right `retryable`, and `details.retryAfterMs` where the vendor said so.
   * Aborting the signal ends it soon; what it used until then should still be told.
   */
  takeTurn(request: ModelRequest, options: ModelOptions): AsyncIterable<ModelPart>;
}
