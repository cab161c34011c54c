/**
 * A random world whose program dies, again and again, and whose store refuses at times: each life goes on with what the one before
 * had stored. What is true then must be true of the store alone.
 */
import { type Commit, isFaultError, isLive, type RunEvent, type StoredEvent } from '@troupe/protocol';
import { mortalStore } from '@troupe/testing';
import { SimulatedClock } from 'xstate';
import { memoryStore } from '../../src/defaults/memory-store.ts';
import { createRuntime } from '../../src/runtime/create-runtime.ts';
import { openHands, type Process } from './hands.ts';
import { type CrashPlan, isPatient } from './plan.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Plays a plan to its end, and says what is wrong with what it left: one sentence for each finding. */
export const liveAndDie = async (plan: CrashPlan): Promise<string[]> => {
  const clock = new SimulatedClock();
  const base = memoryStore();
  const told: RunEvent[] = [];
  let lives = 0;
  let refused = 0;
  const { stored, open, outsideOf, optionsOf, act, obey, questionsOf, thrown, lookAtStanding, leftBy } = openHands({
    plan,
    clock,
    base,
    program: () => program,
    settle,
    revive: () => revive(),
  });

  const boot = (before?: Process): Process => {
    const mortal = mortalStore(base, plan.deaths[lives++]);
    const outside = outsideOf(mortal, before);
    let commits = 0;
    const commit = (steps: readonly Commit[]) => {
      commits += 1;
      if (!mortal.dead && plan.refusals.includes(commits)) {
        refused += 1;
        throw new Error('The store refuses.');
      }
      return mortal.store.commit(steps);
    };
    const runtime = createRuntime({
      ...optionsOf(outside),
      leaseMs: 0,
      store: {
        ...mortal.store,
        // A store that takes its time is asked for the next commit while it works on the last.
        commit: plan.features.includes('slow store') ? (steps) => Promise.resolve().then(() => commit(steps)) : commit,
      },
      ...(plan.features.includes('memory') && { memory: mortal.store }),
    });
    runtime.events$.subscribe((event) => {
      if (!mortal.dead) told.push(event);
    });
    return { runtime, mortal, outside };
  };
  let program = boot();

  /** A dead process is started again; whoever was at work for it is gone. */
  const revive = async (): Promise<void> => {
    while (program.mortal.dead) {
      // What it had begun to do it still does; then it is gone, and so is whoever was at work for it.
      await settle();
      program = boot(program);
      await recover();
    }
  };
  const recover = async (): Promise<void> => {
    const recovering = program.runtime.recover().then(
      ({ skipped }) => thrown.push(...skipped.map(({ reason }) => reason)),
      (error: unknown) => thrown.push(error),
    );
    await Promise.race([recovering, settle().then(settle).then(settle)]);
  };
  const pass = async (ms: number): Promise<void> => {
    await settle();
    clock.increment(ms);
    await settle();
    await lookAtStanding();
    await revive();
  };

  await act((now) => now.start(program.outside.agent, 'go'));
  for (const step of plan.steps) {
    await act((now) => obey(now, step));
    if (step.ms > 0) await pass(step.ms);
  }

  // A tree is forked at one of its events, whatever else happens to it and to its fork.
  const events = stored();
  const at = events[(plan.steps.length * 31 + plan.deaths.length * 7) % Math.max(events.length, 1)];
  if (at)
    await act((now) =>
      now.fork(at.rootId, { at: at.id, runId: 'fork' }).catch((error: unknown) => {
        const code = isFaultError(error) ? error.code : String(error);
        // The store may refuse, and not every event has something after it.
        if (!/The store refuses|^(fork\.|store\.|run\.claimed|runtime\.closed)/.test(code)) thrown.push(error);
      }),
    );

  // Then everybody is patient, and at last nobody is.
  for (let round = 0, before = -1; round < 6 && open().length > 0; round++) {
    if (stored().length > before) round = 0;
    before = stored().length;
    await recover();
    for (const runId of open()) await act(async (now) => (await now.attach(runId)).resume());
    for (const question of await questionsOf()) await act((now) => now.answer(question, true));
    await pass(25);
  }
  const left = open();
  for (let round = 0, before = -1; round < 6 && open().length > 0; round++) {
    // A round in which a process died or its store refused is no round.
    if (lives + refused > before) round = 0;
    before = lives + refused;
    await recover();
    for (const runId of open()) await act(async (now) => (await now.attach(runId)).interrupt());
    await pass(25);
  }
  await settle();
  await revive();
  return [...findingsIn(plan, stored(), told, left), ...(await leftBy([program]))];
};

const findingsIn = (
  plan: CrashPlan,
  stored: readonly StoredEvent[],
  told: readonly RunEvent[],
  left: string[],
): string[] => {
  const known = new Map(stored.map((event) => [event.id, JSON.stringify(event)]));
  const untrue = told.flatMap((event) =>
    isLive(event) || event.rootSeq === 0 || known.get(event.id) === JSON.stringify(event)
      ? []
      : [`L6 ${event.type} ${event.id} was told, and is not what is stored`],
  );
  const twice = [
    ...Map.groupBy(
      told.filter((event): event is StoredEvent => !isLive(event) && event.rootSeq > 0),
      ({ id }) => id,
    ),
  ].flatMap(([id, events]) => (events.length > 1 ? [`L6 ${id} was told twice`] : []));
  const mayHang =
    isPatient(plan) &&
    (plan.said.some((said) => said === 'never' || said === 'deaf' || said === 'half') ||
      plan.deeds.some((deed) => deed === 'never' || deed === 'deaf'));
  return [
    ...untrue,
    ...twice,
    ...(mayHang ? [] : left.map((runId) => `"${runId}" does not end, though nothing holds it up`)),
  ];
};
