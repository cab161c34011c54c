import type { RunRow, StoredEvent } from '@troupe/protocol';
import { openingOf } from '../agent/conversation.ts';
import { type AnyAgent, defineAgent } from '../define-agent.ts';
import { enter } from '../run/ledger.ts';
import { type LiveRun, openLiveRun } from '../run/live-run.ts';

/** A run that is not alive here, put together from what was stored: it can be read, not commanded. Its agent may not be known here. */
export const storedRun = (
  row: RunRow,
  events: Iterable<StoredEvent>,
  agent: AnyAgent = defineAgent({ name: row.agent, instructions: '' }),
): LiveRun => {
  const { runId, rootId, parentId, callId, depth, model, sessionKey, job } = row;
  const run = openLiveRun({
    runId,
    rootId,
    depth,
    model,
    job,
    agent,
    tools: new Map(),
    ...(parentId !== undefined && { parentId }),
    ...(callId !== undefined && { callId }),
    ...(sessionKey !== undefined && { sessionKey }),
  });
  run.transcript = openingOf(agent.instructions, job);
  run.ended = true;
  let steered: string[] = [];
  for (const event of events) {
    enter(run.ledger, event);
    run.seq = event.seq;
    if (event.type === 'run.steered') steered.push(event.text);
    if (event.type === 'turn.started') {
      run.transcript.push(...steered.map((content) => ({ role: 'user' as const, content })));
      steered = [];
    }
    if (event.type === 'turn.completed') run.transcript.push(event.message);
    if (event.type === 'call.completed' || event.type === 'call.failed')
      run.transcript.push({ role: 'tool', callId: event.callId, content: event.result });
  }
  return run;
};
