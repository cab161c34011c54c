import type { EventDraft, JSONValue, StoredEvent, UsageReport } from '@troupe/protocol';

const usage = (inputTokens: number, outputTokens: number) => ({ inputTokens, outputTokens });

/** A run's usage, as a terminal event tells it. */
export const usageReport = (
  own: { inputTokens: number; outputTokens: number; costUsd?: number },
  turns = 1,
): UsageReport => ({
  total: own,
  own,
  byModel: {},
  turns,
  toolCalls: 0,
  activeMs: 0,
});

/** Writes events the way a store would: numbered per run and per tree, a second apart unless told otherwise. */
export const journal = (rootId = 'run_1') => {
  const events: StoredEvent[] = [];
  const seqs = new Map<string, number>();
  let at = 1_000_000;
  const tell = (runId: string, agent: string, draft: EventDraft): StoredEvent => {
    const seq = (seqs.get(runId) ?? 0) + 1;
    seqs.set(runId, seq);
    const rest = runId.slice(rootId.length);
    const depth = rest === '' ? 0 : (rest.split('/').length - 1) / 2;
    const parentId = depth === 0 ? undefined : runId.split('/').slice(0, -2).join('/');
    const about = { id: `${runId}:${seq}`, seq, rootSeq: events.length + 1, at, runId, rootId, depth, agent };
    const event = { ...about, ...(parentId !== undefined && { parentId }), ...draft } as StoredEvent;
    events.push(event);
    return event;
  };
  return {
    events,
    tell,
    wait(ms: number) {
      at += ms;
    },
    get now() {
      return at;
    },
    start: (runId: string, agent: string, turns?: number) =>
      tell(runId, agent, {
        type: 'run.started',
        job: { input: 'go' },
        model: 'small',
        budget: turns === undefined ? {} : { turns },
      }),
    turn: (
      runId: string,
      agent: string,
      turn: number,
      calls: { id: string; name: string; arguments?: JSONValue }[] = [],
    ) => {
      tell(runId, agent, { type: 'turn.started', turn, model: 'small' });
      tell(runId, agent, {
        type: 'turn.completed',
        turn,
        message: {
          role: 'assistant',
          content: '',
          calls: calls.map(({ id, name }) => ({ id, name, arguments: '{}' })),
        },
        usage: usage(100, 10),
        costUsd: 0.001,
        finish: calls.length > 0 ? 'calls' : 'stop',
      });
      for (const { id, name } of calls)
        tell(runId, agent, { type: 'call.started', callId: id, tool: name, arguments: {} });
    },
    answer: (runId: string, agent: string, callId: string, tool: string) =>
      tell(runId, agent, { type: 'call.completed', callId, tool, preview: '', truncated: false, result: '' }),
    complete: (runId: string, agent: string, turns = 1) =>
      tell(runId, agent, {
        type: 'run.completed',
        text: 'done',
        usage: usageReport({ ...usage(100 * turns, 10 * turns), costUsd: 0.001 * turns }, turns),
      }),
    fail: (runId: string, agent: string, exitReason: 'max_turns' | 'budget' | 'error') =>
      tell(runId, agent, {
        type: 'run.failed',
        exitReason,
        fault: { code: 'x', message: 'No more turns.', retryable: false },
        usage: usageReport(usage(100, 10)),
      }),
    interrupt: (runId: string, agent: string, exitReason: 'interrupted' | 'parent_interrupted') =>
      tell(runId, agent, { type: 'run.interrupted', exitReason, reason: 'enough', usage: usageReport(usage(0, 0)) }),
  };
};
