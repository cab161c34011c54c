/** Lists that a step copies a part of: the same as plain ones, and what was there before stays as it was. */
import { createRuntime, memoryStore, spawned } from '@troupe/core';
import type { Message, ModelProvider } from '@troupe/protocol';
import { checkRunLaws, scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { added, changed, countOf, itemAt, itemsOf, type Queue, rowsOf, without } from '../../src/agent/rows.ts';
import { call, leadOf, toolOf } from '../lead.ts';

const sizes = fc.oneof(fc.nat(3), fc.integer({ min: 60, max: 70 }), fc.integer({ min: 120, max: 200 }));

test('what is put is there, and nothing else is changed', () => {
  fc.assert(
    fc.property(sizes, fc.array(fc.array(fc.nat(220), { maxLength: 5 }), { maxLength: 6 }), (size, steps) => {
      let plain = Array.from({ length: size }, (_, i) => i);
      let rows = rowsOf(plain);
      for (const [n, step] of steps.entries()) {
        const [before, was] = [rows, JSON.stringify(rows)];
        plain = [...plain];
        for (const index of step) {
          rows = changed(rows, index, -1 - n);
          if (index < size) plain[index] = -1 - n;
        }
        const writtenOn = new Set(step.filter((index) => index < size).map((index) => Math.floor(index / 64)));
        expect(JSON.stringify(before)).toBe(was);
        expect(itemsOf(rows)).toEqual(plain);
        expect(step.map((index) => itemAt(rows, index))).toEqual(step.map((index) => plain[index]));
        // Rows that nobody wrote on are the very same.
        expect(rows.filter((row, at) => row !== before[at]).length).toBe(writtenOn.size);
      }
    }),
  );
});

const changes = fc.array(
  fc.oneof(
    fc.record({ add: fc.integer({ min: 1, max: 90 }) }),
    fc.record({ change: fc.nat(220) }),
    fc.record({ remove: fc.nat(220) }),
  ),
  { maxLength: 12 },
);

test('what is added or changed one at a time is there, and what was there before stays as it was', () => {
  fc.assert(
    fc.property(changes, (steps) => {
      let plain: number[] = [];
      let rows = rowsOf<number>([]);
      let next = 0;
      for (const step of steps) {
        const [before, was] = [rows, JSON.stringify(rows)];
        if ('add' in step)
          for (let i = 0; i < step.add; i++) {
            plain.push(next);
            rows = added(rows, next++);
          }
        else if ('change' in step) {
          rows = changed(rows, step.change, -1);
          plain = plain.map((item, i) => (i === step.change ? -1 : item));
        }
        expect(JSON.stringify(before)).toBe(was);
        expect(rows).toEqual(rowsOf(plain));
        expect(countOf(rows)).toBe(plain.length);
        // A change of one item copies one row.
        if (!('add' in step)) expect(rows.filter((row) => !before.includes(row)).length).toBeLessThan(2);
      }
    }),
  );
});

test('a queue gives up the first, or any other, and keeps the order of the rest', () => {
  fc.assert(
    fc.property(changes, (steps) => {
      let plain: number[] = [];
      let queue: Queue<number> = [];
      let next = 0;
      for (const step of steps) {
        const was = JSON.stringify(queue);
        const before = queue;
        if ('add' in step)
          for (let i = 0; i < step.add; i++) {
            plain.push(next);
            queue = added(queue, next++);
          }
        else {
          const gone = 'remove' in step ? step.remove : (queue[0]?.[0] ?? -1);
          queue = without(queue, gone);
          plain = plain.filter((item) => item !== gone);
        }
        expect(JSON.stringify(before)).toBe(was);
        expect(queue.flat()).toEqual(plain);
        expect(queue.length > 0).toBe(plain.length > 0);
        expect(queue[0]?.[0]).toBe(plain[0]);
      }
    }),
  );
});

const wide = 150;
const many = Array.from({ length: wide }, (_, i) => ({ ...call(`n${i}`), id: `c${i}` }));
const ids = many.map(({ id }) => id);
const answersIn = (messages: readonly Message[]) =>
  messages.flatMap(({ role, callId }) => (role === 'tool' ? [callId] : []));

test('a turn of more calls than stand in a row is answered in order, each call once [L3]', async () => {
  const provider = scriptedProvider([{ calls: many }, 'Done.']);
  const { runtime, events } = openRuntime({ provider });
  const lead = leadOf({ tools: [toolOf()], budget: { toolCalls: 2 * wide } });
  const { status, messages } = await runtime.run(lead, 'Go.');
  expect([status, answersIn(messages)]).toEqual(['completed', ids]);
  expect(checkRunLaws(events)).toEqual([]);
});

test('so it is after a restart in the middle, and where it is interrupted then [L3, L7]', async () => {
  const store = memoryStore();
  const tool = toolOf({
    idempotent: true,
    execute: ({ text }) => (Number(text.slice(1)) % 2 === 0 ? text : new Promise<string>(() => {})),
  });
  const lead = leadOf({ tools: [tool], budget: { toolCalls: 2 * wide } });
  const open = () =>
    createRuntime({
      provider: scriptedProvider([{ calls: many }, 'Done.']),
      model: 'm',
      store,
      agents: [lead],
      graceMs: 0,
    });
  const first = open();
  first.start(lead, 'Go.', { runId: 'r' });
  await settle();
  await first.close({ runs: 'suspend' });
  const second = open();
  onTestFinished(() => second.close({ graceMs: 0 }));
  const { recovered } = await second.recover();
  await settle();
  const [run] = recovered;
  await run?.interrupt();
  const { status, messages } = (await run?.ended) ?? {};
  expect([status, answersIn(messages ?? [])]).toEqual(['interrupted', ids]);
  expect(messages?.filter(({ content }) => content === 'n148' || content === 'n2')).toHaveLength(2);
});

const spreadOver = (concurrency: number) => {
  const leaf = leadOf({ name: 'leaf' });
  const spread = toolOf({
    execute: () => spawned(Array.from({ length: wide }, (_, n) => ({ agent: leaf, job: `${n}` }))),
    settle: (reports) => ({ content: reports.map(({ text }) => text).join() }),
  });
  return leadOf({ tools: [spread], budget: { children: wide, concurrency } });
};

test('a call of more children than stand in a row has each of them once, in order, a few at a time [L3, L4]', async () => {
  const provider: ModelProvider = {
    async *takeTurn({ messages }, { context }) {
      const isLead = context.agent === 'lead';
      if (isLead && context.turn === 1) yield { type: 'call', id: 'c', name: 'echo', arguments: '{"text":"go"}' };
      else yield { type: 'text', delta: isLead ? 'Done.' : String(messages.at(-1)?.content) };
      yield { type: 'finish', reason: isLead && context.turn === 1 ? 'calls' : 'stop' };
    },
  };
  const { runtime, events } = openRuntime({ provider });
  const { status, messages, children } = await runtime.run(spreadOver(7), 'Go.');
  const [answer] = messages.flatMap(({ role, content }) => (role === 'tool' ? [content] : []));
  expect([status, answer, children.length]).toEqual([
    'completed',
    Array.from({ length: wide }, (_, n) => n).join(),
    wide,
  ]);
  expect(checkRunLaws(events)).toEqual([]);
});
