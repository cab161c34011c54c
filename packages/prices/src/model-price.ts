import { FaultError, type Usage } from '@troupe/protocol';

/** What one model costs, in US dollars for a million tokens. */
export type ModelPrice = {
  inputPerMillion: number;
  outputPerMillion: number;
  /** For input that the vendor had cached. Default: the same as other input. */
  cachedInputPerMillion?: number;
};

const million = 1_000_000;

/** Input tokens that were cached: never more than went in, whatever the vendor reported. */
export const cachedOf = ({ inputTokens, cachedTokens = 0 }: Usage): number => Math.min(cachedTokens, inputTokens);

/** US dollars for what was used. */
export const costOf = (price: ModelPrice, usage: Usage): number => {
  const cached = cachedOf(usage);
  const { inputPerMillion, outputPerMillion, cachedInputPerMillion = inputPerMillion } = price;
  return (
    ((usage.inputTokens - cached) * inputPerMillion +
      cached * cachedInputPerMillion +
      usage.outputTokens * outputPerMillion) /
    million
  );
};

/**
 * The same price, checked.
 *
 * @throws FaultError `prices.invalid` when a number is missing, negative or not finite.
 */
export const checkedPrice = (model: string, price: ModelPrice): ModelPrice => {
  const { inputPerMillion, outputPerMillion, cachedInputPerMillion = inputPerMillion } = price;
  for (const [name, value] of Object.entries({ inputPerMillion, outputPerMillion, cachedInputPerMillion })) {
    if (!Number.isFinite(value) || value < 0) {
      throw new FaultError(
        'prices.invalid',
        `The price of model "${model}" has ${name} ${value}. Give US dollars for a million tokens, 0 or more.`,
      );
    }
  }
  return price;
};
