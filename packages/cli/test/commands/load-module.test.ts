import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freshFolder, linesOf, startTroupe } from '../shell.ts';

/** What is said of an agent file in a folder, which is left out. */
const said = async (files: Record<string, string>, ...args: string[]) => {
  const folder = freshFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const [name = ''] = Object.keys(files);
  const { code, stdout, stderr } = await startTroupe(folder, [...args, name, 'go'], { NODE_NO_WARNINGS: '1' }).ended;
  expect([code, stdout]).toEqual([1, '']);
  return stderr.replaceAll(`${folder}/`, '').replaceAll(folder, 'FOLDER');
};
const broken = 'const a = 1;\nexport default {\n  agent: { name: "x" oops },\n};\n';

describe('an agent file that does not load', { timeout: 20_000 }, () => {
  test.each([
    [
      'JavaScript that does not parse',
      { 'a.mjs': broken },
      `Unexpected identifier 'oops'. In a.mjs:3:22: agent: { name: "x" oops },`,
    ],
    [
      'TypeScript that does not parse',
      { 'a.ts': broken.replace('a =', 'a: number =') },
      `Expected ',', got 'ident'. In a.ts:3:22: agent: { name: "x" oops },`,
    ],
    [
      'TypeScript that Node does not run',
      { 'a.ts': 'const b = 1;\nenum A { x }\n' },
      'TypeScript enum is not supported in strip-only mode. In a.ts:2:1: enum A { x }',
    ],
    [
      'a file that breaks off',
      { 'a.mjs': 'const a = 1;\nexport default {' },
      'Unexpected end of input. In a.mjs:2:17: export default {',
    ],
    [
      'a module that it imports, which does not parse',
      { 'a.mjs': "import './fine.mjs';\nimport './b.mjs';\n", 'fine.mjs': '', 'b.mjs': broken },
      `Unexpected identifier 'oops'. In b.mjs:3:22: agent: { name: "x" oops },`,
    ],
    [
      'an import that is not there',
      { 'a.mjs': "const a = 1;\nimport { b } from './b.mjs';\n" },
      "Cannot find module 'b.mjs' imported from a.mjs. In a.mjs:2:19: import { b } from './b.mjs';",
    ],
    [
      'an import that is called otherwise',
      { 'a.ts': "import { b } from './b.js';\n", 'b.ts': '' },
      "Cannot find module 'b.js' imported from a.ts. There is b.ts: an import names the file as it is called. In a.ts:1:19: import { b } from './b.js';",
    ],
    [
      'a package that is not installed',
      { 'a.mjs': "import { b } from '@nobody/b';\n" },
      "Cannot find package '@nobody/b' imported from a.mjs. Install it: npm install @nobody/b (in FOLDER). In a.mjs:1:19: import { b } from '@nobody/b';",
    ],
    [
      'a name that a module does not export',
      { 'a.mjs': "\nimport { nothing } from 'node:fs';\n" },
      "The requested module 'node:fs' does not provide an export named 'nothing'. In a.mjs:2:10: import { nothing } from 'node:fs';",
    ],
    [
      'what it throws',
      { 'a.mjs': '\n  throw new Error("No key.");' },
      'No key. In a.mjs:2:9: throw new Error("No key.");',
    ],
    ['what is no error', { 'a.mjs': 'throw "No\\nkey";' }, 'No key.'],
    [
      'an error that Node says in a line',
      { 'a.mjs': 'throw new Error("Nobody at 10.0.0.1:80")' },
      'Nobody at 10.0.0.1:80. In a.mjs:1:7: throw new Error("Nobody at 10.0.0.1:80")',
    ],
  ])('is said to, where: %s', async (_what, files, problem) => {
    expect(await said(files, 'run')).toBe(
      `troupe: Agent file "${Object.keys(files)[0]}" could not be loaded: ${problem}\n`,
    );
  });

  test('tells no key that stands there, and nothing that a terminal obeys', async () => {
    const key = `sk-proj-${'a1'.repeat(20)}`;
    const text = await said({ 'a.mjs': `const key = '${key}\u001b[2J' oops;` }, 'run');
    expect(text).toContain('In a.mjs:1:');
    expect(text).not.toContain(key);
    expect(text).not.toContain('\u001b');
  });

  test('is told as JSON, too, and by doctor', async () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'a.mjs'), broken);
    const json = await startTroupe(folder, ['run', 'a.mjs', 'go', '--json']).ended;
    expect(linesOf(json.stderr)[0].error).toMatchObject({
      code: 'agent_file.broken',
      message: expect.stringContaining('a.mjs:3:22'),
    });
    const doctor = await startTroupe(folder, ['doctor', 'a.mjs']).ended;
    expect(doctor.stdout).toMatch(/^✖ agents .*a\.mjs:3:22: agent: \{ name: "x" oops \},$/m);
  });
});

test('an app of troupe agents that does not load is said to, where', async () => {
  const folder = freshFolder();
  writeFileSync(join(folder, 'app.mjs'), 'throw new Error("No manager.");');
  const { code, stderr } = await startTroupe(folder, ['agents', '--app', 'app.mjs', 'list']).ended;
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^troupe: app\.mjs: No manager\. In .*app\.mjs:1:7: /)]);
}, 20_000);
