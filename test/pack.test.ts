import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const packages = readdirSync(join(root, 'packages'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** Runs a command to its end. `output` is all it said. */
const run = (command: string, args: string[], cwd: string) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 240_000 });
  return { ok: status === 0, stdout, output: `${stdout}${stderr}${error?.message ?? ''}` };
};

/** The Node that the machine has by itself, which may be an older one than the workspace's own. */
const machineNode = process.env.MACHINE_NODE ?? process.execPath;

/** Whether a version is in a range of the form `>=20.19`. */
const isAtLeast = (version: string, range: string): boolean => {
  const [, ...least] = /^>=(\d+)\.(\d+)$/.exec(range)?.map(Number) ?? [];
  const [major = 0, minor = 0] = version.split('.').map(Number);
  expect(least, range).toHaveLength(2);
  return major > (least[0] ?? 0) || (major === least[0] && minor >= (least[1] ?? 0));
};

/** Why the package registry could not be reached, if that is what a failed command says. */
const offlineReason = (output: string) => {
  const [code] = /\b(ENOTFOUND|EAI_AGAIN|ECONN\w+|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ENOTCACHED)\b/.exec(output) ?? [];
  return code && `the package registry is out of reach (${code})`;
};

/** What a page gets of a module in the folder of a project: its files, what was looked for in vain, and the code. */
const bundleForPage = async (project: string, text: string) => {
  const input = join(project, 'page.js');
  writeFileSync(input, text);
  const unresolved: string[] = [];
  const bundled = await rolldown({
    input,
    platform: 'browser',
    onLog: (_level, { code, message }) => void (code === 'UNRESOLVED_IMPORT' && unresolved.push(message)),
  });
  const { output } = await bundled.generate({ minify: true });
  await bundled.close();
  const chunks = output.filter((file) => file.type === 'chunk');
  return {
    files: output.map(({ fileName }) => fileName),
    unresolved: [...unresolved, ...chunks.flatMap(({ imports, dynamicImports }) => [...imports, ...dynamicImports])],
    code: chunks.map(({ code }) => code).join('\n'),
  };
};

/** The smallest program of the README, and, if a ```text block follows it, what it prints. */
const smallestProgram = () => {
  const readme = existsSync(join(root, 'README.md')) ? readFileSync(join(root, 'README.md'), 'utf8') : '';
  const fenced = readme.matchAll(/^```(\w*)[^\n]*\n(.*?)^```/gms);
  const blocks = [...fenced].map(([, language, text = '']) => ({ language, text }));
  const index = blocks.findIndex(({ language, text }) => language === 'ts' && text.includes('createRuntime'));
  const next = blocks[index + 1];
  return { text: blocks[index]?.text, prints: next?.language === 'text' ? next.text.trim() : undefined };
};

describe('the packages, as they would be published', () => {
  let folder: string;
  let tarballs: string[];
  let offline: string | undefined;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'troupe-pack-'));
    // Afresh: what an older build left behind must not be packed.
    for (const name of packages) rmSync(join(root, 'packages', name, 'dist'), { recursive: true, force: true });
    const built = run('tsc', ['-b', ...packages.map((name) => `packages/${name}`)], root);
    expect(built.ok, built.output).toBe(true);

    const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const pack = ['--recursive', '--filter=./packages/*', 'pack', '--pack-destination', folder];
    const packed = run('npx', ['--yes', packageManager, ...pack], root);
    if (!packed.ok) offline = offlineReason(packed.output);
    expect(packed.ok || offline, packed.output).toBeTruthy();
    tarballs = readdirSync(folder).map((name) => join(folder, name));
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('are complete, and say truly what they export', async ({ skip }) => {
    if (offline) skip(offline);
    expect(tarballs).toHaveLength(packages.length);
    for (const path of tarballs) {
      const bytes = readFileSync(path);
      const tarball = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
      const { messages, pkg } = await publint({ pack: { tarball }, level: 'warning', strict: true });
      expect(
        messages.map((message) => formatMessage(message, pkg, { color: false })),
        path,
      ).toEqual([]);
      expect(JSON.stringify(pkg.dependencies), path).not.toContain('workspace:');
      expect(JSON.stringify(pkg.exports), path).not.toContain('/src/');
      const bundle = join(root, 'packages', pkg.name.replace('@troupe/', ''), 'bundle', 'index.js');
      if (existsSync(bundle)) expect(readFileSync(bundle, 'utf8'), path).toMatch(/^[\0-\x7f]*$/);
    }
  });

  test('install, type-check and run the smallest programs of the README and of the store in an empty project', async ({
    skip,
  }) => {
    if (offline) skip(offline);

    // given an empty project that has nothing but the tarballs
    const project = join(folder, 'project');
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
    const quick = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1'];
    const installed = run('npm', ['install', ...quick, ...tarballs], project);
    if (!installed.ok) offline = offlineReason(installed.output);
    if (offline) skip(offline);
    expect(installed.ok, installed.output).toBe(true);

    // when all they export is type-checked, declarations included
    const exported = packages.map((name) => `export * as ${name.replace('-', '_')} from '@troupe/${name}';`);
    writeFileSync(join(project, 'exported.ts'), exported.join('\n'));
    const strict = { module: 'nodenext', target: 'es2024', strict: true };
    const nodeTypes = { types: ['node'], typeRoots: [join(root, 'node_modules/@types')] };
    const compilerOptions = { ...strict, ...nodeTypes, noEmit: true, skipLibCheck: false };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['exported.ts'] }));
    const checked = run('tsc', ['-p', '.'], project);

    // then our part of it is in order: not what a vendor declares, and vitest is an optional peer of testing
    const complaints = checked.output
      .split('\n')
      .filter((line) => /^(exported\.ts|node_modules\/@troupe\/)/.test(line));
    expect(complaints.filter((line) => !line.includes("Cannot find module 'vitest'"))).toEqual([]);

    // when the program is run as it stands
    const { text, prints } = smallestProgram();
    if (!text) throw new Error('README.md holds no ```ts block with createRuntime: the smallest program is missing.');
    writeFileSync(join(project, 'program.ts'), text);
    const ran = run('node', ['program.ts'], project);

    // then it prints what the README says
    expect(ran.ok, ran.output).toBe(true);
    expect(ran.stdout.trim()).not.toBe('');
    if (prints) expect(ran.stdout.trim()).toBe(prints);

    // and of RxJS it loads what it uses, which is what a program gets that imports RxJS
    writeFileSync(
      join(project, 'streams.mjs'),
      `import { createRuntime } from '@troupe/core';
       import '@troupe/delegation';
       import { createRequire } from 'node:module';
       const mains = Object.keys(createRequire(import.meta.url).cache).filter((path) => /rxjs.dist.cjs.index.js$/.test(path));
       const { Observable } = await import('rxjs');
       const { events$ } = createRuntime({ provider: { takeTurn() {} }, model: 'none' });
       console.log(mains.length, events$ instanceof Observable);`,
    );
    expect(run('node', ['streams.mjs'], project)).toMatchObject({ ok: true, output: '0 true\n' });

    // and what a page takes of delegation brings along what that needs, and no more
    const page = await bundleForPage(project, `export { childLabel } from '@troupe/delegation';`);
    expect(page).toMatchObject({ files: ['page.js'], unresolved: [] });
    expect(page.code.length).toBeLessThan(1_000);

    // and nothing that a page may take asks for what only Node has
    for (const from of [
      `{ toAgUi } from '@troupe/ag-ui'`,
      `{ createDelegateTool } from '@troupe/delegation'`,
      ...['core', 'delegation', 'ag-ui'].map((name) => `* from '@troupe/${name}'`),
    ]) {
      const { files, unresolved, code } = await bundleForPage(project, `export ${from};`);
      expect({ from, files, unresolved }).toEqual({ from, files: ['page.js'], unresolved: [] });
      expect(code, from).not.toContain('node:');
    }

    // and its declarations need the types of a page alone
    const pageTypes = {
      lib: ['es2024', 'dom', 'dom.iterable'],
      module: 'esnext',
      moduleResolution: 'bundler',
      types: [],
    };
    const forPage = { ...strict, ...pageTypes, noEmit: true, skipLibCheck: false };
    const named = ['protocol', 'core', 'delegation', 'ag-ui'].map(
      (name) => `export * as ${name.replace('-', '_')} from '@troupe/${name}';`,
    );
    writeFileSync(join(project, 'page.ts'), named.join('\n'));
    writeFileSync(join(project, 'page.json'), JSON.stringify({ compilerOptions: forPage, include: ['page.ts'] }));
    const { output: said } = run('tsc', ['-p', 'page.json'], project);
    expect(said.split('\n').filter((line) => /^(page\.ts|node_modules\/@troupe\/)/.test(line))).toEqual([]);

    // and runs outlive their process, written by the thread that comes with the package
    const readme = readFileSync(join(root, 'packages/store-sqlite/README.md'), 'utf8');
    const [, stored = ''] = /^```ts\n(.*?)^```/ms.exec(readme) ?? [];
    writeFileSync(join(project, 'stored.ts'), stored);
    for (const life of ['first', 'second']) {
      const lived = run('node', ['stored.ts'], project);
      expect(lived.ok, `${life}: ${lived.output}`).toBe(true);
      expect(lived.stdout).toBe('42\n');
    }

    // and what says that it runs on the Node that this machine has by itself does
    const version = run(machineNode, ['--version'], project).stdout.trim().slice(1);
    const admitted = packages.filter((name) => {
      const { engines } = JSON.parse(readFileSync(join(project, 'node_modules/@troupe', name, 'package.json'), 'utf8'));
      return isAtLeast(version, engines.node);
    });
    expect(admitted).toContain('core');
    writeFileSync(join(project, 'all.mjs'), admitted.map((name) => `import '@troupe/${name}';`).join('\n'));
    const imported = run(machineNode, ['all.mjs'], project);
    expect(imported, `on Node ${version}`).toMatchObject({ ok: true, output: '' });
    for (const guide of ['core/README.md', 'core/docs/sinks.md', 'core/docs/background.md', 'delegation/README.md']) {
      const [, typed = ''] = /^```ts\n(.*?)^```/ms.exec(readFileSync(join(root, 'packages', guide), 'utf8')) ?? [];
      writeFileSync(join(project, 'guide.mjs'), stripTypeScriptTypes(typed));
      const guided = run(machineNode, ['guide.mjs'], project);
      expect(guided.ok, `${guide} on Node ${version}: ${guided.output}`).toBe(true);
      expect(guided.stdout).not.toBe('');
    }
  }, 300_000);
});
