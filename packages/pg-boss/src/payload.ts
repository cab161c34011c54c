/** What the engine is given: the id of a run, and how often in a row it could not be executed. */
import { createHash } from 'node:crypto';
import type { RunId } from '@troupe/protocol';

export type Payload = { runId: string; attempts?: number };

/** As inside a JSON string: PostgreSQL takes neither zero bytes nor halves of characters. */
const writtenAs = (runId: RunId): string => JSON.stringify(runId).slice(1, -1);

export const payloadOf = (runId: RunId, attempts: number): Payload => ({
  runId: writtenAs(runId),
  ...(attempts > 0 && { attempts }),
});

export const runIdIn = ({ runId }: Payload): RunId => JSON.parse(`"${runId}"`) as RunId;

/** What makes two jobs of one run the same. An index holds no text of any length. */
export const keyOf = (runId: RunId): string => {
  const key = writtenAs(runId);
  return key.length <= 500 ? key : createHash('sha256').update(key).digest('hex');
};
