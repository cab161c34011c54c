import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Folder, FolderError, maxFileBytes } from '../../examples/review/folder.ts';
import { fileTools } from '../../examples/review/tools.ts';
import { folderWith } from './fixture.ts';

/** Calls a tool as a run would: the input is checked first. */
const toolsOf = async (path: string) => {
  const tools = fileTools(await Folder.open(path));
  return async (name: string, input: object): Promise<unknown> => {
    const tool = tools.find((each) => each.name === name)!;
    const checked = await tool.inputSchema['~standard'].validate(input);
    if (checked.issues) throw new Error(checked.issues[0]?.message);
    return tool.execute(checked.value as never, { signal: new AbortController().signal } as never);
  };
};

const files = {
  'README.md': '# Title\n\nHello World.\n',
  'src/a.ts': 'export const a = 1;\n// hello\n',
  'src/deep/b.ts': 'b',
  'node_modules/x/index.js': 'hello',
  '.git/config': 'hello',
  'dist/a.js': 'hello',
  '.env': 'SECRET=hello',
  '.env.local': 'SECRET=hello',
  '.env.example': 'SECRET=',
  'key.pem': 'hello',
};

describe('the file tools', () => {
  test('list a folder: its files, its sub-folders with what they hold, and nothing that is left out', async () => {
    const use = await toolsOf(folderWith(files));
    expect(await use('list_files', {})).toEqual({
      path: '.',
      folders: [{ path: 'src', files: 2, bytes: 30 }],
      files: [
        { path: '.env.example', bytes: 7 },
        { path: 'README.md', bytes: 22 },
      ],
    });
    expect(await use('list_files', { path: './src/', recursive: true })).toEqual({
      path: 'src',
      folders: [],
      files: [
        { path: 'src/a.ts', bytes: 29 },
        { path: 'src/deep/b.ts', bytes: 1 },
      ],
    });
    expect(await use('list_files', { path: 'src' })).toMatchObject({
      folders: [{ path: 'src/deep', files: 1 }],
      files: [{ path: 'src/a.ts' }],
    });
    expect(await use('list_files', { path: 'README.md' })).toMatchObject({ files: [{ path: 'README.md' }] });
  });

  test('list so many files, and say how many more there are', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 405 }, (_, n) => [`f/${String(n).padStart(3, '0')}.txt`, 'x']),
    );
    const use = await toolsOf(folderWith(many));
    const listed = (await use('list_files', { path: 'f' })) as { files: unknown[] };
    expect(listed.files).toHaveLength(400);
    expect(listed).toMatchObject({ files_not_shown: 5 });
  });

  test('read a file, a part of it, and say which lines these are', async () => {
    const lines = Array.from({ length: 900 }, (_, n) => `line ${n + 1}`).join('\n');
    const use = await toolsOf(
      folderWith({ ...files, 'long.txt': lines, 'wide.txt': 'x'.repeat(30_000), 'empty.txt': '' }),
    );
    expect(await use('read_file', { path: 'README.md' })).toBe('README.md: lines 1 to 3 of 3\n# Title\n\nHello World.');
    expect(await use('read_file', { path: './long.txt', from_line: 899, lines: 5 })).toBe(
      'long.txt: lines 899 to 900 of 900\nline 899\nline 900',
    );
    expect(String(await use('read_file', { path: 'long.txt' })).split('\n')).toHaveLength(401);
    expect(await use('read_file', { path: 'long.txt', from_line: 2_000 })).toBe('long.txt: nothing of 900\n');
    expect(await use('read_file', { path: 'empty.txt' })).toBe('empty.txt: nothing of 0\n');
    const wide = String(await use('read_file', { path: 'wide.txt' }));
    expect(wide.length).toBeLessThan(24_100);
    expect(wide).toContain('lines 1 to 1 (the last one cut off) of 1');
  });

  test('find lines by words, whatever their case, and take no patterns', async () => {
    const use = await toolsOf(folderWith({ ...files, 'binary.bin': Buffer.from([0, 1, 2]), 'p.txt': 'a.*b\naxb' }));
    expect(await use('search_text', { words: ['HELLO', 'nothing'] })).toEqual({
      files_searched: 5,
      matches: [
        { file: 'README.md', line: 3, text: 'Hello World.' },
        { file: 'src/a.ts', line: 2, text: '// hello' },
      ],
    });
    expect(await use('search_text', { words: ['a.*b'], path: 'p.txt' })).toMatchObject({ matches: [{ line: 1 }] });
    const many = await toolsOf(folderWith({ 'many.txt': 'hit\n'.repeat(100) }));
    expect(await many('search_text', { words: ['hit'] })).toMatchObject({ matches_not_shown: 40 });
    await expect(use('search_text', { words: [] })).rejects.toThrow('Too small');
  });

  test('refuse what is not text, is too large, is a folder, or is not there', async () => {
    const root = folderWith({
      'a.bin': Buffer.from([137, 80, 0, 1]),
      'b.bin': Buffer.alloc(4_000, 0xff),
      'big.txt': 'x'.repeat(maxFileBytes + 1),
      'f/x': '',
    });
    const use = await toolsOf(root);
    await expect(use('read_file', { path: 'a.bin' })).rejects.toThrow('"a.bin" is not text (4 bytes).');
    await expect(use('read_file', { path: 'b.bin' })).rejects.toThrow('is not text');
    await expect(use('read_file', { path: 'big.txt' })).rejects.toThrow('are not read');
    await expect(use('read_file', { path: 'f' })).rejects.toThrow('"f" is a folder; list it instead.');
    await expect(use('read_file', { path: 'nope' })).rejects.toThrow('There is no "nope".');
    await expect(use('list_files', { path: 'nope' })).rejects.toThrow('There is no "nope".');
  });

  test.skipIf(process.platform === 'win32')(
    'do not wait for a pipe that nobody writes to (no pipes on Windows)',
    async () => {
      const root = folderWith({ 'a.txt': 'a' });
      spawnSync('sh', ['-c', 'mkfifo "$0"', join(root, 'pipe')]);
      const use = await toolsOf(root);
      await expect(use('read_file', { path: 'pipe' })).rejects.toThrow('"pipe" is not a plain file.');
      expect(await use('search_text', { words: ['a'] })).toMatchObject({ files_searched: 1 });
    },
  );
});

describe('the folder of the file tools', () => {
  const outside = () => folderWith({ 'secret.txt': 'secret', 'inner/other.txt': 'secret' });

  test.each(['..', '../x', 'src/../../x', '/etc/passwd', '/', 'src/../..', '....//..//..'])(
    'is not left by %s',
    async (path) => {
      const use = await toolsOf(folderWith(files));
      for (const [name, input] of [
        ['read_file', { path }],
        ['list_files', { path, recursive: true }],
        ['search_text', { path, words: ['root'] }],
      ] as const)
        await expect(use(name, input)).rejects.toThrow(FolderError);
    },
  );

  test('is not left by the name of a sibling that begins like it', async () => {
    const parent = folderWith({ 'app/a.txt': 'a', 'app-secret/b.txt': 'secret', '..hidden': 'x' });
    const use = await toolsOf(join(parent, 'app'));
    await expect(use('read_file', { path: '../app-secret/b.txt' })).rejects.toThrow('is outside of the folder');
    // a name that begins with two dots is only a name
    const above = await toolsOf(parent);
    expect(await above('read_file', { path: '..hidden' })).toContain('x');
  });

  test('is not left by symbolic links to a file, to a folder, through a folder, or in a circle', async () => {
    const away = outside();
    const root = folderWith({ ...files, 'real.txt': 'inside' });
    symlinkSync(join(away, 'secret.txt'), join(root, 'file-link'));
    symlinkSync(away, join(root, 'folder-link'));
    symlinkSync('/', join(root, 'src', 'root-link'));
    symlinkSync(join('..', basename(away)), join(root, 'relative-link'));
    symlinkSync('circle-b', join(root, 'circle-a'));
    symlinkSync('circle-a', join(root, 'circle-b'));
    symlinkSync('.', join(root, 'self'));
    symlinkSync('node_modules', join(root, 'modules-link'));
    symlinkSync('real.txt', join(root, 'good-link'));
    const use = await toolsOf(root);
    for (const path of [
      'file-link',
      'folder-link/secret.txt',
      'folder-link/inner/other.txt',
      'relative-link/secret.txt',
      'src/root-link/etc/passwd',
    ])
      await expect(use('read_file', { path }), path).rejects.toThrow('leads out of the folder');
    for (const path of ['folder-link', 'relative-link/inner', 'src/root-link'])
      await expect(use('list_files', { path, recursive: true }), path).rejects.toThrow('leads out of the folder');
    await expect(use('read_file', { path: 'circle-a' })).rejects.toThrow('cannot be read (ELOOP)');
    await expect(use('read_file', { path: 'modules-link/x/index.js' })).rejects.toThrow('is left out');
    expect(await use('read_file', { path: 'good-link' })).toContain('inside');

    // and neither listing nor searching follows any of them
    expect(JSON.stringify(await use('list_files', { recursive: true }))).not.toMatch(/link|circle|self/);
    expect(await use('search_text', { words: ['secret', 'root:'] })).toMatchObject({
      matches: [{ file: '.env.example' }],
    });
  });

  test('holds no dependencies, no generated files and no secrets, however they are asked for', async () => {
    const use = await toolsOf(folderWith(files));
    for (const path of ['node_modules/x/index.js', '.git/config', 'src/../dist/a.js', '.env', '.env.local', 'key.pem'])
      await expect(use('read_file', { path }), path).rejects.toThrow('is left out of this review');
    await expect(use('list_files', { path: 'node_modules' })).rejects.toThrow('is left out');
    expect(await use('read_file', { path: '.env.example' })).toContain('SECRET=');
  });

  test('may itself be reached through a link, and must be a folder that is there', async () => {
    const root = folderWith({ 'a/x.txt': 'x' });
    symlinkSync(join(root, 'a'), join(root, 'link'));
    symlinkSync('loop', join(root, 'loop'));
    const use = await toolsOf(join(root, 'link'));
    expect(await use('list_files', {})).toMatchObject({ files: [{ path: 'x.txt' }] });
    await expect(Folder.open(join(root, 'nope'))).rejects.toThrow('There is no folder');
    await expect(Folder.open(join(root, 'a/x.txt'))).rejects.toThrow('is a file; give the path of a folder');
    await expect(Folder.open(join(root, 'loop'))).rejects.toThrow('cannot be read (ELOOP)');
    mkdirSync(join(root, 'empty'));
    expect(await (await toolsOf(join(root, 'empty')))('list_files', {})).toEqual({ path: '.', folders: [], files: [] });
  });
});
