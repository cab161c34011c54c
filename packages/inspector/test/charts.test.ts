import { agentMachine, memoryStore, storedRuns } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { createMachine } from 'xstate';
import { activeIn, chartOf, edgeIdOf } from '../src/chart/chart-of.ts';
import { chartAt, followChart } from '../src/chart/follow-chart.ts';
import { openHistory } from '../src/hub/past.ts';
import { storeSource } from '../src/hub/run-source.ts';
import { storedEvents } from '../src/hub/stored-events.ts';
import { type ChartState, Machine } from '../src/index.ts';

const statesOf = (state: ChartState): ChartState[] => [state, ...state.states.flatMap(statesOf)];

describe('a chart', () => {
  const every = createMachine(
    {
      id: 'every',
      description: 'All there is.',
      type: 'parallel',
      states: {
        work: {
          initial: 'busy',
          onDone: { actions: function finish() {} },
          states: {
            busy: {
              entry: ['begin', { type: 'note' }],
              exit: () => {},
              after: { 500: 'over', slowly: { target: 'over', guard: () => true } },
              invoke: [
                { src: 'job', id: 'one', onDone: 'over', onError: { target: 'over', guard: { type: 'isBad' } } },
                { src: createMachine({}), id: 'two' },
              ],
              on: { 'part.*': { actions: 'count' }, stop: {}, '*': '#every.rest.deep' },
            },
            over: { type: 'final' },
            back: { type: 'history' },
          },
        },
        rest: { initial: 'deep', states: { deep: { always: { target: 'deeper', guard: 'isTired' } }, deeper: {} } },
      },
    },
    { delays: { slowly: 5 } },
  );

  test('has every state and every transition of its machine, with names for what has none', () => {
    const chart = Machine.parse(chartOf(every));
    expect(chart).toMatchObject({
      id: 'every',
      name: 'every',
      root: { type: 'parallel', description: 'All there is.' },
    });
    expect(statesOf(chart.root).map(({ key, type }) => [key, type])).toEqual([
      ...[
        ['every', 'parallel'],
        ['work', 'compound'],
        ['busy', 'atomic'],
        ['over', 'final'],
        ['back', 'history'],
      ],
      ...[
        ['rest', 'compound'],
        ['deep', 'atomic'],
        ['deeper', 'atomic'],
      ],
    ]);
    expect(statesOf(chart.root).find(({ key }) => key === 'busy')).toMatchObject({
      invokes: ['job', 'two'],
      entry: ['begin', 'note'],
      exit: ['exit'],
    });
    const edges = chart.edges.map(({ from, to, label, guard, actions }) => {
      const path = `${from.slice('every.'.length)} → ${to.map((id) => id.slice('every.'.length)).join()}`;
      return `${path}: ${label}${guard === undefined ? '' : ` [${guard}]`}${actions.length > 0 ? ` / ${actions.join()}` : ''}`;
    });
    expect(edges).toEqual([
      'work → : done / finish',
      'work.busy → : part.* / count',
      'work.busy → rest.deep: *',
      'work.busy → work.over: done one',
      'work.busy → work.over: error one [isBad]',
      'work.busy → work.over: after 500',
      'work.busy → work.over: after slowly [guard]',
      'rest.deep → rest.deeper: always [isTired]',
    ]);
  });

  test('of every run has each transition under an id of its own, the same every time', () => {
    const [one, two] = [chartOf(agentMachine), chartOf(agentMachine)];
    expect(one).toEqual(two);
    expect(new Set(one.edges.map(({ id }) => id)).size).toBe(one.edges.length);
    const ids = new Set(statesOf(one.root).map(({ id }) => id));
    for (const { from, to } of one.edges) for (const id of [from, ...to]) expect(ids).toContain(id);
    const [taken] = agentMachine.root.states.queued?.always ?? [];
    expect(one.edges.map(({ id }) => id)).toContain(edgeIdOf(taken as never));
  });

  test('says which states are active, outer ones first', () => {
    expect(activeIn(every.resolveState({ value: { work: 'busy', rest: 'deep' } }))).toEqual([
      ...['every', 'every.work', 'every.work.busy', 'every.rest', 'every.rest.deep'],
    ]);
  });
});

describe('what is not there', () => {
  const source = storeSource(storedRuns(memoryStore()));

  test('has a chart that says why', async () => {
    const none = { problem: expect.stringContaining('nobody'), steps: [] };
    expect(await chartAt(source, 'nobody', 1)).toMatchObject(none);
    expect(await followChart(source, 'nobody').read()).toMatchObject(none);
  });

  test('has no past: whoever asks is told so', async () => {
    await expect(storedEvents(source, { runId: 'nobody' }, 4)).rejects.toMatchObject({
      code: 'events.missing',
      message: expect.stringContaining('0 of 4 events of run "nobody"'),
      retryable: true,
    });
    const history = openHistory(source, () => 3);
    for (const asked of [history.runAt('nobody', 'nobody', 2), history.at('nobody', 2), history.eventsOf('nobody')])
      await expect(asked).rejects.toThrow('0 of 3 events of tree "nobody"');
  });

  test('and cannot be read, is tried again the next time', async () => {
    let isBroken = true;
    const events = () => {
      if (isBroken) throw new Error('no disk');
      return source.events({}, { follow: false });
    };
    const history = openHistory({ ...source, events }, () => 1);
    await expect(history.eventsOf('r')).rejects.toThrow('no disk');
    isBroken = false;
    await expect(history.eventsOf('r')).rejects.toThrow('0 of 1 events');
  });
});
