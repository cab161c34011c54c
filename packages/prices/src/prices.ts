import type { Pricing } from '@troupe/protocol';
import { listedPrice } from './listed-price.ts';
import { namesOf } from './model-names.ts';
import { checkedPrice, costOf, type ModelPrice } from './model-price.ts';

export type PriceOptions = {
  /**
   * Prices that win over the list, by model id. A key without a prefix or a date also counts for ids that have one:
   * `gpt-5-mini` for `openai/gpt-5-mini-2025-08-07`, not the other way round.
   */
  overrides?: Readonly<Record<string, ModelPrice>>;
  /** Asked for models that neither the overrides nor the list know. `null` leaves the price unknown, which is the default. */
  unknown?: (model: string) => ModelPrice | null;
};

/**
 * Prices of model calls from a maintained list that ships with this package: nothing is ever fetched.
 *
 * @throws FaultError `prices.invalid` when an override is not a price.
 */
export const prices = ({ overrides = {}, unknown = () => null }: PriceOptions = {}): Pricing => {
  const own = new Map(Object.entries(overrides).map(([model, price]) => [model, checkedPrice(model, price)]));
  return {
    price: (model, usage) => {
      for (const name of namesOf(model)) {
        const price = own.get(name);
        if (price) return costOf(price, usage);
      }
      const listed = listedPrice(model.trim(), usage);
      if (listed !== null) return listed;
      const price = unknown(model);
      return price && costOf(checkedPrice(model, price), usage);
    },
  };
};
