/** Children that reach their model elsewhere, over real HTTP: which key comes to which server. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { credentialPool, defineAgent, withCredentials } from '@troupe/core';
import {
  type Connection,
  childProvider,
  createSubworkerTool,
  type Endpoint,
  endpointPools,
  type ParentEndpoint,
  routeOf,
} from '@troupe/delegation';
import { openai } from '@troupe/openai';
import { FaultError, type ModelProvider } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openRuntime } from './support/open-runtime.ts';

type Received = { path: string; key: string; model: string };

const keyIn = (headers: IncomingHttpHeaders): string =>
  String(headers['x-api-key'] ?? headers.authorization?.replace('Bearer ', ''));

/** A model on loopback that says where it is, on whatever wire it is asked, and keeps which keys came. */
const serve = async (name: string) => {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    request.on('end', () => {
      const path = request.url ?? '';
      received.push({ path, key: keyIn(request.headers), model: JSON.parse(text).model });
      if (path.endsWith('/messages')) {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ content: [{ type: 'text', text: `I am ${name}.` }] }));
        return;
      }
      const chunk = (choice: object) =>
        `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 0, model: 'm', choices: [{ index: 0, ...choice }] })}\n\n`;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk({ delta: { role: 'assistant', content: `I am ${name}.` } }));
      response.end(`${chunk({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
};

/** The smallest client of the third wire: no package speaks it yet. */
const messages = ({ baseURL, apiKey = '' }: Connection): ModelProvider => ({
  name: 'messages',
  async *takeTurn({ model }, { signal }) {
    const answer = await fetch(`${baseURL}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
      body: JSON.stringify({ model, max_tokens: 100, messages: [{ role: 'user', content: 'Go.' }] }),
      signal,
    });
    const { content } = (await answer.json()) as { content: { text: string }[] };
    yield { type: 'text', delta: content.map(({ text }) => text).join('') };
    yield { type: 'finish', reason: 'stop' };
  },
});

/** What a program does with a route. */
const connect = (to: Connection): ModelProvider => {
  const { provider: name, baseURL, apiKey, wire } = to;
  if (wire === 'messages') return messages(to);
  return openai({ name, wire, ...(baseURL && { baseURL }), ...(apiKey && { apiKey }) });
};

/** Asks a helper at the end of a route, from a lead that has a model of its own; gives what the helper said. */
const asking = async (helpers: number, provider: ModelProvider | undefined, model: string) => {
  const spawn = { name: 'helper', instructions: 'Help.', task: 'Who are you?', model: `child/${model}` };
  const calls = Array.from({ length: helpers }, () => ({ name: 'spawn_subworker', arguments: spawn }));
  const lead = scriptedProvider({ lead: [{ calls }, 'Done.'] });
  const { runtime, events } = openRuntime({ providers: { lead, child: provider! }, model: 'lead/m' });
  const agent = defineAgent({ name: 'lead', instructions: 'Ask.', tools: [createSubworkerTool()] });
  const report = await runtime.run(agent, 'Go.');
  const told = JSON.stringify([events, report]);
  return { lead, told, answers: report.calls.map(({ result }) => result.split('\n')[0]) };
};

const parentAt = (baseURL: string): ParentEndpoint => ({
  provider: 'custom',
  baseURL,
  apiKey: 'key-of-the-parent',
  model: 'large',
});

describe('children that reach their model elsewhere', () => {
  test('[B-16] have the endpoint and the key of delegation, however their parent reaches its own', async () => {
    const there = await serve('there');
    const resolve = () => ({ baseURL: `${there.url}/v1`, apiKey: 'key-of-there', model: 'small' });
    // given a parent that is reached by no HTTP at all
    const parent: ParentEndpoint = { provider: 'subprocess', model: 'm' };
    const route = routeOf({ parent, delegation: { provider: 'there' }, resolve });
    const { answers, lead, told } = await asking(1, childProvider(route, connect), route.model);
    expect(answers).toEqual(['I am there.']);
    expect(there.received).toEqual([{ path: '/v1/chat/completions', key: 'key-of-there', model: 'small' }]);
    expect(lead.requests.map(({ context }) => context.agent)).toEqual(['lead', 'lead']);
    expect(told).not.toContain('key-of-there');
  });

  test('[B-17] [B-18] [HM-060] speak the wire of their own endpoint, with the parent’s key where they have none', async () => {
    const there = await serve('there');
    const parent: ParentEndpoint = { ...parentAt('http://127.0.0.1:1/v1'), wire: 'responses' };
    const ask = async (delegation: Endpoint) => {
      const { answers, told } = await asking(1, childProvider(routeOf({ parent, delegation }), connect), 'small');
      expect(told).not.toMatch(/key-of/);
      return answers;
    };
    expect(await ask({ baseURL: `${there.url}/anthropic`, apiKey: 'key-of-there' })).toEqual(['I am there.']);
    expect(await ask({ baseURL: `${there.url}/anthropic`, wire: 'chat' })).toEqual(['I am there.']);
    expect(there.received).toEqual([
      { path: '/anthropic/v1/messages', key: 'key-of-there', model: 'small' },
      { path: '/anthropic/chat/completions', key: 'key-of-the-parent', model: 'small' },
    ]);
  });

  test('[B-19] [HM-063] [HM-064] share the pool of their parent at its endpoint, and never at another', async () => {
    const [one, two] = [await serve('one'), await serve('two')];
    const keys = (name: string) => [1, 2].map((n) => ({ id: `${name}-${n}`, apiKey: `key-${n}-of-${name}` }));
    const parent = parentAt(`${one.url}/v1`);
    const pool = credentialPool(keys('one'));
    const pools = endpointPools([
      { endpoint: parent, pool },
      { endpoint: { baseURL: `${two.url}/v1` }, pool: credentialPool(keys('two')) },
    ]);
    const to = (baseURL: string) => routeOf({ parent, delegation: { baseURL }, pools });

    // given that the parent is at work, with the first key of its pool
    const busy = new AbortController();
    const own = withCredentials(pool, () => scriptedProvider([{ text: 'I ', hang: true }]));
    const context = { runId: 'root', rootId: 'root', agent: 'lead', turn: 1, depth: 0, key: 'root/1' };
    const clock = { now: () => 0, setTimeout: () => 0, clearTimeout: () => {} };
    const turn = own.takeTurn({ model: 'm', messages: [], tools: [] }, { signal: busy.signal, clock, context });
    const parts = turn[Symbol.asyncIterator]();
    await parts.next();

    // when children work at the same endpoint, written otherwise, and at another one, one after the other
    for (const url of [`${one.url}/v1/`, `${two.url}/v1`]) {
      const { answers, told } = await asking(1, childProvider(to(url), connect, pools), 'm');
      expect(answers).toEqual([`I am ${url.startsWith(one.url) ? 'one' : 'two'}.`]);
      expect(told).not.toMatch(/key-\d-of/);
    }
    // then the first took the key that its parent left, and the second none of its parent's
    expect(one.received.map(({ key }) => key)).toEqual(['key-2-of-one']);
    expect(two.received.map(({ key }) => key)).toEqual(['key-1-of-two']);

    // and two children at once have a key each, given back before
    await asking(2, childProvider(to(`${two.url}/v1`), connect, pools), 'm');
    expect(
      two.received
        .map(({ key }) => key)
        .slice(1)
        .sort(),
    ).toEqual(['key-1-of-two', 'key-2-of-two']);
    busy.abort();
    await expect(parts.next()).rejects.toThrow(FaultError);
  });

  test('[B-19] are asked for at an endpoint without a pool with no key of another one’s pool', async () => {
    const [one, two] = [await serve('one'), await serve('two')];
    const parent = parentAt(`${one.url}/v1`);
    const pools = endpointPools([{ endpoint: parent, pool: credentialPool([{ id: 'p', apiKey: 'key-of-the-pool' }]) }]);
    const route = routeOf({ parent, delegation: { baseURL: `${two.url}/v1`, apiKey: 'key-of-two' }, pools });
    await asking(1, childProvider(route, connect, pools), 'm');
    expect([one.received, two.received.map(({ key }) => key)]).toEqual([[], ['key-of-two']]);
  });
});
