import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newWorld, ROOTS, tellWorld } from '../../page/src/model/world.ts';
import type { Entry, Happening, Step, ToPage } from '../../src/wire.ts';
import { happening, runLine } from './lines.ts';

type Of<T extends ToPage['type']> = Extract<ToPage, { type: T }>;

const hello = (parts: Partial<Of<'hello'>> = {}): Of<'hello'> => ({
  type: 'hello',
  version: 3,
  source: 'runtime',
  name: 'agents',
  inspectUrl: 'ws://127.0.0.1:1/inspect',
  now: 0,
  lines: [],
  happenings: [],
  questions: [],
  spawningPaused: false,
  older: false,
  ...parts,
});
const frame = (parts: Partial<Of<'frame'>> = {}): Of<'frame'> => ({
  type: 'frame',
  now: 0,
  lines: [],
  gone: [],
  happenings: [],
  missed: 0,
  ...parts,
});
const step = (n: number): Step => ({ n, at: n, event: `e${n}`, edges: [], active: ['agent'], said: [] });
const entry = (id: string, text: string): Entry => ({ id, at: 0, type: 'told', by: 'person', text });
const details = (parts: Partial<Of<'details'>> = {}): Of<'details'> => ({
  type: 'details',
  rowId: 'run',
  rootSeq: null,
  chart: { machineId: 'agent', active: ['agent'], steps: [step(0), step(1)] },
  entries: [entry('a', 'one'), entry('b', 'two')],
  ...parts,
});
const worldOf = (...messages: ToPage[]) => {
  const world = newWorld();
  for (const message of messages) tellWorld(world, message, 0);
  return world;
};

describe('What the page knows', () => {
  test('is what it was told at once and in frames, rows of the latest state', () => {
    const world = worldOf(
      hello({ lines: [runLine('run'), runLine('run/1')], now: 500 }),
      frame({ lines: [runLine('run', { turn: 7, rootSeq: 40 })] }),
    );
    expect(world.forest.lines.get('run')).toMatchObject({ turn: 7 });
    expect(world.forest.below.get(ROOTS)).toEqual(['run']);
    expect(world.forest.below.get('run')).toEqual(['run/1']);
    expect(world.heads.get('run')).toBe(40);
  });

  test('forgets rows that are gone', () => {
    const world = worldOf(hello({ lines: [runLine('run'), runLine('other')] }), frame({ gone: ['run', 'unheard of'] }));
    expect([...world.forest.lines.keys()]).toEqual(['other']);
    expect(world.forest.below.get(ROOTS)).toEqual(['other']);
  });

  test.each([2_000, 500])('of a tree that has the id of a forgotten one is what was told since: at %i', (at) => {
    const world = worldOf(
      hello({ lines: [runLine('run', { rootSeq: 2 }), runLine('other')], happenings: [happening(1), happening(2)] }),
      frame({ lines: [runLine('run', { createdAt: at, rootSeq: 1 })], happenings: [happening(1, { at })] }),
    );
    expect(world.heads.get('run')).toBe(1);
    expect(world.happened.get('run')).toEqual([happening(1, { at })]);
    expect(world.incomplete).toEqual(new Set(['other']));
    expect(world.forest.below.get(ROOTS)).toEqual(at > 1_000 ? ['other', 'run'] : ['run', 'other']);
  });

  test('puts a row elsewhere when it has got another parent', () => {
    const world = worldOf(
      hello({ lines: [runLine('run'), runLine('run/1')] }),
      frame({ lines: [{ ...runLine('run/1'), parentId: 'elsewhere' }] }),
    );
    expect(world.forest.below.get('run')).toEqual([]);
    expect(world.forest.below.get('elsewhere')).toBeUndefined();
    // the one above it is not there: it is shown at the top, until that comes
    expect(world.forest.below.get(ROOTS)).toEqual(['run', 'run/1']);
    tellWorld(world, frame({ lines: [runLine('elsewhere')] }), 0);
    expect(world.forest.below.get(ROOTS)).toEqual(['run', 'elsewhere']);
    expect(world.forest.below.get('elsewhere')).toEqual(['run/1']);
  });

  test('shows each row once, below the one above it if that is there, oldest first, in whatever order they come and go', () => {
    const ids = ['a', 'a/1', 'a/2', 'a/1/1', 'b', 'b/1', 'c'];
    // `c` and `b` were sent off by runs of `a`: they are shown below these
    const parents: Record<string, string> = { 'a/1': 'a', 'a/2': 'a', 'a/1/1': 'a/1', 'b/1': 'b', b: 'a/1', c: 'a' };
    const lineOf = (id: string) => {
      const { parentId: _, ...line } = runLine(id, { createdAt: ids.indexOf(id) });
      return parents[id] === undefined ? line : { ...line, parentId: parents[id] };
    };
    const deed = fc.record({ come: fc.subarray(ids), go: fc.subarray(ids) });
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 12 }), (deeds) => {
        const world = worldOf(hello());
        const there = new Set<string>();
        for (const { come, go } of deeds) {
          const gone = go.filter((id) => !come.includes(id));
          tellWorld(world, frame({ lines: come.toReversed().map(lineOf), gone }), 0);
          for (const id of come) there.add(id);
          for (const id of gone) there.delete(id);
          const shown = [...world.forest.below].filter(([, list]) => list.length > 0);
          const expected = new Map<string, string[]>();
          for (const id of ids.filter((each) => there.has(each))) {
            const above = parents[id] !== undefined && there.has(parents[id]) ? parents[id] : ROOTS;
            expected.set(above, [...(expected.get(above) ?? []), id]);
          }
          expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(expected));
          expect([...world.forest.lines.keys()].toSorted()).toEqual([...there].toSorted());
        }
      }),
    );
  });

  test('asks for what happened in trees that come without it, and forgets that of trees that go', () => {
    const world = worldOf(hello(), frame({ lines: [runLine('old', { rootSeq: 7 })] }));
    expect([...world.incomplete]).toEqual(['old']);
    tellWorld(
      world,
      frame({ lines: [runLine('new')], happenings: [happening(1, { rootId: 'new', rowId: 'new' })], older: true }),
      0,
    );
    expect([...world.incomplete]).toEqual(['old']);
    expect(world.older).toBe(true);
    tellWorld(world, frame({ gone: ['old', 'new'], older: false }), 0);
    expect([world.incomplete.size, world.happened.size, world.heads.size, world.older]).toEqual([0, 0, 0, false]);
  });

  test('begins anew with each hello, but keeps on the screen what is looked at', () => {
    const world = worldOf(
      hello({ lines: [runLine('old')] }),
      details(),
      hello({ lines: [runLine('new')], spawningPaused: true, now: 900 }),
    );
    expect([...world.forest.lines.keys()]).toEqual(['new']);
    expect(world.details?.entries).toHaveLength(2);
    expect(world).toMatchObject({ spawningPaused: true, aheadMs: 900 });
  });

  test('follows questions and spawning', () => {
    const world = worldOf(hello(), frame({ spawningPaused: true }), frame({ questions: [] }));
    expect(world.spawningPaused).toBe(true);
  });

  test('knows which histories it lacks: trees that began before, and those of which frames were missed', () => {
    const world = worldOf(hello({ lines: [runLine('run'), runLine('silent')], happenings: [happening(5)] }));
    expect([...world.incomplete].sort()).toEqual(['run', 'silent']);
    const whole = worldOf(hello({ lines: [runLine('run')], happenings: [happening(1), happening(2)] }));
    expect([...whole.incomplete]).toEqual([]);
    tellWorld(whole, frame({ missed: 3 }), 0);
    expect([...whole.incomplete]).toEqual(['run']);
  });

  test('has each happening of a tree once and in order, however live ones and history overlap', () => {
    const cut = fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30));
    fc.assert(
      fc.property(cut, ([a, b, c]) => {
        // given what was live from one point on, and a history until another, which may lie before or behind it
        const [from, until, more] = [a, b, c].sort((x, y) => x - y) as [number, number, number];
        const all = (first: number, last: number): Happening[] =>
          Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => happening(first + index));
        const world = worldOf(hello({ lines: [runLine('run')] }), frame({ happenings: all(from + 1, more) }), {
          type: 'history',
          id: 'h',
          rootId: 'run',
          happenings: all(1, until),
          complete: true,
        });
        // then it is all of it, once
        const places = world.happened.get('run')?.map(({ rootSeq }) => rootSeq);
        expect(places).toEqual(all(1, Math.max(until, more)).map(({ rootSeq }) => rootSeq));
        expect([...world.incomplete]).toEqual([]);
      }),
    );
  });

  test('does not keep more of one tree than it can draw', () => {
    const world = worldOf(hello());
    for (let at = 1; at <= 26_000; at += 1_000)
      tellWorld(world, frame({ happenings: Array.from({ length: 1_000 }, (_, index) => happening(at + index)) }), 0);
    expect(world.happened.get('run')?.length).toBeLessThanOrEqual(25_000);
    expect(world.happened.get('run')?.at(-1)?.rootSeq).toBe(26_000);
    expect(world.incomplete.has('run')).toBe(true);
  });

  test('adds new steps and entries to what is looked at, and replaces entries that have changed', () => {
    const world = worldOf(details(), {
      type: 'progress',
      rowId: 'run',
      chart: { machineId: 'agent', active: ['agent.a'], steps: [step(1), step(2)] },
      entries: [entry('b', 'two, and more'), entry('c', 'three')],
    });
    expect(world.details?.chart).toMatchObject({ active: ['agent.a'], steps: [{ n: 0 }, { n: 1 }, { n: 2 }] });
    expect(world.details?.entries).toMatchObject([{ text: 'one' }, { text: 'two, and more' }, { text: 'three' }]);
  });

  test('takes no progress of another row, nor of the present while it looks at the past', () => {
    const news: ToPage = { type: 'progress', rowId: 'run', entries: [entry('c', 'three')] };
    expect(worldOf(details({ rowId: 'other' }), news).details?.entries).toHaveLength(2);
    expect(worldOf(details({ rootSeq: 3 }), news).details?.entries).toHaveLength(2);
  });

  test('keeps the past apart from the present', () => {
    const world = worldOf(hello({ lines: [runLine('run', { turn: 9 })] }), {
      type: 'past',
      rootId: 'run',
      rootSeq: 3,
      at: 77,
      lines: [runLine('run', { turn: 2 })],
      questions: [],
    });
    expect(world.past?.forest.lines.get('run')).toMatchObject({ turn: 2 });
    expect(world.forest.lines.get('run')).toMatchObject({ turn: 9 });
  });
});
