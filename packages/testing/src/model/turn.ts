import { type Fault, FaultError, type ModelPart, type ToolCall, type Usage } from '@troupe/protocol';

/**
 * What a scripted model does in one turn. Text alone is the text of an answer.
 *
 * Parts are told in this order: reasoning, text, calls, usage, finish. A turn that hangs, has a fault or throws first tells
 * what it was given, without the defaults and without `finish`: that is how a model fails in the middle of an answer.
 */
export type Turn =
  | string
  | {
      text?: string;
      reasoning?: string;
      calls?: ScriptedCall[];
      /** What is missing is 10 input and 5 output tokens, so that budgets have something to count. */
      usage?: Partial<Usage>;
      /** The text in the pieces it streams in; `text` is then left out, or ignored. */
      deltas?: string[];
      /** The turn ends with this fault. Default: `model.unavailable`, not retryable. */
      fault?: Partial<Fault>;
      /** The turn ends with this very error: what a provider with a bug does. */
      throws?: Error;
      /** Default: `calls` when there are calls, otherwise `stop`. */
      finish?: Finish;
      /** The turn says nothing more and ends only when it is aborted. */
      hang?: true;
      /** Milliseconds of the run's clock before the first part. */
      delayMs?: number;
    };

/** A call as a script writes it. `arguments` as text is told as it stands, malformed or not; anything else as its JSON. */
export type ScriptedCall = { name: string; arguments: unknown; id?: string };

type Finish = Extract<ModelPart, { type: 'finish' }>['reason'];
type TurnObject = Exclude<Turn, string>;

const defaultUsage: Usage = { inputTokens: 10, outputTokens: 5 };

/** A turn that is only text, as an object. */
export const turnOf = (turn: Turn): TurnObject => (typeof turn === 'string' ? { text: turn } : turn);

/** The parts of a turn. `nextId` makes the ids of calls that name none. */
export function* partsOf(turn: TurnObject, nextId: () => string): Generator<ModelPart, void> {
  const { reasoning, calls = [], usage } = turn;
  const ends = turn.fault === undefined && turn.throws === undefined && turn.hang === undefined;
  if (reasoning !== undefined) yield { type: 'reasoning', delta: reasoning };
  for (const delta of turn.deltas ?? (turn.text === undefined ? [] : [turn.text])) yield { type: 'text', delta };
  for (const call of calls) yield { type: 'call', ...callOf(call, nextId) };
  if (usage !== undefined || ends) yield { type: 'usage', usage: { ...defaultUsage, ...usage } };
  if (ends) yield { type: 'finish', reason: turn.finish ?? (calls.length > 0 ? 'calls' : 'stop') };
}

const callOf = ({ name, arguments: given, id }: ScriptedCall, nextId: () => string): ToolCall => ({
  id: id ?? nextId(),
  name,
  arguments: typeof given === 'string' ? given : JSON.stringify(given === undefined ? {} : given),
});

/** The error that a scripted fault stands for. */
export const errorOf = ({ code, message, retryable, runId, callId, details, cause }: Partial<Fault>): FaultError =>
  new FaultError(code ?? 'model.unavailable', message ?? 'The script says so.', {
    retryable: retryable ?? false,
    ...(runId !== undefined && { runId }),
    ...(callId !== undefined && { callId }),
    ...(details !== undefined && { details }),
    ...(cause !== undefined && { cause }),
  });
