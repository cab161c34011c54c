import { expect, test } from 'vitest';
import { spentOf } from '../../src/tree/spent.ts';
import { treeOf } from '../../src/tree/tree.ts';
import { journal } from '../events.ts';

const runWith = (budget: object) => {
  const log = journal();
  log.tell('run_1', 'lead', { type: 'run.started', job: { input: 'go' }, model: 'small', budget });
  log.turn('run_1', 'lead', 1, [{ id: 'a', name: 'spawn_subworker' }]);
  log.start('run_1/1-0/0', 'part');
  log.turn('run_1/1-0/0', 'part', 1);
  return treeOf(log.events).roots[0]!;
};

test.each([
  ['nothing', {}, null],
  ['turns', { turns: 4 }, { kind: 'turns', share: 0.25 }],
  ['the limit that is closest', { turns: 4, toolCalls: 2 }, { kind: 'toolCalls', share: 0.5 }],
  ['tokens, with those of children', { tokens: 440 }, { kind: 'tokens', share: 0.5 }],
  ['cost, with that of children', { costUsd: 0.004, tokens: 100_000 }, { kind: 'costUsd', share: 0.5 }],
  ['a limit of nothing', { toolCalls: 0 }, { kind: 'toolCalls', share: 1 }],
])('a run shows how far it is with %s', (_what, budget, spent) => {
  expect(spentOf(runWith(budget))).toEqual(spent);
});

test('a fork that was given another budget shows that one', () => {
  const log = journal();
  log.start('run_1', 'lead', 10);
  log.turn('run_1', 'lead', 1);
  const forked = {
    type: 'run.forked',
    from: 'run_0:3',
    changed: ['budget'],
    carried: { inputTokens: 0, outputTokens: 0 },
  };
  log.tell('run_1', 'lead', { ...forked, budget: { turns: 2 } } as never);
  expect(spentOf(treeOf(log.events).roots[0]!)).toEqual({ kind: 'turns', share: 0.5 });
  log.tell('run_1', 'lead', forked as never);
  expect(spentOf(treeOf(log.events).roots[0]!)).toEqual({ kind: 'turns', share: 0.5 });
  // and so does a run whose limits were raised
  log.tell('run_1', 'lead', { type: 'budget.raised', budget: { turns: 4 }, by: 'user' });
  expect(spentOf(treeOf(log.events).roots[0]!)).toEqual({ kind: 'turns', share: 0.25 });
});
