import { createRequire } from 'node:module';
import { agentMachine } from '@troupe/core';
import type { ELK } from 'elkjs/lib/elk-api.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AnyStateNode, createActor, fromPromise, setup } from 'xstate';
import { activeStates, machineOfDefinition, stateText } from '../../page/src/chart/machine-of-definition.ts';
import { middleOf, pathOf } from '../../page/src/chart/path-of.ts';
import { edgeText, type PlacedChart, placeChart } from '../../page/src/chart/place-chart.ts';
import type { ChartState } from '../../src/wire.ts';

/** Without a worker, as Node runs it. */
const Elk = createRequire(import.meta.url)('elkjs') as new () => ELK;
const elk = new Elk();

/** As it comes over a wire: functions are names. */
const asTold = (config: unknown): unknown =>
  JSON.parse(JSON.stringify(config, (_key, value) => (typeof value === 'function' ? { type: value.name } : value)));

const arrowsOf = (config: unknown) =>
  machineOfDefinition('m', asTold(config)).edges.map(
    (edge) => `${edge.from} -${edgeText(edge)}-> ${edge.to.join(', ') || '(stays)'}`,
  );

const nested = {
  id: 'lamp',
  initial: 'off',
  on: { BREAK: '.broken', LOOK: { actions: 'look' } },
  states: {
    off: { on: { PRESS: 'on.dim' } },
    on: {
      type: 'parallel',
      onDone: 'off',
      states: {
        dim: { initial: 'low', states: { low: { after: { 500: 'high' } }, high: { type: 'final' } } },
        hum: {
          id: 'humming',
          invoke: { src: 'hum', id: 'hummer', onDone: { target: '#lamp.off' }, onError: '#broken' },
          always: { guard: 'isQuiet', target: '#lamp.off' },
        },
      },
    },
    broken: { id: 'broken', type: 'final', entry: 'alarm', description: 'It cannot be mended.' },
  },
};

const hum = fromPromise(() => new Promise(() => {}));

describe('A machine that is told as JSON', () => {
  test('has every transition: events, delays, guards, ends of states and of invoked actors, and always', () => {
    expect(arrowsOf(nested)).toEqual([
      'lamp -BREAK-> broken',
      'lamp -LOOK-> (stays)',
      'lamp.off -PRESS-> lamp.on.dim',
      'lamp.on -done-> lamp.off',
      'lamp.on.dim.low -after 500-> lamp.on.dim.high',
      'humming -always [isQuiet]-> lamp.off',
      'humming -done hummer-> lamp.off',
      'humming -error hummer-> broken',
    ]);
  });

  test('keeps what a state is, does and begins with', () => {
    const { root } = machineOfDefinition('m', asTold(nested));
    expect(root).toMatchObject({ id: 'lamp', type: 'compound', initial: 'lamp.off' });
    expect(root.states[1]).toMatchObject({
      type: 'parallel',
      states: [{ initial: 'lamp.on.dim.low' }, { invokes: ['hum'] }],
    });
    expect(root.states[2]).toMatchObject({ type: 'final', entry: ['alarm'], description: 'It cannot be mended.' });
  });

  test('leads where XState leads, for the machine of every run', () => {
    const told = machineOfDefinition('m', asTold(agentMachine.config));
    const real: string[] = [];
    const walk = (node: AnyStateNode) => {
      for (const transition of [...[...node.transitions.values()].flat(), ...(node.always ?? [])])
        for (const target of transition.target ?? []) real.push(`${node.id} → ${target.id}`);
      for (const inner of Object.values(node.states)) walk(inner as AnyStateNode);
    };
    walk(agentMachine.root as AnyStateNode);
    const drawn = told.edges.flatMap(({ from, to }) => to.map((id) => `${from} → ${id}`));
    expect(drawn.sort()).toEqual(real.sort());
  });

  test('has the active states that XState has, in regions too', () => {
    const actor = createActor(
      setup({ guards: { isQuiet: () => false }, actors: { hum } }).createMachine(nested as never),
    ).start();
    actor.send({ type: 'PRESS' });
    const { value, _nodes } = actor.getSnapshot() as unknown as { value: unknown; _nodes: { id: string }[] };
    const machine = machineOfDefinition('m', asTold(nested));
    expect(activeStates(machine, value).sort()).toEqual(_nodes.map(({ id }) => id).sort());
    expect(stateText(value)).toBe('on.dim.low | hum');
    actor.stop();
  });

  test('names states as XState does, also inside one that was given an id', () => {
    const config = {
      id: 'm',
      states: { a: { on: { GO: '#here.inner' } }, b: { id: 'here', initial: 'inner', states: { inner: {} } } },
    };
    expect(arrowsOf(config)).toEqual(['m.a -GO-> m.b.inner']);
    const real = setup({}).createMachine({ initial: 'b', ...config } as never);
    expect(machineOfDefinition('m', config).root.states[1]?.states[0]?.id).toBe(real.root.states.b?.states.inner?.id);
  });

  test('understands what it can of anything, and never throws', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const machine = machineOfDefinition('m', value);
        expect(machine.root.key).toBeTypeOf('string');
        activeStates(machine, value);
        stateText(value);
      }),
    );
    expect(machineOfDefinition('m', { states: { a: { on: { GO: 'nowhere' } } } }).edges).toMatchObject([{ to: [] }]);
  });
});

const isInside = (inner: Box, outer: Box) =>
  inner.x >= outer.x - 0.5 &&
  inner.y >= outer.y - 0.5 &&
  inner.x + inner.width <= outer.x + outer.width + 0.5 &&
  inner.y + inner.height <= outer.y + outer.height + 0.5;
type Box = { x: number; y: number; width: number; height: number };

const expectTidy = ({ boxes, arrows, width, height }: PlacedChart) => {
  const places = new Map(boxes.map((box) => [box.state.id, box]));
  for (const box of boxes) {
    expect(isInside(box, { x: 0, y: 0, width, height })).toBe(true);
    const inner = box.state.states.map(({ id }) => places.get(id)).filter((one) => one !== undefined);
    for (const one of inner) expect(isInside(one, box)).toBe(true);
    for (const one of inner)
      for (const other of inner)
        if (one !== other)
          expect(
            one.x + one.width <= other.x ||
              other.x + other.width <= one.x ||
              one.y + one.height <= other.y ||
              other.y + other.height <= one.y,
          ).toBe(true);
  }
  for (const { points } of arrows) expect(points.length).toBeGreaterThan(1);
};

describe('A chart that is laid out', () => {
  test.each([
    ['plainly', false],
    ['in detail', true],
  ])(
    'has each state in its parent, none on another, and each transition: the machine of every run, %s',
    async (_, detailed) => {
      const machine = machineOfDefinition('m', asTold(agentMachine.config));
      const chart = await placeChart(elk, machine, { detailed, ratio: 1.5 });
      expectTidy(chart);
      const drawn = chart.arrows.flatMap(({ edges }) => edges.map(({ id }) => id));
      expect(new Set(drawn)).toEqual(new Set(machine.edges.filter(({ to }) => to.length > 0).map(({ id }) => id)));
      expect(chart.arrows.every(({ label }) => (label !== undefined) === detailed)).toBe(true);
      const starts = (state: ChartState): number =>
        (state.initial === undefined ? 0 : 1) + state.states.map(starts).reduce((a, b) => a + b, 0);
      expect(chart.starts).toHaveLength(starts(machine.root));
    },
  );

  test('takes the shape of its panel', async () => {
    const states = Object.fromEntries(
      Array.from({ length: 8 }, (_, index) => [`s${index}`, { on: { NEXT: `s${(index + 1) % 8}` } }]),
    );
    const ring = machineOfDefinition('m', { id: 'ring', initial: 's0', states });
    const wide = await placeChart(elk, ring, { detailed: false, ratio: 4 });
    const high = await placeChart(elk, ring, { detailed: false, ratio: 0.25 });
    expect(wide.width).toBeGreaterThan(wide.height);
    expect(high.height).toBeGreaterThan(high.width);
  });

  test('shortens what would not fit', async () => {
    const on = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`EVENT_${index}`, { target: 'b' }]));
    const many = machineOfDefinition('m', { id: 'm', initial: 'a', states: { a: { on }, b: {} } });
    const { arrows } = await placeChart(elk, many, { detailed: true, ratio: 1 });
    expect(arrows[0]?.label?.lines).toEqual(['EVENT_0', 'EVENT_1', 'EVENT_2', 'EVENT_3', '+5 more']);
  });
});

describe('A line of a chart', () => {
  test('goes through its points, with rounded corners', () => {
    const corner = [
      { x: 0, y: 0 },
      { x: 40, y: 0 },
      { x: 40, y: 30 },
    ];
    expect(pathOf(corner)).toBe('M0.0,0.0L34.0,0.0Q40.0,0.0 40.0,6.0L40.0,30.0');
    expect(pathOf([])).toBe('');
  });

  test('has its label in the middle of its longest level piece', () => {
    const points = [
      { x: 0, y: 0 },
      { x: 10, y: 0 },
      { x: 10, y: 200 },
      { x: 70, y: 200 },
    ];
    expect(middleOf(points)).toEqual({ x: 40, y: 200, length: 60 });
  });
});
