import type { PgBoss } from 'pg-boss';
import { invalid } from './options.ts';

/** How long the engine may keep one activation, in seconds: as long as it lets us. Then it is handed out again. */
const longestSeconds = 86_400;

/** How long the engine remembers what is over, in seconds. It is the store that knows. */
const rememberedSeconds = 300;

/** Where activations go whose worker is gone, or has failed. */
export const lostOf = (queue: string): string => `${queue}_lost`;

/** @throws FaultError `placement.invalid` */
export const checkQueue = (queue: unknown): void => {
  if (typeof queue !== 'string' || !/^[\w.\-/]{1,200}$/.test(queue))
    throw invalid(
      `The queue ${JSON.stringify(queue)} cannot be one. Expected 1 to 200 letters, digits, "_", "-", "." and "/": rename it.`,
    );
  if (queue.endsWith('_lost') || queue.startsWith('__pgboss__'))
    throw invalid(
      `The queue "${queue}" is the engine's own. Name another, with no "_lost" behind and no "__pgboss__" before.`,
    );
};

/** Makes a queue where there is none. Any number of processes may do so at once. */
export const makeQueue = async (boss: PgBoss, queue: string, heartbeatSeconds: number): Promise<void> => {
  const lost = lostOf(queue);
  let found = await boss.getQueue(queue);
  if (!found) {
    await boss.createQueue(lost, { retryLimit: 1_000, retryDelay: 1, deleteAfterSeconds: rememberedSeconds });
    await boss.createQueue(queue, {
      policy: 'stately',
      notify: true,
      heartbeatSeconds,
      retryLimit: 0,
      expireInSeconds: longestSeconds,
      deleteAfterSeconds: rememberedSeconds,
      deadLetter: lost,
    });
    found = await boss.getQueue(queue);
  }
  if (found?.policy !== 'stately' || found.deadLetter !== lost)
    throw invalid(
      `The queue "${queue}" is there already, and was made for something else (policy "${found?.policy}", dead letters to "${found?.deadLetter}"). Name another queue or another schema.`,
    );
};
