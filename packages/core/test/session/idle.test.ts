/** A session at rest: nothing of it goes on, and nothing will, before somebody does something. */
import { defineAgent, defineTool, memoryStore, restMachine, type SessionRest } from '@troupe/core';
import { isEnded, isLive, type ReadEvent, type RunRow } from '@troupe/protocol';
import { mortalStore } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createActor, fromPromise, SimulatedClock } from 'xstate';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { helper, officeScript, openOffice, sending } from '../background/office.ts';
import { machine } from '../recovery/processes.ts';
import { silent } from '../recovery/program.ts';

/** What a wait has come to by now. */
const watch = (rest: Promise<SessionRest>) => {
  const seen: { rest?: SessionRest; error?: unknown } = {};
  rest.then(
    (value) => {
      seen.rest = value;
    },
    (error: unknown) => {
      seen.error = error;
    },
  );
  return seen;
};

const openSession = (options: Parameters<typeof openOffice>[0] = {}) => {
  const office = openOffice(options);
  const session = office.runtime.session(office.lead, { sessionKey: 'k' });
  return { ...office, session, idle: () => watch(session.idle()) };
};

describe('a session is idle', () => {
  test('at once, where nothing was sent to it', async () => {
    const { session } = openSession();
    expect(await session.idle()).toEqual({ status: 'idle', questions: [], report: null });
  });

  test('when its runs have ended, queued ones too, however they did', async () => {
    const { session, idle, pass } = openSession();
    for (const plan of ['do: work 500; say one', 'do: fail', 'do: work 300; say three']) void session.send(plan);
    const waits = idle();
    await pass(500);
    await pass(200);
    expect(waits.rest).toBeUndefined();
    await pass(100);
    expect(waits.rest).toMatchObject({ status: 'idle', report: { status: 'completed', text: 'three' } });
  });

  test('when what its units have come to is heard, and the run that was woken for it has ended [F-14]', async () => {
    const { session, idle, pass, deliveries } = openSession();
    await (await session.send('do: send a; say sent')).ended;
    const waits = idle();
    await pass(999);
    expect(waits.rest).toBeUndefined();
    await pass(1);
    expect(waits.rest?.report?.text).toMatch(/^noted: \[BACKGROUND COMPLETED/);
    expect(Object.values(deliveries())).toEqual([[waits.rest?.report?.runId]]);
  });

  test('though a unit that was interrupted has left something for the next run [HM-157]', async () => {
    const { session, idle, pass, deliveries } = openSession();
    await (await session.send('do: send hang; say sent')).ended;
    const waits = idle();
    await pass(60_000);
    expect(waits.rest).toBeUndefined();
    await session.interrupt('enough');
    await pass();
    expect([waits.rest?.status, waits.rest?.report?.text, deliveries()]).toEqual(['idle', 'sent', {}]);
  });

  test('when what each child of a unit has left is heard, and the unit leaves nothing [HM-159]', async () => {
    const { session, idle, pass } = openSession({ sending: { completions: 'each' } });
    await (await session.send('do: send quick,a; say sent')).ended;
    const waits = idle();
    await pass(1);
    await pass(998);
    expect(waits.rest).toBeUndefined();
    await pass(1);
    expect(waits.rest?.report?.text).toContain('did a');
  });

  test('not while a run is paused by command; a person who resumes it is waited for', async () => {
    const { session, idle, pass } = openSession();
    const run = await session.send('do: work 500; say one');
    await run.pause();
    const waits = idle();
    await pass(5_000);
    expect(waits.rest).toBeUndefined();
    await run.resume();
    await pass(500);
    expect(waits.rest).toMatchObject({ status: 'idle', report: { text: 'one' } });
  });

  test('by itself: what another session does is not its business', async () => {
    const { runtime, lead, session, pass } = openSession();
    const other = runtime.session(lead, { sessionKey: 'l' });
    await other.send('do: send hang; work 700; say sent');
    await session.send('do: say so');
    const [mine, its] = [watch(session.idle()), watch(other.idle())];
    await pass();
    expect([mine.rest?.report?.text, its.rest]).toEqual(['so', undefined]);
    await pass(700);
    await other.interrupt();
    await pass();
    expect(its.rest?.status).toBe('idle');
  });

  test('though nothing was sent to it: the run that it began with counts', async () => {
    const { runtime, lead, pass } = openSession();
    const run = runtime.start(lead, 'do: work 500; send quick; say one');
    const waits = watch(runtime.session(lead, { sessionKey: run.id }).idle());
    await pass(500);
    expect(waits.rest).toBeUndefined();
    await pass(1);
    expect(waits.rest?.report?.text).toMatch(/^noted:/);
  });
});

describe('a session is paused', () => {
  test('when a run of it asks and those behind it wait with it; and goes on when that is answered', async () => {
    const { runtime, session, idle, pass } = openSession();
    const asking = await session.send('do: ask; say asked');
    await session.send('do: say so');
    const waits = idle();
    await pass();
    expect(waits.rest).toMatchObject({
      status: 'paused',
      questions: [{ runId: asking.id, tool: 'check' }],
      report: { runId: asking.id, status: 'paused' },
    });
    await runtime.answer(waits.rest?.questions[0]?.id ?? '', true);
    expect(await session.idle()).toMatchObject({ status: 'idle', questions: [], report: { text: 'so' } });
  });

  test('when units of it ask, in the order that they did; not while another is at work', async () => {
    const { runtime, session, idle, pass } = openSession();
    await (await session.send('do: both quick,ask; say sent')).ended;
    await session.send('do: work 500; send ask; say sent');
    const waits = idle();
    await pass(1);
    expect(waits.rest).toBeUndefined();
    await pass(499);
    await pass();
    const units = (await session.units()).map(({ id }) => id).toReversed();
    expect(units).toHaveLength(2);
    expect(waits.rest?.status).toBe('paused');
    expect(waits.rest?.questions.map(({ rootId }) => rootId)).toEqual(units);
    for (const { id } of waits.rest?.questions ?? []) await runtime.answer(id, true);
    const after = idle();
    await pass(1);
    expect(after.rest?.status).toBe('idle');
  });

  test('when a unit asked first, and then a run: the older question comes first', async () => {
    const { session, idle, pass } = openSession({ open: true });
    const run = await session.send('do: send ask; work 500; ask');
    const waits = idle();
    await pass(500);
    expect(waits.rest?.questions.map(({ rootId }) => rootId === run.id)).toEqual([false, true]);
    expect(waits.rest?.report?.runId).toBe(run.id);
  });

  test('no more when a question is answered at the moment it is told: it waits on', async () => {
    const { runtime, session, idle, pass } = openSession();
    runtime.events$.subscribe((event) => {
      if (event.type === 'run.paused') void runtime.answer(event.questionIds[0] ?? '', true);
    });
    await session.send('do: ask; work 500; say done');
    const waits = idle();
    await pass(499);
    expect(waits.rest).toBeUndefined();
    await pass(1);
    expect(waits.rest).toMatchObject({ status: 'idle', report: { text: 'done' } });
  });

  test('not while a unit that asks is being interrupted', async () => {
    const gate = Promise.withResolvers<void>();
    const settleLate = async () => {
      await gate.promise;
      return { content: 'late' };
    };
    const { session, idle, pass } = openSession({ tool: { settle: settleLate } });
    await session.send('do: send ask; say sent');
    expect((await session.idle()).status).toBe('paused');
    for (const unit of await session.units()) await unit.interrupt();
    const waits = idle();
    await pass();
    expect(waits.rest).toBeUndefined();
    gate.resolve();
    await pass();
    expect(waits.rest).toMatchObject({ status: 'idle', report: { text: 'sent' } });
  });
});

describe('whoever waits for a session', () => {
  test.each(['suspend', 'interrupt'] as const)('is sent away when the runtime is closed: %s', async (runs) => {
    const { runtime, session, idle, pass } = openSession({ open: true });
    await session.send('do: send hang; work 500; say one');
    const waits = idle();
    await pass();
    await runtime.close({ runs, graceMs: 0 });
    await settle();
    expect(waits.error).toMatchObject({ code: 'runtime.closed' });
    await expect(session.idle()).rejects.toMatchObject({ code: 'runtime.closed' });
  });

  test('is told when the store cannot be read', async () => {
    const store = memoryStore();
    let isDown = false;
    const list: typeof store.list = (...query) => {
      if (isDown) throw new Error('The disk is gone.');
      return store.list(...query);
    };
    const { session } = openSession({ store: { ...store, list } });
    isDown = true;
    await expect(session.idle()).rejects.toThrow('The disk is gone.');
    isDown = false;
    expect(await session.idle()).toMatchObject({ status: 'idle' });
  });

  test('waits for nobody who could not be sent', async () => {
    const { session, idle, pass } = openSession();
    void session.send({ input: 'do: say so', budget: { turns: -1 } }).catch(() => {});
    const waits = idle();
    await pass();
    expect(waits.rest?.status).toBe('idle');
  });

  test('waits until a delivery that failed was tried again [F-14]', async () => {
    const store = memoryStore();
    let isDown = false;
    const sessionInbox: typeof store.sessionInbox = (...query) => {
      if (isDown) throw new Error('The disk is gone.');
      return store.sessionInbox(...query);
    };
    const { session, idle, pass } = openSession({ store: { ...store, sessionInbox }, logger: silent });
    await (await session.send('do: send quick; say sent')).ended;
    const waits = idle();
    await pass();
    isDown = true;
    await pass(1);
    isDown = false;
    expect(waits.rest).toBeUndefined();
    await pass(1_000);
    expect(waits.rest?.report?.text).toMatch(/^noted: /);
  });
});

describe('what could not be stored', () => {
  /** A store that can fail, for a while. */
  const failing = () => {
    const store = memoryStore();
    const state = { isDown: false };
    const commit: typeof store.commit = (steps) => {
      if (state.isDown) throw new Error('disk full');
      return store.commit(steps);
    };
    return { state, store: { ...store, commit } };
  };

  test('is waited for as what is stored of it: a run is brought back', async () => {
    const { state, store } = failing();
    const { runtime, session, idle, pass } = openSession({ store, life: true });
    await session.send('do: work 500; say done');
    const waits = idle();
    await pass();
    state.isDown = true;
    await pass(500);
    state.isDown = false;
    expect(waits.rest).toBeUndefined();
    await pass(1_000);
    await pass(500);
    expect(waits.rest?.report?.text).toBe('done');
    await runtime.close();
  });

  test('is waited for as what is stored of it: a unit goes on where it is recovered', async () => {
    const { state, store } = failing();
    const { runtime, session, idle, pass } = openSession({ store, life: true });
    await (await session.send('do: send a; say sent')).ended;
    const waits = idle();
    await pass();
    state.isDown = true;
    await pass(1_000);
    state.isDown = false;
    expect(waits.rest).toBeUndefined();
    await pass(5_000);
    expect(waits.rest).toBeUndefined();
    await runtime.recover();
    await pass(1_000);
    expect(waits.rest?.report?.text).toMatch(/^noted: .*did a/);
    await runtime.close();
  });
});

/** A program that dies, and one after it. */
const lives = async () => {
  const base = { ...memoryStore(), lasting: true };
  const clock = new SimulatedClock();
  const mortal = mortalStore(base);
  const first = openSession({ store: mortal.store, clock, life: true });
  return { first, die: () => mortal.die(), again: () => openSession({ store: base, clock, life: true }) };
};

describe('after a restart', () => {
  test('runs and units that were at work are waited for, recovered before or after [L7, HM-158]', async () => {
    const { first, die, again } = await lives();
    await first.session.send('do: send a; work 500; say sent');
    await first.pass();
    die();
    const second = again();
    const waits = second.idle();
    // then the runs of the session are back; its unit is waited for though nobody executes it
    await second.pass(2_000);
    expect([(await second.session.runs()).length, waits.rest]).toEqual([0, undefined]);
    await second.runtime.recover();
    await second.pass(1_000);
    expect(waits.rest?.report?.text).toMatch(/^noted: .*did a/);
    await second.runtime.close({ runs: 'suspend' });
  });

  test('what was left and nobody has heard is on its way [HM-158]', async () => {
    const store = { ...memoryStore(), lasting: true };
    const clock = new SimulatedClock();
    const deaf = { ...store, sessionInbox: () => Promise.reject(new Error('The disk is gone.')) };
    const first = openSession({ store: deaf, clock, life: true });
    await first.runtime.start(first.lead, 'do: send quick; say sent', { sessionKey: 'k', runId: 'k' }).ended;
    await first.pass(1);
    await first.runtime.close({ runs: 'suspend' });
    expect(await store.sessionInbox('k')).toHaveLength(1);
    const second = openSession({ store, clock, life: true });
    const waits = second.idle();
    await second.pass();
    expect(waits.rest?.report?.text).toMatch(/^noted: /);
    await second.runtime.close({ runs: 'suspend' });
  });

  test('a unit that asks is waited for until it has ended, or asks again [L7]', async () => {
    const { first, die, again } = await lives();
    await (await first.session.send('do: both ask,quick; say sent')).ended;
    await first.pass();
    die();
    const second = again();
    // the unit that works is not executed by anybody: the other one asks
    const waits = second.idle();
    await second.pass();
    expect(waits.rest).toBeUndefined();
    await second.runtime.recover();
    await second.pass(1);
    expect(waits.rest).toMatchObject({ status: 'paused', questions: [{ tool: 'check' }] });
    await second.runtime.answer(waits.rest?.questions[0]?.id ?? '', true);
    const after = second.idle();
    await second.pass(1);
    expect(after.rest?.status).toBe('idle');
    await second.runtime.close({ runs: 'suspend' });
  });
});

describe('after a restart, a unit that asked', () => {
  test('and was answered and has ended by the time that the others have is not said to ask [L7]', async () => {
    const { first, die, again } = await lives();
    await (await first.session.send('do: both ask,a; say sent')).ended;
    await first.pass();
    die();
    const second = again();
    const waits = second.idle();
    await second.pass();
    await second.runtime.recover();
    for (const unit of await second.session.units())
      for (const { id } of unit.questions) await second.runtime.answer(id, true);
    await second.pass(1);
    expect(waits.rest).toBeUndefined();
    await second.pass(1_000);
    expect(waits.rest?.status).toBe('idle');
    await second.runtime.close({ runs: 'suspend' });
  });
});

describe('beside another process', () => {
  const tool = sending();
  const lead = defineAgent({ name: 'lead', instructions: 'You lead.', memoryScope: null, tools: [tool] });
  const agents = [lead, helper];
  const both = async (plan: string) => {
    const world = machine();
    const there = world.boot(officeScript, { agents });
    const run = await there.runtime.session(lead, { sessionKey: 'k' }).send(plan);
    await run.ended;
    await settle();
    const here = world.boot(officeScript, { agents });
    const session = here.runtime.session(lead, { sessionKey: 'k' });
    return { ...world, there, here, session };
  };

  test('a unit that works there is waited for, and what it has left is heard, here or there [L7]', async () => {
    const { session, clock, base, pass } = await both('do: send a; say sent');
    const waits = watch(session.idle());
    await settle();
    clock.increment(999);
    await settle();
    expect([waits.rest, waits.error]).toEqual([undefined, undefined]);
    await pass();
    // whoever is quicker begins a run for it: here it is waited for, there it is said where it goes on
    expect(waits.rest?.report?.text ?? (waits.error as Error).message).toMatch(
      /^noted: .*did a|executed by another process/,
    );
    expect(await base.sessionInbox('k')).toEqual([]);
  });

  test('a unit that asks there is what the session waits for, until that is answered [L7]', async () => {
    const { session, here, pass } = await both('do: send ask; say sent');
    const waits = watch(session.idle());
    await pass();
    expect(waits.rest).toMatchObject({ status: 'paused', questions: [{ tool: 'check' }], report: { text: 'sent' } });
    const after = watch(here.runtime.answer(waits.rest?.questions[0]?.id ?? '', true).then(() => session.idle()));
    await pass();
    expect(after.rest?.status ?? after.error).not.toBeUndefined();
    expect(after.rest?.status).not.toBe('paused');
  });
});

const steps = fc.constantFrom(
  ...['send a', 'send quick', 'send quick,a', 'send fail', 'send ask', 'both quick,quick,a', 'send hang'],
  ...['work 700', 'think 400', 'ask', 'fail', 'say so'],
);
const plans = fc.array(steps, { minLength: 1, maxLength: 4 }).map((each) => `do: ${each.join('; ')}`);
const happening = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('send' as const, 'start'),
      key: fc.constantFrom('k', 'l'),
      plan: plans,
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 300, 1_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('answer' as const, 'interrupt'), n: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('stop' as const), key: fc.constantFrom('k', 'l') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);

describe('whatever happens to sessions, and however slow their store is', () => {
  test('where one is at rest nothing of it happens by itself; and where nothing would, it is [HM-157, F-14, HM-158, L7]', async () => {
    let rests = 0;
    let waits = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(happening, { minLength: 2, maxLength: 12 }),
        fc.nat({ max: 2 }),
        async (happenings, lag) => {
          const clock = new SimulatedClock();
          const base = { ...memoryStore({ now: () => clock.now() }), lasting: true };
          let asked = 0;
          const slow = <A extends unknown[], R>(ask: (...given: A) => R) =>
            (lag === 0
              ? ask
              : async (...given: A) => {
                  await settle((asked++ * lag) % 3);
                  return ask(...given);
                }) as (...given: A) => R;
          const { commit, sessionInbox, list, get } = base;
          const store = {
            ...base,
            commit: slow(commit),
            sessionInbox: slow(sessionInbox),
            list: slow(list),
            get: slow(get),
          };
          const quiet = () => settle(15 + lag * 30);
          const live = () => openOffice({ store, clock, life: true });
          let office = live();
          const rows = (): RunRow[] => (base.list({ limit: 10_000 }) as RunRow[]).toReversed();
          const keyOf = new Map<string, string>();
          /** Everything that was ever told of a session, live parts left out. */
          const toldOf = (key: string): number => {
            for (const { rootId, runId, sessionKey } of rows())
              if (rootId === runId) keyOf.set(rootId, sessionKey ?? rootId);
            return [...(base.events({}) as Iterable<ReadEvent>)].filter(
              (event) => !isLive(event) && keyOf.get(event.rootId) === key,
            ).length;
          };
          const open = (key?: string): RunRow[] =>
            rows().filter(
              (row) =>
                row.parentId === undefined && !isEnded(row.status) && (key === undefined || row.sessionKey === key),
            );
          const answerAll = async (): Promise<void> => {
            for (const { runId } of open()) {
              const run = await office.runtime.attach(runId);
              for (const { id } of run.questions) await office.runtime.answer(id, true);
            }
          };
          for (const each of happenings) {
            const { runtime, lead } = office;
            if (each.do === 'send') void runtime.session(lead, { sessionKey: each.key }).send(each.plan);
            if (each.do === 'start') runtime.start(lead, each.plan, { sessionKey: each.key });
            if (each.do === 'answer') await answerAll();
            if (each.do === 'interrupt') {
              const row = open()[each.n % 5];
              if (row) await (await runtime.attach(row.runId)).interrupt();
            }
            if (each.do === 'stop') await runtime.session(lead, { sessionKey: each.key }).interrupt();
            if (each.do === 'restart') {
              await runtime.close({ runs: 'suspend' });
              office = live();
              await office.runtime.recover();
            }
            const sessions = ['k', 'l'].map((key) => {
              const session = office.runtime.session(office.lead, { sessionKey: key });
              const seen: { rest?: SessionRest; told?: number } = {};
              const rest = session.idle().then((value) => {
                seen.rest = value;
                seen.told = toldOf(key);
              });
              rest.catch(() => {});
              return { key, seen };
            });
            await quiet();
            for (const { key, seen } of sessions) {
              const left = open(key).filter(({ status }) => status !== 'paused' && status !== 'queued');
              const unheard = (await base.sessionInbox(key)).length > 0;
              // where everything has ended, or asks a person, it was said
              if (left.length === 0 && !unheard)
                expect([key, seen.rest?.status]).toEqual([key, open(key).length > 0 ? 'paused' : 'idle']);
              if (seen.rest?.status === 'idle') expect(open(key)).toEqual([]);
              if (seen.rest) rests += 1;
              else waits += 1;
            }
            const ms = each.do === 'pass' ? each.ms : 0;
            const settled = sessions.filter(({ seen }) => seen.rest);
            clock.increment(ms);
            await quiet();
            // and nothing has happened since then, whatever time has passed
            for (const { key, seen } of settled) expect([key, toldOf(key)]).toEqual([key, seen.told]);
          }
          await office.runtime.close({ runs: 'suspend' });
        },
      ),
      { numRuns: 60 },
    );
    expect(Math.min(rests, waits)).toBeGreaterThan(100);
  }, 120_000);
});

test('What a run had let go before it ended may be answered, end and ask again elsewhere: a session at rest knows', async () => {
  const nothing = z.object({});
  const erase = defineTool({
    name: 'erase',
    description: '',
    inputSchema: nothing,
    confirm: true,
    execute: () => 'done',
  });
  const leaf = defineAgent({ name: 'leaf', instructions: '', tools: [erase] });
  const letGo = defineTool({
    name: 'let_go',
    description: '',
    inputSchema: nothing,
    execute: async (_input, { spawn }) => (await (await spawn(leaf, 'go', { onPaused: 'error' })).report).status,
  });
  const top = defineAgent({ name: 'top', instructions: '', tools: [letGo] });
  const erasing = { calls: [{ name: 'erase', arguments: {} }] };
  const script = {
    top: [{ calls: [{ name: 'let_go', arguments: {} }] }, 'top done'],
    leaf: [erasing, erasing, 'leaf done'],
  };
  const { boot } = machine();
  const [one, two] = [boot(script, { agents: [top, leaf] }), boot(script, { agents: [top, leaf] })];
  const [here, there] = [one, two].map(({ runtime }) => runtime.session(top, { sessionKey: 'k' }));
  await (await here?.send('go'))?.ended;
  const asked = async () => {
    const rest = there?.idle();
    await settle();
    const { questions = [] } = (await rest)?.report ?? {};
    return questions.map(({ id }) => id);
  };
  const [first = ''] = await asked();
  expect(await one.runtime.answer(first, true)).toEqual({ status: 'accepted' });
  await settle();
  const [second = '', ...more] = await asked();
  expect([second === first, second.length > 0, more]).toEqual([false, true, []]);
  expect(await one.runtime.answer(second, true)).toEqual({ status: 'accepted' });
  await settle();
  expect([await asked(), await asked()]).toEqual([[], []]);
});

describe('the chart of a wait', () => {
  test('knows what it has to be given', async () => {
    const failed = createActor(restMachine).start();
    await settle();
    expect(failed.getSnapshot()).toMatchObject({ value: 'failed', status: 'done' });
    const errors: unknown[] = [];
    const astir = createActor(restMachine.provide({ actors: { open: fromPromise(async () => {}) } }));
    astir.subscribe({ error: (error) => errors.push(String(error)) });
    astir.start();
    await settle();
    expect(errors).toEqual([expect.stringContaining('without its "isStill"')]);
  });
});
