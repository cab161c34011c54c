import type { Usage } from '../usage.ts';

/** What model calls cost. */
export interface Pricing {
  /** US dollars, or `null` for a model whose price is not known. */
  price(model: string, usage: Usage): number | null;
}
