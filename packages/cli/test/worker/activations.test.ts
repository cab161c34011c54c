import type { Activation, Placement, RunExecutor } from '@troupe/protocol';
import { expect, test } from 'vitest';
import { type Happening, openActivations } from '../../src/worker/activations.ts';
import { happeningText, happeningValue } from '../../src/worker/said.ts';
import { journal } from '../events.ts';

/** A worker that is handed run `r` of a placement; what it makes of it is up to the test. */
const open = async () => {
  const told: Happening[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Activation>();
  const activations = openActivations(
    (happening) => told.push(happening),
    () => 7,
  );
  let handed: RunExecutor | undefined;
  const placement: Placement = {
    name: 'mine',
    caps: { maxDetectMs: 1 },
    async dispatch() {},
    async serve(executor) {
      handed = executor;
      return { async drain() {} };
    },
    async close() {},
  };
  const watched = activations.watch(placement);
  expect([watched.name, watched.caps]).toEqual([placement.name, placement.caps]);
  await watched.serve({ run: () => promise }, { queues: ['q'], concurrency: 1, workerId: 'w' });
  const stop = new AbortController();
  const run = handed?.run('r', { signal: stop.signal, workerId: 'w' });
  return {
    ...journal('r'),
    ...activations,
    told,
    end: (outcome: Activation) => resolve(outcome),
    refuse: reject,
    stop,
    run,
    said: () => told.map(happeningText),
  };
};

test('a run that is executed is told of when it has begun, and when it has ended, also where that is told later', async () => {
  const { start, tell, complete, hear, end, run, now, said, told } = await open();
  expect(now()).toEqual([{ runId: 'r', agent: null, since: 7 }]);
  hear(start('r', 'leaf'));
  hear(start('r/1-0/0', 'below'));
  hear(tell('r', 'leaf', { type: 'call.started', callId: 'c', tool: 't', arguments: {} }));
  expect(now()).toEqual([{ runId: 'r', agent: 'leaf', since: 7 }]);
  end('done');
  await expect(run).resolves.toBe('done');
  expect(now()).toEqual([]);
  hear(complete('r', 'leaf'));
  hear(complete('other', 'leaf'));
  expect(said()).toEqual([
    '▸ leaf starts with small  r',
    expect.stringMatching(/^✔ leaf completed after 1 turn, .* {2}r$/),
  ]);
  expect(told.map(happeningValue)).toEqual([
    { type: 'run.taken', runId: 'r', agent: 'leaf', at: 1_000_000, first: 'run.started' },
    { type: 'run.ended', runId: 'r', agent: 'leaf', at: 1_000_000, status: 'completed', exitReason: 'answered' },
  ]);
});

test.each([
  ['idle', '‖ leaf waits, and takes no place here  r', 'waits'],
  ['fenced', '! leaf was taken over by another process  r', 'taken_over'],
  ['held', '! leaf could not be stored here any more, and goes on elsewhere  r', 'not_stored'],
] as const)('a run that was taken up and is left, %s, is told of with its reason', async (outcome, line, because) => {
  const { tell, hear, end, run, said, told } = await open();
  hear(tell('r', 'leaf', { type: 'call.started', callId: 'c', tool: 't', arguments: {} }));
  end(outcome);
  await run;
  expect(said()).toEqual(['▸ leaf goes on  r', line]);
  expect(happeningValue(told.at(-1) as Happening)).toEqual({ type: 'run.left', runId: 'r', agent: 'leaf', because });
});

test('a run that a drain suspends is given back', async () => {
  const { start, hear, stop, end, run, said } = await open();
  hear(start('r', 'leaf'));
  stop.abort();
  end('idle');
  await run;
  expect(said().at(-1)).toBe('↩ leaf is given back, and goes on elsewhere  r');
});

test.each(['idle', 'held', 'gone', 'done', 'fenced'] as const)(
  'nothing is told of a run that told nothing: %s',
  async (outcome) => {
    const { end, run, told, now } = await open();
    end(outcome);
    await run;
    expect([told, now()]).toEqual([[], []]);
  },
);

test('a run that fails at once, or cannot be taken up, says why', async () => {
  const failing = await open();
  failing.hear(failing.fail('r', 'leaf', 'error'));
  expect(failing.said()).toEqual(['✖ leaf failed: error – No more turns.  r']);
  expect(happeningValue(failing.told[0] as Happening)).toMatchObject({ exitReason: 'error', fault: { code: 'x' } });

  const { refuse, run, said } = await open();
  refuse(new Error('The store is gone.'));
  await expect(run).rejects.toThrow('The store is gone.');
  expect(said()).toEqual(['! could not be taken up: The store is gone.  r']);
});
