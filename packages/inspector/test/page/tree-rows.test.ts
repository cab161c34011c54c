import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { agentsOf, noFilter, type TreeFilter, treeRows } from '../../page/src/model/tree-rows.ts';
import { newWorld, tellWorld } from '../../page/src/model/world.ts';
import type { RunLine } from '../../src/wire.ts';
import { runLine } from './lines.ts';

const forestOf = (lines: readonly RunLine[]) => {
  const world = newWorld();
  tellWorld(world, { type: 'frame', now: 0, lines: [...lines], gone: [], happenings: [], missed: 0 }, 0);
  return world.forest;
};
const shown = (lines: readonly RunLine[], filter: Partial<TreeFilter> = {}, folded: string[] = []) =>
  treeRows(forestOf(lines), { ...noFilter, ...filter }, new Set(folded)).map(
    ({ line, depth, dim }) => `${'  '.repeat(depth)}${line.id}${dim ? ' (dim)' : ''}`,
  );

const family = [
  runLine('a', { name: 'lead' }),
  runLine('a/1', { name: 'writer', status: 'paused', questions: ['q'] }),
  runLine('b', { name: 'lead', title: 'Sort the MAIL' }),
  runLine('a/1/1', { name: 'tester', status: 'failed', endedAt: 2_000, tools: ['grep'] }),
  runLine('a/2', { name: 'writer', status: 'completed', endedAt: 2_000 }),
];

describe('The rows of the tree', () => {
  test('stand below who started them, in the order in which they began', () => {
    expect(shown(family)).toEqual(['a', '  a/1', '    a/1/1', '  a/2', 'b']);
  });

  test('leave out what is below a folded one', () => {
    expect(shown(family, {}, ['a/1'])).toEqual(['a', '  a/1', '  a/2', 'b']);
  });

  test('are found by name, job or tool, however it is written, with whoever is above them', () => {
    expect(shown(family, { text: 'MAIL' })).toEqual(['b']);
    expect(shown(family, { text: 'GREP' }, ['a'])).toEqual(['a (dim)', '  a/1 (dim)', '    a/1/1']);
    expect(shown(family, { text: 'nothing' })).toEqual([]);
  });

  test.each([
    ['active', ['a', '  a/1', 'b']],
    ['asking', ['a (dim)', '  a/1']],
    ['failed', ['a (dim)', '  a/1 (dim)', '    a/1/1']],
  ])('are found by status: %s', (status, rows) => {
    expect(shown(family, { status })).toEqual(rows);
  });

  test('are found by agent', () => {
    expect(shown(family, { agent: 'writer' })).toEqual(['a (dim)', '  a/1', '  a/2']);
    expect(agentsOf(forestOf(family))).toEqual(['lead', 'tester', 'writer']);
  });

  test('are those that match, and those above them, whatever the tree', () => {
    const trees = fc.array(fc.record({ under: fc.nat(), failed: fc.boolean() }), { maxLength: 40 });
    fc.assert(
      fc.property(trees, (picks) => {
        // given any tree of runs, some of which have failed
        const lines: RunLine[] = [];
        for (const [index, { under, failed }] of picks.entries()) {
          const parent = lines[under % (index + 1)];
          const id = parent ? `${parent.id}/${index}` : `r${index}`;
          lines.push(runLine(id, { status: failed ? 'failed' : 'running' }));
        }
        const wanted = new Set<string>();
        for (const { id, status } of lines)
          if (status === 'failed')
            for (let at = id; ; at = at.slice(0, at.lastIndexOf('/'))) {
              wanted.add(at);
              if (!at.includes('/')) break;
            }
        // when only failed ones are to be shown
        const rows = treeRows(forestOf(lines), { ...noFilter, status: 'failed' }, new Set());
        // then nothing else is, none is missing, and each stands directly below its parent's row
        expect(new Set(rows.map(({ line }) => line.id))).toEqual(wanted);
        for (const { line, dim, depth } of rows) {
          expect(dim).toBe(line.status !== 'failed');
          expect(depth).toBe(line.id.split('/').length - 1);
        }
        for (const [index, { line, depth }] of rows.entries()) {
          const above = rows.slice(0, index).findLast((row) => row.depth < depth);
          expect(above?.line.id).toBe(line.kind === 'run' ? line.parentId : undefined);
        }
      }),
    );
  });
});
