/** What must hold after a step, whatever the chart says: it is worked out from what is seen of the manager, not from its code. */
import { isFaultError } from '@troupe/protocol';
import { expect } from 'vitest';
import type { ManagerEvent } from '../../../src/subagents/manager-machine.ts';
import { limitsOf, type Scene } from './scenes.ts';

/** How each stands, by label. */
export type Standings = Readonly<Record<string, string>>;

/** What was answered at once, where something was. */
export type Answered = { value?: unknown; error?: unknown } | undefined;

const isRefused = (answered: Answered): boolean =>
  isFaultError(answered?.error) && answered.error.code === 'subagent.refused';

export const expectInvariants = (
  scene: Scene,
  event: ManagerEvent,
  seen: {
    before: Standings;
    after: Standings;
    /** Who is at work below whom. */
    below: Readonly<Record<string, readonly string[]>>;
    answered: Answered;
    sinceSteeredMs: number;
  },
): void => {
  const { before, after, below, answered, sinceSteeredMs } = seen;
  const { maxTotal, maxChildrenPerAgent } = limitsOf(scene);
  const isActive = (label: string): boolean => before[label] === 'active';
  switch (event.type) {
    case 'spawn': {
      const { label } = event.applicant.record;
      const { parent, session } = scene.cast[label] ?? {};
      const isBeside = (other: string): boolean =>
        other !== label &&
        scene.cast[other]?.parent === parent &&
        (parent !== undefined || (session !== undefined && scene.cast[other]?.session === session));
      const active = Object.keys(before).filter(isActive);
      const mayBe =
        !isActive(label) && active.length < maxTotal && active.filter(isBeside).length < maxChildrenPerAgent;
      expect(isRefused(answered), 'whether it is refused').toBe(!mayBe);
      expect(after, 'nothing is changed by a refusal').toEqual(mayBe ? { ...before, [label]: 'active' } : before);
      break;
    }
    case 'steer': {
      const status = (answered?.value as { status?: string } | undefined)?.status;
      if (!isActive(event.agentId)) expect(status).toBe('done');
      else if (!scene.holds) expect(status).toBe(sinceSteeredMs < 2_000 ? 'rate_limited' : 'accepted');
      else if (status !== 'done') expect(status).toBe(sinceSteeredMs < 2_000 ? 'rate_limited' : undefined);
      expect(after).toEqual(before);
      break;
    }
    case 'cancel': {
      // What is being stored is stopped once it is.
      if (scene.holds) break;
      const reached = [event.agentId, ...(event.cascade ? (below[event.agentId] ?? []) : [])].filter(isActive);
      const stopped = Object.fromEntries(reached.map((label) => [label, 'cancelled']));
      expect(after).toEqual({ ...before, ...stopped });
      const descendants = reached.filter((label) => label !== event.agentId).length;
      expect(answered?.value).toEqual({ cancelled: reached.length > 0, descendants });
      break;
    }
    case 'cancelAll':
      expect(Object.values(after)).not.toContain('active');
      break;
    case 'forget':
      expect(event.agentId in after).toBe(isActive(event.agentId));
      break;
    case 'sweep':
      // Whoever has somebody at work below stays, too.
      for (const label of Object.keys(before))
        expect(label in after, label).toBe(isActive(label) || (below[label] ?? []).length > 0);
      break;
    case 'run.ended':
      // What was steered meanwhile goes on; what nothing is to be left of is gone once somebody was given its result.
      if (!scene.holds && !scene.cast[event.result.label]?.leaves)
        expect(after).toEqual({ ...before, [event.result.label]: event.result.state });
      break;
    default:
  }
};
