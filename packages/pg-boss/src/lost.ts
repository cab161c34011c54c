import type { Logger } from '@troupe/protocol';
import type { JobWithMetadata } from 'pg-boss';
import type { Engine } from './engine.ts';
import { lostPauseMs, rejectedPauseMs } from './pauses.ts';
import { type Payload, runIdIn } from './payload.ts';
import { lostOf } from './queues.ts';
import { say } from './trouble.ts';

const hasRejected = ({ sourceOutput }: JobWithMetadata<Payload>): boolean =>
  sourceOutput !== null && 'rejected' in sourceOutput;

const pauseMsOf = (job: JobWithMetadata<Payload>): number =>
  (hasRejected(job) ? rejectedPauseMs : lostPauseMs)(job.data.attempts ?? 0);

/**
 * Sends again what the workers of a queue have lost or failed at. Each time it is a new job: of an old one, a worker that was taken
 * for gone might tell that it is over while somebody else is at it.
 */
export const reviveLost = async ({ boss, send }: Engine, queue: string, logger: Logger): Promise<void> => {
  await boss.work(
    lostOf(queue),
    { includeMetadata: true, batchSize: 50, pollingIntervalSeconds: 0.5 },
    async (jobs: JobWithMetadata<Payload>[]) => {
      for (const job of jobs) {
        const { attempts = 0 } = job.data;
        const runId = runIdIn(job.data);
        if (!hasRejected(job))
          say(logger, 'warn', `Run "${runId}" is handed out again: whoever executed it gave no sign of life any more.`);
        await send({ queue, runId, attempts: attempts + 1, afterMs: pauseMsOf(job) });
      }
    },
  );
};
