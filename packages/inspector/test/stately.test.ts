/** Stately's inspection messages, with `@statelyai/inspect` on the other side: as producer, as receiver, and as server. */

import { createWebSocketInspector, createWebSocketReceiver } from '@statelyai/inspect';
import { agentLogic, defineAgent } from '@troupe/core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { assign, createActor, fromPromise, setup } from 'xstate';
import { type ActorLine, type InspectOptions, inspectActors, statelyInspector } from '../src/index.ts';
import { clerk } from './clerk.ts';
import { openPage, until } from './page.ts';
import { asking, calling, openProgram } from './program.ts';

type Message = {
  type: string;
  sessionId: string;
  parentId?: string;
  name?: string;
  definition?: string;
  snapshot?: { status?: string; value?: unknown; context?: unknown };
  event?: { type: string };
};

const opened = async (options: InspectOptions = {}) => {
  const inspector = await inspectActors({ name: 'others', ...options });
  onTestFinished(() => inspector.close());
  return { ...inspector, page: await openPage(inspector.url) };
};
/** A receiver that is not ours. */
const receiver = (server: string): Message[] => {
  const heard: Message[] = [];
  createWebSocketReceiver({ server }).subscribe((message) => void heard.push(message as never));
  return heard;
};
const sends = (url: string) => {
  const inspector = statelyInspector({ url });
  onTestFinished(() => inspector.close());
  return inspector;
};

const types = {} as { context: { turns: number } };
const light = setup({
  types,
  actors: { wait: fromPromise(() => new Promise<void>(() => {})) },
  guards: { isTired: ({ context }) => context.turns > 1 },
}).createMachine({
  id: 'light',
  context: { turns: 0 },
  initial: 'green',
  states: {
    green: { on: { next: { target: 'yellow', actions: assign({ turns: ({ context }) => context.turns + 1 }) } } },
    yellow: { invoke: { id: 'waiting', src: 'wait' }, on: { next: 'checking' } },
    checking: { always: [{ guard: 'isTired', target: 'red' }, { target: 'green' }] },
    red: { type: 'final' },
  },
});

describe('a program that sends with @statelyai/inspect', () => {
  test('is seen: actors below each other, the chart with what it took, states, what happened', async () => {
    const { inspectUrl, page } = await opened();
    const inspector = createWebSocketInspector({ url: inspectUrl });
    onTestFinished(() => inspector.stop());
    const actor = createActor(light, { inspect: inspector.inspect }).start();
    const row = await until(() =>
      [...page.lines.values()].find((line): line is ActorLine => line.kind === 'actor' && line.state === 'green'),
    );
    expect(row).toMatchObject({ status: 'active', rootId: row.id });
    const { chart } = await page.watch(row.id);
    const [sent] = page.all('machine');
    expect(sent?.machine.root.states.map(({ key }) => key).toSorted()).toEqual(['checking', 'green', 'red', 'yellow']);
    expect(sent?.machine.edges.filter(({ label }) => label === 'always').map(({ guard }) => guard)).toEqual([
      'isTired',
      undefined,
    ]);
    expect(chart).toMatchObject({
      machineId: sent?.machine.id,
      active: ['light', 'light.green'],
      context: { turns: 0 },
    });
    actor.send({ type: 'next' });
    const moved = await page.find('progress', (each) => each.chart?.active.includes('light.yellow'));
    const taken = sent?.machine.edges.find(({ id }) => id === moved.chart?.steps.at(-1)?.edges[0]);
    expect([taken?.from, taken?.to, taken?.label]).toEqual(['light.green', ['light.yellow'], 'next']);
    expect(await until(() => [...page.lines.values()].find(({ parentId }) => parentId === row.id))).toMatchObject({
      name: 'waiting',
    });
    for (let i = 0; i < 3; i++) actor.send({ type: 'next' });
    await until(() => (page.lines.get(row.id) as ActorLine).status === 'done');
    const happened = page.all('frame').flatMap(({ happenings }) => happenings.filter(({ rowId }) => rowId === row.id));
    expect(happened.filter(({ type }) => type === 'next')).toHaveLength(4);
    // nothing can be asked of it
    expect(await page.can({ type: 'pause', runId: row.id })).toMatchObject({ receipt: { status: 'rejected' } });
    expect(page.all('hello')[0]).toMatchObject({ source: 'actors', name: 'others', spawningPaused: null });
  });

  test('that goes leaves no actor that is at work', async () => {
    const { inspectUrl, page } = await opened();
    const socket = new WebSocket(inspectUrl);
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(JSON.stringify({ type: '@xstate.actor', sessionId: 'a', createdAt: '5' }));
    await until(() => page.lines.size === 1);
    socket.close();
    const [row] = await until(() => {
      const rows = [...page.lines.values()] as ActorLine[];
      return rows[0]?.status === 'stopped' && rows;
    });
    expect(row?.endedAt).toBeGreaterThan(5);
  });

  test('that sends what is nested without end breaks nothing', async () => {
    const { inspectUrl, page } = await opened({ logger: { warn() {}, error() {} } });
    const socket = new WebSocket(inspectUrl);
    onTestFinished(() => socket.terminate());
    await new Promise((resolve) => socket.once('open', resolve));
    const deep = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`;
    socket.send(`{"type":"@xstate.snapshot","sessionId":"a","snapshot":{"status":"active","value":${deep}}}`);
    socket.send(JSON.stringify({ type: '@xstate.actor', sessionId: 'b', createdAt: '5' }));
    await until(() => [...page.lines.values()].some(({ id }) => id.endsWith('/b')));
  });

  test('that says what is none of the messages, or no machine, breaks nothing', async () => {
    const { inspectUrl, page } = await opened();
    const socket = new WebSocket(inspectUrl);
    await new Promise((resolve) => socket.once('open', resolve));
    const said = [
      'no json',
      '{"type":"@xstate.unheard"}',
      JSON.stringify({ type: '@xstate.actor', sessionId: 'a', definition: 'no json', createdAt: '5' }),
      JSON.stringify({
        type: '@xstate.actor',
        sessionId: 'b',
        definition: '{"id":"x","states":{"y":{"on":{"z":"nowhere"}}}}',
      }),
      JSON.stringify({
        type: '@xstate.snapshot',
        sessionId: 'c',
        snapshot: { status: 'active', value: { one: 'two', three: {} } },
      }),
      JSON.stringify({ type: '@xstate.event', sessionId: 'c', event: { type: 'go', to: 1 } }),
    ];
    for (const text of said) socket.send(text);
    await until(() => [...page.lines.values()].some((line) => line.kind === 'actor' && line.state !== ''));
    expect([...page.lines.values()].map((line) => (line.kind === 'actor' ? [line.status, line.state] : []))).toEqual([
      ['active', ''],
      ['active', ''],
      ['active', 'one.two | three'],
    ]);
    const [first] = page.lines.keys();
    expect((await page.watch(first ?? '')).chart).toMatchObject({ active: [] });
    // and it does not hear what it says itself
    const other = receiver(inspectUrl);
    let echoed = 0;
    socket.on('message', () => {
      echoed += 1;
    });
    await until(() => other.length > 0);
    for (const text of said) socket.send(text);
    await until(() => other.some(({ event }) => event?.type === 'go'));
    expect(echoed).toBe(0);
    socket.terminate();
  });
});

describe('a receiver of @statelyai/inspect', () => {
  test('gets definition, states and parent of run, model, call and child of a live tree, and of the machine above', async () => {
    // given a machine that a run was composed into, and both looked at by the one observer
    const { inspectUrl } = await opened();
    const heard = receiver(inspectUrl);
    const observer = sends(inspectUrl);
    // and both there from the beginning
    createActor(light, { inspect: observer }).start();
    await until(() => heard.length > 0);
    heard.length = 0;
    const { runtime, say } = openProgram({ inspect: observer });
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
    const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [asking(leaf)] });
    const house = setup({ actors: { lead: agentLogic(lead, runtime) } }).createMachine({
      id: 'house',
      initial: 'busy',
      states: { busy: { invoke: { id: 'lead', src: 'lead', input: 'go', onDone: 'done' } }, done: { type: 'final' } },
    });
    const actor = createActor(house, { inspect: observer }).start();
    await say(calling('ask_leaf'));
    // What changes faster than messages are sent is told as it is then.
    await until(() => {
      const leafs = heard.find(({ type, name }) => type === '@xstate.actor' && name?.endsWith('/1-0/0'));
      return heard.some(
        ({ type, sessionId, snapshot }) =>
          type === '@xstate.snapshot' &&
          sessionId === leafs?.sessionId &&
          JSON.stringify(snapshot?.value) === JSON.stringify({ running: 'thinking' }),
      );
    });
    await say('Leaf done.', 'leaf');
    await say('Done.');
    await until(() => actor.getSnapshot().status === 'done');
    await until(() =>
      heard.some(({ snapshot, sessionId }) => sessionId === actor.sessionId && snapshot?.status === 'done'),
    );
    // then each actor was told of, below the one that started it
    const actors = new Map(heard.filter(({ type }) => type === '@xstate.actor').map((each) => [each.sessionId, each]));
    const pathOf = ({ name = '', parentId }: Message): string[] =>
      parentId === undefined ? [name] : [...pathOf(actors.get(parentId) ?? { type: '', sessionId: '' }), name];
    const kindOf = (name: string) => name.replace(/^run_\w+/, 'run').replace(/^x:\d+$/, 'root');
    const paths = [...actors.values()].map((each) => pathOf(each).map(kindOf).join(' › '));
    for (const path of [
      'root',
      'root › lead',
      'root › lead › run',
      'root › lead › run › model',
      'root › lead › run › crew › call.1-0',
      'root › lead › run › crew › run/1-0/0',
      'root › lead › run › crew › run/1-0/0 › model',
    ])
      expect(paths).toContain(path);
    // with their machines and their states
    const child = [...actors.values()].find(({ name }) => name?.endsWith('/1-0/0'));
    const definition = JSON.parse(child?.definition ?? '{}');
    expect(Object.keys(definition.states)).toContain('interrupting');
    expect(definition.states.running.states.deciding.always).toHaveLength(8);
    expect(JSON.parse(actors.get(actor.sessionId)?.definition ?? '{}')).toMatchObject({ id: 'house', initial: 'busy' });
    const statesOf = (sessionId = '') =>
      heard
        .filter((each) => each.type === '@xstate.snapshot' && each.sessionId === sessionId)
        .map(({ snapshot }) => snapshot);
    expect(statesOf(child?.sessionId).map((snapshot) => snapshot?.value)).toContainEqual({ running: 'thinking' });
    expect(statesOf(child?.sessionId).at(-1)).toMatchObject({ status: 'done', value: 'completed' });
    expect(statesOf(actor.sessionId).at(-1)).toMatchObject({ status: 'done', value: 'done' });
    expect(heard.filter(({ event }) => event?.type === 'turn.closed').length).toBeGreaterThan(2);
  });

  test('that comes late is told of every actor that is there, and where it is', async () => {
    const { inspectUrl, page } = await opened();
    const actor = createActor(light, { inspect: sends(inspectUrl) }).start();
    actor.send({ type: 'next' });
    await until(() => [...page.lines.values()].some((line) => line.kind === 'actor' && line.state === 'yellow'));
    const heard = receiver(inspectUrl);
    await until(() => heard.length >= 3);
    expect(heard.slice(0, 3)).toMatchObject([
      { type: '@xstate.actor', sessionId: actor.sessionId },
      { type: '@xstate.snapshot', snapshot: { value: 'yellow' } },
      { type: '@xstate.actor', parentId: actor.sessionId },
    ]);
    actor.stop();
  });
});

describe('statelyInspector', () => {
  test('sends no secret, and no more of a context than can be shown', async () => {
    const { inspectUrl } = await opened();
    const heard = receiver(inspectUrl);
    const { runtime, say } = openProgram({ inspect: sends(inspectUrl) });
    const run = runtime.start(clerk, 'Use sk-abcdefgh12345678.');
    await run.steer(`My key is sk-abcdefgh12345678. ${'x'.repeat(5_000)}`);
    await say('Done.');
    await say('Done.');
    await run.ended;
    await until(() => heard.some(({ snapshot }) => snapshot?.value === 'completed'));
    const text = JSON.stringify(heard);
    expect(text).not.toContain('sk-abcdefgh');
    expect(text).not.toContain('x'.repeat(2_500));
    expect(text).toContain('[redacted]');
  });

  test('lets a program say what is sent', async () => {
    const { inspectUrl } = await opened();
    const heard = receiver(inspectUrl);
    const observer = statelyInspector({
      url: inspectUrl,
      sanitizeContext: () => 'none',
      sanitizeEvent: ({ type }) => ({ type }),
    });
    onTestFinished(() => observer.close());
    const actor = createActor(light, { inspect: observer }).start();
    actor.send({ type: 'next', secret: 1 });
    await until(() => heard.some(({ snapshot }) => snapshot?.value === 'yellow'));
    expect(heard.find(({ event }) => event?.type === 'next')?.event).toEqual({ type: 'next' });
    expect(heard.find(({ snapshot }) => snapshot?.value === 'yellow')?.snapshot?.context).toBe('none');
    actor.stop();
  });

  test('keeps what happens until somebody listens, says once that nobody does, and tells all of it to who comes back', async () => {
    const first = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await new Promise((resolve) => first.once('listening', resolve));
    const { port } = first.address() as { port: number };
    await new Promise((resolve) => first.close(resolve));
    const warned: string[] = [];
    const logger = { warn: (text: string) => void warned.push(text), error() {} };
    const observer = statelyInspector({ url: `ws://127.0.0.1:${port}/?token=secret`, logger });
    onTestFinished(() => observer.close());
    const actor = createActor(light, { inspect: observer }).start();
    actor.send({ type: 'next' });
    await until(() => warned.length > 0);
    expect(warned).toEqual([expect.stringContaining(`127.0.0.1:${port}`)]);
    expect(warned[0]).not.toContain('secret');
    const heard: Message[] = [];
    const second = new WebSocketServer({ port, host: '127.0.0.1' });
    onTestFinished(() => second.close());
    second.on('connection', (socket) => {
      socket.on('message', (data) => void heard.push(JSON.parse(String(data))));
    });
    await until(() => heard.some(({ snapshot }) => snapshot?.value === 'yellow'));
    expect(heard[0]).toMatchObject({ type: '@xstate.actor', sessionId: actor.sessionId });
    expect(heard.some(({ event }) => event?.type === 'next')).toBe(true);
    // and again to who comes back
    heard.length = 0;
    for (const socket of second.clients) socket.terminate();
    await until(() => heard.some(({ snapshot }) => snapshot?.value === 'yellow'));
    expect(warned).toHaveLength(1);
    actor.stop();
  });

  test('goes on though its logger throws', async () => {
    const warned: string[] = [];
    const observer = statelyInspector({
      url: 'ws://127.0.0.1:1',
      sanitizeEvent() {
        throw new Error('boom');
      },
      logger: {
        warn(text) {
          warned.push(text);
          throw new Error('no console');
        },
        error() {},
      },
    });
    onTestFinished(() => observer.close());
    const actor = createActor(light, { inspect: observer }).start();
    actor.send({ type: 'next' });
    expect(actor.getSnapshot().value).toBe('yellow');
    expect(warned).toHaveLength(1);
    actor.stop();
  });

  test('is given the address of a socket', () => {
    expect(() => statelyInspector({ url: 'http://localhost' })).toThrow(/http:\/\/localhost.*ws:\/\/localhost:8080/);
    expect(() => statelyInspector({ url: 'nowhere' })).toThrow(/nowhere/);
  });

  test('never throws at what it looks at, and sends nothing once it is closed', async () => {
    const { inspectUrl } = await opened();
    const heard = receiver(inspectUrl);
    const observer = statelyInspector({
      url: inspectUrl,
      sanitizeContext() {
        throw new Error('boom');
      },
      logger: { warn() {}, error() {} },
    });
    const actor = createActor(light, { inspect: observer }).start();
    actor.send({ type: 'next' });
    expect(actor.getSnapshot().value).toBe('yellow');
    await until(() => heard.some(({ event }) => event?.type === 'next'));
    await observer.close();
    await observer.close();
    const before = heard.length;
    actor.send({ type: 'next' });
    expect(actor.getSnapshot().value).toBe('green');
    expect(heard).toHaveLength(before);
    actor.stop();
  });
});
