import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJsonl } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';

const about = { id: 'r:1', seq: 1, rootSeq: 1, at: 1, runId: 'r', rootId: 'r', depth: 0, agent: 'lead' };
const steered = (text: string): RunEvent => ({ ...about, type: 'run.steered', text });
const lines = (...values: unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join('');
const all = async (source: Parameters<typeof readJsonl>[0]): Promise<RunEvent[]> => {
  const events: RunEvent[] = [];
  for await (const event of readJsonl(source)) events.push(event);
  return events;
};

test('events are read from text and from bytes, wherever these are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 5 }),
      fc.array(fc.nat(40), { maxLength: 20 }),
      fc.boolean(),
      fc.constantFrom('', '\ufeff'),
      fc.constantFrom('\n', '\r\n'),
      async (texts, sizes, asText, mark, end) => {
        const events = texts.map(steered);
        const whole = mark + lines(...events).replaceAll('\n', end);
        const bytes = new TextEncoder().encode(whole);
        const rest: (string | Uint8Array)[] = [];
        let from = 0;
        for (const size of [...sizes, Number.POSITIVE_INFINITY]) {
          rest.push(asText ? whole.slice(from, from + size) : bytes.slice(from, from + size));
          from += size;
        }
        expect(await all(rest)).toEqual(events);
      },
    ),
    { numRuns: 200 },
  );
});

test('the last line may do without its end; empty lines count for nothing', async () => {
  expect(await all([`\n\n${lines(steered('a'))}\r\n${lines(steered('b')).trim()}`])).toEqual([
    steered('a'),
    steered('b'),
  ]);
});

test('files that another system wrote are read, one after another too, and half a line of theirs is left out', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-jsonl-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'events.jsonl');
  const file = (event: RunEvent) => `\ufeff${lines(event).replace('\n', '\r\n')}`;
  await writeFile(path, `${file(steered('a'))}${file(steered('b'))}\ufeff{"id":"r:3\r\n`);
  const skipped: number[] = [];
  const events: RunEvent[] = [];
  for await (const event of readJsonl(path, { skipped: (line) => skipped.push(line) })) events.push(event);
  expect([events, skipped]).toEqual([[steered('a'), steered('b')], [3]]);
});

test.each([
  ['text that is no JSON', 'id,type\n', 'Line 2 is no event: Invalid input'],
  ['JSON that is no object', '7\n', 'Line 2 is no event: Invalid input'],
  ['an event of a type that nobody knows', lines({ ...about, type: 'run.dreamt' }), 'Line 2 is no event: type: '],
  ['an event without its text', lines({ ...about, type: 'run.steered' }), 'Line 2 is no event: text: '],
  [
    'a part without its text',
    lines({ ...about, type: 'text.streamed', live: true, part: 1 }),
    'Line 2 is no event: delta: ',
  ],
])('%s is refused, by its line', async (_what, text, message) => {
  const reading = all([lines(steered('a')), text]);
  await expect(reading).rejects.toMatchObject({ code: 'jsonl.unreadable', details: { line: 2 } });
  await expect(reading).rejects.toThrow(message);
});

test('a file that is not there is refused, by its name', async () => {
  const path = join(import.meta.dirname, 'nothing.jsonl');
  await expect(all(path)).rejects.toMatchObject({
    code: 'jsonl.invalid',
    message: expect.stringMatching(
      /nothing\.jsonl" cannot be used for events: ENOENT.*Expected a file that may be read\./,
    ),
  });
});
