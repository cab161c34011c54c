import { describe, onTestFinished, test } from 'vitest';
import { type Contract, type ContractOptions, type Open, openTime } from './contract.ts';

/** Declares a contract as a vitest suite: one test for each sentence, each with instances and a time of its own. */
export const declareContract = <Port>(
  name: string,
  contract: Contract<Port>,
  open: Open<Port>,
  { close }: ContractOptions<Port>,
): void => {
  describe(`${name} keeps its contract`, () => {
    test.for(contract)('%s', { timeout: 60_000 }, async ([_sentence, check]) => {
      const time = openTime();
      await check(async () => {
        const port = await open(time);
        if (close) onTestFinished(() => close(port));
        return port;
      }, time);
    });
  });
};
