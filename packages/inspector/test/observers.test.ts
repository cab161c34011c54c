/** What looks changes nothing (L8): slow pages, broken ones, and those that leave. */
import { setTimeout as pause } from 'node:timers/promises';
import { defineAgent, systemClock } from '@troupe/core';
import type { Clock, RunEvent } from '@troupe/protocol';
import { checkRunLaws } from '@troupe/testing';
import { throwError } from 'rxjs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openHub } from '../src/hub/hub.ts';
import { runtimeSource } from '../src/hub/run-source.ts';
import type { Outlet } from '../src/hub/viewer.ts';
import { type RunLine, ToPage } from '../src/index.ts';
import { clerk } from './clerk.ts';
import { openPage, until } from './page.ts';
import { calling, inspected, openProgram } from './program.ts';

/** A hub with outlets in the test's hands. */
const hubOf = (program = openProgram(), source = runtimeSource(program.runtime), clock: Clock = systemClock) => {
  const logged: string[] = [];
  const hub = openHub({
    source,
    name: 'test',
    inspectUrl: 'ws://127.0.0.1:1/inspect',
    clock,
    logger: { warn: (text) => void logged.push(text), error: (text) => void logged.push(text) },
    maxBufferedBytes: 1_000,
  });
  onTestFinished(() => hub.close());
  return { ...program, hub, logged };
};
const outlet = () => {
  const told: ToPage[] = [];
  const it = {
    bytes: 0,
    send: (text: string) => void told.push(ToPage.parse(JSON.parse(text))),
    buffered: () => it.bytes,
    dropped: [] as string[],
    drop: (reason: string) => void it.dropped.push(reason),
  };
  return { told, it: it satisfies Outlet };
};

describe('a page that reads slowly', () => {
  test('misses frames, and no row: it catches up when it reads again', async () => {
    const { runtime, say, hub } = hubOf();
    const [slow, quick] = [outlet(), outlet()];
    const page = hub.connect(slow.it);
    hub.connect(quick.it);
    const run = runtime.start(clerk, 'go');
    await until(() => slow.told.length > 1);
    page.receive(JSON.stringify({ type: 'watch', rowId: run.id }));
    await until(() => slow.told.some(({ type }) => type === 'details'));
    // when nothing it is sent gets through
    slow.it.bytes = 2_000;
    const before = slow.told.length;
    await say(calling('erase'));
    await until(() => run.questions.length === 1);
    await until(() => quick.told.some((each) => each.type === 'frame' && each.questions?.length === 1));
    runtime.pauseSpawning();
    await pause(120);
    expect(slow.told.length).toBe(before);
    // then one frame tells it everything, and what it looks at is told anew
    slow.it.bytes = 0;
    await until(() => slow.told.slice(before).some(({ type }) => type === 'details'));
    const [frame, ...others] = slow.told.slice(before).filter(({ type }) => type === 'frame');
    expect(frame).toMatchObject({
      lines: [{ id: run.id, status: 'paused' }],
      happenings: [],
      missed: expect.any(Number),
      questions: [{ runId: run.id }],
      spawningPaused: true,
    });
    expect((frame as { missed: number }).missed).toBeGreaterThan(3);
    expect(others).toEqual([]);
    // A chart is made again only after a while: on a machine that has much to do it comes as progress.
    await until(() =>
      slow.told.slice(before).some((each) => 'chart' in each && each.chart?.active.includes('agent.paused.question')),
    );
    await run.interrupt();
  });

  test('on a real socket that nobody reads from keeps no run waiting', async () => {
    const { runtime, say } = openProgram();
    const { url } = await inspected(runtime, { maxBufferedBytes: 1 });
    const page = await openPage(url);
    (page.socket as unknown as { _socket: { pause(): void } })._socket.pause();
    const run = runtime.start(clerk, 'x'.repeat(100_000));
    await say('Done.');
    expect(await run.ended).toMatchObject({ status: 'completed' });
    (page.socket as unknown as { _socket: { resume(): void } })._socket.resume();
    await until(() => (page.lines.get(run.id) as RunLine | undefined)?.status === 'completed');
  });
});

describe('a page that does not read', () => {
  const opened = () => {
    const simulated = new SimulatedClock();
    const clock = {
      now: () => simulated.now(),
      setTimeout: (act: () => void, ms: number) => simulated.setTimeout(act, ms),
      clearTimeout: (timer: unknown) => simulated.clearTimeout(timer as number),
    };
    const program = openProgram();
    const { hub } = hubOf(program, undefined, clock);
    const [deaf, good] = [outlet(), outlet()];
    const page = hub.connect(deaf.it);
    hub.connect(good.it);
    /** Time goes by, frame after frame. */
    const pass = (ms: number) => {
      for (let left = ms; left > 0; left -= 50) simulated.increment(Math.min(50, left));
    };
    return { ...program, deaf, good, page, pass };
  };

  test('is dropped after 30 seconds, with a reason, and told no more; others go on', async () => {
    const { runtime, deaf, good, pass } = opened();
    deaf.it.bytes = 2_000;
    const run = runtime.start(clerk, 'go');
    await until(() => run.status === 'running');
    await pause(1);
    pass(50);
    pass(29_999);
    expect(deaf.it.dropped).toEqual([]);
    pass(51);
    expect(deaf.it.dropped).toEqual([expect.stringContaining('was not read for 30 s')]);
    deaf.it.bytes = 0;
    await run.interrupt();
    await pause(1);
    pass(100);
    expect(deaf.told.map(({ type }) => type)).toEqual(['hello']);
    expect(good.told.at(-1)).toMatchObject({ lines: [{ status: 'interrupted' }] });
    expect(good.it.dropped).toEqual([]);
  });

  test('in time is kept, and has as long again the next time', async () => {
    const { runtime, deaf, pass } = opened();
    const run = runtime.start(clerk, 'go');
    for (let i = 0; i < 3; i += 1) {
      deaf.it.bytes = 2_000;
      await run.steer('More.');
      await pause(1);
      pass(29_000);
      deaf.it.bytes = 1_000;
      pass(100);
    }
    expect(deaf.it.dropped).toEqual([]);
    await run.interrupt();
  });

  test('and asks for more and more is dropped at once', async () => {
    const { deaf, good, page } = opened();
    deaf.it.bytes = 16_000;
    const ask = () => page.receive(JSON.stringify({ type: 'history', id: 'h', rootId: 'r' }));
    ask();
    expect(deaf.it.dropped).toEqual([]);
    deaf.it.bytes = 16_001;
    ask();
    ask();
    expect(deaf.it.dropped).toHaveLength(1);
    await pause(1);
    expect(deaf.told.filter(({ type }) => type === 'history')).toHaveLength(0);
    expect(good.it.dropped).toEqual([]);
  });

  test('on a real socket hears why it is dropped once it reads, and may come again', async () => {
    const { runtime, say } = openProgram();
    const { url } = await inspected(runtime, { maxBufferedBytes: 10_000 });
    const run = runtime.start(clerk, 'x'.repeat(1_000_000));
    await say('Done.');
    await run.ended;
    const page = await openPage(url);
    const wire = (page.socket as unknown as { _socket: { pause(): void; resume(): void } })._socket;
    wire.pause();
    const closed = new Promise((resolve) =>
      page.socket.once('close', (code, reason) => resolve([code, String(reason)])),
    );
    for (let i = 0; i < 40; i += 1) {
      page.say({ type: 'export', id: `${i}`, runId: run.id, as: 'jsonl' });
      await pause(5);
    }
    wire.resume();
    expect(await closed).toEqual([1013, expect.stringContaining('Connect again.')]);
    expect(await (await openPage(url)).watch(run.id)).toMatchObject({ rowId: run.id });
  });
});

test('a page that breaks, leaves in the middle, or says nonsense changes no run, and no other page [L8]', async () => {
  const { runtime, say, hub, logged } = hubOf();
  const events: RunEvent[] = [];
  runtime.events$.subscribe((event) => void events.push(event));
  const good = outlet();
  let isBroken = false;
  let tried = 0;
  hub.connect({
    send() {
      if (!isBroken) return;
      tried += 1;
      throw new Error('broken pipe');
    },
    buffered: () => 0,
    drop() {},
  });
  const leaving = hub.connect(outlet().it);
  const page = hub.connect(good.it);
  const run = runtime.start(clerk, 'go');
  leaving.receive(JSON.stringify({ type: 'watch', rowId: run.id }));
  leaving.leave();
  isBroken = true;
  for (const said of ['{', '[]', '{"type":"watch"}', 'null']) page.receive(said);
  await say(calling('look'));
  await say('Done.');
  expect(await run.ended).toMatchObject({ status: 'completed', text: 'Done.' });
  expect(checkRunLaws(events)).toEqual([]);
  await until(() => logged.length > 0);
  // whoever cannot be told anything is told nothing more
  runtime.pauseSpawning();
  await runtime.run(clerk, 'more', { signal: AbortSignal.abort() });
  await pause(120);
  expect([tried, logged]).toEqual([1, ['The inspector could not tell its pages something.']]);
  await until(() =>
    good.told.some((each) => each.type === 'frame' && each.lines.some(({ status }) => status === 'completed')),
  );
});

test('a page that leaves before it is answered is looked for no more', async () => {
  const program = openProgram();
  const source = runtimeSource(program.runtime);
  let replayed = 0;
  const { hub, runtime, say } = hubOf(program, {
    ...source,
    replay(runId) {
      replayed += 1;
      return source.replay(runId);
    },
  });
  const stays = outlet();
  hub.connect(stays.it);
  const run = runtime.start(clerk, 'go');
  await until(() => stays.told.some((each) => each.type === 'frame' && each.lines.length > 0));
  const leaving = hub.connect(outlet().it);
  leaving.receive(JSON.stringify({ type: 'watch', rowId: run.id }));
  leaving.leave();
  await say('Done.');
  await run.ended;
  await pause(120);
  expect(replayed).toBe(0);
});

test('a logger that throws is no reason to stop telling pages', async () => {
  const { runtime, say } = openProgram();
  const { url } = await inspected(runtime, {
    logger: {
      warn() {},
      error() {
        throw new Error('no console');
      },
    },
  });
  const page = await openPage(url);
  // what the page says goes deeper than anybody can read
  page.socket.send(
    `{"type":"can","id":"1","command":{"type":"fork","runId":"r","at":"r:1","change":{"turn":{"calls":[{"name":"n","arguments":${'['.repeat(100_000)}${']'.repeat(100_000)}}]}}}}`,
  );
  const run = runtime.start(clerk, 'go');
  await say('Done.');
  expect(await run.ended).toMatchObject({ status: 'completed' });
  await until(() => (page.lines.get(run.id) as RunLine | undefined)?.status === 'completed');
});

test('a hub that is closed hears no more, and the runs go on', async () => {
  const { runtime, say, hub } = hubOf();
  const page = outlet();
  hub.connect(page.it);
  hub.close();
  const run = runtime.start(defineAgent({ name: 'x', instructions: '' }), 'go');
  await say('Done.');
  await run.ended;
  await pause(100);
  expect(page.told.map(({ type }) => type)).toEqual(['hello']);
});

test('what is told of many changes at once is one row, and the last of what happened', async () => {
  const { runtime, hub } = hubOf();
  const page = outlet();
  hub.connect(page.it);
  const run = runtime.start(clerk, 'go');
  for (let i = 0; i < 700; i++) await run.steer(`${i}`);
  await until(() => page.told.some((each) => each.type === 'frame' && each.lines.some(({ seq }) => seq === 702)));
  const frames = page.told.filter((each): each is Extract<ToPage, { type: 'frame' }> => each.type === 'frame');
  expect(frames.every(({ lines, happenings }) => lines.length <= 1 && happenings.length <= 200)).toBe(true);
  const told = frames.reduce((sum, { happenings, missed }) => sum + happenings.length + missed, 0);
  expect(told).toBe(702);
  await run.interrupt();
});

test('a source that fails is said to its logger, and to who asks; the page stays', async () => {
  const logged: string[] = [];
  const events = () =>
    Object.assign(
      throwError(() => new Error('no disk')),
      {
        [Symbol.asyncIterator]: (): never => {
          throw new Error('no disk');
        },
      },
    );
  const fails = () => Promise.reject(new Error('no disk'));
  const hub = openHub({
    source: {
      kind: 'store',
      events: events as never,
      cursor: fails,
      list: fails,
      get: fails,
      replay: fails,
      asking: fails,
      send: fails,
      close() {},
    },
    name: 'test',
    inspectUrl: '',
    clock: systemClock,
    logger: { warn() {}, error: (text) => void logged.push(text) },
    maxBufferedBytes: 1,
  });
  onTestFinished(() => hub.close());
  const { told, it } = outlet();
  const page = hub.connect(it);
  await until(() => logged.length > 0);
  expect(logged).toEqual(['The inspector could not read what is stored.']);
  for (const type of ['can', 'command'])
    page.receive(JSON.stringify({ type, id: type, command: { type: 'pause', runId: 'r' } }));
  page.receive(JSON.stringify({ type: 'can', id: 'spawning', command: { type: 'pauseSpawning', runId: 'r' } }));
  page.receive(JSON.stringify({ type: 'can', id: 'fork', command: { type: 'fork', runId: 'r', at: 'r:1' } }));
  await until(() => told.length === 5);
  const reasons = told.flatMap((each) =>
    each.type === 'receipt' && 'reason' in each.receipt ? each.receipt.reason : [],
  );
  expect(reasons.toSorted()).toEqual([
    'no disk',
    'no disk',
    'no disk',
    'nobody could execute a fork of a stored tree here: fork it in the program that knows its agents',
  ]);
});
