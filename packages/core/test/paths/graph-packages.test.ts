/** The user's `@xstate/graph` and the maintained `xstate/graph` are the same algorithm: both find the same states. */

import { type Cases, keyOf, pathsOf, possibleEvents, scriptedProvider } from '@troupe/testing';
import * as separate from '@xstate/graph';
import { describe, expect, test } from 'vitest';
import { type AnyStateMachine, assign, setup } from 'xstate';
import { type AgentMachine, agentMachine } from '../../src/agent/agent-machine.ts';
import { allowanceOf } from '../../src/agent/limits.ts';
import { defineAgent } from '../../src/define-agent.ts';
import { agentLogic } from '../../src/runtime/agent-logic.ts';
import { createRuntime } from '../../src/runtime/create-runtime.ts';
import { abstract, scenes } from './scenes.ts';

const runtime = createRuntime({ provider: scriptedProvider([]) });
const writer = defineAgent({ name: 'writer', instructions: 'Write.' });

const typesOf = <T>() => ({}) as T;

/** What a user may build: a draft that an agent writes and a person sends back, twice at most. */
const review = setup({
  types: typesOf<{ context: { rounds: number }; events: { type: 'send back' } | { type: 'publish' } }>(),
  actors: { writer: agentLogic(writer, runtime) },
  guards: { mayAgain: ({ context }) => context.rounds < 2 },
}).createMachine({
  context: { rounds: 0 },
  initial: 'writing',
  states: {
    writing: { invoke: { id: 'writer', src: 'writer', input: 'Write.', onDone: 'reading', onError: 'broken' } },
    reading: {
      on: {
        'send back': {
          guard: 'mayAgain',
          target: 'writing',
          actions: assign({ rounds: ({ context }) => context.rounds + 1 }),
        },
        publish: 'published',
      },
    },
    published: { type: 'final' },
    broken: { type: 'final' },
  },
});

const statesBy = <M extends AnyStateMachine>(machine: M, cases: Cases<M>) => {
  const key = (state: unknown) => keyOf(cases, state as never);
  const theirs = separate.getShortestPaths(machine as AnyStateMachine, {
    ...(cases.input !== undefined && { input: cases.input }),
    events: (state) => possibleEvents(cases, state as never) as never,
    serializeState: (state) => key(state),
    limit: 5_000,
  });
  const sorted = (keys: Iterable<string>) => [...new Set(keys)].toSorted();
  return {
    ours: sorted(pathsOf(machine, cases, 'states').flatMap(({ steps }) => steps.map(({ state }) => key(state)))),
    theirs: sorted(theirs.map(({ state }) => key(state))),
  };
};

describe('xstate/graph and @xstate/graph reach the same states', () => {
  test('of the agent machine', () => {
    const input = {
      runId: 'root',
      rootId: 'root',
      depth: 0,
      agent: 'worker',
      model: 'm',
      allowance: allowanceOf({}, [{ turns: 2 }], 0),
      slot: 'free' as const,
      outputRetries: 1,
      compaction: { onContextError: true },
      graceMs: 10,
      opening: 2,
    };
    const { ours, theirs } = statesBy<AgentMachine>(agentMachine, { ...scenes['that asks']?.happens, abstract, input });
    expect(ours).toEqual(theirs);
    expect(ours.length).toBeGreaterThan(40);
  });

  test('of a machine that invokes an agent', () => {
    const cases: Cases<typeof review> = {
      events: [{ type: 'send back' }, { type: 'publish' }],
      settles: { writer: () => [{ output: {} }, { error: new Error('a bug') }] },
    };
    const { ours, theirs } = statesBy(review, cases);
    expect(ours).toEqual(theirs);
    // writing and reading in three rounds, published and broken in each
    expect(ours).toHaveLength(12);
  });
});
