import { expect, test } from 'vitest';
import { leading, spreading } from '../../../test/bench/work.ts';
import { bound, growthOfReading } from '../../../test/support/growth.ts';
import { openTranslation } from '../src/translation.ts';

test.each([
  ['of one call', (size: number) => spreading(size, 20)],
  ['of a call each', (size: number) => leading(size, 0)],
])(
  'a child %s is told at the same cost beside four thousand as beside a hundred',
  {
    timeout: 60_000,
  },
  async (_what, agentFor) => {
    const growth = await growthOfReading(
      (events) => {
        const { hear } = openTranslation();
        for (const event of events) for (const _ of hear(event));
      },
      agentFor,
      100,
      4_000,
    );
    expect(growth).toBeLessThan(bound);
  },
);
