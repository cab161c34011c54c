/**
 * One attempt at a turn, as the wrappers around a provider see it.
 *
 * Wrappers nest in any order, and yet every failed attempt is told once and every token is charged once: the innermost wrapper
 * tells it, the outermost numbers it. An `attempt` part without `waitMs` is the turn's last, and its fault is thrown next;
 * a wrapper that goes on all the same takes it over instead of telling it again.
 */
import {
  FaultError,
  isFaultError,
  type ModelOptions,
  type ModelPart,
  type ModelProvider,
  type ModelRequest,
  messageOf,
  type Usage,
} from '@troupe/protocol';
import { nameOf } from './name-of.ts';
import { checkPart, partsOf } from './sound-parts.ts';

type AttemptPart = Extract<ModelPart, { type: 'attempt' }>;

/** What an attempt came to nothing with, and what there is to tell of it. */
export type FailedAttempt = { error: FaultError; part: AttemptPart };

/**
 * Passes on the parts of one attempt; gives `null` when it took the turn to its end, and otherwise what went wrong.
 * A failure of a turn that was aborted is thrown: there is nothing to decide any more.
 *
 * @param next Counts the attempts of the whole turn, from 1.
 */
export async function* attempt(
  provider: ModelProvider,
  request: ModelRequest,
  options: ModelOptions,
  next: () => number,
): AsyncGenerator<ModelPart, FailedAttempt | null> {
  if (options.signal.aborted) throw new FaultError('model.aborted', 'The turn was aborted before this attempt began.');
  let usage: Usage | undefined;
  let last: AttemptPart | undefined;
  try {
    for await (const part of partsOf(provider, request, options)) {
      checkPart(part, provider, request.model);
      if (last) yield last;
      last = undefined;
      if (part.type === 'attempt') {
        usage = undefined;
        const numbered = { ...part, number: next() };
        if (part.waitMs === undefined) last = numbered;
        else yield numbered;
      } else {
        if (part.type === 'usage') usage = part.usage;
        yield part;
      }
    }
    if (last) yield last;
    return null;
  } catch (thrown) {
    const error = asFaultError(thrown, options.signal);
    const told = last && tellsOf(last, error) ? last : undefined;
    if (last && (!told || options.signal.aborted)) yield last;
    if (options.signal.aborted) throw error;
    return { error, part: told ?? partOf(error, nameOf(provider), request.model, next(), usage) };
  }
}

const tellsOf = ({ fault }: AttemptPart, { code, message }: FaultError): boolean =>
  fault?.code === code && fault.message === message;

const partOf = (
  error: FaultError,
  provider: string,
  model: string,
  number: number,
  usage: Usage | undefined,
): AttemptPart => {
  const credentialId = error.details?.credentialId;
  return {
    type: 'attempt',
    number,
    provider,
    model,
    ...(typeof credentialId === 'string' && { credentialId }),
    fault: error.toFault(),
    ...(usage && { usage }),
  };
};

/** Anything that a provider threw, as a fault: `model.aborted` when the turn was aborted, otherwise `model.error`. */
export const asFaultError = (thrown: unknown, signal: AbortSignal): FaultError => {
  if (isFaultError(thrown)) return thrown;
  const errorType = thrown instanceof Error ? thrown.name : typeof thrown;
  return new FaultError(signal.aborted ? 'model.aborted' : 'model.error', messageOf(thrown), {
    details: { errorType },
    cause: thrown,
  });
};
