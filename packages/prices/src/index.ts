export type { ModelPrice } from './model-price.ts';
export { type PriceOptions, prices } from './prices.ts';
