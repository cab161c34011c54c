/** What went wrong with a command: told in a sentence, or as JSON, and as an exit code. */
import { FaultError, faultOf, harmlessJSON } from '@troupe/protocol';
import { exitCode } from '../exit-code.ts';
import { harmless } from '../text-width.ts';

/** A command that says what cannot be. */
export const misuse = (message: string): FaultError => new FaultError('cli.usage', message);

/** A command that a run does not take. */
export const refusal = (message: string, runId: string): FaultError =>
  new FaultError('command.refused', message, { runId });

const usage = new Set([
  'cli.usage',
  'budget.invalid',
  'query.invalid',
  'job.invalid',
  'run.invalid',
  'session.invalid',
]);
const refused = new Set([
  'command.refused',
  'run.unknown',
  'run.exists',
  'run.ended',
  'run.claimed',
  'run.orphaned',
  'agent.unknown',
  'agent.changed',
  'question.unknown',
  'question.ambiguous',
  'question.rejected',
  'fork.invalid',
  'fork.ended',
  'replay.differs',
]);

/** The exit code for an error. */
export const codeOf = (error: unknown): number => {
  const { code } = faultOf(error, 'cli.error');
  if (usage.has(code)) return exitCode.usage;
  return refused.has(code) ? exitCode.refused : exitCode.failed;
};

/** The line for an error: a sentence, or `{"error":{"code":…,"message":…}}`. */
export const lineFor = (error: unknown, isJSON: boolean): string => {
  const fault = faultOf(error, 'cli.error');
  return isJSON ? harmlessJSON(JSON.stringify({ error: fault })) : `troupe: ${harmless(fault.message)}`;
};
