import { describe, onTestFinished, test } from 'vitest';
import type { Contract, ContractOptions, Open } from './contract.ts';

/** Declares a contract as a vitest suite: one test for each sentence, each with instances of its own. */
export const declareContract = <Port>(
  name: string,
  contract: Contract<Port>,
  open: Open<Port>,
  { close }: ContractOptions<Port>,
): void => {
  describe(`${name} keeps its contract`, () => {
    test.for(contract)('%s', { timeout: 60_000 }, async ([_sentence, check]) => {
      await check(async () => {
        const port = await open();
        if (close) onTestFinished(() => close(port));
        return port;
      });
    });
  });
};
