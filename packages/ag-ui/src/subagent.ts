import type { SubagentStartedEvent } from '@ag-ui/core';
import { beginningOf, type RunEvent } from '@troupe/protocol';
import type { Voice } from './voice.ts';

/** How a run below the streamed one is announced, wherever in its tree a stream begins. */
export type Subagent = Omit<SubagentStartedEvent, 'type' | 'timestamp' | 'parentSubagentRunId'>;

const longest = 200;

/** @param parent What the run that started it says: the message in hand holds the call that did. */
export const subagentOf = (event: RunEvent, parent: Voice | undefined): Subagent => {
  const { runId, agent } = event;
  const description = descriptionOf(event);
  return {
    subagentRunId: runId,
    name: agent,
    ...(description !== undefined && { description }),
    parentToolCallId: runId.slice(0, runId.lastIndexOf('/')),
    ...(parent && { parentMessageId: parent.messageId }),
  };
};

const descriptionOf = (event: RunEvent): string | undefined => {
  if (event.type !== 'run.queued' && event.type !== 'run.started') return undefined;
  const { input } = event.job;
  const text = typeof input === 'string' ? input : JSON.stringify(input);
  return text.length > longest ? `${beginningOf(text, longest)}…` : text;
};
