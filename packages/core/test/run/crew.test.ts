/** The crew of a run: there from the first call that is executed or waits, and gone with the run. */
import { defineAgent } from '@troupe/core';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { expect, test } from 'vitest';
import type { AnyActorRef, InspectionEvent } from 'xstate';
import { openRuntime } from '../../../../test/support/open-runtime.ts';
import { call, toolOf } from '../lead.ts';

/** The actors of one run, as whoever inspects it is told of them, and those that are said to be at work after its end. */
const castOf = async (script: Turn[], turns: number) => {
  const began: string[] = [];
  const atWork = new Map<string, string>();
  const inspect = (event: InspectionEvent): void => {
    const { sessionId, id } = event.actorRef as AnyActorRef;
    if (event.type === '@xstate.actor') {
      began.push(id);
      atWork.set(sessionId, id);
    }
    if (event.type === '@xstate.snapshot' && event.snapshot.status !== 'active') atWork.delete(sessionId);
  };
  const { runtime } = openRuntime({ provider: scriptedProvider(script), inspect });
  const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [toolOf()], budget: { turns } });
  const { status } = await runtime.run(lead, 'Go.');
  return { status, crews: began.filter((id) => id === 'crew').length, atWork: [...atWork.values()] };
};

test.each<[string, Turn[], number, object]>([
  ['calls nothing', ['Done.'], 2, { status: 'completed', crews: 0 }],
  [
    'calls what is not there, and goes on',
    [{ calls: [call('a', 'nothing')] }, 'Done.'],
    2,
    { status: 'completed', crews: 0 },
  ],
  [
    'calls what is not there, and ends with that step',
    [{ calls: [call('a', 'nothing')] }],
    1,
    { status: 'failed', crews: 0 },
  ],
  ['calls a tool, twice', [{ calls: [call()] }, { calls: [call('b')] }, 'Done.'], 3, { status: 'completed', crews: 1 }],
])('a run that %s has as many as it needs, and leaves none at work [L2]', async (_, script, turns, expected) => {
  expect(await castOf(script, turns)).toEqual({ ...expected, atWork: [] });
});
