import { isLive, type RunEvent, type RunStore } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { lastValueFrom, Subject, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { defineAgent, defineTool, memoryStore, spawned } from '../src/index.ts';
import { eventsFrom } from '../src/runtime/read-events.ts';

/** A store that answers later, as one on a disk or a network does: nothing it says is known in the same tick. */
const slowStore = (on: { commit?: () => void } = {}) => {
  const store = memoryStore();
  const later = () => new Promise<void>((resolve) => setImmediate(resolve));
  const slow: RunStore = {
    lasting: false,
    claim: async (runId, owner, options) => {
      await later();
      return store.claim(runId, owner, options);
    },
    renew: async (owner, options) => {
      await later();
      return store.renew(owner, options);
    },
    release: async (owner, runIds) => {
      await later();
      return store.release(owner, runIds);
    },
    commit: async (commits) => {
      await later();
      on.commit?.();
      return store.commit(commits);
    },
    checkpoint: async (runId) => {
      await later();
      return store.checkpoint(runId);
    },
    quotas: async (keys) => {
      await later();
      return store.quotas(keys);
    },
    holder: async (runId) => {
      await later();
      return store.holder(runId);
    },
    withdraw: async (mailId, receipt) => {
      await later();
      return store.withdraw(mailId, receipt);
    },
    post: async (mail) => {
      await later();
      return store.post(mail);
    },
    inbox: async (owner) => {
      await later();
      return store.inbox(owner);
    },
    sessionInbox: async (sessionKey) => {
      await later();
      return store.sessionInbox(sessionKey);
    },
    receipt: async (mailId) => {
      await later();
      return store.receipt(mailId);
    },
    async *journal(runId, from) {
      await later();
      yield* store.journal(runId, from);
    },
    prune: async (options) => {
      await later();
      return store.prune(options);
    },
    get: async (runId) => {
      await later();
      return store.get(runId);
    },
    list: async (filter) => {
      await later();
      return store.list(filter);
    },
    async *events(query) {
      await later();
      yield* store.events(query) as Iterable<never>;
    },
    cursor: async () => {
      await later();
      return store.cursor();
    },
  };
  return { slow, store };
};

const child = defineAgent({ name: 'child', instructions: 'Answer.' });
const ask = defineTool({
  name: 'ask',
  description: 'Asks children.',
  inputSchema: z.object({}),
  execute: () => spawned([1, 2].map(() => ({ agent: child, job: 'go' }))),
  settle: (reports) => ({ content: reports.map(({ text }) => text).join(' ') }),
});
const sign = defineTool({
  name: 'sign',
  description: 'Signs.',
  inputSchema: z.object({}),
  confirm: true,
  execute: () => 'signed',
});
const lead = defineAgent({ name: 'lead', instructions: 'Work.', tools: [ask, sign], budget: { tokens: 10_000 } });
const calling = (name: string) => ({ calls: [{ name, arguments: {} }] });
const script = () => ({ lead: [calling('ask'), calling('sign'), 'Done.'], child: ['One.', 'Two.'] });

describe('with a store that answers later', () => {
  test('[L6] a run tells an event only after it is stored, in the order of the store, live parts behind what they follow', async () => {
    // given a reader that looks into the store whenever it is told something
    const { slow, store } = slowStore();
    const { runtime, events } = openRuntime({ provider: scriptedProvider(script()), store: slow });
    const untold: RunEvent[] = [];
    runtime.events$.subscribe((event) => {
      if (isLive(event)) return;
      const known = [...(store.events({ runId: event.runId }) as Iterable<RunEvent>)];
      if (!known.some((stored) => stored.seq === event.seq)) untold.push(event);
    });
    // when a run with children asks, is answered and ends
    const run = runtime.start(lead, 'Go.', { runId: 'r' });
    const waiting = await run.report;
    expect(waiting.status).toBe('paused');
    expect(await runtime.answer(waiting.questions[0]?.id ?? '', true)).toEqual({ status: 'accepted' });
    const report = await run.ended;
    // then all of it was stored before it was told, and a late reader sees the same
    expect(report.text).toBe('Done.');
    expect(untold).toEqual([]);
    const again: RunEvent[] = [];
    for await (const event of run) again.push(event);
    const told = events.filter((event) => !isLive(event));
    expect(again.map(({ type, runId }) => [type, runId])).toEqual(told.map(({ type, runId }) => [type, runId]));
  });

  test('[F-17] a reader that comes in the middle sees each event once', async () => {
    const { slow } = slowStore();
    const { runtime, events } = openRuntime({ provider: scriptedProvider(script()), store: slow });
    const run = runtime.start(lead, 'Go.', { runId: 'r' });
    const seen: number[] = [];
    const read = (async () => {
      for await (const event of runtime.events({ rootId: 'r', after: 2 })) if (!isLive(event)) seen.push(event.rootSeq);
    })();
    await run.report;
    await run.answer(run.questions[0]?.id ?? '', 'yes');
    await run.ended;
    await runtime.close();
    await read;
    const all = events.flatMap((event) => (isLive(event) || event.rootSeq <= 2 ? [] : [event.rootSeq]));
    expect(seen).toEqual(all);
  });

  test('a handle of an ended run and of a child is there to be attached to', async () => {
    const { slow } = slowStore();
    const provider = scriptedProvider({ lead: [calling('ask'), 'Done.'], child: ['One.', 'Two.'] });
    const { runtime } = openRuntime({ provider, store: slow });
    const run = runtime.start(lead, 'Go.', { runId: 'r' });
    await run.ended;
    expect((await (await runtime.attach('r/1-0/1')).report).text).toMatch(/One|Two/);
    expect(() => run.child('r/1-0/1')).toThrow(/await runtime\.attach/);
    await expect(runtime.attach('nobody')).rejects.toThrow('There is no run "nobody"');
    expect((await runtime.runs.tree('r')).children).toHaveLength(2);
  });

  test('[L1] a run that cannot be stored ends with one failure that says so, and starts nothing more', async () => {
    // given a store that breaks after a few commits
    let left = 3;
    const { slow } = slowStore({
      commit: () => {
        if (left-- <= 0) throw new Error('disk full');
      },
    });
    const provider = scriptedProvider({ lead: [calling('ask'), 'Done.'], child: ['One.', 'Two.'] });
    const { runtime } = openRuntime({ provider, store: slow, open: true });
    // when it runs into that
    const report = await runtime.start(lead, 'Go.', { runId: 'r' }).ended;
    await settle();
    const asked = provider.requests.length;
    await settle();
    // then its one end says why, and nothing goes on
    expect(report).toMatchObject({ status: 'failed', fault: { code: 'store.unavailable' } });
    expect(report.fault?.message).toContain('disk full');
    expect(provider.requests.length).toBe(asked);
  });

  test('a run that another owner holds is not executed twice', async () => {
    const { slow } = slowStore();
    const one = defineAgent({ name: 'one', instructions: '' });
    const first = openRuntime({ provider: scriptedProvider([{ hang: true }]), store: slow, open: true });
    first.runtime.start(one, 'Go.', { runId: 'r' });
    await settle();
    const provider = scriptedProvider(['never']);
    const { runtime, events } = openRuntime({ provider, store: slow, open: true });
    await expect(runtime.start(one, 'Go.', { runId: 'r' }).ended).rejects.toMatchObject({ code: 'run.exists' });
    expect(provider.requests).toEqual([]);
    expect(events).toEqual([]);
  });
});

describe('a reader of a store that answers later', () => {
  const tree = async () => {
    const { slow } = slowStore();
    const { runtime } = openRuntime({ store: slow, provider: scriptedProvider(['Done.']) });
    const run = runtime.start(child, 'go');
    await run.ended;
    return { slow, rootId: run.id };
  };

  test('may leave in the middle: nothing more is read [F-17]', async () => {
    const { slow, rootId } = await tree();
    const read: RunEvent[] = [];
    const live$ = new Subject<RunEvent>();
    const reading = eventsFrom({ store: slow, query: { rootId }, live$ }).subscribe((event) => {
      read.push(event);
      if (read.length === 2) reading.unsubscribe();
    });
    await settle();
    expect(read).toHaveLength(2);
    expect(live$.observed).toBe(false);
  });

  test('hears when the store cannot be read, and when the live events break off', async () => {
    const broken = {
      events: () => ({
        [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('The disk is gone.')) }),
      }),
    };
    await expect(lastValueFrom(eventsFrom({ store: broken, query: {}, live$: new Subject() }))).rejects.toThrow(
      'The disk is gone.',
    );
    const live$ = new Subject<RunEvent>();
    const { slow } = slowStore();
    const reading = lastValueFrom(eventsFrom({ store: slow, query: {}, live$ }), { defaultValue: null });
    live$.error(new Error('No more.'));
    await expect(reading).rejects.toThrow('No more.');
  });

  test('is at its end when the live events are, also when they end before everything stored was read', async () => {
    const { slow, rootId } = await tree();
    const live$ = new Subject<RunEvent>();
    const all = lastValueFrom(eventsFrom({ store: slow, query: { rootId }, live$ }).pipe(toArray()));
    live$.complete();
    expect((await all).at(-1)).toMatchObject({ type: 'run.completed' });
  });
});
