/**
 * Two workers, each in a network of its own; one loses its cable, and gets it back. The long form only: `npm run soak -- --partition 1`.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isTerminal } from '@troupe/protocol';
import { checkRunLaws } from '@troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { startProgram } from '../support/children.ts';
import { listOf } from '../support/list-of.ts';
import { ownServer } from '../tools/postgres/server.ts';
import { boot, lead } from './program.ts';

const worker = fileURLToPath(new URL('./worker.ts', import.meta.url));
const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });

/** Networks of their own, each with a cable to this one; or why there can be none. */
const openNetworks = ():
  | { inside(n: number): string[]; here(n: number): string; plug(n: number, isIn: boolean): void }
  | string => {
  if (process.platform !== 'linux') return 'network namespaces are made on Linux only';
  const made: (() => void)[] = [];
  onTestFinished(() => {
    for (const undo of made.reverse())
      try {
        undo();
      } catch {
        // It went with its namespace.
      }
  });
  const name = (n: number) => `troupe${process.pid % 1_000}-${n}`;
  const here = (n: number) => `10.231.${process.pid % 250}.${n * 4 + 1}`;
  try {
    for (const n of [0, 1]) {
      ip('netns', 'add', name(n));
      made.push(() => void ip('netns', 'del', name(n)));
      ip('link', 'add', name(n), 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name(n));
      ip('addr', 'add', `${here(n)}/30`, 'dev', name(n));
      ip('link', 'set', name(n), 'up');
      ip('-n', name(n), 'addr', 'add', `10.231.${process.pid % 250}.${n * 4 + 2}/30`, 'dev', 'eth0');
      ip('-n', name(n), 'link', 'set', 'eth0', 'up');
      ip('-n', name(n), 'link', 'set', 'lo', 'up');
    }
  } catch (error) {
    return `network namespaces cannot be made here: ${String((error as { stderr?: string }).stderr ?? error).trim()}`;
  }
  return {
    inside: (n) => ['netns', 'exec', name(n), process.execPath],
    here,
    plug: (n, isIn) => void ip('link', 'set', name(n), isIn ? 'up' : 'down'),
  };
};

/** Makes the server, which listens on this machine alone, reachable under another address. */
const forward = async (host: string, port: number): Promise<string> => {
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  }).listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `postgres://postgres@${host}:${(server.address() as { port: number }).port}/postgres`;
};

test('a worker whose network is cut stops by itself, and what it had goes on elsewhere [I2, L1–L7]', {
  timeout: 180_000,
}, async ({ skip }) => {
  const networks = openNetworks();
  if (typeof networks === 'string') return skip(networks);
  const server = await ownServer();
  onTestFinished(() => server.end());
  const { runtime, store, close } = boot(server.url, 'partition');
  onTestFinished(() => close());
  const crew = [];
  for (const n of [0, 1]) {
    const url = await forward(networks.here(n), server.port);
    const child = startProgram(worker, [url, 'partition', `w${n}`, '8'], {}, ['ip', ...networks.inside(n)]);
    await child.says(1);
    crew.push(child);
  }
  const [walkers, steps] = [8, 100];
  const run = runtime.start(lead, { input: { walkers, steps, stepMs: 100 } }, { runId: 'root' });
  const eventsNow = () => listOf(store.events({ rootId: 'root' }));
  while ((await eventsNow()).filter(({ type }) => type === 'call.completed').length < 40) await setTimeout(50);
  networks.plug(0, false);
  const cutAt = Date.now();
  while (!crew[0]?.said.some((line) => 'fenced' in (line as object))) await setTimeout(50);
  expect(Date.now() - cutAt).toBeLessThan(20_000);
  await setTimeout(10_000);
  networks.plug(0, true);
  const { text } = await run.ended;
  expect(text).toBe(Array.from({ length: walkers }, () => `${steps}+0`).join(', '));
  await setTimeout(3_000);
  const events = await eventsNow();
  expect(events.map(({ rootSeq }) => rootSeq)).toEqual(events.map((_, i) => i + 1));
  expect(checkRunLaws(events)).toEqual([]);
  expect(events.filter(isTerminal)).toHaveLength(walkers + 1);
  expect(events.filter(({ type }) => type === 'run.recovered').length).toBeGreaterThan(0);
});
