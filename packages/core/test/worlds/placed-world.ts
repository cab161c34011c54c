/**
 * A random world on several processes: a program, and a worker that executes those of its children that are placed elsewhere. Both die,
 * again and again, and the store refuses at times. What is true of the tree at the end must be true of the store alone.
 */
import { mortalStore } from '@troupe/testing';
import { SimulatedClock } from 'xstate';
import { memoryStore } from '../../src/defaults/memory-store.ts';
import { createRuntime } from '../../src/runtime/create-runtime.ts';
import { openEngine } from '../placement/engine.ts';
import { openHands, type Process } from './hands.ts';
import type { CrashPlan } from './plan.ts';

const settle = async (rounds = 4): Promise<void> => {
  for (let i = 0; i < rounds; i++) await new Promise((resolve) => setImmediate(resolve));
};
const leaseMs = 10_000;
/** Longer than a lease, and than a look for what nobody executes. */
const aWhile = 16_000;

/** Plays a plan to its end, and says what is wrong with what it left: one sentence for each finding. */
export const liveApart = async (plan: CrashPlan): Promise<string[]> => {
  const clock = new SimulatedClock();
  const base = memoryStore({ now: () => clock.now() });
  const engine = openEngine(clock);
  const listeners = new Set<() => void>();
  let lives = 0;
  let workers = 0;
  const { stored, open, outsideOf, optionsOf, act, obey, questionsOf, thrown, lookAtStanding, leftBy } = openHands({
    plan,
    clock,
    base,
    program: () => program,
    settle,
    revive: () => revive(),
  });

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

  const boot = (before?: Process): Process => {
    // The first to die is the program of one world, and the worker of another.
    const mortal = mortalStore(shared, plan.deaths[lives++ - (plan.steps.length % 2)]);
    const outside = outsideOf(mortal, before);
    const runtime = createRuntime({
      ...optionsOf(outside),
      leaseMs,
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
    await lookAtStanding();
    await revive();
  };

  await act((now) => now.start(program.outside.agent, 'go'));
  for (const step of plan.steps) {
    await act((now) => obey(now, step));
    if (step.ms > 0) await pass(step.ms);
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
  return leftBy([program, worker], () => settle(80));
};
