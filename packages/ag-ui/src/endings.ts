/** How runs end, in the words of AG-UI. A run that did not complete is never told as a success (L5). */
import {
  type AGUIEvent,
  EventType,
  type SubagentErrorEvent,
  type SubagentFinishedEvent,
  type TokenUsage,
} from '@ag-ui/core';
import { isFaultError, type TerminalEvent } from '@troupe/protocol';

/** How a subagent is closed: with a result, suspended, or with an error. */
export type SubagentEnd =
  | Pick<SubagentFinishedEvent, 'result' | 'outcome'>
  | Pick<SubagentErrorEvent, 'message' | 'code'>;

/** Why an AG-UI run ends whose run has not. */
export const ranOut = {
  code: 'run.suspended',
  message: 'The run was suspended: it goes on where its store is opened again. Ask for it again then.',
};

/** Why nothing more can be told. What nobody expected is not told to strangers. */
export const unreadable = (error: unknown): { code: string; message: string } =>
  isFaultError(error)
    ? { code: error.code, message: error.message }
    : { code: 'run.unreadable', message: 'The events of the run could not be read.' };

/** The data of a structured answer, else its text. `null` is no result for AG-UI. */
const resultOf = ({ text, data }: { text: string | null; data?: unknown }): { result?: unknown } => {
  const result = data ?? text;
  return result === null ? {} : { result };
};

export const runEndOf = (
  event: TerminalEvent,
  names: { threadId: string; runId: string },
  usage: { usage?: TokenUsage[] },
): AGUIEvent => {
  const about = { timestamp: event.at, ...usage };
  switch (event.type) {
    case 'run.completed':
      return { type: EventType.RUN_FINISHED, ...names, ...resultOf(event), outcome: { type: 'success' }, ...about };
    case 'run.failed':
      return { type: EventType.RUN_ERROR, message: event.fault.message, code: event.exitReason, ...about };
    case 'run.interrupted':
      return { type: EventType.RUN_FINISHED, ...names, outcome: { type: 'cancelled' }, ...about };
  }
};

export const subagentEndOf = (event: TerminalEvent): SubagentEnd => {
  if (event.type === 'run.completed') return { ...resultOf(event), outcome: { type: 'success' } };
  return { message: event.type === 'run.failed' ? event.fault.message : event.reason, code: event.exitReason };
};
