/**
 * What random worlds whose processes die have in common: what each process is given, what whoever commands them does, and what must be
 * true of what they leave.
 */
import { isTerminal, redact, type StoredEvent } from '@troupe/protocol';
import { checkRunLaws, type mortalStore } from '@troupe/testing';
import type { SimulatedClock } from 'xstate';
import type { memoryStore } from '../../src/defaults/memory-store.ts';
import { replayOf } from '../../src/replay/replays.ts';
import { isSame } from '../../src/replay/same.ts';
import { standingOf } from '../../src/replay/standing.ts';
import type { RuntimeOptions } from '../../src/runtime/options.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { type Execution, repeated } from './executions.ts';
import { type Outside, openOutside } from './outside.ts';
import type { CrashPlan } from './plan.ts';

type Mortal = ReturnType<typeof mortalStore>;
export type Process = { runtime: Runtime; mortal: Mortal; outside: Outside };

type World = {
  plan: CrashPlan;
  clock: SimulatedClock;
  /** What lies below the stores of all processes, and does not die. */
  base: ReturnType<typeof memoryStore>;
  /** Who is given commands just now. */
  program: () => Process;
  /** Takes as long as a command may. */
  settle: () => Promise<void>;
  /** Starts the dead again. */
  revive: () => Promise<void>;
};

export const openHands = ({ plan, clock, base, program, settle, revive }: World) => {
  const executions: Execution[] = [];
  const thrown: unknown[] = [];
  let ids = 0;

  const stored = (): StoredEvent[] => [...(base.events({}) as Iterable<StoredEvent>)];
  const runsOf = () => [...Map.groupBy(stored(), ({ runId }) => runId)];
  const open = () => runsOf().flatMap(([runId, events]) => (events.some(isTerminal) ? [] : [runId]));

  /** Each process has an outside of its own: what works on for a dead one is nobody's work any more. */
  const outsideOf = (mortal: Mortal, before?: Process): Outside =>
    openOutside(plan, clock, {
      ...(before && { from: before.outside.played }),
      executes: (callKey) => {
        if (!mortal.dead) executions.push({ callKey, after: stored().length });
      },
    });
  const optionsOf = (outside: Outside) =>
    ({
      provider: outside.provider,
      model: 'some-model',
      agents: [outside.agent],
      clock,
      ids: { next: (kind) => `${kind}${ids++}` },
      budget: { ...plan.budget, depth: Math.min(plan.budget.depth ?? 3, 3) },
      graceMs: 10,
      unknownOutcome: plan.unknownOutcome,
      logger: { warn() {}, error() {} },
    }) satisfies RuntimeOptions;

  const act = async (command: (runtime: Runtime) => unknown): Promise<void> => {
    const acting = (async () => command(program().runtime))().catch(() => {});
    await Promise.race([acting, settle()]);
    await revive();
  };
  const handle = (who: number) => {
    const known = runsOf().map(([runId]) => runId);
    return known.length === 0 ? undefined : program().runtime.attach(known[who % known.length] as string);
  };
  const questionsOf = async (): Promise<string[]> => {
    const roots = [...new Set(stored().map(({ rootId }) => rootId))];
    const runs = await Promise.race([
      Promise.all(roots.map((rootId) => program().runtime.attach(rootId))),
      // A process that dies just then answers nobody.
      settle().then(() => []),
    ]);
    return runs.flatMap((run) => run.questions.map(({ id }) => id));
  };
  /** Gives the command of one step. */
  const obey = async (now: Runtime, { command, who }: CrashPlan['steps'][number]): Promise<unknown> => {
    const [question] = await questionsOf();
    const run = await handle(who);
    if (command === 'start' && ids < 12) return now.start(program().outside.agent, 'go');
    if (command === 'answer') return question && now.answer(question, true);
    if (command === 'decline') return question && now.answer(question, { decline: 'no' });
    if (command === 'pause' || command === 'resume' || command === 'interrupt') return run?.[command]();
    if (command === 'steer') return run?.steer('hurry');
    return undefined;
  };

  /** What a run would go on from must be where all that it heard leads, however old its checkpoint is. */
  const standing: string[] = [];
  const lookAtStanding = async (): Promise<void> => {
    for (const runId of open()) {
      const row = base.get(runId);
      if (!row || row instanceof Promise) continue;
      const found = await standingOf(base, runId);
      const replay = await replayOf(base, row).catch((error: unknown) => standing.push(`L7 ${String(error)}`));
      // It may have gone on meanwhile.
      if (typeof replay === 'number' || !found || !isSame(found.place, replay.place)) continue;
      const { value, context } = replay.snapshot;
      if (!isSame([found.value, redact(found.context)], [value, redact(context.run)]))
        standing.push(`L7 "${runId}" would not go on from where it was after event ${replay.place.seq}`);
    }
  };

  /** Closes `processes`, each within `closing`, and says what is wrong with what they leave: one sentence for each finding. */
  const leftBy = async (processes: readonly Process[], closing = settle): Promise<string[]> => {
    const events = stored();
    const findings = [...Map.groupBy(events, ({ rootId }) => rootId).values()].flatMap((tree) =>
      checkRunLaws(tree).map(({ law, message }) => `${law} ${message}`),
    );
    for (const event of events)
      if (event.type === 'run.failed' && event.fault.code === 'run.bug')
        findings.push(`a bug in "${event.runId}": ${event.fault.message}`);
    findings.push(...repeated(executions, events));
    if (open().length > 0) findings.push(`L1 ${open().join()} cannot be ended`);
    for (const { outside } of processes)
      for (const { what, runId, signal } of outside.working)
        if (!signal.aborted) findings.push(`L9 ${what} still works for "${runId}"`);
    findings.push(...standing, ...thrown.map((error) => `recover(): ${String(error)}`));
    const { runtime: last } = program();
    for (const [runId] of runsOf())
      await last.replay(runId).catch((error: unknown) => findings.push(`L6 ${String(error)}`));
    for (const { runtime } of processes) {
      const closed = runtime.close({ graceMs: 0 }).then(() => true);
      if (!(await Promise.race([closed, closing()]))) findings.push('close() does not end');
    }
    return findings;
  };

  return { stored, open, outsideOf, optionsOf, act, obey, questionsOf, thrown, lookAtStanding, leftBy };
};
