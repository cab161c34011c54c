import fc from 'fast-check';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { agentMachine } from '../../src/agent/agent-machine.ts';
import { arm, minable } from './bombs.ts';
import { type DesignName, use } from './designs.ts';
import { wildWorlds } from './found.ts';
import { type Plan, wildPlans } from './plan.ts';
import { quietly, timeoutFor } from './play-seeds.ts';
import { live } from './world.ts';
import { findingsIn } from './world-laws.ts';

vi.mock(import('../../src/agent/agent-machine.ts'), async (original) => {
  const { mined } = await import('./bombs.ts');
  const real = await original();
  return { ...real, agentMachine: mined(real.agentMachine) };
});
vi.mock(import('../../src/run/lifecycle.ts'), async (original) => {
  const { switched } = await import('./designs.ts');
  const real = await original();
  return { ...real, lifecycle: switched(real.lifecycle as never) as never };
});

const numRuns = Number(process.env.RUNS ?? 1_000);
const timeout = timeoutFor(numRuns);
const names = minable(agentMachine).filter((name) => !name.startsWith('safe '));
const plans = wildPlans(names);
const play = async (plan: Plan) => {
  arm(plan.bombs);
  return findingsIn(await live(plan));
};

quietly();

test(
  'a run whose own chart breaks ends all the same, with everything below it [L1, L2, L9]',
  async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        expect(await play(plan)).toEqual([]);
      }),
      { numRuns, examples: wildWorlds.map((plan) => [plan]) },
    );
  },
  timeout,
);

describe('the same worlds refute', () => {
  afterAll(() => use('real'));

  test.each<DesignName>(['noStandIn', 'byTransition', 'orphaning'])('%s', { timeout }, async (design) => {
    use(design);
    const { failed } = await fc.check(
      fc.asyncProperty(plans, async (plan) => {
        expect(await play(plan)).toEqual([]);
      }),
      { numRuns: 2_000, endOnFailure: true },
    );
    expect(failed).toBe(true);
  });
});
