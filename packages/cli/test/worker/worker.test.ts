import { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ownServer } from '../../../../test/tools/postgres/server.ts';
import { openSignals } from '../../src/signals.ts';
import { troupeCommand } from '../../src/troupe-command.ts';
import { freshFolder, linesOf, office, startTroupe, troupe } from '../shell.ts';
import { freshDatabase } from './database.ts';
import { fleet, startWorker } from './fleet-processes.ts';

const get = async (url: string): Promise<[status: number, body: any]> => {
  const answer = await fetch(url);
  return [answer.status, await answer.json()];
};

/** The same url with a password that nobody asks for. */
const secret = 'correct-horse-battery';
const withPassword = (url: string): string => url.replace('postgres@', `postgres:${secret}@`);

/** Those who dig there have dug. */
const open = (folder: string): void => writeFileSync(join(folder, 'open'), '');

describe('troupe worker', { timeout: 60_000 }, () => {
  test('executes the children of a tree, beside another one; no password is said by anybody', async () => {
    const [folder, store] = [freshFolder(), withPassword(await freshDatabase())];
    const workers = await Promise.all(
      ['one', 'two'].map((name) => startWorker(folder, store, ['--name', name, '--concurrency', '1'])),
    );
    const [one, two] = workers;
    if (!one || !two) throw new Error('There are two.');
    const running = startTroupe(folder, ['run', fleet, 'dig dig', '--id', 'r', '--remote'], { TROUPE_STORE: store });
    // each has one place
    await Promise.all(workers.map((worker) => worker.of('run.taken')));
    // while they work they say what they execute
    const healths = await Promise.all(workers.map(({ health }) => get(health)));
    expect(healths.map(([status, { name, queues, concurrency }]) => [status, name, queues, concurrency])).toEqual([
      [200, 'one', ['troupe'], 1],
      [200, 'two', ['troupe'], 1],
    ]);
    const since = expect.any(Number);
    expect(healths.flatMap(([, { runs }]) => runs).toSorted((a, b) => (a.runId < b.runId ? -1 : 1))).toEqual([
      { runId: 'r/1-0/0', agent: 'digger', since },
      { runId: 'r/1-0/1', agent: 'digger', since },
    ]);
    open(folder);
    const { code, stdout, stderr } = await running.ended;
    expect([code, stdout]).toEqual([0, 'All: dug, dug\n']);
    for (const worker of workers) await worker.stop();
    expect([...one.took(), ...two.took()].toSorted()).toEqual(['r/1-0/0', 'r/1-0/1']);
    expect(one.lines().at(-1)).toEqual({ type: 'worker.stopped', name: 'one' });
    // and what is stored is read by every other command
    for (const args of [
      ['runs', 'tree', 'r'],
      ['watch', 'r'],
      ['doctor'],
      ['complete', '--', 'runs', 'show', '--store', store, ''],
    ]) {
      const read = await troupe(folder, args, { environment: { TROUPE_STORE: store, TROUPE_MODEL: 'rehearsal' } });
      expect([read.code, `${read.stdout}${read.stderr}`]).toEqual([
        0,
        expect.stringContaining(args[0] === 'doctor' ? ': 0 unfinished' : 'r'),
      ]);
      expect(`${read.stdout}${read.stderr}`).not.toContain(secret);
    }
    const everything = [
      stdout,
      stderr,
      ...(await Promise.all(workers.map(({ ended }) => ended))).flatMap((all) => [all.stdout, all.stderr]),
    ];
    expect(everything.join('')).not.toContain(secret);
    expect(stderr).toMatch(/Run: r {2}Store: postgres:\/\/postgres@127\.0\.0\.1:\d+\/cli_/);
  });

  test('gives back what it executes on SIGTERM, and another goes on with it at once', async () => {
    const [folder, store] = [freshFolder(), await freshDatabase()];
    const first = await startWorker(folder, store, ['--name', 'first']);
    const run = startTroupe(folder, ['run', fleet, 'dig dig', '--id', 'r', '--remote', '--store', store, '--json']);
    await Promise.all([first.of('run.taken', '1-0/0'), first.of('run.taken', '1-0/1')]);
    const second = await startWorker(folder, store, ['--name', 'second']);
    const at = performance.now();
    first.child.kill('SIGTERM');
    await Promise.all([second.of('run.taken', '1-0/0'), second.of('run.taken', '1-0/1')]);
    const tookMs = performance.now() - at;
    expect((await first.ended).code).toBe(0);
    const last = first.lines().slice(-4);
    expect(last.map(({ because, status, type }) => because ?? status ?? type)).toEqual([
      'draining',
      'given_back',
      'given_back',
      'worker.stopped',
    ]);
    expect(tookMs).toBeLessThan(8_000);
    open(folder);
    expect(JSON.parse((await run.ended).stdout)).toMatchObject({ status: 'completed', text: 'All: dug, dug' });
    await second.stop();
  });

  test('serves the queues that it is told, and waits with nobody for a person', async () => {
    const [folder, store] = [freshFolder(), await freshDatabase()];
    const [usual, gpu] = await Promise.all([
      startWorker(folder, store, ['--health', 'off']),
      startWorker(folder, store, ['--queue', 'gpu']),
    ]);
    expect(usual.health).toBeNull();
    open(folder);
    // an agent says itself where its runs are executed: nothing else is remote
    const painted = await startTroupe(folder, ['run', fleet, 'paint dig', '--id', 'p', '--store', store]).ended;
    expect(painted.stdout).toBe('All: painted, dug\n');
    expect([gpu.took(), usual.took()]).toEqual([['p/1-0/0'], []]);
    // a child asks; its root leaves, and it is answered by another process that has no agents
    const asked = await startTroupe(folder, ['run', fleet, 'deploy', '--id', 'r', '--remote', '--store', store]).ended;
    expect([asked.code, asked.stderr]).toEqual([3, expect.stringContaining('? May I deploy?')]);
    await usual.of('run.left', 'r/1-0/0');
    expect(usual.lines().at(-1)).toMatchObject({ because: 'waits' });
    const answered = await troupe(folder, ['answer', 'r/1-0/0', 'yes', '--store', store]);
    expect(answered).toMatchObject({
      code: 0,
      stdout: 'Run "r/1-0/0" was answered.\n',
      stderr: expect.stringContaining('a worker that takes it up hears this'),
    });
    await usual.of('run.ended', 'r/1-0/0');
    const resumed = await startTroupe(folder, ['resume', 'r', '--file', fleet, '--store', store]).ended;
    expect([resumed.code, resumed.stdout]).toEqual([0, expect.stringContaining('All: deployed')]);
    await Promise.all([usual.stop(), gpu.stop()]);
  });

  test('hears of commands that are given elsewhere', async () => {
    const [folder, store] = [freshFolder(), await freshDatabase()];
    const worker = await startWorker(folder, store);
    const run = startTroupe(folder, ['run', fleet, 'dig', '--id', 'r', '--remote', '--store', store, '--json']);
    await worker.of('run.taken', 'r/1-0/0');
    expect(await troupe(folder, ['steer', 'r/1-0/0', 'Hurry.', '--store', store])).toMatchObject({
      code: 0,
      stdout: 'Run "r/1-0/0" was told, and hears it when its calls have ended.\n',
    });
    expect((await troupe(folder, ['interrupt', 'r', 'Enough.', '--store', store])).code).toBe(0);
    expect(JSON.parse((await run.ended).stdout).status).toBe('interrupted');
    await worker.of('run.ended', 'r/1-0/0');
    await worker.stop();
  });

  test('says so of a run whose agent it does not have', async () => {
    const [folder, store] = [freshFolder(), await freshDatabase()];
    const worker = await startWorker(folder, store, [], { ONLY_AGENT: 'painter' });
    const { code } = await startTroupe(folder, ['run', fleet, 'dig', '--id', 'r', '--remote', '--store', store]).ended;
    expect(code).toBe(0);
    await worker.stop();
    expect(worker.lines().find(({ type }) => type === 'run.ended')).toMatchObject({
      runId: 'r/1-0/0',
      exitReason: 'agent_unknown',
      fault: { message: expect.stringContaining('agent "digger", which is not known here') },
    });
  });

  test('is not healthy while the store does not answer, and is again when it does', async () => {
    const server = await ownServer();
    onTestFinished(() => server.end());
    const folder = freshFolder();
    const worker = await startWorker(folder, server.url, [], { LEASE_MS: '1500' });
    expect(await get(worker.health)).toMatchObject([200, { status: 'serving' }]);
    await server.stop();
    await worker.said(/"status":"store_silent"/);
    expect(await get(worker.health)).toMatchObject([503, { status: 'store_silent' }]);
    await server.start();
    await worker.said(/"status":"serving"/);
    expect((await get(worker.health))[0]).toBe(200);
    // and what it cannot give back it does not say that it has
    const run = startTroupe(folder, ['run', fleet, 'dig', '--id', 'r', '--remote', '--store', server.url]);
    await worker.of('run.taken', 'r/1-0/0');
    await server.stop();
    worker.child.kill('SIGTERM');
    const { code, stderr } = await worker.ended;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/"code":"store\.unavailable"/)]);
    expect(worker.lines().some(({ type }) => type === 'worker.stopped')).toBe(false);
    run.child.kill('SIGKILL');
  });
});

describe('what a worker cannot work with is said before it serves', { timeout: 30_000 }, () => {
  const nowhere = 'postgres://me:correct-horse-battery@127.0.0.1:9/db';
  const serve = (folder: string, ...args: string[]) => troupe(folder, ['worker', ...args]);

  test.each([
    [['--store', nowhere], 2, /--agents is missing: name the file/],
    [['--agents', fleet, '--concurrency', 'many'], 2, /--concurrency is "many"\. Expected a whole number/],
    [['--agents', fleet, '--concurrency', '0'], 2, /--concurrency is 0\. Expected .* 1 or more/],
    [['--agents', fleet, '--health', 'here'], 2, /--health is "here"\. Expected an address/],
    [['--agents', fleet, '--name', ' '], 2, /--name is blank/],
    [['--agents', fleet], 2, /A worker needs a store that workers reach/],
    [
      ['--agents', fleet, '--store', nowhere.replace('postgres', 'mysql')],
      2,
      /The store begins with "mysql:"\. Expected a file, or/,
    ],
    [['--agents', fleet, '--store', nowhere.replace(':9/', ':no/')], 1, /a url that cannot be understood/],
    [['--agents', 'none.mjs', '--store', nowhere], 1, /There is no agent file "none\.mjs"/],
    [['--agents', 'empty.mjs', '--store', nowhere], 1, /"empty\.mjs" exports no agent/],
  ])('%j', async (args, code, said) => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'empty.mjs'), 'export default { agents: [] };');
    const ended = await serve(folder, ...args);
    expect(ended).toEqual({ code, stdout: '', stderr: expect.stringMatching(said) });
    expect(ended.stderr).not.toContain(secret);
  });

  test('a store that cannot be reached', async () => {
    const { code, stderr } = await startTroupe(freshFolder(), ['worker', '--agents', fleet, '--store', nowhere], {
      LEASE_MS: '1250',
    }).ended;
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^troupe: The store in the database "db" at 127\.0\.0\.1:9 could not be read: .*\n$/),
    ]);
    expect(stderr).not.toContain(secret);
  });

  test('a store of a newer version, an address that is taken, packages that are not installed', async () => {
    const [folder, store] = [freshFolder(), await freshDatabase()];
    const worker = await startWorker(folder, store);
    const { host } = new URL(worker.health);
    const taken = await serve(folder, '--agents', fleet, '--store', store, '--health', host);
    expect(taken).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`health cannot be served at ${host}`),
    });
    await worker.stop();

    const client = new pg.Client({ connectionString: store });
    await client.connect();
    await client.query(`UPDATE troupe.meta SET value = 99 WHERE name = 'schema'`);
    await client.end();
    const newer = await serve(folder, '--agents', fleet, '--store', store, '--json');
    expect([newer.code, JSON.parse(newer.stderr).error.code]).toEqual([1, 'store.newer']);

    for (const [name, args] of [
      ['store-postgres', ['runs', 'list']],
      ['pg-boss', ['worker', '--agents', fleet]],
    ] as const) {
      const hooks = join(folder, `${name}.mjs`);
      writeFileSync(
        hooks,
        `import { registerHooks } from 'node:module';
const missing = (name) => Object.assign(new Error('Cannot find package ' + name), { code: 'ERR_MODULE_NOT_FOUND' });
registerHooks({ resolve(name, context, next) { if (name === '@troupe/${name}') throw missing(name); return next(name, context); } });`,
      );
      const env = { NODE_OPTIONS: `--import ${hooks}`, TROUPE_STORE: await freshDatabase() };
      const { code, stderr } = await startTroupe(folder, args, env).ended;
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(
          new RegExp(
            `needs the package @troupe/${name}, which is not installed\\..* npm install @troupe/store-postgres @troupe/pg-boss`,
          ),
        ),
      ]);
    }
  });

  test('--remote at a store that no worker reaches', async () => {
    const { code, stderr } = await troupe(freshFolder(), ['run', office, 'Hello', '--remote']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('--remote, which leaves children to workers, needs a store'),
    ]);
  });
});

test('an agent file may bring its own store and placement; a second signal does not wait for a drain', async () => {
  const folder = freshFolder();
  writeFileSync(
    join(folder, 'agents.mjs'),
    `import file from ${JSON.stringify(fleet)};
import { sqliteStore } from ${JSON.stringify(import.meta.resolve('@troupe/store-sqlite'))};
const store = sqliteStore(${JSON.stringify(join(folder, 'runs.db'))});
export default {
  ...file, store, close: () => store.close(),
  placement: {
    name: 'mine', caps: { maxDetectMs: 1 }, dispatch: async () => {}, close: async () => {},
    serve: async () => ({ drain: () => new Promise(() => {}) }),
  },
};`,
  );
  const from = new EventEmitter();
  const left: number[] = [];
  const signals = openSignals({ process: from, leave: (code) => void left.push(code) });
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const ended = troupeCommand(['worker', '--agents', 'agents.mjs', '--json'], {
    input,
    output,
    errors,
    folder,
    environment: {},
    signals,
  });
  let said = '';
  output.on('data', (text: Buffer) => {
    said += String(text);
    if (said.includes('"worker.started"') && !said.includes('draining')) from.emit('SIGTERM', 'SIGTERM');
    else if (said.includes('draining')) from.emit('SIGTERM', 'SIGTERM');
  });
  expect(await ended).toBe(143);
  expect(left).toEqual([143]);
  expect(linesOf(said).map(({ type, store, status }) => store ?? status ?? type)).toEqual([
    'worker.started',
    'draining',
  ]);
});
