import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { troupeCommand } from '../src/troupe-command.ts';

/** A folder with the app of a user. */
const here = mkdtempSync(join(tmpdir(), 'troupe-app-'));
afterAll(() => rmSync(here, { recursive: true }));
const app = `import { openApp } from ${JSON.stringify(new URL('agents-app.ts', import.meta.url).href)};
export const { runtime, manager, agent } = openApp();
`;
writeFileSync(join(here, 'app.mjs'), `${app}export const close = () => console.log('The app is closed.');\n`);
writeFileSync(join(here, 'quiet.mjs'), app);
const bin = fileURLToPath(new URL('../src/troupe.ts', import.meta.url));

/** Runs the command as a shell does. */
const troupe = (args: string[], stdin = '', isOpen = false) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(process.execPath, [bin, ...args], { cwd: here }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout: stdout.replaceAll(/sub_\w{10}/g, 'ID'), stderr }),
    );
    child.stdin?.write(stdin);
    if (!isOpen) child.stdin?.end();
  });

/** Runs it in this process. */
const run = async (args: string[], folder = here) => {
  const streams = [new PassThrough(), new PassThrough(), new PassThrough()] as const;
  const [input, output, errors] = streams;
  const code = await troupeCommand(args, { input, output, errors, folder, environment: {} });
  return { code, output: String(output.read() ?? ''), errors: String(errors.read() ?? '') };
};

describe('troupe agents', () => {
  test('carries one command out, waits for what it has begun, and closes the app', async () => {
    const spawned = await troupe(['agents', '--app', './app.mjs', 'spawn', '--model=big', 'count  the', 'files']);
    expect(spawned).toMatchObject({ code: 0, stderr: '' });
    expect(spawned.stdout).toMatch(/^Sub-agent spawned!\nID: ID\nLabel: count the files\nModel: big$/m);
    expect(spawned.stdout).toMatch(/completed after \ds: .*\ndone: count {2}the files\n/);
    expect(spawned.stdout).toMatch(/\nThe app is closed\.\n$/);
  }, 20_000);

  test('is a prompt without a command, fed by a pipe as well', async () => {
    const talked = await troupe(['agents', '--app=app.mjs'], 'hello\n/agents list\n');
    expect(talked).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(/^done: hello$/m) });
    expect(talked.stdout).toMatch(/^No sub-agents spawned\.$/m);
  }, 20_000);

  test('ends with /exit, also where its input stays open', async () => {
    const ended = await troupe(['agents', '--app=app.mjs'], 'hang on\n/exit\n', true);
    expect(ended).toEqual({ code: 0, stderr: '', stdout: 'The app is closed.\n' });
  }, 20_000);

  test('lists what a session sees, by its name', async () => {
    const listed = await troupe(['agents', '--session', 'chat', '--app', 'app.mjs', 'list']);
    expect(listed).toEqual({ code: 0, stderr: '', stdout: 'No sub-agents spawned.\nThe app is closed.\n' });
  }, 20_000);

  test('goes on where nobody reads any more', async () => {
    const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
    output.destroy(new Error('EPIPE'));
    const terminal = { input, output, errors, folder: here, environment: {} };
    expect(await troupeCommand(['agents', '--app', 'quiet.mjs', 'list'], terminal)).toBe(0);
  });

  test.each<[args: string[], problem: RegExp]>([
    [[], /^A command is missing\./],
    [['run'], /^There is no command "run"\./],
    [['agents'], /^--app is missing\./],
    [['agents', 'list'], /^--app is missing\./],
    [['agents', '--app'], /^--app needs a value\./],
    [['agents', '--app='], /^--app needs a value\./],
    [['agents', '--colour', 'x'], /^There is no flag "--colour"\./],
  ])('says how it is used: %j', async (args, problem) => {
    const { code, errors, output } = await run(args);
    expect([code, output]).toEqual([2, '']);
    expect(errors).toMatch(problem);
    expect(errors).toContain('Usage: troupe agents --app FILE');
  });

  test.each([['--help'], ['agents', '-h']])('helps: %s %s', async (...args) => {
    expect(await run(args)).toEqual({ code: 0, output: expect.stringMatching(/^Usage: troupe agents/), errors: '' });
  });

  test.each<[what: string, module: string, problem: RegExp]>([
    ['is not there', '', /Cannot find|not found|Failed to load/],
    ['exports no manager', 'export const runtime = {};', /exports no "manager"/],
    [
      'exports no runtime',
      'const f = () => {}; export const manager = { spawn: f, status: f, close: f };',
      /exports no "runtime"/,
    ],
    ['does not load', 'throw new Error("The key is missing.");', /The key is missing\./],
  ])('says why an app cannot be used that %s', async (_what, module, problem) => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-app-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    if (module !== '') writeFileSync(join(folder, 'app.mjs'), module);
    const { code, errors } = await run(['agents', '--app', 'app.mjs', 'list'], folder);
    expect(code).toBe(1);
    expect(errors).toMatch(/^troupe: app\.mjs: /);
    expect(errors).toMatch(problem);
  });
});
