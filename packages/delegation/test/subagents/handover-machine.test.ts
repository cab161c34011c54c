import { pathsOf } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { type AnyEventObject, createActor, fromPromise, SimulatedClock, setup } from 'xstate';
import { type Handed, handoverMachine, type Push } from '../../src/subagents/handover-machine.ts';
import type { SubagentResult } from '../../src/subagents/subagent-manager.ts';
import { settle } from './office.ts';

const result: SubagentResult = {
  agentId: 'a',
  runId: 'r1',
  label: 'count',
  state: 'completed',
  result: 'three',
  error: null,
  elapsedSeconds: 1,
  model: 'm',
  requester: { sessionKey: 'chat', channel: 'telegram:main', metadata: {}, replyTo: null },
};

/** What it says to its manager, there is nobody to say to while paths are looked for. */
const paths = pathsOf(handoverMachine.provide({ actions: { say: () => {} } }), {
  input: { result, wakes: true },
  settles: { push: () => [{ output: undefined }, { error: new Error('The session is closed.') }] },
  abstract: ({ refusals }) => refusals,
});

const types = {} as { events: Handed };

/** The machine below a parent that takes note, with an actor that pushes as it is told to. */
const open = (provided: Partial<Parameters<typeof handoverMachine.provide>[0]> = {}) => {
  const clock = new SimulatedClock();
  const told: Handed[] = [];
  const pushedAt: number[] = [];
  let complaints = 0;
  let under: PromiseWithResolvers<void> | undefined;
  const parent = createActor(
    setup({
      types,
      actors: {
        handover: handoverMachine.provide({
          actors: {
            push: fromPromise<void, Push>(({ input }) => {
              expect(input).toEqual({ result, wakes: true });
              expect(under).toBeUndefined();
              pushedAt.push(clock.now());
              under = Promise.withResolvers<void>();
              return under.promise;
            }),
          },
          actions: {
            complain: () => {
              complaints += 1;
            },
          },
          ...provided,
        }),
      },
    }).createMachine({
      invoke: { id: 'handover', src: 'handover', input: { result, wakes: true } },
      on: { handed: { actions: ({ event }) => void told.push(event) } },
    }),
    { clock },
  ).start();
  const child = parent.getSnapshot().children.handover;
  if (!child) throw new Error('There is no hand-over.');
  const end = async (how: AnyEventObject): Promise<void> => {
    const ending = under;
    under = undefined;
    if ('error' in how) ending?.reject(how.error);
    else ending?.resolve();
    await settle(1);
  };
  return { parent, child, clock, told, pushedAt, end, complaints: () => complaints, isPushing: () => !!under };
};

/** Milliseconds before the second, third and fourth attempt. */
const backOffs = [1_000, 2_000, 4_000];

describe('on every path of its chart, a result that is pushed', () => {
  test('has paths to everything it can do: at once, after one, two, three refusals, and not at all', () => {
    expect(paths.map(({ steps }) => steps.at(-1)?.state.value)).toEqual([
      'pushed',
      'pushed',
      'pushed',
      'pushed',
      'kept',
    ]);
  });

  test.each(paths)('$description [SB-123]', async ({ steps }) => {
    const { parent, child, clock, told, pushedAt, end, complaints, isPushing } = open();
    for (const { event, state } of steps.slice(1)) {
      const attempts = pushedAt.length;
      if (event.type.startsWith('xstate.after')) {
        // not a moment earlier
        const wait = backOffs[attempts - 1] ?? 0;
        clock.increment(wait - 1);
        expect(pushedAt).toHaveLength(attempts);
        clock.increment(1);
        expect(pushedAt).toHaveLength(attempts + 1);
      } else await end(event);
      const { value } = child.getSnapshot();
      expect(value).toEqual(state.value);
      expect(isPushing()).toBe(value === 'pushing');
      // it is told of once, when it is over
      expect(told).toEqual(value === 'pushed' || value === 'kept' ? [{ type: 'handed', result, how: value }] : []);
      expect(complaints()).toBe(Number(value === 'kept'));
    }
    expect(pushedAt).toEqual([0, 1_000, 3_000, 7_000].slice(0, pushedAt.length));
    expect(pushedAt.length).toBeLessThanOrEqual(4);
    // and nothing comes after that
    clock.increment(60_000);
    expect(told).toHaveLength(1);
    parent.stop();
  });

  test('is kept where nobody can push it', async () => {
    const { push } = handoverMachine.implementations.actors as { push: never };
    const { parent, clock, told } = open({ actors: { push } });
    for (const wait of [0, ...backOffs]) {
      clock.increment(wait);
      await settle(1);
    }
    expect(told).toEqual([{ type: 'handed', result, how: 'kept' }]);
    parent.stop();
  });
});
