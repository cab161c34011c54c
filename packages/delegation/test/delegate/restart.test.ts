/** Delegations whose program dies, or comes back as another one: what children did is neither lost nor done again. */
import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import type { Report, StoredEvent } from '@troupe/protocol';
import {
  checkRunLaws,
  exploreCrashes,
  type MortalStore,
  mortalStore,
  type Script,
  scriptedProvider,
} from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { createDelegateTool, type DelegateOptions } from '../../src/index.ts';
import { calling, settle, tool } from '../delegating.ts';
import { delegate, delegatingOnce, entriesIn, openLead, plain, resultIn } from './lead.ts';

const logger = { warn: () => {}, error: () => {} };
const lasting = () => ({ ...memoryStore(), lasting: true });
type Store = ReturnType<typeof lasting>;

const numbered = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] };
const tasks = [{ goal: 'lead', role: 'orchestrator' }, { goal: 'count', output_schema: numbered }, { goal: 'look' }];

/** A lead that delegates once; a child that delegates, one that fits its schema, and the rest look around. */
const script: Script = ({ messages }, { agent }) => {
  const last = messages.at(-1);
  const said = String(last?.content);
  if (last?.role === 'tool') return agent === 'lead' ? 'It is told.' : { text: `${agent} is done.`, delayMs: 60 };
  if (said === 'Go.') return calling(delegate({ tasks }));
  if (said === 'lead') return calling(delegate({ tasks: [{ goal: 'look' }, { goal: 'count' }] }));
  if (said === 'count') return '{"n": 1}';
  return agent === 'lead' ? 'It is noted.' : calling({ name: 'look', arguments: {} });
};
const leadOf = (options: DelegateOptions) =>
  defineAgent({
    name: 'lead',
    instructions: 'You lead.',
    tools: [createDelegateTool({ ...plain, maxSpawnDepth: 2, ...options }), tool('look', { idempotent: true })],
  });

/** Everything in a result but how long things took. */
const timeless = (text: string): string => text.replace(/(duration_seconds\\*":)[\d.]+/g, '$1');

describe('a delegation that is waited for', () => {
  test('comes to the same results when its program dies after any commit [L7, F-13, HM-170]', {
    timeout: 60_000,
  }, async () => {
    const { crashes, commits } = await exploreCrashes({
      openStore: lasting,
      program({ store, clock, model }) {
        const lead = leadOf({});
        const provider = model(scriptedProvider(script));
        const runtime = createRuntime({ provider, model: 'm', store, clock, agents: [lead], leaseMs: 0, logger });
        return Object.assign(runtime, { lead });
      },
      start: (program) => program.start(program.lead, 'Go.', { runId: 'r' }),
      essence: ({ status, text, calls, usage: { total } }) => ({
        status,
        text,
        total,
        entries: (calls[0]?.data as { results: object[] } | undefined)?.results.map((entry) =>
          timeless(JSON.stringify({ ...entry, output_tail: [], tool_trace: [] })),
        ),
      }),
      verify: ({ report }) => {
        expect(entriesIn(report)).toMatchObject([
          { status: 'completed', summary: 'task-1 is done.' },
          { status: 'completed', schema_valid: true, data: { n: 1 } },
          { status: 'completed', summary: 'task-3 is done.' },
        ]);
      },
    });
    expect(crashes).toBe(2 * commits);
  });
});

/** One life of a program whose delegations go into the background. */
const liveOn = (store: Store) => {
  const clock = new SimulatedClock();
  const lead = leadOf({ background: 'auto' });
  const provider = scriptedProvider(script);
  const runtime = createRuntime({ provider, model: 'm', store, clock, agents: [lead], leaseMs: 0, logger });
  const pass = async (isOver = () => false) => {
    for (let i = 0; i < 12 && !isOver(); i++) {
      await settle(3);
      clock.increment(50);
    }
  };
  return { runtime, lead, pass };
};

const eventsIn = async (store: Store, rootId: string): Promise<StoredEvent[]> => {
  const events: StoredEvent[] = [];
  for await (const event of store.events({ rootId })) events.push(event);
  return events;
};

describe('a delegation in the background', () => {
  test('is done once and heard once, whenever its program dies [HM-158, F-13, F-14, L7]', {
    timeout: 60_000,
  }, async () => {
    let died = 0;
    for (let afterCommit = 1; ; afterCommit++) {
      const store = lasting();
      const mortal: MortalStore<Store> = mortalStore(store, { afterCommit, as: afterCommit % 2 ? 'heard' : 'unheard' });
      const first = liveOn(mortal.store);
      first.runtime.start(first.lead, 'Go.', { runId: 'r' });
      await first.pass(() => mortal.dead);
      if (!mortal.dead) {
        await first.runtime.close({ runs: 'suspend' });
        break;
      }
      died += 1;
      const second = liveOn(store);
      expect(await second.runtime.recover()).toMatchObject({ skipped: [] });
      await second.pass();
      const rows = await second.runtime.runs.list();
      const what = `died after commit ${afterCommit}`;
      expect(
        rows.filter(({ status }) => status !== 'completed'),
        what,
      ).toEqual([]);
      const roots = rows.filter(({ runId, rootId }) => runId === rootId).map(({ runId }) => runId.replace(/_.*/, ''));
      expect(roots, what).toEqual(['wake', 'deleg', 'r']);
      expect(rows, what).toHaveLength(8);
      for (const { runId, rootId } of rows)
        if (runId === rootId) expect(checkRunLaws(await eventsIn(store, runId)), what).toEqual([]);
      await second.runtime.close({ runs: 'suspend' });
    }
    expect(died).toBeGreaterThan(12);
  });
});

describe('what was begun', () => {
  test('gives its results though the options would refuse it by then [HM-009, F-13]', async () => {
    const store = lasting();
    const three = { tasks: [{ goal: 'a' }, { goal: 'b' }, { goal: 'c' }] };
    const waits = { text: 'B.', delayMs: 1_000 };
    const children = { 'task-1': ['A.'], 'task-2': [waits], 'task-3': ['C.'] };
    const first = openLead({ lead: [calling(delegate(three)), 'done'], ...children }, { store, open: true });
    first.runtime.start(first.lead, 'Go.', { runId: 'r' });
    await settle();
    await first.runtime.close({ runs: 'suspend' });
    const lead = defineAgent({
      name: 'lead',
      instructions: 'You lead.',
      tools: [createDelegateTool({ ...plain, maxConcurrentChildren: 2, model: 'newer' })],
    });
    const provider = scriptedProvider({ lead: ['done'], 'task-2': ['B.'] });
    const second = createRuntime({ agents: [lead], model: 'm', provider, store, logger, onAgentChanged: 'continue' });
    onTestFinished(() => second.close({ graceMs: 0 }));
    await second.recover();
    const report = (await (await second.attach('r')).ended) as Report;
    expect(entriesIn(report).map(({ summary }) => summary)).toEqual(['A.', 'B.', 'C.']);
    // and says of them what they were made of, not what they would be made of now
    expect(entriesIn(report).map(({ model }) => model)).toEqual(['test-model', 'test-model', 'test-model']);
  });

  test.each([
    [{ model: 'named' }, {}, 'named'],
    [{}, { model: 'other' }, 'other'],
    [{}, {}, 'test-model'],
  ])(
    'gives its results though its endpoint cannot be looked up any more: %o %o [HM-006, HM-061]',
    async (to, options, model) => {
      let isDown = false;
      const provider = scriptedProvider(() => {
        isDown = true;
        return 'A.';
      });
      const resolve = () => {
        if (isDown) throw new Error('The vault is closed.');
        return { apiKey: 'key-of-the-vault' };
      };
      const route = { to: { provider: 'elsewhere', ...to }, connect: () => provider, resolve };
      const troupe = delegatingOnce({ goal: 'a' }, {}, { options: { route, ...options } });
      const report = await troupe.run();
      expect(isDown).toBe(true);
      expect(resultIn(report)).toMatchObject({ results: [{ status: 'completed', summary: 'A.', model }] });
    },
  );
});
