import { type Answer, type Budget, toJSON } from '@troupe/protocol';
import type { RunCommand } from '../agent/context.ts';
import { checkBudget } from '../define-agent.ts';

/** What may be asked of a run: as `run.can` is asked about it. */
export type Ask =
  | { type: 'steer'; text: string }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'interrupt'; reason?: string }
  | { type: 'answer'; questionId: string; answer: Answer }
  | { type: 'raise'; budget: Budget }
  | { type: 'pauseSpawning' }
  | { type: 'resumeSpawning' };

/** One that needs nothing but itself. */
export type PlainAsk = Exclude<Ask, { type: 'raise' }>;

/** What the machine of a run is sent for it. */
export const commandOf = (ask: PlainAsk): RunCommand => {
  if (ask.type === 'interrupt') return { type: 'interrupt', reason: ask.reason ?? 'Interrupted by the user.' };
  if (ask.type === 'answer') return { ...ask, answer: answerIn(ask.answer), by: 'user' };
  const isAttributed = ask.type === 'pauseSpawning' || ask.type === 'resumeSpawning';
  return isAttributed ? { ...ask, by: 'user' } : ask;
};

/** An answer as it is stored: a caller without types may give anything. */
const answerIn = (given: unknown): Answer => {
  if (typeof given === 'boolean' || typeof given === 'string') return given;
  if (typeof given !== 'object' || given === null) return { value: toJSON(given) };
  if ('decline' in given) return { decline: String(given.decline ?? '') };
  return { value: toJSON('value' in given ? given.value : given) };
};

/** The same for limits. @param startOf What the run's deadline counts from. @throws FaultError `budget.invalid` */
export const raiseOf = async (runId: string, budget: Budget, startOf: () => Promise<number>): Promise<RunCommand> => {
  // None at all is no budget either: a caller without types may give it.
  checkBudget(budget ?? null, `run "${runId}"`);
  const { deadlineMs, warnAt: _, keep: __, ...limits } = budget;
  const deadline = deadlineMs === undefined ? {} : { deadlineAt: (await startOf()) + deadlineMs };
  // A kind that is `undefined` is one that was left out: it would lift the limit.
  const given = Object.fromEntries(Object.entries({ ...limits, ...deadline }).filter(([, to]) => to !== undefined));
  return { type: 'raise', limits: given, by: 'user' };
};
