/** The runs that a server executes: begun, kept alive, and told to the engine when they are over. */
import { type Activation, messageOf, type RunExecutor, type RunId } from '@troupe/protocol';
import type { Job } from 'pg-boss';
import { databaseOf } from './database.ts';
import type { Engine } from './engine.ts';
import type { Settled } from './options.ts';
import { rejectedPauseMs } from './pauses.ts';
import { type Payload, runIdIn } from './payload.ts';
import { type Complain, say } from './trouble.ts';
import { within } from './within.ts';

/** How long a run that another process holds is left alone, in milliseconds. */
const heldMs = 2_000;
/** How long telling the engine may take when a server leaves, in milliseconds. */
export const spareMs = 2_000;
/** Milliseconds: how often the engine is told that activations are alive · until it is told again that one is over. */
const [aliveMs, againMs] = [3_000, 500];

type Active = {
  readonly queue: string;
  readonly job: Job<Payload>;
  readonly runId: RunId;
  readonly attempts: number;
  readonly leave: AbortController;
  /** The engine is being told what came of it. */
  isEnding: boolean;
  /** It was handed on, or given up: nothing of it is told any more. */
  isOver: boolean;
};

type Outcome = Activation | { rejected: string };

export type Activations = {
  readonly count: number;
  /** Executes what was fetched. Hands it on where it is too late for that, and waits until that is done. */
  begin(queue: string, job: Job<Payload>): Promise<void>;
  /** Aborts all of them, waits for so many milliseconds at most, and hands on what is left. */
  leave(ms: number): Promise<void>;
};

type Around = {
  engine: Engine;
  settled: Settled;
  complain: Complain;
  executor: RunExecutor;
  workerId: string;
  /** Called when there is room for another one. */
  onFree: () => void;
};

export const openActivations = (around: Around): Activations => {
  const { engine, settled, complain, executor, workerId, onFree } = around;
  const { boss } = engine;
  const { heartbeatSeconds, logger } = settled;
  const active = new Map<Active, Promise<void>>();
  const quickly = databaseOf(settled.pool, aliveMs);
  let isLeaving = false;

  const execute = async ({ runId, leave }: Active): Promise<Outcome> => {
    try {
      return await executor.run(runId, { signal: leave.signal, workerId });
    } catch (error) {
      return { rejected: messageOf(error) };
    }
  };

  /** One more activation, and only then the end of this one: if the second fails there are two, and not none. */
  const again = async ({ queue, runId, job }: Active, afterMs: number): Promise<void> => {
    await engine.send({ queue, runId, afterMs });
    await boss.complete(queue, job);
  };

  const settle = async (it: Active, outcome: Outcome): Promise<void> => {
    if (typeof outcome === 'object') await boss.fail(it.queue, it.job, { rejected: true });
    else if (outcome === 'held') await again(it, heldMs);
    else if (outcome === 'idle' && it.leave.signal.aborted) await again(it, 0);
    else await boss.complete(it.queue, it.job);
  };

  /** Tells the engine, until it is told or has found out by itself. */
  const tell = async (it: Active, outcome: Outcome): Promise<void> => {
    const until = performance.now() + heartbeatSeconds * 1_000;
    while (!it.isOver && performance.now() < until)
      try {
        await settle(it, outcome);
        return;
      } catch (error) {
        complain('it could not be told that an activation is over', error);
        await new Promise((resolve) => setTimeout(resolve, againMs));
      }
  };

  const complainOf = ({ runId, attempts }: Active, rejected: string): void => {
    const pause = `${rejectedPauseMs(attempts) / 1_000} s`;
    const what = `Run "${runId}" could not be executed by worker "${workerId}"`;
    say(logger, 'error', `${what}, and is handed out again in ${pause}: ${rejected}`);
  };

  const activate = async (it: Active): Promise<void> => {
    const outcome = await execute(it);
    if (!it.isOver) {
      if (typeof outcome === 'object') complainOf(it, outcome.rejected);
      it.isEnding = true;
      await tell(it, outcome);
    }
    active.delete(it);
    onFree();
  };

  const handOn = async (it: Active): Promise<void> => {
    it.isOver = true;
    try {
      await again(it, 0);
    } catch (error) {
      complain(
        `what was executed here could not be handed on, which happens by itself in ${heartbeatSeconds} s`,
        error,
      );
    }
  };

  const stayAlive = async (): Promise<void> => {
    const its = [...active.keys()].filter(({ isOver }) => !isOver);
    for (const [queue, group] of Map.groupBy(its, (it) => it.queue)) {
      const jobs = group.map(({ job }) => job);
      await boss.touch(queue, jobs, { db: quickly });
    }
  };

  let isBeating = false;
  const beat = async (): Promise<void> => {
    if (isBeating) return;
    isBeating = true;
    try {
      await stayAlive();
    } catch (error) {
      complain('it could not be told that activations are alive', error);
    }
    isBeating = false;
  };
  const heart = setInterval(() => void beat(), aliveMs);

  return {
    get count() {
      return active.size;
    },
    async begin(queue, job) {
      const { attempts = 0 } = job.data;
      const it: Active = {
        queue,
        job,
        runId: runIdIn(job.data),
        attempts,
        leave: new AbortController(),
        isEnding: false,
        isOver: false,
      };
      if (isLeaving) await handOn(it);
      else active.set(it, activate(it));
    },
    async leave(ms) {
      isLeaving = true;
      for (const { leave } of active.keys()) leave.abort();
      await within(ms, Promise.all(active.values()));
      clearInterval(heart);
      const last = [...active].map(([it, over]) => (it.isEnding ? over : handOn(it)));
      await within(spareMs, Promise.all(last));
      // What could not be told the engine finds out by itself.
      for (const it of active.keys()) it.isOver = true;
    },
  };
};
