// Sessions whose store takes its time: what is asked of them at once meets in every order, by one process or by two.
import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import { isFaultError, isTerminal, type RunEvent, type RunStore, type StoredEvent } from '@troupe/protocol';
import { checkRunLaws, scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';

const friend = defineAgent({ name: 'friend', instructions: 'Be kind.' });
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A store whose answers are late, one after another, by as many turns of the event loop as it is told. */
const slowed = (lates: readonly number[]) => {
  const clock = new SimulatedClock();
  const base = memoryStore({ now: () => clock.now() });
  const listeners = new Set<() => void>();
  let asked = 0;
  const wait = async (): Promise<void> => {
    for (let i = lates[asked++ % lates.length] ?? 0; i > 0; i--) await turn();
  };
  const late =
    <A extends unknown[], R>(answer: (...given: A) => R) =>
    async (...given: A): Promise<Awaited<R>> => {
      const found = await answer(...given);
      await wait();
      return found;
    };
  const store: RunStore = {
    ...base,
    get: late(base.get),
    list: late(base.list),
    sessionInbox: late(base.sessionInbox),
    post: late(base.post),
  };
  /** As another process sees it: it commits late, too, and tells of what it stores. */
  const shared = (): RunStore => ({
    ...store,
    lasting: true,
    async commit(steps) {
      await wait();
      const stored = base.commit(steps);
      for (const heard of listeners) setImmediate(() => listeners.has(heard) && heard());
      await wait();
      return stored;
    },
    changes(heard) {
      listeners.add(heard);
      return () => void listeners.delete(heard);
    },
  });
  const boot = (store: RunStore) =>
    createRuntime({
      provider: scriptedProvider(() => 'well'),
      model: 'm',
      clock,
      store: {
        ...store,
        ...Object.fromEntries(['read', 'write', 'search', 'reset'].map((name) => [name, base[name as 'read']])),
      },
      maxWakes: Number.POSITIVE_INFINITY,
      logger: { warn: () => {}, error: () => {} },
    });
  /** Lets time pass until something is so. */
  const until = async (isSo: () => boolean): Promise<void> => {
    for (let i = 0; i < 2_000 && !isSo(); i++) {
      await turn();
      clock.increment(20);
    }
  };
  return { base, store, shared, boot, until };
};

/** What was heard in a conversation of one line, word by word. */
const heardIn = (base: RunStore): string[] => {
  const rows = [...(base.list({ sentTo: 'k', limit: 100 }) as ReturnType<typeof rowsOf>)].reverse();
  expect(rows.map(({ after }) => after)).toEqual([null, ...rows.map(({ runId }) => runId)].slice(0, rows.length));
  return rows.flatMap(({ runId, job }) => [
    ...String(job.input).split('\n\n'),
    ...[...(base.events({ runId }) as Iterable<StoredEvent>)].flatMap((event) =>
      event.type === 'turn.started' ? (event.heard ?? []).flatMap((said) => said.split('\n\n')) : [],
    ),
  ]);
};
const rowsOf = (base: RunStore) => base.list() as Exclude<ReturnType<typeof base.list>, Promise<unknown>>;

const act = fc.constantFrom('send', 'send', 'deliver', 'deliver', 'idle', 'pass');

test('Whatever is sent and left while others are, each is heard once, in a conversation of one line [F-14, L7]', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { minLength: 2, maxLength: 14 }),
      fc.array(fc.nat(3), { minLength: 5, maxLength: 25 }),
      async (acts, lates) => {
        const { base, store, boot } = slowed(lates);
        const runtime = boot(store);
        const session = runtime.session(friend, { sessionKey: 'k' });
        const said: string[] = [];
        const under: Promise<unknown>[] = [];
        for (const [i, what] of acts.entries()) {
          if (what === 'send') under.push(session.send(`sent ${i}.`).then(({ ended }) => ended));
          else if (what === 'deliver') under.push(session.deliver({ id: `l${i}`, text: `left ${i}.` }));
          else if (what === 'idle') under.push(session.idle());
          else await turn();
          if (what === 'send') said.push(`sent ${i}.`);
          if (what === 'deliver') said.push(`left ${i}.`);
        }
        await Promise.all(under);
        await session.idle();
        expect(heardIn(base).toSorted()).toEqual(said.toSorted());
        await runtime.close();
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);

test('Whatever two processes send and leave at once is heard once or refused, in a conversation of one line, one run after another [F-14, L1, L7]', async () => {
  let refusals = 0;
  let overtaken = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ what: act, who: fc.nat(1) }), { minLength: 2, maxLength: 14 }),
      fc.array(fc.nat(3), { minLength: 5, maxLength: 25 }),
      async (acts, lates) => {
        const { base, shared, boot, until } = slowed(lates);
        const told: RunEvent[][] = [[], []];
        const processes = told.map((events) => {
          const store = shared();
          const { commit } = store;
          store.commit = async (steps) =>
            (await Promise.allSettled([commit(steps)])).map((outcome) => {
              if (outcome.status === 'fulfilled') return outcome.value;
              if (isFaultError(outcome.reason) && outcome.reason.code === 'store.overtaken') overtaken += 1;
              throw outcome.reason;
            })[0] as StoredEvent[];
          const runtime = boot(store);
          runtime.events$.subscribe((event) => void events.push(event));
          return { runtime, session: runtime.session(friend, { sessionKey: 'k' }) };
        });
        const said: string[] = [];
        const under: Promise<unknown>[] = [];
        const refused = (error: unknown): void => {
          refusals += 1;
          expect(error).toMatchObject({ code: 'run.claimed' });
        };
        for (const [i, { what, who }] of acts.entries()) {
          const { session } = processes[who] as (typeof processes)[number];
          if (what === 'send') {
            const sent = session.send(`sent ${i}.`, i % 2 ? { runId: `s${i}` } : {}).then(async (run) => {
              said.push(`sent ${i}.`);
              expect(await run.ended).toMatchObject({ status: 'completed' });
            });
            under.push(sent.catch(refused));
          } else if (what === 'deliver') {
            under.push(session.deliver({ id: `l${i}`, text: `left ${i}.` }));
            said.push(`left ${i}.`);
          } else if (what === 'idle') under.push(session.idle().catch(refused));
          else await turn();
        }
        let left = under.length;
        for (const each of under) void each.finally(() => (left -= 1));
        await until(() => left === 0);
        await Promise.all(under);
        // what waits for a run elsewhere is delivered once that has ended
        await until(() => (base.sessionInbox('k') as unknown[]).length === 0);
        await until(() => rowsOf(base).every(({ status }) => status === 'completed'));
        expect(heardIn(base).toSorted()).toEqual(said.toSorted());
        // none begins before the one before it has ended
        const ends = [...(base.events({}) as Iterable<StoredEvent>)].flatMap((event) =>
          event.type === 'run.started' || isTerminal(event) ? event.runId : [],
        );
        expect(ends.filter((runId, i) => i % 2 === 1 && runId !== ends[i - 1])).toEqual([]);
        await Promise.all(processes.map(({ runtime }) => runtime.close()));
        for (const events of told) expect(checkRunLaws(events)).toEqual([]);
      },
    ),
    {
      numRuns: 150,
      // Somebody waits for the session while the run is refused that it was sent last.
      examples: [
        [
          [
            { what: 'send', who: 0 },
            { what: 'send', who: 0 },
            { what: 'deliver', who: 0 },
            { what: 'idle', who: 1 },
            { what: 'pass', who: 0 },
            { what: 'idle', who: 0 },
            { what: 'pass', who: 1 },
            { what: 'send', who: 0 },
            { what: 'deliver', who: 0 },
            { what: 'send', who: 1 },
            { what: 'send', who: 0 },
          ],
          [3, 0, 2, 3, 0, 2, 0],
        ],
      ],
    },
  );
  expect(refusals).toBeGreaterThan(0);
  expect(overtaken).toBeGreaterThan(0);
}, 60_000);
