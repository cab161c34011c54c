/**
 * A random world on several processes: a program, and a worker that executes those of its children that are placed elsewhere. Both die,
 * again and again, and the store refuses at times. What is true of the tree at the end must be true of the store alone.
 */
import { isTerminal, type StoredEvent } from '@troupe/protocol';
import { checkRunLaws, mortalStore } from '@troupe/testing';
import { SimulatedClock } from 'xstate';
import { memoryStore } from '../../src/defaults/memory-store.ts';
import { createRuntime } from '../../src/runtime/create-runtime.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { openEngine } from '../placement/engine.ts';
import type { CrashPlan } from './crash-world.ts';
import { type Execution, repeated } from './executions.ts';
import { type Outside, openOutside } from './outside.ts';

const settle = async (rounds = 4): Promise<void> => {
  for (let i = 0; i < rounds; i++) await new Promise((resolve) => setImmediate(resolve));
};
const leaseMs = 10_000;
/** Longer than a lease, and than a look for what nobody executes. */
const aWhile = 16_000;

type Process = { runtime: Runtime; mortal: ReturnType<typeof mortalStore>; outside: Outside };

/** Plays a plan to its end, and says what is wrong with what it left: one sentence for each finding. */
export const liveApart = async (plan: CrashPlan): Promise<string[]> => {
  const clock = new SimulatedClock();
  const base = memoryStore({ now: () => clock.now() });
  const engine = openEngine(clock);
  const listeners = new Set<() => void>();
  const executions: Execution[] = [];
  const thrown: unknown[] = [];
  let ids = 0;
  let lives = 0;
  let workers = 0;

  const stored = (): StoredEvent[] => [...(base.events({}) as Iterable<StoredEvent>)];
  const noticed =
    <A extends unknown[], R>(write: (...given: A) => R) =>
    (...given: A): R => {
      const answer = write(...given);
      for (const heard of [...listeners]) setImmediate(() => listeners.has(heard) && heard());
      return answer;
    };
  const shared = {
    ...base,
    lasting: true,
    commit: noticed(base.commit),
    post: noticed(base.post),
    changes(heard: () => void) {
      listeners.add(heard);
      return () => void listeners.delete(heard);
    },
  };

  /** Each process has an outside of its own: what works on for a dead one is nobody's work any more. */
  const boot = (before?: Process): Process => {
    // The first to die is the program of one world, and the worker of another.
    const mortal = mortalStore(shared, plan.deaths[lives++ - (plan.steps.length % 2)]);
    const outside = openOutside(plan, clock, {
      ...(before && { from: before.outside.played }),
      executes: (callKey) => {
        if (!mortal.dead) executions.push({ callKey, after: stored().length });
      },
    });
    const runtime = createRuntime({
      provider: outside.provider,
      model: 'some-model',
      agents: [outside.agent],
      clock,
      ids: { next: (kind) => `${kind}${ids++}` },
      budget: { ...plan.budget, depth: Math.min(plan.budget.depth ?? 3, 3) },
      graceMs: 10,
      leaseMs,
      unknownOutcome: plan.unknownOutcome,
      logger: { warn() {}, error() {} },
      store: mortal.store,
      placement: engine.placement,
      place: ({ depth }) => (plan.steps.length % 3 === depth % 3 ? 'local' : 'remote'),
    });
    return { runtime, mortal, outside };
  };
  const employ = async (before?: Process): Promise<Process> => {
    const worker = boot(before);
    await worker.runtime.serve({ workerId: `w${workers++}`, concurrency: 1 + (plan.steps.length % 3) });
    return worker;
  };
  let program = boot();
  let worker = await employ();

  const runsOf = () => [...Map.groupBy(stored(), ({ runId }) => runId)];
  const open = () => runsOf().flatMap(([runId, events]) => (events.some(isTerminal) ? [] : [runId]));

  const recover = async (): Promise<void> => {
    const recovering = program.runtime.recover().then(
      ({ skipped }) => skipped.map(({ reason }) => /executed by another/.test(reason) || thrown.push(reason)),
      (error: unknown) => thrown.push(error),
    );
    await Promise.race([recovering, settle(12)]);
  };
  /** A dead process is started again. */
  const revive = async (): Promise<void> => {
    if (worker.mortal.dead) {
      await settle(1);
      engine.lose(`w${workers - 1}`);
      worker = await employ(worker);
    }
    if (!program.mortal.dead) return;
    await settle(1);
    program = boot(program);
    await pass(aWhile);
    await recover();
  };
  const pass = async (ms: number): Promise<void> => {
    await settle();
    clock.increment(ms);
    await settle(10);
    await revive();
  };
  const act = async (command: (runtime: Runtime) => unknown): Promise<void> => {
    const acting = (async () => command(program.runtime))().catch(() => {});
    await Promise.race([acting, settle()]);
    await revive();
  };
  const handle = (who: number) => {
    const known = runsOf().map(([runId]) => runId);
    return known.length === 0 ? undefined : program.runtime.attach(known[who % known.length] as string);
  };
  const questionsOf = async (): Promise<string[]> => {
    const roots = [...new Set(stored().map(({ rootId }) => rootId))];
    const runs = await Promise.race([
      Promise.all(roots.map((rootId) => program.runtime.attach(rootId))),
      settle().then(() => []),
    ]);
    return runs.flatMap((run) => run.questions.map(({ id }) => id));
  };

  await act((now) => now.start(program.outside.agent, 'go'));
  for (const { command, who, ms } of plan.steps) {
    await act(async (now) => {
      const [question] = await questionsOf();
      const run = await handle(who);
      if (command === 'start' && ids < 12) return now.start(program.outside.agent, 'go');
      if (command === 'answer') return question && now.answer(question, true);
      if (command === 'decline') return question && now.answer(question, { decline: 'no' });
      if (command === 'pause' || command === 'resume' || command === 'interrupt') return run?.[command]();
      if (command === 'steer') return run?.steer('hurry');
      return undefined;
    });
    if (ms > 0) await pass(ms);
  }

  // Then everybody is patient, and at last nobody is.
  for (let round = 0, before = -1; round < 6 && open().length > 0; round++) {
    if (stored().length > before) round = 0;
    before = stored().length;
    await recover();
    for (const runId of open()) await act(async (now) => (await now.attach(runId)).resume());
    for (const question of await questionsOf()) await act((now) => now.answer(question, true));
    await pass(aWhile);
  }
  for (let round = 0, before = -1; round < 10 && open().length > 0; round++) {
    if (lives > before) round = 0;
    before = lives;
    await recover();
    for (const runId of open()) await act(async (now) => (await now.attach(runId)).interrupt());
    await pass(aWhile);
  }
  await settle();
  await revive();

  const events = stored();
  const findings = [...Map.groupBy(events, ({ rootId }) => rootId).values()].flatMap((tree) =>
    checkRunLaws(tree).map(({ law, message }) => `${law} ${message}`),
  );
  for (const event of events)
    if (event.type === 'run.failed' && event.fault.code === 'run.bug')
      findings.push(`a bug in "${event.runId}": ${event.fault.message}`);
  findings.push(...repeated(executions, events));
  if (open().length > 0) findings.push(`L1 ${open().join()} cannot be ended`);
  for (const { outside } of [program, worker])
    for (const { what, runId, signal } of outside.working)
      if (!signal.aborted) findings.push(`L9 ${what} still works for "${runId}"`);
  findings.push(...thrown.map((error) => `recover(): ${String(error)}`));
  for (const [runId] of runsOf())
    await program.runtime.replay(runId).catch((error: unknown) => findings.push(`L6 ${String(error)}`));
  for (const { runtime } of [program, worker]) {
    const closing = runtime.close({ graceMs: 0 }).then(() => true);
    if (!(await Promise.race([closing, settle(80)]))) findings.push('close() does not end');
  }
  return findings;
};
