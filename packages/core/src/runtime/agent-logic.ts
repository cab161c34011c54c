import { type Budget, FaultError, type Report, type RunEvent } from '@troupe/protocol';
import type { ActorLogic, ActorRef, ActorSystem, Snapshot } from 'xstate';
import type { RunCommand } from '../agent/context.ts';
import { checkAgent } from '../check-agent.ts';
import type { Agent } from '../define-agent.ts';
import type { Job } from '../job.ts';
import { internalsOf, type Runtime, type RuntimeInternals } from './runtime.ts';

/** The snapshot of a run inside another machine: persisted as its status and its run's id, and the report once there is one. */
export type AgentSnapshot<T> = Snapshot<Report<T>> & { runId: string | undefined };

type Ended<T> = { type: 'troupe.ended'; report: Report<T> };
type Lost = { type: 'troupe.lost'; error: FaultError };

/** Commands as events: limits are raised by a budget, as with `run.raise`. */
type Command =
  | Exclude<RunCommand, { type: 'raise' | 'pauseSpawning' | 'resumeSpawning' }>
  | { type: 'raise'; budget: Budget }
  | { type: 'pauseSpawning' }
  | { type: 'resumeSpawning' };
const commands = new Set<string>([
  'interrupt',
  'pause',
  'resume',
  'steer',
  'answer',
  'raise',
  'pauseSpawning',
  'resumeSpawning',
] satisfies Command['type'][]);

/**
 * An agent as actor logic, to invoke or spawn in any XState machine. Input: a job. Output: the report, typed by the agent's output
 * schema; a failed run is an output, too (`onDone`), `onError` is for bugs only. Commands are sent to it as events; it emits the
 * run's events. Stopped by its machine, its run ends `interrupted`, reason `stopped`.
 *
 * @throws FaultError `agent.invalid`, `runtime.invalid`
 */
export const agentLogic = <T>(
  agent: Agent<T>,
  runtime: Runtime,
  // biome-ignore lint/suspicious/noExplicitAny: any system will do, and XState exports no name for that
): ActorLogic<AgentSnapshot<T>, Command | Ended<T> | Lost, Job, ActorSystem<any>, RunEvent> => {
  checkAgent(agent, 'agentLogic');
  return logicOf(agent, runtime, internalsOf(runtime));
};

const logicOf = <T>(
  agent: Agent<T>,
  runtime: Runtime,
  internals: RuntimeInternals,
): ReturnType<typeof agentLogic<T>> => ({
  getInitialSnapshot: (_scope, job) =>
    ({ status: 'active', output: undefined, error: undefined, runId: undefined, job }) as never,
  transition: (snapshot, event, { self }) => {
    const run = running.get(self);
    if (event.type === 'troupe.ended') return { ...snapshot, status: 'done', output: event.report } as never;
    if (event.type === 'troupe.lost') return { ...snapshot, status: 'error', error: event.error } as never;
    if ((event as { type: string }).type === 'xstate.stop') {
      if (run) internals.stop(run);
      return { ...snapshot, status: 'stopped' } as never;
    }
    // Nobody waits for a receipt here: a store that fails just now brings no process down.
    if (run && commands.has(event.type))
      runtime
        .attach(run)
        .then((handle) => command(handle, event))
        .catch(() => {});
    return snapshot;
  },
  start: (snapshot, { self, emit }) => {
    if (snapshot.status !== 'active') return;
    const { job, runId } = snapshot as unknown as { job?: Job; runId?: string };
    const follow = (run: ReturnType<Runtime['start']>) => {
      running.set(self, run.id);
      (snapshot as { runId: string | undefined }).runId = run.id;
      run.events$.subscribe((event) => emit(event));
      void run.ended.then(
        (report) => tell({ type: 'troupe.ended', report: report as Report<T> }),
        () => {},
      );
    };
    /** A machine that was stopped has ended its run, and wants to hear nothing of it. */
    const tell = (event: Ended<T> | Lost) => {
      if (self.getSnapshot().status === 'active') self.send(event);
    };
    if (runId === undefined) return follow(internals.startUnder(agent, job as Job, undefined, self as never));
    running.set(self, runId);
    const lost = `The run "${runId}" of this snapshot is not in the runtime's store.`;
    void runtime
      .attach(runId)
      .then(follow, () => tell({ type: 'troupe.lost', error: new FaultError('run.unknown', lost, { runId }) }));
  },
  getPersistedSnapshot: ({ status, runId, output, error }) => ({ status, runId, output, error }) as never,
  restoreSnapshot: (persisted) => ({ ...persisted }) as never,
});

const running = new WeakMap<ActorRef<never, never>, string>() as WeakMap<object, string>;

const command = (run: ReturnType<Runtime['start']>, event: Command) => {
  switch (event.type) {
    case 'steer':
      return run.steer(event.text);
    case 'answer':
      return run.answer(event.questionId, event.answer);
    case 'interrupt':
      return run.interrupt(event.reason);
    case 'raise':
      return run.raise(event.budget);
    case 'pauseSpawning':
      return run.pauseSpawning();
    case 'resumeSpawning':
      return run.resumeSpawning();
    case 'pause':
      return run.pause();
    case 'resume':
      return run.resume();
  }
};
