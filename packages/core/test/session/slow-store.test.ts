// Sessions whose store takes its time: what is asked of them at once meets in every order.
import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import type { RunStore, StoredEvent } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const friend = defineAgent({ name: 'friend', instructions: 'Be kind.' });

/** A store whose answers are late, one after another, by as many turns of the event loop as it is told. */
const slowed = (lates: readonly number[]) => {
  const base = memoryStore();
  let asked = 0;
  const late =
    <A extends unknown[], R>(answer: (...given: A) => R) =>
    async (...given: A): Promise<Awaited<R>> => {
      const found = await answer(...given);
      for (let i = lates[asked++ % lates.length] ?? 0; i > 0; i--)
        await new Promise((resolve) => setImmediate(resolve));
      return found;
    };
  const store: RunStore = {
    ...base,
    get: late(base.get),
    list: late(base.list),
    sessionInbox: late(base.sessionInbox),
    post: late(base.post),
  };
  return { base, store };
};

const act = fc.constantFrom('send', 'send', 'deliver', 'deliver', 'idle', 'pass');

test('Whatever is sent and left while others are, each is heard once, in a conversation of one line [F-14, L7]', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { minLength: 2, maxLength: 14 }),
      fc.array(fc.nat(3), { minLength: 5, maxLength: 25 }),
      async (acts, lates) => {
        const { base, store } = slowed(lates);
        const runtime = createRuntime({
          provider: scriptedProvider(() => 'well'),
          model: 'm',
          store: {
            ...store,
            ...Object.fromEntries(['read', 'write', 'search', 'reset'].map((name) => [name, base[name as 'read']])),
          },
          maxWakes: Number.POSITIVE_INFINITY,
        });
        const session = runtime.session(friend, { sessionKey: 'k' });
        const said: string[] = [];
        const under: Promise<unknown>[] = [];
        for (const [i, what] of acts.entries()) {
          if (what === 'send') under.push(session.send(`sent ${i}.`).then(({ ended }) => ended));
          else if (what === 'deliver') under.push(session.deliver({ id: `l${i}`, text: `left ${i}.` }));
          else if (what === 'idle') under.push(session.idle());
          else await new Promise((resolve) => setImmediate(resolve));
          if (what === 'send') said.push(`sent ${i}.`);
          if (what === 'deliver') said.push(`left ${i}.`);
        }
        await Promise.all(under);
        await session.idle();
        const rows = [...(await base.list({ sentTo: 'k', limit: 100 }))].reverse();
        expect(rows.map(({ after }) => after)).toEqual([null, ...rows.map(({ runId }) => runId)].slice(0, rows.length));
        const heard = rows.flatMap(({ runId, job }) => [
          String(job.input),
          ...[...(base.events({ runId }) as Iterable<StoredEvent>)].flatMap((event) =>
            event.type === 'turn.started' ? (event.heard ?? []) : [],
          ),
        ]);
        const times = said.map((word) => [
          word,
          heard
            .join('\n\n')
            .split('\n\n')
            .filter((one) => one === word).length,
        ]);
        expect(times).toEqual(said.map((word) => [word, 1]));
        await runtime.close();
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);
