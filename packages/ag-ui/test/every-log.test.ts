import { EventType } from '@ag-ui/core';
import { createRuntime, defineAgent, defineTool, memoryStore } from '@troupe/core';
import { isLive, type RunEvent } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { filter, from, map } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { toAgUi } from '../src/index.ts';
import { logs } from './every-log.ts';
import { gatherLogs } from './logs.ts';
import { refusalsOf } from './refusals.ts';

const erase = defineTool({
  name: 'erase',
  description: 'Erases.',
  inputSchema: z.object({}),
  confirm: true,
  execute: () => 'erased',
});
const clerk = defineAgent({ name: 'clerk', instructions: 'Be brief.', tools: [erase] });
const asking: Turn[] = [{ calls: [{ name: 'erase', arguments: {}, id: 'c' }] }, 'Done.'];

const runtimeOn = (store = memoryStore(), turns = asking) =>
  createRuntime({ provider: scriptedProvider(turns), model: 'scripted', agents: [clerk], store });

const gathering = (heldAtMost = Number.POSITIVE_INFINITY, full = () => {}) => gatherLogs(heldAtMost, full);

/** A run that asks, and is answered in another program. */
const taken = async (own = gathering()) => {
  const store = memoryStore();
  const first = runtimeOn(store);
  own.listen(first.events$, { store, test: 'asks' });
  const run = first.start(clerk, 'go', { runId: 'r' });
  const [question] = (await run.report).questions;
  await first.close({ runs: 'suspend' });
  const second = runtimeOn(store, ['Done.']);
  own.listen(second.events$, { store, test: 'answers' });
  await second.answer(question!.id, true);
  await (await second.attach('r')).ended;
  await second.close();
  const told = own.take('all');
  const madeBy = (name: string) => told.find((log) => log.test === name)!;
  return { before: madeBy('asks'), after: madeBy('answers') };
};

/** The same tree, some turns later. */
const inTurn = (events: readonly RunEvent[], by: number): RunEvent[] =>
  events.map((event) => (event.type === 'turn.started' ? { ...event, turn: event.turn + by } : event));

/** `toAgUi`, but for what a test breaks. */
const broken =
  (without: EventType): typeof toAgUi =>
  (options) =>
  (events$) =>
    events$.pipe(
      toAgUi(options),
      filter(({ type }) => type !== without),
    );

describe('what the runs of every test file tell', () => {
  test('is gathered, without a word of the test', async () => {
    const runtime = runtimeOn();
    const run = runtime.start(clerk, 'go', { runId: 'asks' });
    await run.report;
    await runtime.close();
    const log = logs.take('all').find(({ rootId }) => rootId === 'asks');
    expect(log?.test).toBe(expect.getState().currentTestName);
    expect(log?.events.map(({ type }) => type)).toEqual(expect.arrayContaining(['run.started', 'run.interrupted']));
  });

  test('is gathered from the beginning of a tree, where it was brought back', async () => {
    const { before, after } = await taken();
    const stored = (events: readonly RunEvent[] = []) => events.filter((event) => !isLive(event));
    expect(before).toMatchObject({ rootId: 'r', test: 'asks' });
    expect(after).toMatchObject({ rootId: 'r', test: 'answers' });
    expect(stored(after.events).map((event) => !isLive(event) && event.rootSeq)).toEqual(
      stored(after.events).map((_, i) => i + 1),
    );
    expect(stored(after.events).slice(0, stored(before.events).length)).toEqual(stored(before.events));
  });

  test('is handed over as soon as there is enough of trees that have ended', async () => {
    const { after: log } = await taken();
    const handed: string[] = [];
    const own = gathering(log.events.length, () => handed.push(...own.take('ended').map(({ test: by }) => by)));
    own.listen(from(log.events.slice(0, -1)), { store: undefined, test: 'goes on' });
    for (const [by, name] of ['first', 'second', 'third'].entries())
      own.listen(from(inTurn(log.events, by)), { store: undefined, test: name });
    expect(handed).toEqual(['first', 'second']);
    expect(own.take('all').map(({ test: by }) => by)).toEqual(['third', 'goes on']);
  });

  test('is checked once where trees tell the same in the same order, whatever they are called', async () => {
    const { after: log } = await taken();
    const renamed = log.events.map(
      (event) => JSON.parse(JSON.stringify(event).replaceAll(/"r(?=["/:])/g, '"other')) as RunEvent,
    );
    const [first, ...rest] = log.events;
    const own = gathering();
    const told = {
      same: log.events,
      renamed,
      'in another order': [first!, ...rest.toReversed()],
      told: inTurn(renamed, 1),
    };
    for (const [name, events] of Object.entries(told)) own.listen(from(events), { store: undefined, test: name });
    expect(own.take('ended').map(({ test: by }) => by)).toEqual(['same', 'in another order', 'told']);
    // what has not ended is what its test may be about
    for (const name of ['one', 'two']) own.listen(from(log.events.slice(0, 3)), { store: undefined, test: name });
    expect(own.take('all').map(({ test: by }) => by)).toEqual(['one', 'two']);
  });

  test('is left out where its beginning cannot be read any more', async () => {
    const store = memoryStore();
    const closed = {
      ...store,
      events: () => {
        throw new Error('The store is closed.');
      },
    };
    const late: typeof store = { ...store, events: async function* () {} };
    const whole = (await taken()).after.events.filter((event) => !isLive(event));
    const own = gathering();
    for (const of of [closed, late, undefined]) own.listen(from(whole.slice(3)), { store: of, test: 'late' });
    expect(own.take('all')).toEqual([]);
    // What could not be stored comes after all that is.
    own.listen(from(whole.slice(3)).pipe(map((event) => ({ ...event, rootSeq: 0 }))), { store, test: 'unstored' });
    expect(own.take('all')).toEqual([
      { rootId: 'r', test: 'unstored', events: whole.slice(3).map((event) => ({ ...event, rootSeq: 0 })) },
    ]);
  });

  test('is refused in the AG-UI run where it is not in order, by its rule', async () => {
    const { after: log } = await taken();
    expect(refusalsOf(log)).toEqual([]);
    expect(refusalsOf(log, broken(EventType.STEP_FINISHED))).toEqual([
      expect.stringMatching(/^answers: run "r", AG-UI event (\d+) of \1: .*steps are still active: turn 1$/),
      expect.stringMatching(/^answers: run "r", AG-UI event (\d+) of \1: .*steps are still active: turn 1, turn 2$/),
    ]);
    expect(refusalsOf(log, broken(EventType.RUN_FINISHED))).toEqual([
      'answers: run "r", ends with STEP_FINISHED, without RUN_FINISHED or RUN_ERROR',
    ]);
  });
});
