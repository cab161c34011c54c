import type { Message, RunRow, StoredEvent } from '@troupe/protocol';
import { goingOn, openingOf } from '../agent/conversation.ts';
import { type AnyAgent, defineAgent } from '../define-agent.ts';
import { enter } from '../run/ledger.ts';
import { type LiveRun, openLiveRun } from '../run/live-run.ts';
import { hear } from '../run/transcript.ts';
import { outputFrom, toolsOf } from './definition-of.ts';

/** Stands for an agent that nobody knows here: enough to read its runs, or to end them. */
export const unknownAgent = (name: string): AnyAgent => defineAgent({ name, instructions: '' });

/** A run put together from what was stored: it can be read, and brought back to life. @param before What its session had said before it. */
export const storedRun = (
  row: RunRow,
  events: Iterable<StoredEvent>,
  agent: AnyAgent = unknownAgent(row.agent),
  before: readonly Message[] = [],
): LiveRun => {
  const { runId, rootId, parentId, callId, depth, model, sessionKey, after, origin, job } = row;
  const { quota, made, fingerprint, placed } = row;
  const run = openLiveRun({
    runId,
    rootId,
    depth,
    model,
    job,
    agent,
    tools: toolsOf(agent, job).tools,
    ...outputFrom(agent, job),
    ...(parentId !== undefined && { parentId }),
    ...(callId !== undefined && { callId }),
    ...(sessionKey !== undefined && { sessionKey }),
    ...(after !== undefined && { after }),
    ...(origin && { origin }),
    ...(quota !== undefined && { quota }),
    ...(made && { made }),
    ...(fingerprint !== undefined && { fingerprint }),
    ...(placed && { placed }),
  });
  run.detached = row.detached === true;
  let transcript = goingOn(openingOf(agent.instructions, job), before);
  for (const event of events) {
    enter(run.ledger, event);
    transcript = hear(transcript, event);
    run.seq = run.stored = event.seq;
  }
  run.transcript = transcript;
  run.ended = run.ledger.endedAt !== undefined;
  return run;
};

/** The events of a run until its parent let it go: what the call that did so was told. */
export const untilLetGo = (events: readonly StoredEvent[]): readonly StoredEvent[] => {
  const at = events.findIndex(({ type }) => type === 'run.detached');
  return at < 0 ? events : events.slice(0, at);
};
