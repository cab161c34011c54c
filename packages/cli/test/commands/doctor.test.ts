import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeFinding, rehearsalFinding, terminalFinding } from '../../src/commands/doctor.ts';
import { foundServers } from '../../src/find-model.ts';
import { freshFolder, linesOf, office, troupe } from '../shell.ts';

const secret = 'sk-live-0123456789abcdef0123456789';
const quiet = { TROUPE_MODEL: 'rehearsal' };

/** A model server that gives one answer to everything. */
const serve = async (status: number) => {
  const asked: string[] = [];
  const server = createServer(({ method, url, headers }, response) => {
    asked.push(`${method} ${url} ${headers.authorization ?? ''}`);
    response.writeHead(status).end('{"data":[]}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => new Promise((resolve) => server.close(resolve));
  onTestFinished(() => void close());
  return { port: (server.address() as AddressInfo).port, asked, close };
};

describe('troupe doctor', () => {
  test('looks at everything, and prints no secret', async () => {
    const environment = { ...quiet, OPENAI_API_KEY: secret, OPENAI_BASE_URL: `http://me:${secret}@127.0.0.1:9/v1` };
    const { code, stdout, stderr } = await troupe(freshFolder(), ['doctor', office], { environment });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).not.toContain('sk-live');
    expect(stdout).toMatch(/^✔ node +Node \d+/m);
    expect(stdout).toMatch(/^– store +\S+runs\.db: none yet/m);
    expect(stdout).toMatch(/^✔ key +OPENAI_API_KEY is set\.$/m);
    expect(stdout).toMatch(/^– address +OPENAI_BASE_URL http:\/\/127\.0\.0\.1:9\/v1: not used, /m);
    expect(stdout).toMatch(/^! model +The rehearsal model, which is no language model\./m);
    expect(stdout).toMatch(/^✔ rehearsal /m);
    expect(stdout).toMatch(/^– terminal +No terminal/m);
    expect(stdout).toMatch(/^✔ agents +.*office\.ts: lead, clerk$/m);
  });

  test('names the model that is there', async () => {
    const environment = { OPENAI_API_KEY: secret, TROUPE_MODEL: 'gpt-9' };
    const { stdout } = await troupe(freshFolder(), ['doctor', '--json'], { environment });
    const model = linesOf(stdout).find(({ check }) => check === 'model');
    expect(model).toEqual({ check: 'model', status: 'ok', text: 'gpt-9, OpenAI' });
  });

  test('ticks nothing that is not there', async () => {
    const { code, stdout } = await troupe(freshFolder(), ['doctor'], { environment: quiet });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^– key +OPENAI_API_KEY is not set\.$/m);
    expect(stdout).not.toMatch(/^✔.*(?:\bnot?\b|none)/im);
  });

  test.each([
    ['a server that answers', 200, secret, /^✔ address +OPENAI_BASE_URL http:\S+\/v1\/ answers\.$/m],
    ['a key that is refused', 401, secret, /^✖ address .* refuses the key: set another OPENAI_API_KEY\.$/m],
    ['a key that is missing', 403, '', /^✖ address .* wants a key: set OPENAI_API_KEY\.$/m],
    ['a server that lists no models', 404, '', /^! address .* answers, but lists no models \(HTTP 404\)\.$/m],
  ])('asks the server that is named: %s', async (_what, status, key, line) => {
    const { port, asked } = await serve(status);
    const environment = { OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1/`, OPENAI_API_KEY: key, TROUPE_MODEL: 'm' };
    const { code, stdout } = await troupe(freshFolder(), ['doctor'], { environment });
    expect(stdout).toMatch(line);
    expect(code).toBe(line.source.includes('✖') ? 1 : 0);
    expect(new Set(asked)).toEqual(new Set([`GET /v1/models ${key && `Bearer ${key}`}`]));
  });

  test('says what is missing for what was set up', async () => {
    const closed = await serve(200);
    await closed.close();
    const environment = { OPENAI_BASE_URL: `http://127.0.0.1:${closed.port}/v1`, TROUPE_MODEL: 'm' };
    const silent = await troupe(freshFolder(), ['doctor'], { environment });
    expect([silent.code, silent.stdout]).toEqual([1, expect.stringMatching(/^✖ address .* does not answer: /m)]);
    const keyed = { OPENAI_BASE_URL: `http://me:${secret}@127.0.0.1:9/v1`, TROUPE_MODEL: 'm' };
    const { stdout } = await troupe(freshFolder(), ['doctor'], { environment: keyed });
    expect(stdout).toMatch(/^✖ address .* holds a name or password/m);
    expect(stdout).not.toContain(secret);
    const named = await troupe(freshFolder(), ['doctor'], { environment: { TROUPE_MODEL: 'gpt-9' } });
    if (/^– servers/m.test(named.stdout))
      expect([named.code, named.stdout]).toEqual([
        1,
        expect.stringMatching(/^✖ model +TROUPE_MODEL names "gpt-9", and/m),
      ]);
  });

  test('says which parts are not installed, and whether they are needed', () => {
    expect(rehearsalFinding({ kind: 'env' }, false).status).toBe('none');
    expect(rehearsalFinding({ kind: 'rehearsal' }, false).status).toBe('problem');
    const terminal = (environment: Record<string, string>, ...more: boolean[]) => {
      const stream = Object.assign(new PassThrough(), { isTTY: true });
      return terminalFinding({ input: stream, errors: stream, environment }, ...more);
    };
    expect(terminal({})).toMatchObject({ status: 'ok', text: 'Live tree with keys, in colours.' });
    expect(terminal({ NO_COLOR: '1' }).text).toContain('without colours');
    expect(terminal({ TERM: 'dumb' }).status).toBe('none');
    expect(terminal({}, false)).toMatchObject({ status: 'help', text: expect.stringContaining('ink and react') });
  });

  test('counts what is unfinished, and what nobody executes', async () => {
    const folder = freshFolder();
    await troupe(folder, ['run', office, 'deploy', '--id', 'r']);
    const { stdout } = await troupe(folder, ['doctor'], { environment: quiet });
    expect(stdout).toMatch(/^! store +.*: 1 unfinished, 1 executed by nobody: troupe resume r --file FILE$/m);
    await troupe(folder, ['interrupt', 'r', '-f', office]);
    expect((await troupe(folder, ['doctor'], { environment: quiet })).stdout).toMatch(/^✔ store .*: 0 unfinished\.$/m);
  });

  test('ends with 1 where something is wrong', async () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'bad.db'), 'This is a text, and no database at all.');
    writeFileSync(join(folder, 'bad.mjs'), 'export default 1;');
    const environment = { ...quiet, OPENAI_BASE_URL: 'no url' };
    const { code, stdout } = await troupe(folder, ['doctor', 'bad.mjs', '--store', 'bad.db'], { environment });
    expect(code).toBe(1);
    for (const check of ['store', 'address', 'agents']) expect(stdout).toMatch(new RegExp(`^✖ ${check} `, 'm'));
  });

  test.each([
    ['18.20.4', 'problem'],
    ['22.15.0', 'problem'],
    ['22.16.0', 'help'],
    ['22.18.0', 'ok'],
    ['26.0.0', 'ok'],
  ])('knows whether Node %s will do: %s', (version, status) => {
    expect(nodeFinding(version).status).toBe(status);
  });
});

test('every model server that answers is found', async () => {
  const server = createServer((_request, response) => response.end(JSON.stringify({ data: [{ id: 'small' }] })));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const servers = [
    { name: 'One', port, path: '/v1', identity: '/who' },
    { name: 'None', port: 9, path: '/v1' },
  ];
  expect(await foundServers({ servers })).toEqual([{ name: 'small', server: `One at http://127.0.0.1:${port}/v1` }]);
});
