import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Health, healthAddressOf, serveHealth } from '../../src/worker/health.ts';

const healthy: Health = {
  status: 'serving',
  name: 'w',
  queues: ['troupe'],
  concurrency: 2,
  agents: ['lead'],
  runs: [{ runId: 'r', agent: null, since: 1 }],
  since: 1,
  versions: { troupe: '1', node: '24' },
};

const serve = async (health: () => Health = () => healthy) => {
  const served = await serveHealth({ host: '127.0.0.1', port: 0 }, health);
  onTestFinished(() => served.close());
  return served;
};

describe("a worker's health", () => {
  test.each([
    ['serving', 200],
    ['starting', 503],
    ['draining', 503],
    ['store_silent', 503],
  ] as const)('%s is answered with %i', async (status, code) => {
    const { url } = await serve(() => ({ ...healthy, status }));
    const answer = await fetch(url);
    expect([answer.status, await answer.json()]).toEqual([code, { ...healthy, status }]);
    const head = await fetch(`${url}?probe=1`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([code, '']);
  });

  test('is all that is answered, and only to those who ask', async () => {
    const { url } = await serve();
    const statuses = await Promise.all([
      fetch(new URL('/', url)).then(({ status }) => status),
      fetch(`${url}y`).then(({ status }) => status),
      fetch(url, { method: 'POST', body: 'x' }).then(({ status }) => status),
    ]);
    expect(statuses).toEqual([404, 404, 405]);
  });

  test('ends with the worker, whoever still has a connection', async () => {
    const { url, close } = await serveHealth({ host: '127.0.0.1', port: 0 }, () => healthy);
    const half = connect(Number(new URL(url).port), '127.0.0.1');
    half.on('error', () => {});
    await once(half, 'connect');
    half.write('GET /health HTTP/1.1\r\n');
    await (await fetch(url)).text();
    await close();
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  });

  test('is served on this machine unless somebody says otherwise', () => {
    expect(healthAddressOf(undefined)).toEqual({ host: '127.0.0.1', port: 0 });
    expect(healthAddressOf('8080')).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(healthAddressOf('0.0.0.0:80')).toEqual({ host: '0.0.0.0', port: 80 });
    expect(healthAddressOf('[::1]:80')).toEqual({ host: '::1', port: 80 });
    expect(healthAddressOf('off')).toBeNull();
    for (const wrong of ['', 'on', '127.0.0.1', '127.0.0.1:65536', 'http://127.0.0.1:80', ':80'])
      expect(() => healthAddressOf(wrong), wrong).toThrow(`--health is "${wrong}". Expected an address such as`);
  });
});
