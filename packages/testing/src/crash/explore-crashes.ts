/**
 * Crash exploration: a program is killed after each of its commits, started again on what it left in the store, and must come to
 * the same end as if nothing had happened (L7).
 */
import {
  type Answer,
  isEnded,
  isTerminal,
  type MemoryStore,
  type ModelProvider,
  type Question,
  type Report,
  type RunStore,
  type StoredEvent,
} from '@troupe/protocol';
import { SimulatedClock } from 'xstate';
import { checkRunLaws } from '../laws/check-run-laws.ts';
import { type Death, type MortalStore, mortalStore } from './mortal-store.ts';

/** What of a runtime the exploration needs. */
type Program = {
  attach(runId: string): Promise<Handle>;
  recover(): Promise<{ recovered: readonly { id: string }[]; skipped: readonly { runId: string; reason: string }[] }>;
  answer(questionId: string, answer: Answer): Promise<{ status: string }>;
};
type Handle = { id: string; readonly status: string; readonly report: Promise<Report>; readonly questions: Question[] };

/** One life of the program, between two crashes. */
export type Life<Store> = {
  /** Give it to the runtime, with `leaseMs: 0`: what a dead process claimed is free at once. */
  store: Store;
  clock: SimulatedClock;
  /** Await it before every effect that lasts: it takes note of the effect, and never resolves in a process that is dead. */
  happens(effect: string): Promise<void>;
  /** The same for each turn of a provider, noted as `model <key of the turn>`. */
  model(provider: ModelProvider): ModelProvider;
};

export type CrashOptions<Store, P extends Program = Program> = {
  /** Opens a new, empty store. */
  openStore(): Store | Promise<Store>;
  /** Makes the runtime of one life: everything that a program makes when it starts. */
  program(life: Life<Store>): P;
  /** Starts the run, in the first life. */
  start(program: P): { id: string };
  /** Answers what the run asks. Default: `true`. */
  person?: (question: Question) => Answer;
  /** What must be the same with and without a crash. Default: everything in the report but times and usage. */
  essence?: (report: Report) => unknown;
  /** Checks what only the caller can know, for example how often each effect happened. */
  verify?: (outcome: CrashOutcome) => void;
  /** Called with every store after its last life. What it rejects with is told where nothing else was found. */
  closeStore?: (store: Store) => void | Promise<void>;
};

/** How one program with one crash ended. */
export type CrashOutcome = {
  /** `undefined` for the undisturbed run. */
  death: (Death & { afterCommit: number }) | undefined;
  report: Report;
  /** Everything stored, over all lives. */
  events: StoredEvent[];
  /** Effects in order, over all lives. */
  effects: string[];
};

/** Lets everything happen that is ready to, in the program and in its store. */
const settled = async (mortal: MortalStore<unknown>): Promise<void> => {
  for (let i = 0; i < 4; i++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    await mortal.settled();
  }
};

const eventsOf = async (store: RunStore, rootId: string): Promise<StoredEvent[]> => {
  const events: StoredEvent[] = [];
  for await (const event of store.events({ rootId })) events.push(event);
  return events;
};

/** What must be the same with and without a crash: everything but times, and what a repeated model call used. */
const essenceOf = ({ status, exitReason, text, data, fault, calls, children, messages }: Report) => ({
  status,
  exitReason,
  text,
  data,
  fault: fault?.code,
  calls: calls.map(({ startedAt: _s, endedAt: _e, ...call }) => call),
  children: children.map(({ runId, agent, status: its, exitReason: why }) => ({ runId, agent, status: its, why })),
  messages,
});

/**
 * Kills a program after each commit of its run, in two ways, recovers it and plays it to its end. Gives back how often it crashed.
 *
 * @throws Error naming the commit, what was stored last, and what differs: the final report, a law, a model turn that was stored and
 * asked for again, a run that does not end. Whatever `verify` throws, with the same heading.
 */
export const exploreCrashes = async <Store extends RunStore & MemoryStore, P extends Program>(
  options: CrashOptions<Store, P>,
): Promise<{ crashes: number; commits: number }> => {
  const { essence = essenceOf } = options;
  const calm = await liveOnce(options, undefined);
  const expected = JSON.stringify(essence(calm.report), null, 1);
  let crashes = 0;
  for (let afterCommit = 1; afterCommit <= calm.commits; afterCommit++)
    for (const as of ['heard', 'unheard'] as const) {
      const outcome = await liveOnce(options, { afterCommit, as });
      const found = JSON.stringify(essence(outcome.report), null, 1);
      if (found !== expected)
        throw new Error(`${headingOf(outcome)}: its report differs.\nExpected ${expected}\nFound ${found}`);
      crashes += 1;
    }
  return { crashes, commits: calm.commits };
};

const headingOf = ({ death, last }: { death: CrashOutcome['death']; last: string }): string =>
  death
    ? `A crash after commit ${death.afterCommit} (${death.as}; stored last: ${last})`
    : 'The program without any crash';

type Lived = CrashOutcome & { commits: number; last: string };

const liveOnce = async <Store extends RunStore & MemoryStore, P extends Program>(
  options: CrashOptions<Store, P>,
  death: CrashOutcome['death'],
): Promise<Lived> => {
  const base = await options.openStore();
  const close = async (): Promise<void> => options.closeStore?.(base);
  const lived = await liveAt(base, options, death).catch(async (found: unknown) => {
    // What was found is told, whether the store can be closed or not: it may be why it cannot.
    await close().catch(() => {});
    throw found;
  });
  await close();
  return lived;
};

const liveAt = async <Store extends RunStore & MemoryStore, P extends Program>(
  base: Store,
  options: CrashOptions<Store, P>,
  death: CrashOutcome['death'],
): Promise<Lived> => {
  const clock = new SimulatedClock();
  const effects: string[] = [];
  const lifeIn = (mortal: MortalStore<Store>): Life<Store> => {
    const happens = async (effect: string): Promise<void> => {
      if (mortal.dead) await new Promise<never>(() => {});
      effects.push(effect);
    };
    return { store: mortal.store, clock, happens, model: (provider) => watched(provider, happens, () => mortal.dead) };
  };

  const first = mortalStore(base, death);
  const { program, start } = options;
  const before = program(lifeIn(first));
  const { id } = start(before);
  const allEnded = async (): Promise<boolean> => {
    const events = await eventsOf(base, id);
    const ended = new Set(events.filter(isTerminal).map(({ runId }) => runId));
    return events.every(({ runId }) => ended.has(runId));
  };
  let report = await play(before, id, clock, options, first, allEnded);
  const stored = await eventsOf(base, id);
  const last = stored.at(-1)?.type ?? 'nothing';
  const heading = headingOf({ death, last });
  if (!report && !first.dead) throw new Error(`${heading}: the run did not end.`);
  const asked = effects.length;
  if (!report) {
    const immortal = mortalStore(base);
    const second = program(lifeIn(immortal));
    const { skipped } = await second.recover();
    if (skipped.length > 0)
      throw new Error(`${heading}: ${skipped[0]?.runId} was not recovered: ${skipped[0]?.reason}`);
    report = await play(second, id, clock, options, immortal, allEnded);
    if (!report) throw new Error(`${heading}: the run did not end after it was recovered.`);
  }
  const events = await eventsOf(base, id);
  const [broken] = checkRunLaws(events);
  if (broken) throw new Error(`${heading}: ${broken.law} is broken: ${broken.message}`);
  const answered = new Set(
    stored.flatMap((event) => (event.type === 'turn.completed' ? [`model ${event.runId}/${event.turn}`] : [])),
  );
  const again = effects.slice(asked).find((effect) => answered.has(effect));
  if (again) throw new Error(`${heading}: the ${again} was stored, and asked for again.`);
  const outcome: Lived = { death, report, events, effects, commits: first.commits, last };
  try {
    options.verify?.(outcome);
  } catch (error) {
    throw new Error(`${heading}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  return outcome;
};

/** Lets a run go on, answers what it asks and moves its clock, until it has ended or its process is dead. */
const play = async <Store>(
  program: Program,
  id: string,
  clock: SimulatedClock,
  { person = () => true }: Pick<CrashOptions<Store>, 'person'>,
  life: MortalStore<unknown>,
  allEnded: () => Promise<boolean>,
): Promise<Report | null> => {
  for (let round = 0; round < 1_000; round++) {
    await settled(life);
    if (life.dead) return null;
    const run = await program.attach(id);
    const [question] = run.questions;
    if (!question && isEnded(run.status as Report['status']) && (await allEnded())) return run.report;
    if (question) await Promise.race([program.answer(question.id, person(question)), settled(life)]);
    else clock.increment(50);
  }
  return null;
};

const watched = (
  provider: ModelProvider,
  happens: (effect: string) => Promise<void>,
  isDead: () => boolean,
): ModelProvider => ({
  ...provider,
  async *takeTurn(request, options) {
    await happens(`model ${options.context.key}`);
    for await (const part of provider.takeTurn(request, options)) {
      if (isDead()) await new Promise<never>(() => {});
      yield part;
    }
  },
});
