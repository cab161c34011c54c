import {
  type Fault,
  FaultError,
  type ModelOptions,
  type ModelPart,
  type ModelProvider,
  type ModelRequest,
} from '@troupe/protocol';
import { attempt } from './attempt.ts';
import { nameOf } from './name-of.ts';
import { partsOf } from './sound-parts.ts';

/** One provider to ask, and the model to ask it for; without `model` the one of the request. */
export type FallbackChoice = { provider: ModelProvider; model?: string };

export type FallbackOptions = {
  /** Whether to go on to the next choice after this fault. Default: when the fault is retryable. */
  on?: (fault: Fault) => boolean;
};

/**
 * A provider that asks the next one when one fails. Every turn begins with the first choice.
 *
 * Wrap each choice in `withRetry`, and its fault comes here only after its retries. Choices that failed are told by `attempt`
 * parts, which name provider and model; the last fault is thrown.
 *
 * @throws FaultError `model.no_provider` when there is nothing to choose from.
 */
export const withFallback = (choices: readonly FallbackChoice[], options: FallbackOptions = {}): ModelProvider => {
  const [first] = choices;
  if (!first)
    throw new FaultError('model.no_provider', 'withFallback got an empty list: it needs at least one provider.');
  return {
    get name() {
      return nameOf(first.provider);
    },
    takeTurn: (request, turn) => fallenBack(choices, request, turn, options),
  };
};

async function* fallenBack(
  choices: readonly FallbackChoice[],
  request: ModelRequest,
  turn: ModelOptions,
  { on = ({ retryable }) => retryable }: FallbackOptions,
): AsyncGenerator<ModelPart, void> {
  let told = 0;
  for (const [index, { provider, model = request.model }] of choices.entries()) {
    const asked = model === request.model ? provider : naming(provider, model);
    const failed = yield* attempt(asked, { ...request, model }, turn, () => ++told);
    if (!failed) return;
    if (index === choices.length - 1 || !on(failed.error.toFault())) {
      yield failed.part;
      throw failed.error;
    }
    yield { ...failed.part, waitMs: 0 };
  }
}

/** The same provider, whose usage says which model it is of: the run asked for another. */
const naming = (provider: ModelProvider, model: string): ModelProvider => ({
  get name() {
    return nameOf(provider);
  },
  async *takeTurn(request, turn) {
    for await (const part of partsOf(provider, request, turn)) yield part.type === 'usage' ? { model, ...part } : part;
  },
});
