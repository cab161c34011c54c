import { noUsage } from '@troupe/protocol';
import { expect, test } from 'vitest';
import type { RunFact } from '../../src/agent/context.ts';
import { knownAnswer } from '../../src/replay/in-flight.ts';

const turn: RunFact = {
  type: 'turn.closed',
  turn: { text: 'Done.', calls: [], planned: [], usage: noUsage, costUsd: null, finish: 'stop' },
};
const thinking = { matches: ({ running }: { running: string }) => running === 'thinking' } as never;

test.each<RunFact>([
  { type: 'child.answered', childId: 'r/1-0/0' },
  { type: 'strays.gone', runIds: [] },
  { type: 'warning', code: 'late', message: 'Late.' },
])('an answer that came after $type is known', (fact) => {
  expect(knownAnswer([fact, turn], thinking)).toMatchObject({ worker: 'model', given: { text: 'Done.' } });
});

test.each<RunFact>([
  { type: 'recovered', unknown: {} },
  { type: 'turn.failed', fault: { code: 'model.unavailable', message: 'Later.', retryable: true } },
])('an answer that came after $type is another one', (fact) => {
  expect(knownAnswer([fact, turn], thinking)).toBeUndefined();
});
