import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { findModel, type LocalServer, localServers } from '../src/find-model.ts';

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const serve = async (listener: RequestListener): Promise<{ port: number; asked: string[] }> => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`.trim());
    listener(request, response);
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, asked };
};

const answers =
  (byPath: Record<string, unknown>): RequestListener =>
  (request, response) => {
    const body = byPath[request.url ?? ''];
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body ?? { error: 'not here' }));
  };

const models = (...ids: string[]) => ({ object: 'list', data: ids.map((id) => ({ id, object: 'model' })) });
const at = (port: number, name = 'Here'): LocalServer => ({ name, port, path: '/v1', identity: '/api/version' });

/** A port that nobody listens on. */
const nobody = async (): Promise<number> => {
  const { port } = await serve(() => {});
  await new Promise((resolve) => open.pop()?.close(resolve));
  return port;
};

describe('the model that is found', () => {
  test('is the one of the environment, and then no local server is asked', async () => {
    const local = await serve(answers({ '/v1/models': models('llama') }));
    const servers = [at(local.port)];
    expect(await findModel({ env: { OPENAI_API_KEY: 'sk-test' }, servers })).toEqual({
      kind: 'env',
      name: 'gpt-5-mini',
      server: 'OpenAI',
      connection: { apiKey: 'sk-test' },
    });
    expect(await findModel({ env: { OPENAI_API_KEY: 'sk-test', TROUPE_MODEL: 'gpt-5' }, servers })).toMatchObject({
      name: 'gpt-5',
    });
    expect(local.asked).toEqual([]);
  });

  test('is the rehearsal when it is asked for by name', async () => {
    const env = { OPENAI_API_KEY: 'sk-test', TROUPE_MODEL: 'rehearsal' };
    expect(await findModel({ env })).toEqual({ kind: 'rehearsal', name: 'rehearsal' });
  });

  test('is the first chat model that the server of OPENAI_BASE_URL lists', async () => {
    const { port, asked } = await serve(answers({ '/v1/models': models('text-embedding-3', 'bge-m3', 'qwen3') }));
    const env = { OPENAI_BASE_URL: `http://me:secret@127.0.0.1:${port}/v1/`, OPENAI_API_KEY: 'k' };
    // fetch takes no credentials in a URL, so this server is not asked for its models
    expect(await findModel({ env })).toMatchObject({ name: 'gpt-5-mini', server: `http://127.0.0.1:${port}/v1/` });
    expect(await findModel({ env: { ...env, OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1/` } })).toEqual({
      kind: 'env',
      name: 'qwen3',
      server: `http://127.0.0.1:${port}/v1/`,
      connection: { apiKey: 'k', baseURL: `http://127.0.0.1:${port}/v1/` },
    });
    expect(asked).toEqual(['GET /v1/models Bearer k']);
  });

  test('has the usual name when that server lists none, refuses, or is not there: the first turn tells why', async () => {
    const refusing = await serve((_request, response) => response.writeHead(401).end('{"error":{"message":"no"}}'));
    for (const OPENAI_BASE_URL of [
      `http://127.0.0.1:${refusing.port}/v1`,
      `http://127.0.0.1:${await nobody()}/v1`,
      'not a url',
    ])
      expect(await findModel({ env: { OPENAI_BASE_URL } })).toMatchObject({
        kind: 'env',
        name: 'gpt-5-mini',
        connection: { apiKey: 'none', baseURL: OPENAI_BASE_URL },
      });
  });

  test('is the first local one in the order of the list, and says whether its server is known for sure', async () => {
    const slow = await serve((request, response) => {
      setTimeout(() => answers({ '/v1/models': models('slow-but-first') })(request, response), 60);
    });
    const quick = await serve(answers({ '/v1/models': models('nomic-embed-text', 'llama3.2:3b'), '/api/version': {} }));
    const servers = [at(await nobody(), 'Nobody'), at(slow.port, 'Slow'), at(quick.port, 'Quick')];
    expect(await findModel({ env: {}, servers })).toEqual({
      kind: 'local',
      name: 'slow-but-first',
      server: `Slow? at http://127.0.0.1:${slow.port}/v1`,
      connection: { apiKey: 'none', baseURL: `http://127.0.0.1:${slow.port}/v1` },
    });
    expect(await findModel({ env: { TROUPE_MODEL: 'mine' }, servers: servers.slice(2) })).toMatchObject({
      name: 'mine',
      server: `Quick at http://127.0.0.1:${quick.port}/v1`,
    });
    expect(
      await findModel({ env: { OPENAI_API_KEY: '', OPENAI_BASE_URL: '' }, servers: servers.slice(2) }),
    ).toMatchObject({
      kind: 'local',
      name: 'llama3.2:3b',
    });
  });

  test('is the rehearsal when nothing that answers is a model server', async () => {
    const elsewhere = await serve(answers({ '/v1/models': models('trap'), '/api/version': {} }));
    const others = await Promise.all([
      serve((_request, response) => response.end('<html>my app</html>')),
      serve(answers({ '/v1/models': { data: [{ id: 3 }, null, 'x'] } })),
      serve(answers({ '/v1/models': models('text-embedding-only') })),
      serve(answers({})),
      // somebody who wants the question asked elsewhere
      serve((_request, response) =>
        response.writeHead(302, { location: `http://127.0.0.1:${elsewhere.port}/v1/models` }).end(),
      ),
    ]);
    expect(await findModel({ env: {}, servers: others.map(({ port }) => at(port)) })).toEqual({
      kind: 'rehearsal',
      name: 'rehearsal',
    });
    expect(elsewhere.asked).toEqual([]);
  });

  test('does not wait for servers that do not answer, or never finish', async () => {
    const silent = await serve(() => {});
    const endless = await serve((_request, response) => void response.write('{"data":['));
    const begun = performance.now();
    const found = await findModel({ env: {}, servers: [at(silent.port), at(endless.port)], withinMs: 150 });
    expect(found.kind).toBe('rehearsal');
    // the test's own time ends it otherwise
    expect(performance.now() - begun).toBeLessThan(4_000);
  });

  test('may be at the port that OLLAMA_HOST names, on this machine only', async () => {
    const { port, asked } = await serve(answers({ '/v1/models': models('llama'), '/api/version': {} }));
    for (const OLLAMA_HOST of [`127.0.0.1:${port}`, `http://localhost:${port}`, `0.0.0.0:${port}`, `[::1]:${port}`])
      expect(await findModel({ env: { OLLAMA_HOST }, servers: [] })).toMatchObject({ kind: 'local', name: 'llama' });
    const before = asked.length;
    for (const OLLAMA_HOST of [
      `192.0.2.7:${port}`,
      `http://ollama.example:${port}`,
      '::::',
      `127.0.0.1.example:${port}`,
    ])
      expect(await findModel({ env: { OLLAMA_HOST }, servers: [] })).toMatchObject({ kind: 'rehearsal' });
    expect(asked.length).toBe(before);
  });

  test('is looked for at the ports of the usual servers, each named once', () => {
    expect(new Set(localServers.map(({ port }) => port)).size).toBe(localServers.length);
    expect(localServers[0]).toMatchObject({ name: 'Ollama', port: 11434 });
  });
});
