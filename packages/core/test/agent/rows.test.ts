/** Lists that a step copies a part of: the same as plain ones, and what was there before stays as it was. */
import { createRuntime, memoryStore } from '@troupe/core';
import type { Message } from '@troupe/protocol';
import { checkRunLaws, scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { itemAt, itemsOf, putItem, rowsOf } from '../../src/agent/rows.ts';
import { call, leadOf, toolOf } from '../lead.ts';

const sizes = fc.oneof(fc.nat(3), fc.integer({ min: 60, max: 70 }), fc.integer({ min: 120, max: 200 }));

test('what is put is there, and nothing else is changed', () => {
  fc.assert(
    fc.property(sizes, fc.array(fc.array(fc.nat(220), { maxLength: 5 }), { maxLength: 6 }), (size, steps) => {
      let plain = Array.from({ length: size }, (_, i) => i);
      let rows = rowsOf(plain);
      for (const [n, step] of steps.entries()) {
        const [before, was] = [rows, JSON.stringify(rows)];
        const owned: number[] = [];
        rows = [...rows];
        plain = [...plain];
        for (const index of step) {
          putItem(rows, index, -1 - n, owned);
          if (index < size) plain[index] = -1 - n;
        }
        expect(JSON.stringify(before)).toBe(was);
        expect(itemsOf(rows)).toEqual(plain);
        expect(step.map((index) => itemAt(rows, index))).toEqual(step.map((index) => plain[index]));
        // Rows that nobody wrote on are the very same.
        expect(rows.filter((row, at) => row !== before[at]).length).toBe(owned.length);
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
