import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { checkImports } from './tools/import-rules.mjs';

describe('the import rules', () => {
  const workspaces: string[] = [];

  /** A workspace with these files. */
  const workspace = (files: Record<string, string>) => {
    const root = mkdtempSync(join(tmpdir(), 'troupe-imports-'));
    workspaces.push(root);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return root;
  };

  afterEach(() => {
    for (const root of workspaces.splice(0)) rmSync(root, { recursive: true });
  });

  test('hold in this workspace, and every source file was read', { timeout: 60_000 }, async () => {
    const { read, missed, broken } = await checkImports(fileURLToPath(new URL('..', import.meta.url)));
    expect(broken).toEqual([]);
    expect(missed).toEqual([]);
    expect(read).toBeGreaterThan(0);
  });

  test('allow an arrow that points down, to an index.ts', async () => {
    const root = workspace({
      'packages/protocol/src/index.ts': 'export const one = 1;',
      'packages/core/src/index.ts': `export { one } from '../../protocol/src/index.ts';`,
    });
    expect(await checkImports(root)).toEqual({ read: 2, missed: [], broken: [] });
  });

  test.each([
    ['an arrow that points up', 'protocol', `import '../../core/src/index.ts';`, 'protocol-imports-only'],
    [
      'an arrow that points up, of a type',
      'protocol',
      `import type { One } from '../../core/src/index.ts';`,
      'protocol-imports-only',
    ],
    ['a vendor in a room that has none', 'protocol', `import 'node:fs';`, 'protocol-imports-only'],
    ['a side door', 'delegation', `export { inner } from '../../core/src/inner.ts';`, 'front-door'],
    ['an import of the command line', 'core', `import '../../cli/src/index.ts';`, 'nobody-imports-cli'],
    ['a room without arrows', 'newcomer', `import '../../core/src/index.ts';`, 'every-room-has-arrows'],
    ['an import that leads nowhere', 'core', `import './missing.ts';`, 'resolvable'],
  ])('refuse %s', async (_what, room, text, rule) => {
    const root = workspace({
      'packages/core/src/index.ts': `export * from './inner.ts';`,
      'packages/core/src/inner.ts': 'export const inner = 1;\nexport type One = 1;',
      'packages/cli/src/index.ts': 'export {};',
      [`packages/${room}/src/planted.ts`]: text,
    });
    const { broken } = await checkImports(root);
    expect(broken.map((line) => line.split(':')[0])).toContain(rule);
  });

  test('refuse a cycle', async () => {
    const root = workspace({
      'packages/core/src/a.ts': `import './b.ts';`,
      'packages/core/src/b.ts': `import './a.ts';`,
    });
    const { broken } = await checkImports(root);
    expect(broken.join('\n')).toContain('no-cycles');
  });

  test('refuse a test that takes a side door of another package', async () => {
    const root = workspace({
      'packages/core/src/inner.ts': 'export const inner = 1;',
      'packages/openai/test/planted.test.ts': `import '../../core/src/inner.ts';`,
      'test/planted.test.ts': `import '../packages/core/src/inner.ts';`,
    });
    const { broken } = await checkImports(root);
    expect(broken.map((line) => line.split(':')[0])).toEqual(['front-door', 'front-door-from-outside']);
  });

  test('fail when fewer files were read than the sources hold', async () => {
    const root = workspace({
      'packages/protocol/src/index.ts': 'export const one = 1;',
      'packages/core/src/index.ts': 'export const two = 2;',
    });
    const { read, missed } = await checkImports(root, { exclude: { path: '^packages/core' } });
    expect(read).toBe(1);
    expect(missed).toEqual(['packages/core/src/index.ts']);
  });
});
