import { consoleSink } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { Subject } from 'rxjs';
import { afterEach, expect, test, vi } from 'vitest';
import { openRuntime } from '../../../../test/support/open-runtime.ts';
import { leadOf } from '../lead.ts';

afterEach(() => void vi.restoreAllMocks());

const run = async (...sinks: ReturnType<typeof consoleSink>[]) => {
  const { runtime, events, types } = openRuntime({ provider: scriptedProvider([{ deltas: ['It is', ' 5.'] }]) });
  for (const sink of sinks) runtime.events$.subscribe(sink);
  const report = await runtime.run(leadOf(), 'What is 2 + 3?', { runId: 'r' });
  return { report, events, types };
};

test('stored events have a line each on the console, and live parts where they are asked for', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const { types } = await run(consoleSink());
  const lines = log.mock.calls.map(([line]) => String(line));
  expect(lines.map((line) => line.split(' ')[3])).toEqual(types());
  expect(lines.at(-1)).toMatch(/^\d\d:\d\d:\d\d\.\d\d\dZ r lead run\.completed turns=1 tokens=15 text="It is 5\."$/);
  const all: string[] = [];
  const { events } = await run(consoleSink({ live: true, write: (line) => void all.push(line) }));
  expect(all).toHaveLength(events.length);
  expect(all.filter((line) => line.includes('text.streamed'))).toHaveLength(2);
});

test('a console that throws changes nothing of a run, and is told to the logger [L8]', async () => {
  const told: unknown[] = [];
  const broken = () => {
    throw new Error('no console');
  };
  const logger = { error: (...words: unknown[]) => void told.push(words) };
  const { report, types } = await run(
    consoleSink({ write: broken, logger }),
    consoleSink({ write: broken, logger: { error: broken } }),
  );
  expect(report.status).toBe('completed');
  expect(told).toHaveLength(types().length);
  expect(told[0]).toEqual([
    'An event could not be written to the console.',
    expect.objectContaining({ code: 'observer.failed', message: 'no console' }),
  ]);
});

test('the failure and the end of the events are taken as they come', () => {
  const told: unknown[] = [];
  const events$ = new Subject<RunEvent>();
  events$.subscribe(consoleSink({ logger: { error: (message) => void told.push(message) } }));
  events$.error(new Error('gone'));
  expect(told).toEqual(['The events that the console is told of have failed.']);
  const others$ = new Subject<RunEvent>();
  others$.subscribe(consoleSink());
  others$.complete();
});
