import {
  type Activation,
  type Clock,
  type DispatchRequest,
  FaultError,
  type Logger,
  messageOf,
  type Placement,
  type PlacementServer,
  type RunExecutor,
} from '@troupe/protocol';
import { consoleLogger, systemClock } from './system.ts';

/** Milliseconds: how long a run that another process holds is left alone · the first and the longest pause after a rejection. */
const [heldMs, firstPauseMs, longestPauseMs] = [2_000, 1_000, 30_000];

/** A timer that is set for longer rings at once. */
const longestTimerMs = 2 ** 31 - 1;

type Waiting = { request: DispatchRequest; from: number; attempts: number };
type Active = { request: DispatchRequest; attempts: number; leave: AbortController; ended: Promise<void> };
type Server = {
  executor: RunExecutor;
  queues: readonly string[];
  concurrency: number;
  workerId: string;
  active: Map<string, Active>;
  isDraining: boolean;
};

const keyOf = ({ queue, runId }: DispatchRequest): string => JSON.stringify([queue, runId]);

const invalid = (message: string): FaultError => new FaultError('placement.invalid', message);

const check = ({ queues, concurrency, workerId }: Pick<Server, 'queues' | 'concurrency' | 'workerId'>): void => {
  if (queues.length === 0) throw invalid(`Worker "${workerId}" serves no queue. Name one or more.`);
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw invalid(`Worker "${workerId}" has concurrency ${concurrency}. Expected a whole number of 1 or more.`);
};

/**
 * Runs are executed in this process, by whoever serves here: for programs of one process, and for tests. What was dispatched is
 * forgotten with the process; the store knows which runs go on.
 *
 * @param options `clock`: default: the machine's · `logger`: is told of executors that reject. Default: the console.
 */
export const inlinePlacement = (options: { clock?: Clock; logger?: Logger } = {}): Placement => {
  const { clock = systemClock, logger = consoleLogger } = options;
  const waiting = new Map<string, Waiting>();
  const servers = new Set<Server>();
  let alarm: unknown;
  let isClosed = false;
  let isAwake = false;

  const wait = (request: DispatchRequest, from: number, attempts = 0): void => {
    const key = keyOf(request);
    const known = waiting.get(key);
    if (!known) waiting.set(key, { request, from, attempts });
    else known.from = Math.min(known.from, from);
    wake();
  };

  /** On a clean stack: whoever dispatches is through first. */
  const wake = (): void => {
    if (isAwake) return;
    isAwake = true;
    queueMicrotask(() => {
      isAwake = false;
      handOut();
    });
  };

  const isActive = (key: string): boolean => [...servers].some(({ active }) => active.has(key));

  const roomFor = ({ queue }: DispatchRequest): Server | undefined =>
    [...servers]
      .filter(({ isDraining, active, concurrency }) => !isDraining && active.size < concurrency)
      .filter(({ queues }) => queues.includes(queue))
      .sort((a, b) => a.active.size - b.active.size)[0];

  const handOut = (): void => {
    clock.clearTimeout(alarm);
    const now = clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [key, { request, from, attempts }] of waiting) {
      if (from > now) next = Math.min(next, from);
      const server = from > now || isActive(key) ? undefined : roomFor(request);
      if (!server) continue;
      waiting.delete(key);
      // Of those that have as much to do, each comes first in turn.
      servers.delete(server);
      servers.add(server);
      activate(server, key, request, attempts);
    }
    if (next < Number.POSITIVE_INFINITY) alarm = clock.setTimeout(handOut, Math.min(next - now, longestTimerMs));
  };

  const activate = (server: Server, key: string, request: DispatchRequest, attempts: number): void => {
    const leave = new AbortController();
    const it: Active = { request, attempts, leave, ended: Promise.resolve() };
    server.active.set(key, it);
    it.ended = execute(server, it).then((outcome) => {
      // What was handed on is none of ours any more.
      if (!servers.has(server)) return;
      server.active.delete(key);
      settle(it, outcome);
      wake();
    });
  };

  const execute = async ({ executor, workerId }: Server, it: Active): Promise<Activation | 'rejected'> => {
    const { runId } = it.request;
    try {
      return await executor.run(runId, { signal: it.leave.signal, workerId });
    } catch (error) {
      complain(`Run "${runId}" could not be executed by worker "${workerId}", and is tried again: ${messageOf(error)}`);
      return 'rejected';
    }
  };

  const complain = (message: string): void => {
    try {
      logger.error(message);
    } catch {
      // A logger that throws changes nothing.
    }
  };

  const settle = ({ request, attempts, leave }: Active, outcome: Activation | 'rejected'): void => {
    const now = clock.now();
    if (outcome === 'rejected')
      wait(request, now + Math.min(firstPauseMs * 2 ** attempts, longestPauseMs), attempts + 1);
    else if (outcome === 'held') wait(request, now + heldMs);
    else if (outcome === 'idle' && leave.signal.aborted) wait(request, now);
  };

  /** Waits for something, but not for longer than that. */
  const within = async (ms: number, what: Promise<unknown>): Promise<void> => {
    let timer: unknown;
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, ms);
    });
    await Promise.race([what, late]);
    clock.clearTimeout(timer);
  };

  const drain = async (server: Server, ms: number): Promise<void> => {
    server.isDraining = true;
    const its = [...server.active];
    for (const [, { leave }] of its) leave.abort();
    if (ms > 0) await within(ms, Promise.all(its.map(([, { ended }]) => ended)));
    for (const { request } of server.active.values()) wait(request, clock.now());
    servers.delete(server);
  };

  const refuseClosed = (): void => {
    if (isClosed) throw new FaultError('placement.closed', 'The placement is closed. Make another one.');
  };

  return {
    name: 'inline',
    caps: { maxDetectMs: 0 },
    async dispatch({ runId, queue, notBefore = 0 }) {
      refuseClosed();
      if (!Number.isFinite(notBefore))
        throw invalid(`Run "${runId}" was dispatched for the moment ${notBefore}. Expected epoch milliseconds.`);
      wait({ runId, queue }, notBefore);
    },
    async serve(executor, { queues, concurrency, workerId }): Promise<PlacementServer> {
      refuseClosed();
      check({ queues, concurrency, workerId });
      const server = { executor, queues, concurrency, workerId, active: new Map<string, Active>(), isDraining: false };
      servers.add(server);
      wake();
      let drained: Promise<void> | undefined;
      return { drain: (ms) => (drained ??= drain(server, ms)) };
    },
    async close() {
      isClosed = true;
      await Promise.all([...servers].map((server) => drain(server, 0)));
      waiting.clear();
      clock.clearTimeout(alarm);
    },
  };
};
