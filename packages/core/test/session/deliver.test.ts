import { memoryStore } from '@troupe/core';
import { isEnded, type RunEvent, type RunRow, unfinished } from '@troupe/protocol';
import { checkRunLaws, type Death } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { lives, play } from '../background/lives.ts';
import { deliveriesIn, helper, officeScript, openOffice } from '../background/office.ts';
import { machine } from '../recovery/processes.ts';

const secret = 'sk-abcdefgh12345678';

const open = (options: Parameters<typeof openOffice>[0] = {}) => {
  const office = openOffice(options);
  return { ...office, session: office.runtime.session(office.lead, { sessionKey: 'k' }) };
};

describe('what a program leaves for a session where nobody is at work', () => {
  test('begins a run, which knows what it was told', async () => {
    const { session, runtime, pass, heard, deliveries } = open();
    const before = await session.send('do: say hello');
    await before.ended;
    const metadata = { channel: 'mail', replyTo: ['m1'] };
    await session.deliver({ id: 'a', text: 'The mail has come.', metadata });
    await pass();
    expect(heard().slice(1)).toEqual(['user: do: say hello', 'assistant: hello', 'user: The mail has come.']);
    expect(await runtime.runs.get('wake_a')).toMatchObject({
      status: 'completed',
      after: before.id,
      job: { input: 'The mail has come.', metadata: { delivered: ['a'], letters: { a: metadata } } },
    });
    // without anything to know there is nothing to tell
    await session.deliver({ id: 'b/1', text: 'Again.' });
    await pass();
    expect((await runtime.runs.get('wake_b.1'))?.job.metadata).toEqual({ delivered: ['b/1'] });
    expect(deliveries()).toEqual({ a: ['wake_a'], 'b/1': ['wake_b.1'] });
  });

  test('begins the conversation, if nothing was said before', async () => {
    const { session, runtime, pass, heard } = open();
    await session.deliver({ id: 'a', text: 'do: say hello' });
    await pass();
    expect(await runtime.runs.get('wake_a')).toMatchObject({ after: null, sessionKey: 'k', status: 'completed' });
    await (await session.send('do: say more')).ended;
    expect(heard().slice(1)).toEqual(['user: do: say hello', 'assistant: hello', 'user: do: say more']);
  });

  test('goes on with a conversation that no session began', async () => {
    const { runtime, lead, pass, heard } = open();
    await runtime.run(lead, 'do: say hello', { runId: 'r' });
    await runtime.session(lead, { sessionKey: 'r' }).deliver({ id: 'a', text: 'And now?' });
    await pass();
    expect(heard().slice(1)).toEqual(['user: do: say hello', 'assistant: hello', 'user: And now?']);
    // also where only what was sent off from there knows where it began
    await runtime.run(lead, 'do: send quick', { runId: 'r2', sessionKey: 'named' });
    await runtime.session(lead, { sessionKey: 'named' }).deliver({ id: 'b', text: 'Wait.', wakes: false });
    await pass(1);
    expect(await runtime.runs.get('wake_b')).toMatchObject({
      after: 'r2',
      job: { input: expect.stringMatching(/^Wait.*did quick/s) },
    });
    expect(heard()[1]).toBe('user: do: send quick');
  });

  test('goes together, oldest first; what begins no run waits for one', async () => {
    const { session, runtime, pass, heard, deliveries } = open();
    await (await session.send('do: say hello')).ended;
    await session.deliver({ id: 'a', text: 'Quiet.', wakes: false, metadata: { n: 1 } });
    await pass(60_000);
    expect(deliveries()).toEqual({});
    await Promise.all([
      session.deliver({ id: 'b', text: 'Loud.', metadata: { n: 2 } }),
      session.deliver({ id: 'c', text: 'Louder.' }),
    ]);
    await pass();
    expect(heard().at(-1)).toBe('user: Quiet.\n\nLoud.\n\nLouder.');
    expect((await runtime.runs.get('wake_a'))?.job.metadata).toEqual({
      delivered: ['a', 'b', 'c'],
      letters: { a: { n: 1 }, b: { n: 2 } },
    });
    await session.deliver({ id: 'd', text: 'Quiet again.', wakes: false });
    const next = await session.send('do: say bye');
    expect((await next.ended).text).toBe('bye');
    expect(heard().slice(-2)).toEqual(['user: do: say bye', 'user: Quiet again.']);
    expect(deliveries().d).toEqual([next.id]);
  });

  test('is no reason to begin one again where the conversation was stopped since', async () => {
    const { session, pass, deliveries } = open();
    const run = await session.send('do: work 5000');
    await pass(10);
    await session.deliver({ id: 'a', text: 'Too late.' });
    await pass(10);
    await session.interrupt('enough');
    await pass(60_000);
    expect(run.status).toBe('interrupted');
    expect(deliveries()).toEqual({});
    await session.deliver({ id: 'b', text: 'Now.' });
    await pass();
    expect(deliveries()).toEqual({ a: ['wake_a'], b: ['wake_a'] });
  });

  test('waits at maxWakes until somebody sends something', async () => {
    const { session, pass, deliveries } = open({ maxWakes: 2 });
    for (const id of ['a', 'b', 'c', 'd']) {
      await session.deliver({ id, text: `${id}.` });
      await pass();
    }
    expect(deliveries()).toEqual({ a: ['wake_a'], b: ['wake_b'] });
    const next = await session.send('do: say hello');
    await next.ended;
    expect(deliveries()).toMatchObject({ c: [next.id], d: [next.id] });
  });

  test('begins a run of another id where its own is taken', async () => {
    const { session, runtime, lead, pass, deliveries } = open();
    await runtime.run(lead, 'do: say hello', { runId: 'wake_a.b' });
    await session.deliver({ id: 'a/b', text: 'One.' });
    await pass();
    await session.deliver({ id: 'a.b', text: 'Two.' });
    await pass();
    expect(deliveries()).toEqual({ 'a/b': ['wake_a.b+1'], 'a.b': ['wake_a.b+2'] });
  });
});

describe('what a program leaves for a session that has a run at work', () => {
  test('is heard before its next turn, and nothing in flight is disturbed [B-38]', async () => {
    const { session, runtime, pass, heard, deliveries, provider, types } = open();
    const run = await session.send('do: think 100; work 100');
    const queued = await session.send('do: say bye');
    await pass(50);
    await session.deliver({ id: 'a', text: 'By the way.', metadata: { n: 1 } });
    await pass();
    expect([deliveries(), run.status, queued.status]).toEqual([{}, 'running', 'queued']);
    await pass(50);
    expect(heard().at(-1)).toBe('user: By the way.');
    await pass(100);
    expect((await run.ended).status).toBe('completed');
    expect(provider.requests.some(({ aborted }) => aborted)).toBe(false);
    expect(types(run.id)).not.toContain('run.interrupted');
    await queued.ended;
    expect(deliveries()).toEqual({ a: [run.id] });
    expect((await runtime.runs.list()).length).toBe(2);
  });

  test('is heard once it goes on, where it waits for a person or is paused', async () => {
    const { session, pass, heard, deliveries } = open();
    const run = await session.send('do: ask; say so; say more');
    await pass();
    await session.deliver({ id: 'a', text: 'First.' });
    await run.pause();
    await pass(60_000);
    await session.deliver({ id: 'b', text: 'Second.', wakes: false });
    await pass(60_000);
    expect(deliveries()).toEqual({});
    await run.resume();
    await run.answer(run.questions[0]?.id ?? '', true);
    await run.ended;
    expect(heard()).toEqual(expect.arrayContaining(['tool: checked', 'user: First.', 'user: Second.']));
    expect(deliveries()).toEqual({ a: [run.id], b: [run.id] });
  });

  test('is heard with the next one where it ends before another turn', async () => {
    const { session, pass, deliveries } = open({ agent: { budget: { turns: 1 } } });
    const run = await session.send('do: think 100');
    await pass();
    await session.deliver({ id: 'a', text: 'By the way.' });
    await pass(100);
    await run.ended;
    await pass();
    expect(deliveries()).toEqual({ a: ['wake_a'] });
  });
});

describe('the same id', () => {
  test('is one message, whoever leaves it, for whichever session, heard or not', async () => {
    const { session, runtime, lead, pass, heard, deliveries } = open();
    const other = runtime.session(lead, { sessionKey: 'other' });
    for (const text of ['One.', 'Two.']) await session.deliver({ id: 'a', text, wakes: false });
    await other.deliver({ id: 'a', text: 'Three.' });
    await session.deliver({ id: 'b', text: 'Now.' });
    await pass();
    expect(heard().at(-1)).toBe('user: One.\n\nNow.');
    for (const each of [session, other]) await each.deliver({ id: 'a', text: 'Four.' });
    await pass();
    expect(deliveries()).toEqual({ a: ['wake_a'], b: ['wake_a'] });
    expect((await runtime.runs.list()).length).toBe(1);
  });

  test('is one message after a restart, too, until what is older is forgotten', async () => {
    const world = lives();
    const first = world.live();
    const letter = { id: 'a', text: 'Once.' };
    const of = ({ runtime, lead }: typeof first) => runtime.session(lead, { sessionKey: 'k' });
    await of(first).deliver(letter);
    await first.pass(50);
    first.mortal.die();
    const second = world.live();
    await of(second).deliver(letter);
    await second.pass(50);
    expect(deliveriesIn(world.stored())).toEqual({ a: ['wake_a'] });
    expect(await second.runtime.runs.prune({ olderThan: 100, sentTo: 'other' })).toBe(0);
    expect(await second.runtime.runs.prune({ olderThan: 101 })).toBe(0);
    await of(second).deliver(letter);
    await second.pass();
    expect(deliveriesIn(world.stored())).toEqual({ a: ['wake_a'] });
    // forgotten, it is another one; the run that heard it was kept
    expect(await second.runtime.runs.prune({ olderThan: 100, keep: 1 })).toBe(0);
    await of(second).deliver(letter);
    await second.pass();
    expect(deliveriesIn(world.stored())).toEqual({ a: ['wake_a', 'wake_a+1'] });
    expect(world.store.sessionInbox()).toEqual([]);
  });
});

describe('a message that cannot be left', () => {
  test.each([
    { id: ' ', text: 'Hello.' },
    { id: 'a', text: '\n' },
  ])('says why: %j', async (delivery) => {
    const { session, pass, deliveries } = open();
    await expect(session.deliver(delivery)).rejects.toMatchObject({
      code: 'delivery.invalid',
      message: expect.stringMatching(/session "k" .* Give it/),
    });
    await pass();
    expect(deliveries()).toEqual({});
  });

  test('is refused by a runtime that is closed', async () => {
    const { session, runtime } = open();
    await session.deliver({ id: 'a', text: 'Hello.', wakes: false });
    await runtime.close();
    await expect(session.deliver({ id: 'b', text: 'Hello.' })).rejects.toMatchObject({ code: 'runtime.closed' });
  });

  test('may be left again with the same id when its store is back', async () => {
    const inner = memoryStore();
    let refuses = true;
    const post: typeof inner.post = (mail) => {
      if (refuses) throw new Error('The disk is full.');
      return inner.post(mail);
    };
    const { session, pass, deliveries } = open({ store: { ...inner, post } });
    await expect(session.deliver({ id: 'a', text: 'Hello.' })).rejects.toThrow('The disk is full.');
    await pass(60_000);
    refuses = false;
    await session.deliver({ id: 'a', text: 'Hello.' });
    await pass();
    expect(deliveries()).toEqual({ a: ['wake_a'] });
  });

  test('keeps no secrets, and what is no JSON is left out', async () => {
    const store = memoryStore();
    const { session, pass, heard } = open({ store });
    const metadata = { key: secret, at: new Date(0), no: undefined } as never;
    await session.deliver({ id: 'c', text: 'Odd.', wakes: false, metadata: 1n as never });
    await session.deliver({ id: 'a', text: `Use ${secret}.`, wakes: false, metadata });
    expect(JSON.stringify(store.sessionInbox())).not.toContain(secret);
    await session.deliver({ id: 'b', text: 'Now.' });
    await pass();
    expect(heard().at(-1)).toBe('user: Odd.\n\nUse [redacted].\n\nNow.');
    expect((store.get('wake_c') as RunRow).job.metadata).toEqual({
      delivered: ['c', 'a', 'b'],
      letters: { c: '1', a: { key: '[redacted]', at: '1970-01-01T00:00:00.000Z' } },
    });
  });
});

describe('a session that nobody has opened since', () => {
  test.each(['and that was sent nothing', 'and whose runs were forgotten'])(
    'hears what was left once it is opened: %s',
    async (how) => {
      const world = lives();
      const first = world.live();
      const session = first.runtime.session(first.lead, { sessionKey: 'k' });
      if (how.endsWith('forgotten')) await (await session.send('do: say hello')).ended;
      const { post } = first.mortal.store;
      first.mortal.store.post = async (mail) => {
        await post(mail);
        first.mortal.die();
        await new Promise<never>(() => {});
      };
      void session.deliver({ id: 'a', text: 'Hello.' });
      await first.pass(10);
      expect(world.store.sessionInbox('k')).toHaveLength(1);
      const complaints: unknown[] = [];
      const logger = { warn: (...said: unknown[]) => complaints.push(said[1]), error: () => {} };
      const second = world.live(undefined, { logger });
      if (how.endsWith('forgotten')) expect(await second.runtime.runs.prune({ olderThan: 1 })).toBe(1);
      await second.runtime.recover();
      await second.pass(60_000);
      expect(complaints).toEqual([
        expect.objectContaining({ code: 'agent.unknown', message: expect.stringMatching(/in session "k": open it/) }),
      ]);
      expect(world.store.sessionInbox('k')).toHaveLength(1);
      second.runtime.session(second.lead, { sessionKey: 'other' });
      await second.pass();
      expect(world.store.sessionInbox('k')).toHaveLength(1);
      second.runtime.session(second.lead, { sessionKey: 'k' });
      await second.pass();
      expect(deliveriesIn(world.stored())).toEqual({ a: ['wake_a'] });
    },
  );
});

/** Programs beside each other at one store, in which the same session is open. */
const beside = () => {
  const world = machine();
  const boot = () => {
    const { lead } = openOffice({ clock: world.clock });
    const booted = world.boot(officeScript, { agents: [lead, helper] });
    return { ...booted, session: booted.runtime.session(lead, { sessionKey: 'k' }) };
  };
  return { ...world, here: boot(), there: boot() };
};

test('a message reaches the run at work in another process, and wakes nobody here [F-14]', async () => {
  const { here, there, ...world } = beside();
  const run = await there.session.send('do: work 100; say so', { runId: 'r' });
  await settle();
  await here.session.deliver({ id: 'a', text: 'By the way.' });
  await settle();
  world.clock.increment(100);
  await settle();
  expect((await run.ended).status).toBe('completed');
  // and where nobody is at work, one of them begins a run
  await Promise.all([here, there].map(({ session }) => session.deliver({ id: 'b', text: 'And then?' })));
  await settle(60);
  const all = [...(world.base.events({}) as Iterable<RunEvent>)];
  expect(deliveriesIn(all)).toEqual({ a: ['r'], b: ['wake_b'] });
});

test('a message that another process is quicker with is not told again', async () => {
  const { here, there, base } = beside();
  const gate = Promise.withResolvers<void>();
  const { get } = here.mortal.store;
  here.mortal.store.get = async (runId) => {
    if (runId === 'wake_a') await gate.promise;
    return get(runId);
  };
  await here.session.deliver({ id: 'a', text: 'Hello.' });
  await settle();
  await there.session.deliver({ id: 'a', text: 'Hello.' });
  await settle();
  gate.resolve();
  await settle();
  await here.session.deliver({ id: 'b', text: 'Bye.' });
  await settle();
  const all = [...(base.events({}) as Iterable<RunEvent>)];
  expect(deliveriesIn(all)).toEqual({ a: ['wake_a'], b: ['wake_b'] });
});

/** A letter that is told from every other in what was said. */
const letterOf = (n: number, wakes = true) => ({ id: `letter ${n}`, text: `<letter ${n}>`, wakes });

describe('killed after anything that it stores and brought back, a program that leaves its messages again is heard once [F-13, F-14, L7]', () => {
  test.each([
    ['by the run at work', 'do: work 300; think 300', 100],
    ['by a run that is begun for it', 'do: say so', 100],
    ['by both', 'do: work 150; think 100', 200],
    ['beside what units came to', 'do: send a; work 300', 900],
  ])('%s', { timeout: 30_000 }, async (_to, plan, at) => {
    const letters = [1, 2, 3].map((n) => letterOf(n, n !== 2));
    const run = async (death?: Death) => {
      const world = lives();
      const live = async (office: ReturnType<typeof world.live>) => {
        const session = office.runtime.session(office.lead, { sessionKey: 'k' });
        const deliver = async (...ns: number[]) => {
          for (const n of ns) await Promise.race([session.deliver(letters[n - 1] ?? letterOf(0)), office.pass()]);
        };
        await office.runtime.recover();
        if (!world.store.get('r')) await Promise.race([session.send(plan, { runId: 'r' }), settle()]);
        await deliver(1);
        await office.pass(at);
        await deliver(2, 3);
        await play(world, office.mortal);
        await settle();
        await play(world, office.mortal);
      };
      const first = world.live(death);
      await live(first);
      if (first.mortal.dead) await live(world.live());
      return { ...world, writes: first.mortal.writes };
    };
    const calm = await run();
    expect(Object.keys(deliveriesIn(calm.stored()))).toEqual(expect.arrayContaining(letters.map(({ id }) => id)));
    for (let afterWrite = 1; afterWrite <= calm.writes; afterWrite++)
      for (const as of ['heard', 'unheard'] as const) {
        const { stored, store, rows } = await run({ afterWrite, as });
        const why = `after write ${afterWrite} (${as})`;
        const delivered = deliveriesIn(stored());
        expect([why, letters.map(({ id }) => delivered[id]?.length)]).toEqual([why, [1, 1, 1]]);
        expect([why, store.sessionInbox()]).toEqual([why, []]);
        expect([why, rows().every(({ status }) => isEnded(status))]).toEqual([why, true]);
        expect(checkRunLaws(stored())).toEqual([]);
      }
  });
});

type Act =
  | { do: 'deliver'; n: number; wakes: boolean }
  | { do: 'send'; plan: string }
  | { do: 'pass'; ms: number }
  /** `recalled`: runs are brought back by whoever has something to say to them, each by itself, the newest first or all at once. */
  | { do: 'crash'; recalled?: 'newest first' | 'at once' }
  | { do: 'pause' | 'resume' | 'interrupt' | 'restart' };

const recalled = fc.constantFrom('newest first' as const, 'at once' as const);
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('deliver' as const), n: fc.nat(5), wakes: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      plan: fc.constantFrom('say so', 'think 50', 'work 50; say so', 'fail', 'send quick; think 30', 'think 20; fail'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(0, 1, 20, 50, 1_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume', 'interrupt', 'crash', 'restart') }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('crash' as const), recalled }),
  },
);

test('in whatever order messages are left and runs are sent, end, pause, crash and go on, each is heard exactly once [F-14, L7]', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 25 }), fc.option(recalled, { nil: undefined }), async (acts, last) => {
      const world = lives();
      const begin = () => {
        const office = world.live();
        const session = office.runtime.session(office.lead, { sessionKey: 'k' });
        return { ...office, session };
      };
      const left = new Map<string, ReturnType<typeof letterOf>>();
      let now = begin();
      const again = async (recalled?: 'newest first' | 'at once') => {
        now.mortal.die();
        now = begin();
        const { runtime } = now;
        const recall = async (runId: string) => (await runtime.attach(runId)).resume().catch(() => {});
        const open = recalled ? await runtime.runs.list({ status: unfinished }) : [];
        if (recalled === 'at once') await Promise.all(open.map(({ runId }) => recall(runId)));
        else for (const { runId } of open) await recall(runId);
        await runtime.recover();
      };
      const perform = async (next: Act): Promise<void> => {
        const { session } = now;
        // Nobody waits for a process that may be dead.
        const say = (what: Promise<unknown>) => void what.catch(() => {});
        if (next.do === 'deliver') {
          const letter = letterOf(next.n, next.wakes);
          left.set(letter.id, left.get(letter.id) ?? letter);
          say(session.deliver(letter));
        } else if (next.do === 'send') say(session.send(`do: ${next.plan}`));
        else if (next.do === 'pass') await now.pass(next.ms);
        else if (next.do === 'crash') await again(next.recalled);
        else if (next.do === 'restart') {
          await now.runtime.close({ runs: 'suspend' });
          await again();
        } else if (next.do === 'interrupt') say(session.interrupt());
        else for (const run of await session.runs()) say(next.do === 'pause' ? run.pause() : run.resume());
      };
      for (const next of acts) await perform(next);
      await now.pass();
      // in the end whatever can go on does, and what was left goes out again
      await again(last);
      for (const letter of left.values()) await now.session.deliver(letter);
      for (let i = 0; i < 4; i++) {
        for (const run of await now.session.runs()) void run.resume();
        await now.pass(1_000);
      }
      await play(world, now.mortal);
      await (await now.session.send('do: say bye')).ended;
      await now.pass(1_000);
      const delivered = deliveriesIn(world.stored());
      for (const { id, text } of left.values()) {
        expect([id, delivered[id]?.length]).toEqual([id, 1]);
        const said = now.session.messages.filter(({ content }) => String(content).includes(text));
        expect([id, said.filter(({ role }) => role === 'user').length]).toEqual([id, 1]);
      }
      expect(world.store.sessionInbox()).toEqual([]);
      expect(checkRunLaws(world.stored())).toEqual([]);
    }),
    {
      numRuns: 40,
      // A wake that is on its way while the session is read for somebody else: neither takes the place of the other.
      examples: [
        [
          [
            { do: 'deliver', n: 0, wakes: true },
            { do: 'deliver', n: 0, wakes: false },
            { do: 'pause' },
            { do: 'deliver', n: 0, wakes: false },
            { do: 'deliver', n: 0, wakes: false },
            { do: 'send', plan: 'say so' },
            { do: 'interrupt' },
            { do: 'pause' },
          ],
          undefined,
        ],
        // A run that holds a letter is brought back after one that was sent later.
        [
          [
            { do: 'deliver', n: 0, wakes: true },
            { do: 'deliver', n: 1, wakes: false },
            { do: 'send', plan: 'think 50' },
            { do: 'send', plan: 'say so' },
          ],
          'newest first',
        ],
      ],
    },
  );
}, 60_000);
