/** What a manager does to the world: it stores, starts, stops, leaves results for sessions. It decides nothing. */
import type { Agent, Job, Run, Runtime } from '@troupe/core';
import { FaultError, faultOf, isFaultError, type RunEvent, redact, toJSON } from '@troupe/protocol';
import type { Push } from './handover-machine.ts';
import { letterIdOf, longestMs } from './steps/step.ts';
import type { Ask } from './subagent-machine.ts';
import type { SubagentPolicy } from './subagent-options.ts';
import type { SubagentRecord } from './subagent-record.ts';
import { wakeText } from './wake-text.ts';

/** Runs that have not ended, as far as they were heard of. */
export type OpenRuns = Map<string, { agentId: string; model: string | null; startedAt: number }>;

export type Effects = {
  /** Stores a sub-agent as it is known now; what goes wrong is logged, too. */
  note(record: SubagentRecord): Promise<void>;
  /** Resolves once all is stored that is known of these. @throws FaultError `store.unavailable` */
  noted(agentIds: readonly string[]): Promise<void>;
  /** Forgets it, with its runs where nothing is to be left. */
  erase(record: SubagentRecord, withRuns: boolean): void;
  /** Sends the run of a sub-agent; resolves once that is stored. */
  send(ask: Ask): Promise<void>;
  /** Interrupts runs, one after another; those that are being sent, once they were. */
  stop(runIds: readonly string[], reason: string): void;
  push(push: Push): Promise<void>;
  /** Resolves once nothing of its session goes on by itself; with `false` where it waits for a person then, or that cannot be found out. */
  rests(record: SubagentRecord): Promise<boolean>;
  /** Calls back from time to time. Gives back how to stop. */
  every(call: () => void): () => void;
};

export const openEffects = (
  runtime: Runtime,
  { sweepEveryMs }: Pick<SubagentPolicy, 'sweepEveryMs'>,
  { store, runs, agentFor }: { store: string; runs: OpenRuns; agentFor(record: SubagentRecord): Agent },
): Effects => {
  const { clock, logger, memory } = runtime.environment;
  const complain = (what: string) => (error: unknown) => logger.warn(what, faultOf(error, 'store.unavailable'));

  const storing = new Map<string, Promise<void>>();
  /** One after another for each sub-agent: what is known last is what stays, however long a store takes. */
  const inOrder = (agentId: string, work: () => Promise<void> | void): Promise<void> => {
    const done = (storing.get(agentId) ?? Promise.resolve()).catch(() => {}).then(work);
    const forget = (): void => {
      if (storing.get(agentId) === done) storing.delete(agentId);
    };
    storing.set(agentId, done);
    done.then(forget, forget);
    return done;
  };
  const write = (record: SubagentRecord): Promise<void> =>
    inOrder(record.agentId, () => memory.write(store, record.agentId, toJSON(redact(record))));

  /** Runs that are being sent. */
  const sending = new Map<string, { sent: Promise<Run>; cancel: AbortController }>();
  const send = async ({ record, before }: Ask): Promise<void> => {
    const { run, agentId, sessionKey, history, label, requester } = record;
    if (!run) return;
    const { runId, origin, task } = run;
    const agent = agentFor(record);
    runs.set(runId, { agentId, model: agent.model ?? null, startedAt: clock.now() });
    try {
      const job: Job = {
        input: task,
        metadata: { subagent: { agentId, runId, label, requester } },
        ...(history && !before?.record.run && { messages: history }),
      };
      const asks = origin &&
        requester.sessionKey !== null && {
          origin: {
            runId: origin.runId,
            rootId: origin.rootId,
            callId: origin.callId,
            sessionKey: requester.sessionKey,
          },
        };
      const cancel = new AbortController();
      const { signal } = cancel;
      const sent = runtime.session(agent, { sessionKey }).send(job, { runId, agent, signal, ...asks });
      sending.set(runId, { sent, cancel });
      await stored(await sent);
    } catch (error) {
      runs.delete(runId);
      throw error;
    } finally {
      sending.delete(runId);
    }
  };

  let stopping: Promise<unknown> = Promise.resolve();
  /** One after another: whoever is to be stopped first is. */
  const stop = (runIds: readonly string[], reason: string): void => {
    for (const runId of runIds)
      stopping = stopping
        .then(async () => {
          const isSent = sending.get(runId);
          // One that waits for its turn, or to be stored, does not begin any more.
          isSent?.cancel.abort(reason);
          const sent = await isSent?.sent.catch(() => undefined);
          await (sent ?? (await runtime.attach(runId))).interrupt(reason);
        })
        .catch((error: unknown) => {
          const isGone = isFaultError(error) && (error.code === 'run.unknown' || error.code === 'run.ended');
          if (!isGone)
            logger.warn(`Run "${runId}" of a sub-agent was not stopped.`, faultOf(error, 'store.unavailable'));
        });
  };

  const push = async ({ result, wakes }: Push): Promise<void> => {
    const { requester, agentId, runId, label, name } = result;
    await runtime.deliver(requester.sessionKey ?? '', {
      id: letterIdOf(runId),
      text: wakeText(result),
      wakes,
      metadata: {
        ...requester.metadata,
        isSubagentWake: true,
        subagentId: agentId,
        subagentRunId: runId,
        subagentName: name ?? label,
        channel: requester.channel,
        replyTo: requester.metadata.replyTo ?? requester.replyTo,
      },
    });
  };

  /** Once its last commit is older than now. */
  const forgetRuns = async ({ sessionKey, agentId }: SubagentRecord): Promise<void> => {
    await new Promise<void>((resolve) => clock.setTimeout(resolve, 1));
    await runtime.runs
      .prune({ olderThan: 0, sentTo: sessionKey, units: true })
      .catch(complain(`The runs of sub-agent ${agentId} were not forgotten.`));
  };

  return {
    note(record) {
      const done = write(record);
      done.catch(complain(`Sub-agent ${record.agentId} was not stored.`));
      return done;
    },
    async noted(agentIds) {
      await Promise.all(agentIds.flatMap((agentId) => storing.get(agentId) ?? []));
    },
    erase(record, withRuns) {
      const { agentId } = record;
      const failed = complain(`Sub-agent ${agentId} was not forgotten.`);
      // Itself last: whatever crashes before, its runs are found again, and go then.
      if (withRuns) {
        void write({ ...record, gone: true }).catch(failed);
        void inOrder(agentId, () => forgetRuns(record));
      }
      void inOrder(agentId, () => memory.reset(store, agentId)).catch(failed);
    },
    send,
    stop,
    push,
    async rests(record) {
      const { agentId, sessionKey } = record;
      try {
        return (await runtime.session(agentFor(record), { sessionKey }).idle()).status === 'idle';
      } catch (error) {
        const isClosed = isFaultError(error) && error.code === 'runtime.closed';
        if (!isClosed) complain(`What sub-agent ${agentId} has under way in the background is not known.`)(error);
        return false;
      }
    },
    every(call) {
      let timer: unknown;
      const wait = (): void => {
        timer = clock.setTimeout(
          () => {
            call();
            wait();
          },
          Math.min(sweepEveryMs, longestMs),
        );
        // Keeping house keeps no process alive.
        (timer as { unref?: () => void } | undefined)?.unref?.();
      };
      if (sweepEveryMs !== Number.POSITIVE_INFINITY) wait();
      return () => clock.clearTimeout(timer);
    },
  };
};

/** Resolves once the first event of a run is stored. @throws FaultError why it was not */
const stored = async (run: Run): Promise<void> => {
  const event = await firstOf(run);
  if (event && !(event.type === 'run.failed' && event.rootSeq === 0)) return;
  const { fault } = await run.report;
  throw new FaultError(fault?.code ?? 'store.unavailable', fault?.message ?? `Run "${run.id}" was not stored.`);
};
const firstOf = async (run: AsyncIterable<RunEvent>): Promise<RunEvent | undefined> => {
  for await (const event of run) return event;
  return undefined;
};
