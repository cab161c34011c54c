import type { Refusal } from './messages.ts';

/** A task that must not be done. The tasks beside it go on. */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}
