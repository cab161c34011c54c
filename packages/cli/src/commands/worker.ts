import { hostname } from 'node:os';
import { systemClock } from '@troupe/core';
import { type ActorRefFrom, createActor, fromPromise, type SnapshotFrom, waitFor } from 'xstate';
import { exitCode } from '../exit-code.ts';
import type { Terminal } from '../terminal.ts';
import { type Activations, openActivations } from '../worker/activations.ts';
import { type Health, type HealthAddress, healthAddressOf, serveHealth } from '../worker/health.ts';
import { pulseOf } from '../worker/pulse.ts';
import { happeningText, happeningValue } from '../worker/said.ts';
import { troupeVersion } from '../worker/troupe-version.ts';
import { statusOf, type WorkerStatus, workerMachine } from '../worker/worker-machine.ts';
import type { Action, CommonFlags } from './asked.ts';
import { type Output, openOutput } from './output.ts';
import { misuse } from './problem.ts';
import { countOf } from './values.ts';
import { openWorkspace, type Workspace } from './workspace.ts';

type Flags = CommonFlags & {
  agents?: string;
  model?: string;
  concurrency: string;
  queue?: string[];
  health?: string;
  name?: string;
};

/** How a worker serves. */
type Serving = { name: string; queues: readonly string[]; concurrency: number };

/** The queue that children are left to where nobody names another. */
const usualQueue = 'troupe';

/** Claims of a worker that is gone last so long, unless the agent file says otherwise. */
const usualLeaseMs = 10_000;

/** What a drain may take: a tool that does not mind being interrupted is left behind. */
const drainMs = 5_000;

/** Executes runs that others have left to workers, until it is told to stop: then it gives back what it executes. */
export const worker: Action<[], Flags> = async ({ flags, terminal }) => {
  const serving = servingIn(flags);
  const address = healthAddressOf(flags.health);
  if (flags.agents === undefined)
    throw misuse(
      '--agents is missing: name the file of the agents whose runs are executed here, as in --agents ./agents.mjs.',
    );
  const output = openOutput(terminal, flags.json);
  const activations = openActivations(
    (happening) => output.give(happeningValue(happening), () => happeningText(happening)),
    systemClock.now,
  );
  const workspace = await openWorkspace(
    {
      store: flags.store,
      file: flags.agents,
      model: flags.model,
      placing: { when: 'always', asks: 'A worker', watch: activations.watch, leaseMs: usualLeaseMs },
      mayBegin: true,
    },
    terminal,
  );
  try {
    await terminal.signals.hold();
    const subscription = workspace.runtime.events$.subscribe({ next: activations.hear, error: () => {} });
    try {
      return await serve({ serving, workspace, activations, address, output, terminal });
    } finally {
      subscription.unsubscribe();
    }
  } finally {
    await workspace.close();
  }
};

/** @throws FaultError `cli.usage` */
const servingIn = ({
  concurrency: said,
  queue = [usualQueue],
  name = `${hostname()}-${process.pid}`,
}: Flags): Serving => {
  const concurrency = countOf(said, '--concurrency');
  if (concurrency === 0) throw misuse('--concurrency is 0. Expected how many runs are executed at a time, 1 or more.');
  if (name.trim() === '') throw misuse('--name is blank. Name the worker, or leave the flag out.');
  return { name, queues: [...new Set(queue)], concurrency };
};

type Worker = {
  serving: Serving;
  workspace: Workspace;
  activations: Activations;
  address: HealthAddress | null;
  output: Output;
  terminal: Terminal;
};

const serve = async (worker: Worker): Promise<number> => {
  const { serving, workspace, activations, address, output, terminal } = worker;
  const { runtime, store, file, storeName } = workspace;
  const { name, queues, concurrency } = serving;
  const leaseMs = file?.options.leaseMs ?? usualLeaseMs;
  const drain = fromPromise(() => runtime.close({ runs: 'suspend', graceMs: drainMs }));
  const actor = createActor(workerMachine.provide({ actors: { drain, pulse: pulseOf(store, leaseMs / 4) } }), {
    input: { leaseMs },
  });
  const since = systemClock.now();
  const about = { name, queues, concurrency, agents: (file?.agents ?? []).map((agent) => agent.name) };
  const versions = { troupe: troupeVersion(), node: process.versions.node };
  const healthNow = (): Health => ({
    status: statusOf(actor.getSnapshot()),
    ...about,
    runs: activations.now(),
    since,
    versions,
  });
  // Before anything is executed: an address that is taken is found out now.
  const health = address && (await serveHealth(address, healthNow));
  let forget = (): void => {};
  try {
    await runtime.serve({ queues, concurrency, workerId: name });
    actor.start();
    actor.send({ type: 'served' });
    tellChanges(actor, output, { name, leaseMs });
    if (workspace.notice !== null) output.note(workspace.notice);
    const begun = { ...about, store: storeName, health: health?.url ?? null };
    output.give({ type: 'worker.started', ...begun }, () => startText(begun));
    forget = terminal.signals.hear(() => actor.send({ type: 'stop' }));
    return await endOf(actor, worker, () =>
      output.give({ type: 'worker.stopped', name }, () => `Worker ${name} has given back what it executed.`),
    );
  } finally {
    forget();
    actor.stop();
    await health?.close();
  }
};

type WorkerActor = ActorRefFrom<typeof workerMachine>;

/** Waits until it has given back what it executed, or is not to wait for that. Gives the exit code. */
const endOf = async (actor: WorkerActor, { workspace, terminal }: Worker, tell: () => void): Promise<number> => {
  const isOver = ({ value }: SnapshotFrom<typeof workerMachine>): boolean => /^(?:over|broken|left)$/.test(value.life);
  const { value } = await waitFor(actor, isOver);
  if (value.life === 'over') {
    tell();
    return exitCode.done;
  }
  // Whoever closes the runtime is told why.
  if (value.life === 'broken') return exitCode.failed;
  workspace.leave();
  return terminal.signals.code() ?? exitCode.interrupted;
};

const startText = ({
  name,
  queues,
  concurrency,
  agents,
  store,
  health,
}: Pick<Health, 'name' | 'queues' | 'concurrency' | 'agents'> & {
  store: string | null;
  health: string | null;
}): string =>
  [
    `Worker ${name} serves ${queues.join(', ')}: ${concurrency} ${concurrency === 1 ? 'run' : 'runs'} at a time, of ${agents.join(', ')}`,
    ...(store === null ? [] : [`Store: ${store}`]),
    ...(health === null ? [] : [`Health: ${health}`]),
  ].join('\n');

/** Says when it begins to drain, and when the store falls silent and answers again. */
const tellChanges = (
  actor: WorkerActor,
  output: Output,
  { name, leaseMs }: { name: string; leaseMs: number },
): void => {
  let last: WorkerStatus = 'serving';
  const words: Record<Exclude<WorkerStatus, 'starting'>, string> = {
    serving: 'The store answers again.',
    draining: 'Takes no more runs, and gives back what is executed here. Once more leaves at once.',
    store_silent: `The store has not answered for ${leaseMs / 1_000} s: what was executed here goes on elsewhere.`,
  };
  actor.subscribe((snapshot) => {
    const status = statusOf(snapshot);
    if (status === last || status === 'starting') return;
    last = status;
    output.give({ type: 'worker.status', name, status }, () => words[status]);
  });
};
