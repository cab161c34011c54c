import { execFile, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { troupeCommand } from '../src/troupe-command.ts';
import { noSignals, office, startTroupe } from './shell.ts';

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
  const code = await troupeCommand(args, { input, output, errors, folder, environment: {}, signals: noSignals() });
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

  test('is stopped by SIGINT, and closes the app', async () => {
    const working = startTroupe(here, ['agents', '--app', './app.mjs', 'spawn', 'hang on']);
    await working.said(/Sub-agent spawned!/);
    working.child.kill('SIGINT');
    const { code, stdout } = await working.ended;
    expect([code, stdout]).toEqual([130, expect.stringMatching(/\nThe app is closed\.\n$/)]);
  }, 20_000);

  test('lists what a session sees, by its name', async () => {
    const listed = await troupe(['agents', '--session', 'chat', '--app', 'app.mjs', 'list']);
    expect(listed).toEqual({ code: 0, stderr: '', stdout: 'No sub-agents spawned.\nThe app is closed.\n' });
  }, 20_000);

  test('goes on where nobody reads any more', async () => {
    const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
    output.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    const terminal = { input, output, errors, folder: here, environment: {}, signals: noSignals() };
    expect(await troupeCommand(['agents', '--app', 'quiet.mjs', 'list'], terminal)).toBe(0);
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)(
    'is stopped in its prompt by %s, and closes the app',
    async (signal, code) => {
      const prompt = startTroupe(here, ['agents', '--app', './app.mjs'], {}, 'hello\nhang on\n');
      await prompt.said(/done: hello/);
      prompt.child.kill(signal);
      expect(await prompt.ended).toMatchObject({ code, stdout: expect.stringMatching(/\nThe app is closed\.\n$/) });
    },
    20_000,
  );

  test.each<[args: string[], problem: RegExp]>([
    [['agents'], /^troupe: --app is missing: name the module of the app/],
    [['agents', 'list'], /^troupe: --app is missing/],
    [['agents', '--app'], /^troupe: option '--app <file>' argument missing\nTry: troupe help\n$/],
    [['agents', '--colour', 'x'], /^troupe: unknown option '--colour'/],
    [['agents', '--app', 'quiet.mjs', '--json'], /^troupe: .*|"--json needs a command/],
  ])('says how it is used: %j', async (args, problem) => {
    const { code, errors, output } = await run(args);
    expect([code, output]).toEqual([2, '']);
    expect(errors).toMatch(problem);
  });

  test.each<[words: string[], code: number, said: RegExp]>([
    [['list'], 0, /No sub-agents spawned/],
    [['spawn', 'fail', 'please'], 1, /failed after \ds: model\.down: It is down\./],
    [['spawn'], 2, /Usage: \/subagents spawn/],
    [['fly'], 2, /Usage: \/subagents/],
    [['spawn', '--mode', 'never', 'x'], 2, /run or session/],
    [['spawn', 'deploy'], 0, /completed after/],
    [['cancel', 'sub_nobody'], 4, /not found/],
    [['steer', 'sub_nobody', 'hurry'], 4, /not found/],
    [['info', 'sub_nobody'], 4, /not found/],
    [['resume', 'nobody', 'go'], 4, /nobody/],
  ])('says in its exit code whether it worked: %j', async (words, code, said) => {
    // A module is loaded once, and its runtime is closed with the command.
    const own = `${words.join('-')}.mjs`;
    writeFileSync(join(here, own), app);
    const ended = await run(['agents', '--app', own, ...words]);
    expect([ended.code, ended.errors]).toEqual([code, '']);
    expect(ended.output).toMatch(said);
  });

  test('gives programs one line of JSON', async () => {
    writeFileSync(join(here, 'json.mjs'), app);
    const ended = await run(['agents', '--app', 'json.mjs', '--json', 'list']);
    expect([ended.code, JSON.parse(ended.output)]).toEqual([0, { outcome: 'done', said: ['No sub-agents spawned.'] }]);
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

describe('troupe', () => {
  test('says what there is when nothing is asked for', async () => {
    const { code, output, errors } = await run([]);
    expect([code, output]).toEqual([2, '']);
    expect(errors).toMatch(/^Usage: troupe \[options\] \[command\]/);
  });

  test.each([
    [['--help'], /Examples:[\s\S]*troupe run agents\.mjs[\s\S]*Exit codes: 0 carried out/],
    [['help', 'run'], /^Usage: troupe run [\s\S]*An agent file is an ES module\./],
    [['runs', '--help'], /troupe runs prune --older-than 30d/],
    [['agents', '-h'], /^Usage: troupe agents/],
  ])('helps, with examples: %j', async (args, found) => {
    expect(await run(args)).toEqual({ code: 0, output: expect.stringMatching(found), errors: '' });
  });

  test('names what was probably meant', async () => {
    const { code, errors } = await run(['rnu']);
    expect(code).toBe(2);
    expect(errors).toBe("troupe: unknown command 'rnu'\n(Did you mean run?)\nTry: troupe help\n");
    const json = await run(['runs', 'show', '--json']);
    expect([json.code, json.output, JSON.parse(json.errors)]).toEqual([
      2,
      '',
      { error: expect.objectContaining({ code: 'cli.usage', message: "missing required argument 'run'" }) },
    ]);
  });
});

describe('what is told, and cannot be written', () => {
  const lines = (args: string[]) => {
    const terminal = { input: new PassThrough(), errors: new PassThrough(), folder: here, environment: {} };
    const full = new Writable({
      write: (_piece, _encoding, done) => done(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })),
    });
    const code = troupeCommand(args, { ...terminal, output: full, signals: noSignals() });
    return code.then((code) => ({ code, errors: String(terminal.errors.read() ?? '') }));
  };

  test('is a failure, and says so', async () => {
    expect(await lines(['help'])).toEqual({
      code: 1,
      errors: expect.stringMatching(/^troupe: What was to be told could not be written, and is lost: ENOSPC/),
    });
    const { code, errors } = await lines(['doctor', '--json']);
    expect([code, JSON.parse(errors)]).toMatchObject([1, { error: { code: 'cli.unwritten' } }]);
  });

  test.skipIf(!existsSync('/dev/full'))('is one for the process, too', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [bin, 'help'], { cwd: here, stdio: ['ignore', full, 'pipe'] });
    onTestFinished(() => closeSync(full));
    let errors = '';
    child.stderr?.on('data', (text: Buffer) => (errors += String(text)));
    expect([await new Promise((resolve) => child.on('close', resolve)), errors]).toEqual([
      1,
      expect.stringContaining('ENOSPC'),
    ]);
  });
});

test('a store that can be neither read nor made says so by its name', async () => {
  const { code, errors } = await run(['run', office, 'x', '--store', join(here, 'app.mjs', 'folder', 'runs.db')]);
  expect(code).toBe(1);
  expect(errors).toMatch(/^troupe: The store .*runs\.db cannot be opened: .* Name another with --store FILE/);
});
