/** What providers give, looked at before it counts: what is no part of a turn never becomes an answer. */
import { FaultError, type ModelPart, type ModelProvider, type ModelRequest } from '@troupe/protocol';
import { nameOf } from './name-of.ts';

type Options = Parameters<ModelProvider['takeTurn']>[1];

const shapes = {
  text: '{ type: "text", delta: string }',
  reasoning: '{ type: "reasoning", delta: string }',
  call: '{ type: "call", id: string, name: string, arguments: string (JSON text) }',
  usage: '{ type: "usage", usage: { inputTokens, outputTokens … } }',
  attempt: '{ type: "attempt", number, provider, model, fault }',
  finish: '{ type: "finish", reason: "stop" | "calls" | "length" | "filter" }',
} as const satisfies Record<ModelPart['type'], string>;

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

const isSound = (part: ModelPart): boolean => {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return typeof part.delta === 'string';
    case 'call':
      return typeof part.id === 'string' && typeof part.name === 'string' && typeof part.arguments === 'string';
    case 'usage':
      return isObject(part.usage);
    case 'attempt':
      return typeof part.model === 'string';
    case 'finish':
      return part.reason === 'stop' || part.reason === 'calls' || part.reason === 'length' || part.reason === 'filter';
    default:
      return false;
  }
};

/** A word of a protocol: short, and of letters alone. */
const isWord = (value: unknown): value is string =>
  typeof value === 'string' && /^[a-z]+([_.-][a-z]+)*$/i.test(value) && value.length <= 40;

/** Which fields there are, and of what kind; what they say may be long, and hold secrets. */
const shown = (value: unknown): string => {
  if (!isObject(value)) return value === undefined ? 'nothing' : value === null ? 'null' : `a ${typeof value}`;
  const fields = Object.entries(value as object).map(([name, field]: [string, unknown]) =>
    (name === 'type' || name === 'reason') && isWord(field) ? `${name}: "${field}"` : `${name}: ${typeof field}`,
  );
  return `{ ${fields.join(', ')} }`;
};

const malformed = (provider: ModelProvider, model: string, problem: string, retryable: boolean): FaultError =>
  new FaultError('model.malformed', `Provider "${nameOf(provider)}", asked for model "${model}", ${problem}`, {
    retryable,
  });

/** Looks at one part. @throws FaultError `model.malformed` */
export const checkPart = (part: ModelPart, provider: ModelProvider, model: string): void => {
  if (isObject(part) && isSound(part)) return;
  const type = isObject(part) && Object.hasOwn(shapes, part.type) ? part.type : undefined;
  const expected = type ? shapes[type] : `a part of type ${Object.keys(shapes).join(', ')}`;
  throw malformed(provider, model, `gave ${shown(part)} as a part of its answer. Expected ${expected}.`, true);
};

/** Asks for a turn. @throws FaultError `model.malformed` where what comes back is no stream of parts */
export const partsOf = (provider: ModelProvider, request: ModelRequest, options: Options): AsyncIterable<ModelPart> => {
  const parts: unknown = provider.takeTurn(request, options);
  if (isObject(parts) && (Symbol.asyncIterator in (parts as object) || Symbol.iterator in (parts as object)))
    return parts as AsyncIterable<ModelPart>;
  // Nobody waits for what it promised.
  if (parts instanceof Promise) parts.catch(() => {});
  throw malformed(
    provider,
    request.model,
    `gave ${parts instanceof Promise ? 'a promise' : shown(parts)} in place of a stream. Expected takeTurn to be an async generator, "async *takeTurn() { yield … }", or to give another async iterable of parts.`,
    false,
  );
};
