import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { jsonlSink, readJsonl } from '@troupe/core';
import { isLive, keepSecret, type RunEvent } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { Subject } from 'rxjs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { call, leadOf, toolOf } from '../lead.ts';

let folder: string;
let files = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'troupe-jsonl-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const newFile = () => join(folder, `${++files}.jsonl`);

const all = async (...given: Parameters<typeof readJsonl>): Promise<RunEvent[]> => {
  const events: RunEvent[] = [];
  for await (const event of readJsonl(...given)) events.push(event);
  return events;
};
const stored = (events: readonly RunEvent[]) => events.filter((event) => !isLive(event));

const open = () =>
  openRuntime({ provider: scriptedProvider([{ calls: [call('é')], deltas: ['One ', 'moment.'] }, 'Done.']) });
const agent = leadOf({ tools: [toolOf()] });

/** A logger, and what it was told. */
const listening = () => {
  const told: string[] = [];
  const logger = { warn: (text: string) => void told.push(text), error: (text: string) => void told.push(text) };
  return { told, logger };
};

/** A stream of Node that takes `room` writes, and no more until the test has it write them. */
const openSlow = (room = 1) => {
  const written: string[] = [];
  const waiting: (() => void)[] = [];
  const target = new Writable({
    objectMode: true,
    highWaterMark: room,
    write(piece: string, _encoding, done) {
      waiting.push(() => {
        written.push(piece);
        done();
      });
    },
  });
  onTestFinished(() => void target.destroy());
  return { target, lines: () => written.join('').split('\n').slice(0, -1), take: () => waiting.shift()?.() };
};

const eventOf = (n: number): RunEvent => ({
  id: `r:${n}`,
  type: 'run.steered',
  seq: n,
  rootSeq: n,
  at: n,
  runId: 'r',
  rootId: 'r',
  depth: 0,
  agent: 'lead',
  text: `${n}`,
});
const strange = 'c1 \u009b31m\u0085 turned \u202e \u2066 \u200f \u061c, esc \u001b[2J del \u007f';
const textIn = (line: string): unknown => (JSON.parse(line) as { text: unknown }).text;

describe('a file', () => {
  test('holds every stored event, closes with the runtime, and is read back as it was told', async () => {
    const path = newFile();
    const { runtime, events } = open();
    const sink = jsonlSink(path);
    runtime.events$.subscribe(sink);
    await runtime.run(agent, 'Go.');
    await runtime.close();
    await sink.closed;
    expect(await all(path)).toEqual(stored(events));
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(stored(events).length + 1);
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('holds live parts, too, where they are asked for', async () => {
    const path = newFile();
    const { runtime, events } = open();
    runtime.events$.subscribe(jsonlSink(path, { live: true }));
    const sink = jsonlSink(newFile());
    runtime.events$.subscribe(sink);
    await runtime.run(agent, 'Go.');
    await runtime.close();
    await sink.closed;
    await settle();
    expect(await all(path)).toEqual(events);
    expect(events.some(isLive)).toBe(true);
  });

  test('is added to, also behind half a line that a process has left', async () => {
    const path = newFile();
    for (const n of [1, 2]) {
      const sink = jsonlSink(path);
      sink.next(eventOf(n));
      await sink.close();
    }
    writeFileSync(path, `${readFileSync(path, 'utf8')}{"id":"r:3","ty`);
    const left: number[] = [];
    expect(await all(path, { skipped: (line) => left.push(line) })).toEqual([eventOf(1), eventOf(2)]);
    const sink = jsonlSink(path);
    sink.next(eventOf(4));
    await sink.close();
    expect(await all(path)).toEqual([eventOf(1), eventOf(2), eventOf(4)]);
    expect(left).toEqual([3]);
  });

  test('holds no secret, also none that became known after it was told', async () => {
    const path = newFile();
    keepSecret('xyzzy-plugh-file');
    const sink = jsonlSink(path);
    sink.next({ ...eventOf(1), text: 'xyzzy-plugh-file' } as RunEvent);
    await sink.close();
    expect(readFileSync(path, 'utf8')).toContain('[redacted]');
  });

  test('that cannot be opened is refused at once, with its name and what to do', () => {
    const path = join(folder, 'nowhere', 'runs.jsonl');
    expect(() => jsonlSink(path)).toThrow(
      expect.objectContaining({
        code: 'jsonl.invalid',
        message: expect.stringMatching(/nowhere.*cannot be used for events: ENOENT.*in a folder that exists/),
      }),
    );
  });

  test('is out of reach where there is no Node, and a sentence says so', () => {
    const { process: node } = globalThis;
    globalThis.process = undefined as never;
    try {
      expect(() => jsonlSink('runs.jsonl')).toThrow(expect.objectContaining({ code: 'jsonl.invalid' }));
    } finally {
      globalThis.process = node;
    }
  });
});

describe('a stream', () => {
  test('is told nothing that a terminal would obey, and everything', async () => {
    const target = new PassThrough({ encoding: 'utf8' });
    const sink = jsonlSink(target);
    const event = { ...eventOf(1), text: strange } as RunEvent;
    sink.next(event);
    await sink.close();
    const line = String(target.read());
    expect(line.slice(0, -1)).not.toMatch(/[^\P{Control}]|\p{Bidi_Control}/u);
    expect(JSON.parse(line)).toEqual(event);
  });

  test('is written to, told of everything before close resolves, and stays open', async () => {
    const target = new PassThrough();
    const sink = jsonlSink(target);
    for (const n of [1, 2, 3]) sink.next(eventOf(n));
    await sink.close();
    expect(target.writableEnded).toBe(false);
    expect(['drain', 'close', 'error'].map((event) => target.listenerCount(event))).toEqual([0, 0, 0]);
    expect(await all([target.read() as Uint8Array])).toEqual([1, 2, 3].map(eventOf));
    sink.next(eventOf(4));
    await sink.close();
    expect(target.read()).toBe(null);
  });

  test('that has enough is left alone until it takes more; what came meanwhile follows, in order', async () => {
    const { target, lines, take } = openSlow();
    const sink = jsonlSink(target);
    for (const n of [1, 2, 3]) sink.next(eventOf(n));
    expect(target.writableLength).toBe(1);
    take();
    await settle();
    sink.next(eventOf(4));
    expect(target.writableLength).toBe(1);
    for (let i = 0; i < 2; i++) {
      take();
      await settle();
    }
    expect(lines().map(textIn)).toEqual(['1', '2', '3', '4']);
    await sink.close();
  });

  test('is waited for by whoever waits for `ready` before each event: nothing is held', async () => {
    const { target, lines, take } = openSlow();
    const { told, logger } = listening();
    const sink = jsonlSink(target, { bound: 0, logger });
    const writing = (async () => {
      for (const n of [1, 2, 3, 4]) {
        await sink.ready;
        sink.next(eventOf(n));
      }
      await sink.close();
    })();
    for (let i = 0; i < 4; i++) {
      await settle();
      expect(target.writableLength).toBe(1);
      take();
    }
    await writing;
    expect(lines().map(textIn)).toEqual(['1', '2', '3', '4']);
    expect(told).toEqual([]);
  });

  test('too slow for its bound misses events, and the logger is told how many', async () => {
    const { target, lines, take } = openSlow();
    const { told, logger } = listening();
    const sink = jsonlSink(target, { bound: 2, logger });
    for (const n of [1, 2, 3, 4, 5]) sink.next(eventOf(n));
    take();
    await settle();
    sink.next(eventOf(6));
    take();
    await settle();
    take();
    await settle();
    expect(lines().map(textIn)).toEqual(['1', '2', '3', '6']);
    expect(told).toEqual(['2 events were left out of the stream: it takes them too slowly. Raise bound.']);
    for (const n of [7, 8, 9, 10]) sink.next(eventOf(n));
    const closed = sink.close();
    expect(told).toHaveLength(2);
    for (let i = 0; i < 3; i++) {
      take();
      await settle();
    }
    await closed;
    expect(lines().map(textIn).slice(-3)).toEqual(['7', '8', '9']);
  });

  test('gets every event once, in order, however it takes them and whenever it is closed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('tell', 'tell', 'take', 'rest'), { maxLength: 60 }),
        fc.integer({ min: 1, max: 4 }),
        async (steps, room) => {
          const { target, lines, take } = openSlow(room);
          const sink = jsonlSink(target);
          let told = 0;
          for (const step of steps) {
            if (step === 'tell') sink.next(eventOf(++told));
            else if (step === 'take') take();
            else await settle(1);
          }
          let isClosed = false;
          void sink.close().then(() => {
            isClosed = true;
          });
          while (!isClosed) {
            take();
            await settle(1);
          }
          expect(lines().map(textIn)).toEqual(Array.from({ length: told }, (_, n) => `${n + 1}`));
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a target that fails', () => {
  const failing: [how: string, make: () => Writable][] = [
    ['with an error', () => new Writable({ write: (_piece, _encoding, done) => done(new Error('ENOSPC: no room')) })],
    ['because it has ended', () => new Writable({ write: () => {} }).end()],
    [
      'because it throws',
      () =>
        Object.assign(new PassThrough(), {
          write: () => {
            throw new Error('no');
          },
        }),
    ],
  ];

  test.each(failing)('%s changes no run, is told to the logger once, and to whoever asks [L8]', async (_how, make) => {
    const { told, logger } = listening();
    const target = make();
    const { runtime } = open();
    const sink = jsonlSink(target, { logger });
    runtime.events$.subscribe(sink);
    const report = await runtime.run(agent, 'Go.');
    expect(report.status).toBe('completed');
    await expect(sink.closed).rejects.toMatchObject({
      code: 'jsonl.failed',
      message: expect.stringMatching(/^Events are no longer written to the stream: /),
    });
    await expect(sink.close()).rejects.toThrow('Events are no longer written');
    await sink.ready;
    expect(told).toEqual(['A sink has failed; the runs go on.']);
    target.on('error', () => {});
    target.destroy();
  });

  test('and that nobody asks about troubles nobody else', async () => {
    const { target } = openSlow();
    const { told, logger } = listening();
    jsonlSink(target, { logger });
    target.destroy(new Error('gone'));
    // A rejection that nobody handles would fail this file.
    await settle();
    expect(told).toHaveLength(1);
  });

  test('because somebody closes it under way', async () => {
    const { target } = openSlow();
    const { told, logger } = listening();
    const sink = jsonlSink(target, { logger });
    for (const n of [1, 2]) sink.next(eventOf(n));
    target.destroy();
    await expect(sink.closed).rejects.toThrow('it was closed.');
    expect(told).toHaveLength(1);
  });

  test('with a logger that throws changes nothing either', async () => {
    const broken = () => {
      throw new Error('no logger');
    };
    const { target, take } = openSlow();
    const sink = jsonlSink(target, { bound: 0, logger: { warn: broken, error: broken } });
    for (const n of [1, 2]) sink.next(eventOf(n));
    take();
    await settle();
    target.destroy(new Error('gone'));
    await expect(sink.closed).rejects.toThrow('gone');
  });
});

test('events that fail close the sink, and the logger is told', async () => {
  const { target, lines, take } = openSlow();
  const { told, logger } = listening();
  const sink = jsonlSink(target, { logger });
  const events$ = new Subject<RunEvent>();
  events$.subscribe(sink);
  events$.next(eventOf(1));
  events$.error(new Error('gone'));
  take();
  await sink.closed;
  expect(lines()).toHaveLength(1);
  expect(told).toEqual(['The events that are written to the stream have failed.']);
});

test.each([-1, 1.5, Number.NaN])('a bound of %s is refused', (bound) => {
  expect(() => jsonlSink(new PassThrough(), { bound })).toThrow(
    `bound is ${bound}. Expected how many events may be held: 0 or more.`,
  );
});
