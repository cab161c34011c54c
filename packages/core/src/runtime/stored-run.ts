import type { RunRow, StoredEvent } from '@troupe/protocol';
import { openingOf } from '../agent/conversation.ts';
import { defineAgent } from '../define-agent.ts';
import { enter } from '../run/ledger.ts';
import { type LiveRun, openLiveRun } from '../run/live-run.ts';

/** A run that is not alive here, put together from what was stored: it can be read, not commanded. */
export const storedRun = (row: RunRow, events: Iterable<StoredEvent>): LiveRun => {
  const { runId, rootId, parentId, callId, depth, model, sessionKey, job } = row;
  const run = openLiveRun({
    runId,
    rootId,
    depth,
    model,
    job,
    agent: defineAgent({ name: row.agent, instructions: '' }),
    tools: new Map(),
    ...(parentId !== undefined && { parentId }),
    ...(callId !== undefined && { callId }),
    ...(sessionKey !== undefined && { sessionKey }),
  });
  run.transcript = openingOf('', job);
  run.ended = true;
  for (const event of events) {
    enter(run.ledger, event);
    run.seq = event.seq;
    if (event.type === 'turn.completed') run.transcript.push(event.message);
    if (event.type === 'call.completed' || event.type === 'call.failed')
      run.transcript.push({ role: 'tool', callId: event.callId, content: event.result });
  }
  return run;
};
