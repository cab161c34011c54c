/**
 * A random world whose program dies, again and again, and whose store refuses at times: each life goes on with what the one before
 * had stored. What is true then must be true of the store alone.
 */
import { type Commit, isFaultError, isLive, isTerminal, type RunEvent, type StoredEvent } from '@troupe/protocol';
import { checkRunLaws, type Death, mortalStore } from '@troupe/testing';
import fc from 'fast-check';
import { SimulatedClock } from 'xstate';
import { memoryStore } from '../../src/defaults/memory-store.ts';
import { createRuntime } from '../../src/runtime/create-runtime.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { type Execution, repeated } from './executions.ts';
import { type Outside, openOutside } from './outside.ts';
import { isPatient, type Plan, plans, withPatience } from './plan.ts';

export type CrashPlan = Plan & {
  /** How each life but the last ends. */
  deaths: Death[];
  /** Commits of a life that the store refuses, counted from 1. */
  refusals: number[];
  unknownOutcome: 'ask' | 'fail';
};

const dying: fc.Arbitrary<CrashPlan> = fc
  .record({
    plan: plans,
    deaths: fc.array(
      fc.record({
        afterCommit: fc.integer({ min: 1, max: 12 }),
        as: fc.constantFrom('heard' as const, 'unheard' as const),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    refusals: fc.oneof(
      { weight: 3, arbitrary: fc.constant<number[]>([]) },
      { weight: 1, arbitrary: fc.array(fc.integer({ min: 2, max: 10 }), { maxLength: 2 }) },
    ),
    unknownOutcome: fc.constantFrom('ask' as const, 'fail' as const),
  })
  .map(({ plan, ...more }) => ({ ...plan, ...more }));
export const crashPlans = withPatience(dying);

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Plays a plan to its end, and says what is wrong with what it left: one sentence for each finding. */
export const liveAndDie = async (plan: CrashPlan): Promise<string[]> => {
  const clock = new SimulatedClock();
  const base = memoryStore();
  const told: RunEvent[] = [];
  const executions: Execution[] = [];
  const thrown: unknown[] = [];
  let ids = 0;
  let lives = 0;
  let refused = 0;

  /** Each process has an outside of its own: what works on for a dead one is nobody's work any more. */
  const boot = (before?: Outside) => {
    const mortal = mortalStore(base, plan.deaths[lives++]);
    const outside = openOutside(plan, clock, {
      ...(before && { from: before.played }),
      executes: (callKey) => {
        if (!mortal.dead) executions.push({ callKey, after: stored().length });
      },
    });
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
      provider: outside.provider,
      model: 'some-model',
      agents: [outside.agent],
      clock,
      ids: { next: (kind) => `${kind}${ids++}` },
      budget: { ...plan.budget, depth: Math.min(plan.budget.depth ?? 3, 3) },
      graceMs: 10,
      leaseMs: 0,
      unknownOutcome: plan.unknownOutcome,
      logger: { warn() {}, error() {} },
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
  const stored = (): StoredEvent[] => [...(base.events({}) as Iterable<StoredEvent>)];
  let { runtime, mortal, outside } = boot();

  const runsOf = () => [...Map.groupBy(stored(), ({ runId }) => runId)];
  const open = () => runsOf().flatMap(([runId, events]) => (events.some(isTerminal) ? [] : [runId]));

  /** A dead process is started again; whoever was at work for it is gone. */
  const revive = async (): Promise<void> => {
    while (mortal.dead) {
      // What it had begun to do it still does; then it is gone, and so is whoever was at work for it.
      await settle();
      ({ runtime, mortal, outside } = boot(outside));
      await recover();
    }
  };
  const recover = async (): Promise<void> => {
    const recovering = runtime.recover().then(
      ({ skipped }) => thrown.push(...skipped.map(({ reason }) => reason)),
      (error: unknown) => thrown.push(error),
    );
    await Promise.race([recovering, settle().then(settle).then(settle)]);
  };
  const pass = async (ms: number): Promise<void> => {
    await settle();
    clock.increment(ms);
    await settle();
    await revive();
  };
  const act = async (command: (runtime: Runtime) => unknown): Promise<void> => {
    const acting = (async () => command(runtime))().catch(() => {});
    await Promise.race([acting, settle()]);
    await revive();
  };
  const handle = (who: number) => {
    const ids = runsOf().map(([runId]) => runId);
    return ids.length === 0 ? undefined : runtime.attach(ids[who % ids.length] as string);
  };
  const questionsOf = async (): Promise<string[]> => {
    const roots = [...new Set(stored().map(({ rootId }) => rootId))];
    const runs = await Promise.race([
      Promise.all(roots.map((rootId) => runtime.attach(rootId))),
      // A process that dies just then answers nobody.
      settle().then(() => []),
    ]);
    return runs.flatMap((run) => run.questions.map(({ id }) => id));
  };

  await act((now) => now.start(outside.agent, 'go'));
  for (const { command, who, ms } of plan.steps) {
    await act(async (now) => {
      const [question] = await questionsOf();
      const run = await handle(who);
      if (command === 'start' && ids < 12) return now.start(outside.agent, 'go');
      if (command === 'answer') return question && now.answer(question, true);
      if (command === 'decline') return question && now.answer(question, { decline: 'no' });
      if (command === 'pause' || command === 'resume' || command === 'interrupt') return run?.[command]();
      if (command === 'steer') return run?.steer('hurry');
      return undefined;
    });
    if (ms > 0) await pass(ms);
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
  const findings = [...findingsIn(plan, stored(), told, left), ...repeated(executions, stored())];
  if (open().length > 0) findings.push(`L1 ${open().join()} cannot be ended`);
  for (const { what, runId, signal } of outside.working)
    if (!signal.aborted) findings.push(`L9 ${what} still works for "${runId}"`);
  findings.push(...thrown.map((error) => `recover(): ${String(error)}`));
  for (const [runId] of runsOf())
    await runtime.replay(runId).catch((error: unknown) => findings.push(`L6 ${String(error)}`));
  const closing = runtime.close({ graceMs: 0 }).then(() => true);
  if (!(await Promise.race([closing, settle()]))) findings.push('close() does not end');
  return findings;
};

const findingsIn = (
  plan: CrashPlan,
  stored: readonly StoredEvent[],
  told: readonly RunEvent[],
  left: string[],
): string[] => {
  const trees = Map.groupBy(stored, ({ rootId }) => rootId);
  const lawful = [...trees.values()].flatMap((events) =>
    checkRunLaws(events).map(({ law, message }) => `${law} ${message}`),
  );
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
  const bugs = stored.flatMap((event) =>
    event.type === 'run.failed' && event.fault.code === 'run.bug'
      ? [`a bug in "${event.runId}": ${event.fault.message}`]
      : [],
  );
  const mayHang =
    isPatient(plan) &&
    (plan.said.some((said) => said === 'never' || said === 'deaf' || said === 'half') ||
      plan.deeds.some((deed) => deed === 'never' || deed === 'deaf'));
  return [
    ...lawful,
    ...untrue,
    ...twice,
    ...bugs,
    ...(mayHang ? [] : left.map((runId) => `"${runId}" does not end, though nothing holds it up`)),
  ];
};
