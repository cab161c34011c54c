import {
  createRuntime,
  defineAgent,
  defineTool,
  memoryStore,
  type Run,
  type RuntimeOptions,
  sessionMachine,
} from '@troupe/core';
import { isTerminal, type Message, type RunEvent } from '@troupe/protocol';
import { checkRunLaws, mortalStore, scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { getShortestPaths } from 'xstate/graph';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { stepOf } from '../../../../test/support/steps.ts';
import { silent } from '../recovery/program.ts';

const ask = defineTool({
  name: 'ask',
  description: 'Asks.',
  inputSchema: z.object({}),
  confirm: true,
  execute: () => 'asked',
});
const friend = defineAgent({ name: 'friend', instructions: 'Be kind.', tools: [ask] });

/** The last thing a person said. */
const wordOf = (messages: readonly Message[]): string =>
  String(messages.findLast(({ role }) => role === 'user')?.content ?? '');

/** Echoes what it is told; `ask …` asks first, `slow …` takes its time, `fail …` fails. */
const openRuntime = (options: Partial<RuntimeOptions> = {}) => {
  const clock = new SimulatedClock();
  const provider = scriptedProvider(({ messages }) => {
    const word = wordOf(messages);
    if (messages.at(-1)?.role === 'tool') return `asked: ${word}`;
    if (word.startsWith('ask')) return { calls: [{ name: 'ask', arguments: {} }] };
    if (word.startsWith('fail')) return { fault: { code: 'model.down' } };
    return word.startsWith('slow') ? { text: `echo: ${word}`, delayMs: 100 } : `echo: ${word}`;
  });
  const runtime = createRuntime({ provider, model: 'm', clock, agents: [friend], logger: silent, ...options });
  const events: RunEvent[] = [];
  runtime.events$.subscribe((event) => events.push(event));
  return { runtime, clock, provider, events, session: runtime.session(friend, { sessionKey: 'k' }) };
};

const heard = ({ provider }: ReturnType<typeof openRuntime>): string[][] =>
  provider.requests.map(({ request }) => request.messages.map(({ role, content }) => `${role}: ${String(content)}`));

describe('a session', () => {
  test('goes on with what was said, run by run, under the instructions of its agent', async () => {
    const open = openRuntime();
    const reports = [];
    for (const word of ['one', 'two', 'three']) reports.push(await (await open.session.send(word)).report);
    expect(reports.map(({ text }) => text)).toEqual(['echo: one', 'echo: two', 'echo: three']);
    expect(heard(open).at(-1)).toEqual([
      'system: Be kind.',
      'user: one',
      'assistant: echo: one',
      'user: two',
      'assistant: echo: two',
      'user: three',
    ]);
    expect(open.session.messages.map(({ content }) => content)).toEqual([
      'Be kind.',
      ...['one', 'two', 'three'].flatMap((word) => [word, `echo: ${word}`]),
    ]);
    expect(checkRunLaws(open.events)).toEqual([]);
    // and none of it is stored twice
    const rows = await open.runtime.runs.list({ sentTo: 'k' });
    expect(rows.map(({ job }) => job)).toEqual([{ input: 'three' }, { input: 'two' }, { input: 'one' }]);
    expect(rows.map(({ after }) => after)).toEqual([reports[1]?.runId, reports[0]?.runId, null]);
  });

  test('queues what is sent meanwhile, in its order', async () => {
    const open = openRuntime();
    const { session, clock, events } = open;
    const runs = await Promise.all(['slow one', 'two', 'three'].map((word) => session.send(word)));
    expect(runs.map(({ status }) => status)).toEqual(['running', 'queued', 'queued']);
    expect((await session.runs()).map(({ id }) => id)).toEqual(runs.map(({ id }) => id));
    await settle();
    expect(open.provider.requests).toHaveLength(1);
    clock.increment(100);
    const reports = await Promise.all(runs.map((run) => run.ended));
    expect(reports.map(({ text }) => text)).toEqual(['echo: slow one', 'echo: two', 'echo: three']);
    expect(heard(open)[2]?.slice(1)).toEqual([
      'user: slow one',
      'assistant: echo: slow one',
      'user: two',
      'assistant: echo: two',
      'user: three',
    ]);
    const started = events.filter(({ type }) => type === 'run.started' || isTerminal({ type }));
    expect(started.map(({ runId, type }) => `${runId} ${type}`)).toEqual(
      runs.flatMap(({ id }) => [`${id} run.started`, `${id} run.completed`]),
    );
    expect(await session.runs()).toEqual([]);
    expect(checkRunLaws(events)).toEqual([]);
  });

  test('waits while a person is asked, and goes on when they have answered', async () => {
    const { session } = openRuntime();
    const [first, second] = await Promise.all([session.send('ask me'), session.send('then')]);
    const { questions } = (await first?.report) ?? { questions: [] };
    await settle();
    expect(second?.status).toBe('queued');
    await first?.answer(questions[0]?.id ?? '', true);
    expect((await second?.report)?.messages.map(({ content }) => content)).toContain('asked: ask me');
  });

  test('goes on after a run that failed, with what was said in it', async () => {
    const open = openRuntime();
    const [first, second] = await Promise.all([open.session.send('fail me'), open.session.send('and now')]);
    expect((await first?.ended)?.status).toBe('failed');
    expect((await second?.ended)?.text).toBe('echo: and now');
    expect(heard(open).at(-1)).toEqual(['system: Be kind.', 'user: fail me', 'user: and now']);
  });

  test('leaves out what was interrupted before its turn came', async () => {
    const open = openRuntime();
    const runs = await Promise.all(['slow one', 'two', 'three'].map((word) => open.session.send(word)));
    await runs[1]?.interrupt('not needed');
    expect((await runs[1]?.ended)?.status).toBe('interrupted');
    open.clock.increment(100);
    await runs[2]?.ended;
    expect(heard(open).at(-1)?.slice(1)).toEqual(['user: slow one', 'assistant: echo: slow one', 'user: three']);
    expect(open.provider.requests).toHaveLength(2);
  });

  test('interrupts everything that has not ended, and nothing more begins', async () => {
    const open = openRuntime();
    const runs = await Promise.all(['slow one', 'two', 'three'].map((word) => open.session.send(word)));
    const receipts = await open.session.interrupt('enough');
    expect(receipts.map(({ status }) => status)).toEqual(['accepted', 'accepted', 'accepted']);
    expect((await Promise.all(runs.map((run) => run.ended))).map(({ status }) => status)).toEqual(
      Array.from({ length: 3 }, () => 'interrupted'),
    );
    expect(open.provider.requests).toHaveLength(1);
    // and the conversation goes on
    expect((await (await open.session.send('again')).report).text).toBe('echo: again');
  });

  test('is one for one key, and apart from all others', async () => {
    const open = openRuntime();
    expect(open.runtime.session(friend, { sessionKey: 'k' })).toBe(open.session);
    await (await open.session.send('one')).ended;
    await (await open.runtime.session(friend, { sessionKey: 'other' }).send('two')).ended;
    await open.runtime.start(friend, 'three', { sessionKey: 'k' }).ended;
    expect(heard(open).slice(1)).toEqual([
      ['system: Be kind.', 'user: two'],
      ['system: Be kind.', 'user: three'],
    ]);
  });

  test('gives back the run that was sent before under the same id', async () => {
    const { session, provider } = openRuntime();
    const first = await session.send('one', { runId: 'r1' });
    const again = await session.send('one', { runId: 'r1' });
    await first.ended;
    expect((await (await session.send('one', { runId: 'r1' })).ended).text).toBe('echo: one');
    expect([first.id, again.id]).toEqual(['r1', 'r1']);
    await expect(session.send('other', { runId: 'r1' })).rejects.toMatchObject({ code: 'run.exists' });
    expect((await (await session.send('two')).ended).messages).toHaveLength(5);
    expect(provider.requests).toHaveLength(2);
  });

  test('refuses what is wrong, and goes on', async () => {
    const { runtime, session } = openRuntime();
    expect(() => runtime.session(friend, { sessionKey: ' ' })).toThrow(
      expect.objectContaining({ code: 'session.invalid' }),
    );
    const other = defineAgent({ name: 'other', instructions: 'x' });
    expect(() => runtime.session(other, { sessionKey: 'k' })).toThrow(
      expect.objectContaining({
        code: 'session.invalid',
        message: expect.stringContaining('"friend", not with "other"'),
      }),
    );
    await expect(session.send({ input: 'x', attachments: 'none' } as never)).rejects.toMatchObject({
      code: 'job.invalid',
    });
    expect((await (await session.send('one')).ended).text).toBe('echo: one');
    await runtime.close();
    await expect(session.send('two')).rejects.toMatchObject({ code: 'runtime.closed' });
  });

  test('takes no run of another session for its own, and knows one that ended at once', async () => {
    const { runtime, session } = openRuntime();
    const other = runtime.session(friend, { sessionKey: 'other' });
    await other.send('slow one');
    const queued = await other.send('two', { runId: 'r2' });
    expect((await session.send('two', { runId: 'r2' })).id).toBe('r2');
    expect(await session.runs()).toEqual([]);
    expect(queued.status).toBe('queued');
    const ended = await session.send('gone', { runId: 'r3', signal: AbortSignal.abort() });
    expect((await ended.ended).status).toBe('interrupted');
    const next = await session.send('next');
    expect((await runtime.runs.get(next.id))?.after).toBe('r3');
  });

  test('obeys a signal, also while a run is queued', async () => {
    const { session } = openRuntime();
    const abort = new AbortController();
    const [, second] = await Promise.all([session.send('slow one'), session.send('two', { signal: abort.signal })]);
    abort.abort(new Error('gone'));
    expect(await second?.ended).toMatchObject({ status: 'interrupted' });
  });
});

describe('a session over a restart', () => {
  test.each(['recover()', 'the next send', 'an answer'])(
    'goes on in its order, with what was said, after %s',
    async (how) => {
      const store = memoryStore();
      const before = openRuntime({ store, leaseMs: 0 });
      await (await before.session.send('one', { runId: 'r1' })).ended;
      await before.session.send('ask two', { runId: 'r2' });
      await before.session.send('three', { runId: 'r3' });
      await settle();
      await before.runtime.close({ runs: 'suspend' });

      const after = openRuntime({ store, leaseMs: 0 });
      const { runtime, session } = after;
      if (how === 'recover()')
        expect((await runtime.recover()).recovered.map(({ id }) => id).sort()).toEqual(['r2', 'r3']);
      const fourth = how === 'the next send' ? await session.send('four', { runId: 'r4' }) : undefined;
      const second = await runtime.attach('r2');
      expect(await runtime.answer(second.questions[0]?.id ?? '', true)).toEqual({ status: 'accepted' });
      const third = await (await runtime.attach('r3')).ended;
      expect(third.text).toBe('echo: three');
      expect(third.messages.map(({ content }) => content)).toEqual([
        ...['Be kind.', 'one', 'echo: one', 'ask two', '', 'asked', 'asked: ask two', 'three', 'echo: three'],
      ]);
      const last = fourth ?? (await session.send('four'));
      expect((await last.ended).messages.map(({ content }) => content).slice(-3)).toEqual([
        'echo: three',
        'four',
        'echo: four',
      ]);
      // and whoever reads the last of them from the store reads it all
      const read = await openRuntime({ store, leaseMs: 0 }).runtime.attach(last.id);
      expect((await read.report).messages).toEqual((await last.ended).messages);
    },
  );

  test('belongs to one process at a time', async () => {
    const store = memoryStore({ now: () => 0 });
    const here = openRuntime({ store: { ...store, lasting: true } });
    await here.session.send('slow one');
    await settle();
    const there = openRuntime({ store: { ...store, lasting: true } });
    await expect(there.session.send('two')).rejects.toMatchObject({ code: 'run.claimed' });
    here.clock.increment(100);
    await settle();
    expect((await (await there.session.send('two')).ended).messages.map(({ content }) => content)).toContain(
      'slow one',
    );
  });

  test('looks before each send whether others have used it meanwhile', async () => {
    const store = { ...memoryStore({ now: () => 0 }), lasting: true };
    const [here, there] = [openRuntime({ store }), openRuntime({ store })];
    await (await here.session.send('one', { runId: 'r1' })).ended;
    await there.session.send('slow two', { runId: 'r2' });
    await expect(here.session.send('three')).rejects.toMatchObject({ code: 'run.claimed' });
    await settle();
    there.clock.increment(100);
    await settle();
    await (await here.session.send('three')).ended;
    expect(
      heard(here)
        .at(-1)
        ?.filter((said) => said.startsWith('user')),
    ).toEqual(['user: one', 'user: slow two', 'user: three']);
  });

  test('takes over what another process left, also where it is known already', async () => {
    const store = memoryStore();
    const here = openRuntime({ store, leaseMs: 0 });
    await (await here.session.send('one')).ended;
    const there = openRuntime({ store, leaseMs: 0 });
    await there.session.send('ask two', { runId: 'r2' });
    await there.session.send('three', { runId: 'r3' });
    await settle();
    await there.runtime.close({ runs: 'suspend' });
    await here.runtime.recover();
    const second = await here.runtime.attach('r2');
    await second.answer(second.questions[0]?.id ?? '', true);
    const fourth = await here.session.send('four');
    expect((await (await here.runtime.attach('r3')).ended).text).toBe('echo: three');
    expect((await fourth.ended).messages.filter(({ role }) => role === 'user').map(({ content }) => content)).toEqual([
      ...['one', 'ask two', 'three', 'four'],
    ]);
  });

  test('reads again how it goes on when a run could not be stored, and lets those that wait begin', async () => {
    const inner = memoryStore();
    let refuses = false;
    const open = openRuntime({
      leaseMs: 0,
      store: {
        ...inner,
        commit: (steps) => {
          if (refuses && steps.some(({ runId }) => runId === 'r1')) throw new Error('The store refuses.');
          return inner.commit(steps);
        },
      },
    });
    const [first, second] = await Promise.all([
      open.session.send('slow one', { runId: 'r1' }),
      open.session.send('two', { runId: 'r2' }),
    ]);
    await settle();
    refuses = true;
    open.clock.increment(100);
    expect((await first?.ended)?.fault?.code).toBe('store.unavailable');
    await settle();
    expect(second?.status).toBe('queued');
    // when the store works again, then the first comes to its end, and the second has its turn
    refuses = false;
    for (let i = 0; i < 4; i++) {
      open.clock.increment(1_000);
      await settle();
    }
    expect(await second?.ended).toMatchObject({ status: 'completed', text: 'echo: two' });
    expect(heard(open).at(-1)?.slice(1)).toEqual(['user: slow one', 'assistant: echo: slow one', 'user: two']);
    expect(checkRunLaws([...(inner.events({}) as Iterable<RunEvent>)])).toEqual([]);
  });

  test('remembers what was said before a run that was forgotten', async () => {
    const store = memoryStore();
    const before = openRuntime({ store, leaseMs: 0 });
    await before.session.send('slow one', { runId: 'r1' });
    const second = await before.session.send('two', { runId: 'r2' });
    await second.interrupt();
    before.clock.increment(100);
    await settle();
    before.clock.increment(100);
    expect(await before.runtime.runs.prune({ olderThan: 150 })).toBe(1);
    const after = openRuntime({ store, leaseMs: 0 });
    await expect(after.runtime.runs.get('r2')).resolves.toBeUndefined();
    await (await after.session.send('three')).ended;
    expect(heard(after).at(-1)?.slice(1)).toEqual(['user: slow one', 'assistant: echo: slow one', 'user: three']);
  });

  test('is forgotten alone where it is said which, and begins anew then', async () => {
    const open = openRuntime({ store: memoryStore() });
    const other = open.runtime.session(friend, { sessionKey: 'other' });
    for (const [word, session] of [
      ['one', open.session],
      ['two', open.session],
      ['three', other],
    ] as const)
      await (await session.send(word)).ended;
    open.clock.increment(10);
    expect(await open.runtime.runs.prune({ olderThan: 11, sentTo: 'k' })).toBe(0);
    // also where it was read until its end before
    expect(await open.session.runs()).toEqual([]);
    expect(await open.runtime.runs.prune({ olderThan: 10, sentTo: 'k', keep: 1 })).toBe(1);
    // what is sent and ends in the very moment in which it is to be forgotten is forgotten, too
    await (await open.session.send('now')).ended;
    expect(heard(open).at(-1)?.slice(1)).toEqual(['user: two', 'assistant: echo: two', 'user: now']);
    expect(await open.runtime.runs.prune({ olderThan: 0, sentTo: 'k' })).toBe(2);
    expect((await open.runtime.runs.list()).map(({ job }) => job)).toEqual([{ input: 'three' }]);
    await (await open.session.send('four')).ended;
    expect(heard(open).at(-1)?.slice(1)).toEqual(['user: four']);
    for (const wrong of [{ olderThan: -1 }, { olderThan: 1, keep: 0.5 }])
      await expect(open.runtime.runs.prune({ ...wrong, sentTo: 'k' })).rejects.toMatchObject({ code: 'query.invalid' });
    await expect(open.runtime.runs.prune({ olderThan: 0, units: true })).rejects.toThrow(/units: true and no sentTo/);
  });

  test('does not take a run for its last that began elsewhere while it was read: it says so, and goes on behind that run later', async () => {
    const store = { ...memoryStore({ now: () => 0 }), lasting: true };
    const there = openRuntime({ store });
    let meanwhile: (() => Promise<unknown>) | undefined;
    const here = openRuntime({
      store: {
        ...store,
        async list(filter) {
          const rows = await store.list(filter);
          const then = filter?.status === undefined ? undefined : meanwhile;
          if (then) meanwhile = undefined;
          await then?.();
          return rows;
        },
      },
    });
    await (await here.session.send('one')).ended;
    // given another process that sends something while the session is read here
    meanwhile = () => there.session.send('slow two');
    await expect(here.session.runs()).rejects.toMatchObject({ code: 'run.claimed' });
    await settle();
    there.clock.increment(100);
    await settle();
    // then all of it is heard later
    await (await here.session.send('three')).ended;
    expect(heard(here).at(-1)?.slice(3)).toEqual(['user: slow two', 'assistant: echo: slow two', 'user: three']);
  });

  test('says nothing more of what was forgotten in its middle', async () => {
    const store = memoryStore();
    const open = openRuntime({ store });
    const [first] = [await open.session.send('one', { runId: 'r1' })];
    await first.ended;
    // what the first run began goes on
    await store.commit([stepOf({ runId: 'r1/9-0/0', rootId: 'r1' })]);
    for (const word of ['two', 'three']) {
      await (await open.session.send(word)).ended;
      open.clock.increment(10);
    }
    await open.session.runs();
    expect(await open.runtime.runs.prune({ olderThan: 15, sentTo: 'k' })).toBe(1);
    await (await open.session.send('four')).ended;
    expect(
      heard(open)
        .at(-1)
        ?.filter((said) => said.startsWith('user')),
    ).toEqual(['user: one', 'user: three', 'user: four']);
    await open.runtime.close({ graceMs: 0 });
  });

  test('is not read again where runs of others were forgotten', async () => {
    const inner = memoryStore();
    let reads = 0;
    const events: typeof inner.events = (query) => {
      reads += 1;
      return inner.events(query);
    };
    const open = openRuntime({ store: { ...inner, events } });
    for (const word of ['one', 'two', 'three']) await (await open.session.send(word)).ended;
    const other = open.runtime.session(friend, { sessionKey: 'other' });
    const idle = async () => {
      reads = 0;
      expect((await open.session.idle()).report?.text).toBe('echo: three');
      return reads;
    };
    await idle();
    const before = await idle();
    await (await other.send('four')).ended;
    expect(await open.runtime.runs.prune({ olderThan: 0, sentTo: 'other' })).toBe(1);
    expect(await idle()).toBe(before);
    // its own are looked for again
    expect(await open.runtime.runs.prune({ olderThan: 0, keep: 1, sentTo: 'k' })).toBe(2);
    expect(await idle()).toBeGreaterThan(before);
    await open.runtime.close();
  });

  test('goes on with a run that was paused before its turn came, and let go on after a restart', async () => {
    const store = memoryStore();
    const before = openRuntime({ store, leaseMs: 0 });
    const [, second] = await Promise.all([
      before.session.send('slow one'),
      before.session.send('two', { runId: 'r2' }),
    ]);
    await second?.pause();
    before.clock.increment(100);
    await settle();
    await before.runtime.close({ runs: 'suspend' });
    const after = openRuntime({ store, leaseMs: 0 });
    await after.runtime.recover();
    const run = await after.runtime.attach('r2');
    await run.resume();
    expect((await run.ended).text).toBe('echo: two');
    expect(heard(after).at(-1)?.slice(1)).toEqual(['user: slow one', 'assistant: echo: slow one', 'user: two']);
  });

  test('that cannot be read says why, and can be used when it can', async () => {
    const inner = memoryStore();
    let isBroken = true;
    const list: typeof inner.list = async (filter) => {
      await settle();
      if (isBroken) throw new Error('The disk is gone.');
      return inner.list(filter);
    };
    const { runtime, session } = openRuntime({ store: { ...inner, list } });
    await expect(session.send('one')).rejects.toThrow('The disk is gone.');
    isBroken = false;
    expect((await (await session.send('one')).ended).text).toBe('echo: one');
    // and one that is being read when its runtime closes takes nothing more
    const late = session.send('two');
    await runtime.close();
    await expect(late).rejects.toMatchObject({ code: 'runtime.closed' });
  });

  test('is not kept waiting by the rest of a busy runtime', async () => {
    const inner = memoryStore();
    let commits = 0;
    const open = openRuntime({
      store: {
        ...inner,
        commit: async (steps) => {
          for (let i = 0; i < 2 + (commits++ % 3); i++) await new Promise((resolve) => setImmediate(resolve));
          return inner.commit(steps);
        },
      },
    });
    let going = true;
    let runs = 0;
    const work = async () => {
      while (going && runs++ < 500) await open.runtime.run(friend, 'say it');
    };
    const busy = Promise.all(Array.from({ length: 8 }, work));
    const run = await open.session.send('one');
    going = false;
    expect(runs).toBeLessThan(100);
    expect((await run.ended).text).toBe('echo: one');
    await busy;
  });

  test('runs one after another, in the order they were sent, whatever dies, is asked or interrupted', async () => {
    const words = fc.constantFrom('say', 'slow', 'ask', 'fail');
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('send' as const), word: words }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constantFrom('wait' as const, 'answer', 'interrupt', 'die', 'close') }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const base = memoryStore();
        const told: RunEvent[] = [];
        const sent: string[] = [];
        const boot = () => {
          const mortal = mortalStore(base);
          const open = openRuntime({ store: mortal.store, leaseMs: 0 });
          open.runtime.events$.subscribe((event) => {
            if (!mortal.dead) told.push(event);
          });
          return { mortal, ...open };
        };
        let life = boot();
        const attached = async (): Promise<Run[]> => life.session.runs();
        const pass = async () => {
          await settle();
          life.clock.increment(100);
          await settle();
        };
        for (const { do: what, ...given } of steps) {
          if (what === 'send') {
            const run = await life.session.send(`${(given as { word: string }).word} ${sent.length}`);
            sent.push(run.id);
          } else if (what === 'wait') await pass();
          else if (what === 'answer')
            for (const run of await attached()) for (const { id } of run.questions) await run.answer(id, true);
          else if (what === 'interrupt') await (await attached()).at(-1)?.interrupt();
          else {
            if (what === 'die') life.mortal.die();
            else await life.runtime.close({ runs: 'suspend' });
            life = boot();
            await life.runtime.recover();
          }
        }
        for (let round = 0; round < 3 * sent.length + 1 && (await attached()).length > 0; round++) {
          for (const run of await attached()) for (const { id } of run.questions) await run.answer(id, true);
          await pass();
        }
        // Everything that reached the store came to its end, one after another.
        const rows = base.list({ sentTo: 'k', limit: 1_000 }) as { runId: string; status: string }[];
        const stored = rows.map(({ runId }) => runId).reverse();
        expect(stored).toEqual(sent.filter((id) => stored.includes(id)));
        const log = [...(base.events({}) as Iterable<RunEvent>)];
        expect(checkRunLaws(log)).toEqual([]);
        const begun = log.filter(({ type }) => type === 'run.started').map(({ runId }) => runId);
        expect(begun).toEqual(stored.filter((id) => begun.includes(id)));
        let working: string | null = null;
        for (const { type, runId } of log) {
          if (type === 'run.started') {
            expect(working).toBe(null);
            working = runId;
          } else if (runId === working && ['run.completed', 'run.failed', 'run.interrupted'].includes(type))
            working = null;
        }
        // And each heard what those before it had said.
        const last = (await Promise.all(begun.slice(-1).map((id) => life.runtime.attach(id))))[0];
        const inputs = (await last?.report)?.messages
          .filter(({ role }) => role === 'user')
          .map(({ content }) => content);
        const jobs = new Map(
          log.flatMap((event) => (event.type === 'run.started' ? [[event.runId, event.job.input]] : [])),
        );
        expect(inputs ?? []).toEqual(begun.map((id) => jobs.get(id)));
      }),
      { numRuns: 150 },
    );
  }, 120_000);
});

test('a session whose runs cannot be brought back says which, and takes nothing', async () => {
  const inner = { ...memoryStore(), lasting: true };
  const first = openRuntime({ store: inner, leaseMs: 0 });
  const run = await first.session.send('slow one');
  await settle();
  await first.runtime.close({ runs: 'suspend' });
  let isDown = true;
  const commit: typeof inner.commit = (steps) => {
    if (isDown) throw new Error('disk full');
    return inner.commit(steps);
  };
  const second = openRuntime({ store: { ...inner, commit }, leaseMs: 0 });
  const why = { code: 'run.claimed', message: expect.stringContaining(`do not go on here: ${run.id}`) };
  await expect(second.session.send('two')).rejects.toMatchObject(why);
  await expect(second.session.idle()).rejects.toMatchObject(why);
  isDown = false;
  const next = await second.session.send('two');
  second.clock.increment(100);
  await settle();
  second.clock.increment(100);
  expect((await next.ended).text).toBe('echo: two');
});

test('the chart of a session knows what to do with every event, on every path', () => {
  const paths = getShortestPaths(sessionMachine, {
    input: { key: 'chat' },
    events: [
      { type: 'open' },
      { type: 'sent', runId: 'a' },
      { type: 'sent', runId: 'b' },
      { type: 'ended', runId: 'a' },
      { type: 'ended', runId: 'b' },
      { type: 'lost' },
      { type: 'found' },
      { type: 'xstate.after.1000.session.lost' } as never,
      { type: 'xstate.done.actor.0.session.reading', output: { open: [], last: null } } as never,
      { type: 'xstate.done.actor.0.session.reading', output: { open: ['x'], last: 'x' } } as never,
      { type: 'xstate.error.actor.0.session.reading', error: new Error('no store') } as never,
    ],
    limit: 5_000,
    stopWhen: ({ context }) => context.queue.length > 2,
  });
  const seen = new Set(paths.map(({ state }) => String(state.value)));
  expect(seen).toEqual(new Set(['unread', 'reading', 'idle', 'busy', 'lost']));
  for (const { state } of paths)
    if (state.matches('busy') || state.matches('idle'))
      expect(state.context.current !== null, JSON.stringify(state.context)).toBe(state.matches('busy'));
});
