// One session that several programs use, answer, leave something for, interrupt and recover, while any of them dies at any commit.
import { createRuntime, defineAgent, defineTool, dispatched, memoryStore, type Run } from '@troupe/core';
import { isEnded, isFaultError, isTerminal, type RunRow, type StoredEvent } from '@troupe/protocol';
import { type Death, mortalStore, type Script, scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { silent } from '../recovery/program.ts';

const leaseMs = 30_000;
const inputSchema = z.object({});
/** Says its own job again when it is done, a while later. */
const work = (clock: SimulatedClock) =>
  defineTool({
    name: 'work',
    description: 'Works.',
    inputSchema,
    idempotent: true,
    execute: (_input, { view }) =>
      view.unit
        ? new Promise<string>((resolve) => clock.setTimeout(() => resolve('worked'), 300))
        : dispatched({ data: null, answer: () => ({ content: 'Under way.' }) }),
    completion: ({ runId }) => `unit ${runId}.`,
  });
const ask = defineTool({
  name: 'ask',
  description: 'Asks.',
  inputSchema,
  confirm: true,
  idempotent: true,
  execute: () => 'asked',
});
const script: Script = ({ messages }) => {
  const last = messages.at(-1);
  if (last?.role === 'tool') return { text: 'done', delayMs: 50 };
  const said = String(last?.content).split('\n\n').at(-1) ?? '';
  if (said.startsWith('ask')) return { calls: [{ name: 'ask', arguments: {} }] };
  if (said.startsWith('work')) return { calls: [{ name: 'work', arguments: {} }] };
  return { text: 'well', delayMs: said.startsWith('slow') ? 2_000 : 50 };
};

const openWorld = () => {
  const clock = new SimulatedClock();
  const base = memoryStore({ now: () => clock.now() });
  const agents = [
    defineAgent({ name: 'friend', instructions: 'Be kind.', memoryScope: null, tools: [ask, work(clock)] }),
  ];
  const listeners = new Set<() => void>();
  let ids = 0;
  const boot = (death?: Death) => {
    const noticed =
      <A extends unknown[], R>(write: (...given: A) => R) =>
      (...given: A): R => {
        const answer = write(...given);
        for (const heard of listeners) setImmediate(() => listeners.has(heard) && heard());
        return answer;
      };
    const changes = (heard: () => void) => {
      listeners.add(heard);
      return () => void listeners.delete(heard);
    };
    const shared = { ...base, commit: noticed(base.commit), post: noticed(base.post), changes, lasting: true };
    const mortal = mortalStore(shared, death);
    const runtime = createRuntime({
      provider: scriptedProvider(script),
      model: 'm',
      clock,
      ids: { next: (kind) => `${kind}${ids++}` },
      store: mortal.store,
      leaseMs,
      agents,
      maxWakes: Number.POSITIVE_INFINITY,
      logger: silent,
    });
    const [friend] = agents as [(typeof agents)[number]];
    return {
      runtime,
      mortal,
      mayDie: death !== undefined,
      session: runtime.session(friend, { sessionKey: 'k' }),
      waits: new Set<string>(),
    };
  };
  const rows = () => (base.list({ limit: 10_000 }) as RunRow[]).toReversed();
  const events = () => [...(base.events({}) as Iterable<StoredEvent>)];
  const pass = async (ms: number, times = 1): Promise<void> => {
    for (let i = 0; i < times; i++) {
      clock.increment(ms);
      await settle(12);
    }
  };
  return { clock, base, boot, rows, events, pass };
};
type World = ReturnType<typeof openWorld>;
type Process = ReturnType<World['boot']>;

const askedIn = (events: readonly StoredEvent[]): string[] => {
  const over = new Set(events.flatMap((event) => (isTerminal(event) ? event.runId : [])));
  const answered = new Set(events.flatMap((event) => (event.type === 'question.answered' ? event.questionId : [])));
  return events.flatMap((event) =>
    event.type === 'question.asked' && !over.has(event.runId) && !answered.has(event.question.id)
      ? event.question.id
      : [],
  );
};

/** What is wrong with what is stored in the end. @param said What somebody was told to be sent or left, and what to be refused. */
const wrongIn = (world: World, said: { taken: readonly string[]; refused: readonly string[] }): string[] => {
  const [rows, events] = [world.rows(), world.events()];
  const sent = rows.filter(({ after }) => after !== undefined);
  const ids = sent.map(({ runId }) => runId);
  const wrong: string[] = [];
  const check = (isSo: boolean, what: string): void => void (isSo || wrong.push(what));
  for (const { runId, status } of rows) {
    check(isEnded(status), `${runId} is ${status}`);
    check(events.filter((event) => event.runId === runId && isTerminal(event)).length === 1, `the ends of ${runId}`);
  }
  for (const [i, { runId, after }] of sent.entries())
    check(after === (ids[i - 1] ?? null), `${runId} comes after ${after}`);
  let at: string | undefined;
  for (const { runId, type } of events) {
    if (!ids.includes(runId)) continue;
    if (type === 'run.started') check(at === undefined, `${runId} begins beside ${at}`);
    if (type === 'run.started') at = runId;
    else if (isTerminal({ type }) && at === runId) at = undefined;
  }
  const heard = sent.flatMap(({ runId, job }) => [
    ...String(job.input).split('\n\n'),
    ...events.flatMap((event) =>
      event.runId === runId && event.type === 'turn.started'
        ? (event.heard ?? []).flatMap((all) => all.split('\n\n'))
        : [],
    ),
  ]);
  const timesOf = (isIt: (one: string) => boolean): number => heard.filter(isIt).length;
  for (const text of said.taken) check(timesOf((one) => one === text) === 1, `"${text}" is not heard once`);
  for (const { runId, after, origin } of rows) {
    if (!origin || after !== undefined) continue;
    const times = timesOf((one) => one === `unit ${runId}.` || one.startsWith(`[BACKGROUND FAILED: work, ${runId}]`));
    check(times === 1, `unit ${runId} is not told of once`);
  }
  for (const text of said.refused) check(!heard.includes(text), `"${text}" was refused, and heard`);
  check(new Set(heard).size === heard.length, `something was heard twice: ${heard.join(' · ')}`);
  return wrong;
};

const act = fc.record({
  what: fc.constantFrom(
    ...(['send', 'send', 'slow', 'ask', 'work', 'deliver', 'deliver', 'idle', 'answer', 'interrupt', 'abort'] as const),
    ...(['die', 'dieAt', 'dieAt', 'lease', 'recover', 'recover', 'tick', 'tick', 'tick'] as const),
  ),
  who: fc.nat(2),
  n: fc.nat(15),
});
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

const play = async (acts: readonly Act[], processes: number): Promise<string[]> => {
  const world = openWorld();
  const { boot, pass, events, rows } = world;
  const alive: Process[] = Array.from({ length: processes }, () => boot());
  const taken: string[] = [];
  const refused: string[] = [];
  const wrong: string[] = [];
  const under = <T>(process: Process, what: string, asked: Promise<T>, done: (value: T) => void = () => {}): void => {
    process.waits.add(what);
    asked.then(
      (value) => {
        process.waits.delete(what);
        if (!process.mortal.dead) done(value);
      },
      (error: unknown) => {
        process.waits.delete(what);
        if (process.mortal.dead || (isFaultError(error) && error.code === 'run.claimed')) return;
        wrong.push(`${what}: ${String(error)}`);
      },
    );
  };
  const deaths: Death[] = acts.flatMap(({ what, n }) =>
    what === 'dieAt' ? { afterCommit: n >> 1, as: n % 2 ? ('heard' as const) : ('unheard' as const) } : [],
  );
  for (const [i, { what, who, n }] of acts.entries()) {
    alive.forEach((process, at) => {
      if (process.mortal.dead) alive[at] = boot(deaths.shift());
    });
    const here = alive[who % processes] as Process;
    const send = (text: string, signal?: AbortSignal): void => {
      const sent = here.session.send(text, signal ? { signal } : {});
      sent.catch(() => !here.mortal.dead && refused.push(text));
      under(here, text, sent, (run: Run) => {
        taken.push(text);
        under(here, `the end of ${text}`, run.ended);
      });
    };
    if (what === 'send' || what === 'slow' || what === 'ask' || what === 'work') send(`${what} ${i}.`);
    if (what === 'abort') {
      const abort = new AbortController();
      send(`slow ${i}.`, abort.signal);
      await settle(n);
      abort.abort('Enough.');
    }
    if (what === 'deliver') {
      const left = { id: `l${i}`, text: `left ${i}.`, wakes: n % 4 > 0 };
      under(here, left.text, here.session.deliver(left), () => void taken.push(left.text));
    }
    if (what === 'idle') under(here, `idle ${i}`, here.session.idle());
    if (what === 'interrupt') under(here, `interrupt ${i}`, here.session.interrupt());
    if (what === 'answer')
      for (const id of askedIn(events())) under(here, `answer ${id} ${i}`, here.runtime.answer(id, n % 2 > 0));
    if (what === 'recover') under(here, `recover ${i}`, here.runtime.recover());
    if (what === 'die') here.mortal.die();
    if (what === 'lease') await pass(1_000, 35);
    if (what === 'tick') await pass(50, 1 + (n % 8));
  }
  // those that are left recover what the others had, and are told yes
  for (const { mortal, mayDie } of alive) if (mayDie) mortal.die();
  await pass(1_000, 45);
  alive.forEach((process, at) => {
    if (process.mortal.dead) alive[at] = boot();
  });
  for (let round = 0; round < 4; round++) {
    for (const process of alive) under(process, `recover in round ${round}`, process.runtime.recover());
    for (let i = 0; i < 8; i++) {
      await pass(1_000, 5);
      for (const id of askedIn(events()))
        under(alive[0] as Process, `last answer ${id}`, (alive[0] as Process).runtime.answer(id, true));
    }
    await pass(1_000, 40);
    if (rows().every(({ status }) => isEnded(status))) break;
  }
  // what waits for the next run goes along with it
  const last = alive.at(-1) as Process;
  under(last, 'send last.', last.session.send('send last.'), () => void taken.push('send last.'));
  await pass(1_000, 15);
  for (const { waits, mortal } of alive)
    for (const what of waits) if (!mortal.dead) wrong.push(`nothing came of ${what}`);
  const found = [...wrong, ...wrongIn(world, { taken, refused })];
  for (const { mortal } of alive) mortal.die();
  return found;
};

test('two programs that recover at once leave the queue of a session to one of them, though one in its midst was interrupted', async () => {
  const acts: [Act['what'], number][] = [
    ['die', 0],
    ['dieAt', 8],
    ['send', 0],
    ['abort', 0],
    ['send', 0],
    ['deliver', 1],
    ['tick', 0],
    ['send', 0],
    ['send', 0],
  ];
  expect(
    await play(
      acts.map(([what, n]) => ({ what, who: 0, n })),
      2,
    ),
  ).toEqual([]);
});

test('Whatever several programs do with one session, and whenever they die, each run ends once, one after another, and all that was taken is heard once [L1, L7, F-14]', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { minLength: 3, maxLength: 14 }),
      fc.integer({ min: 1, max: 3 }),
      async (acts, processes) => {
        expect(await play(acts, processes)).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);
