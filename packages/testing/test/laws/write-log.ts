import {
  type EventDraft,
  type EventOf,
  type Grant,
  isLive,
  type RunEvent,
  type StoredEvent,
  type ToolCall,
  type Usage,
  type UsageReport,
} from '@troupe/protocol';

type About = { runId: string; rootId: string; parentId?: string };

const tokens = (n: number): Usage => ({ inputTokens: n, outputTokens: 0 });

const report = (n: number): UsageReport => ({
  total: tokens(n),
  own: tokens(n),
  byModel: {},
  turns: 0,
  toolCalls: 0,
  activeMs: 0,
});

/** Numbers events as a store does, in the order they stand. */
export const restamp = (events: readonly RunEvent[]): RunEvent[] => {
  const seqs = new Map<string, number>();
  const rootSeqs = new Map<string, number>();
  const next = (counts: Map<string, number>, key: string) => {
    const n = (counts.get(key) ?? 0) + 1;
    counts.set(key, n);
    return n;
  };
  return events.map((event) => {
    if (isLive(event)) return event;
    const seq = next(seqs, event.runId);
    return { ...event, seq, rootSeq: next(rootSeqs, event.rootId), id: `${event.runId}:${seq}` };
  });
};

/** Drafts of one run, to be put into a log. */
export const runWriter = (runId: string, parentId?: string) => {
  const about: About = { runId, rootId: runId.split('/')[0] ?? runId, ...(parentId !== undefined && { parentId }) };
  const say = (draft: EventDraft): StoredEvent => ({
    ...draft,
    ...about,
    id: '',
    seq: 0,
    rootSeq: 0,
    at: 0,
    depth: parentId === undefined ? 0 : 1,
    agent: 'a',
  });
  return {
    say,
    queued: () => say({ type: 'run.queued', job: { input: 'go' } }),
    started: (budget: Grant = {}) => say({ type: 'run.started', job: { input: 'go' }, model: 'm', budget }),
    turn: (turn: number) => say({ type: 'turn.started', turn, model: 'm' }),
    attempted: (turn: number, used: number) =>
      say({ type: 'turn.attempted', turn, number: 1, provider: 'p', model: 'm', usage: tokens(used) }),
    answered: (turn: number, used: number, callIds: readonly string[] = []) => {
      const calls: ToolCall[] = callIds.map((id) => ({ id, name: 'ask', arguments: '{}' }));
      return say({
        type: 'turn.completed',
        turn,
        message: { role: 'assistant', content: '', ...(calls.length > 0 && { calls }) },
        usage: tokens(used),
        costUsd: null,
        finish: calls.length > 0 ? 'calls' : 'stop',
      });
    },
    call: (callId: string) => say({ type: 'call.started', callId, tool: 'ask', arguments: {} }),
    result: (callId: string, data?: EventOf<'call.completed'>['data']) =>
      say({
        type: 'call.completed',
        callId,
        tool: 'ask',
        preview: '',
        truncated: false,
        result: '',
        ...(data !== undefined && { data }),
      }),
    refusal: (callId: string) =>
      say({ type: 'call.failed', callId, tool: 'ask', error: 'no', result: 'no', status: 'refused' }),
    ask: (childId: string, callId: string, grant: Grant = {}) =>
      say({ type: 'child.requested', childId, callId, childAgent: 'a', grant }),
    begin: (childId: string, callId: string, grant: Grant = {}) =>
      say({ type: 'child.started', childId, callId, childAgent: 'a', grant }),
    settled: (
      childId: string,
      callId: string,
      used: number,
      end: Pick<EventOf<'child.settled'>, 'status' | 'exitReason'>,
    ) =>
      say({
        type: 'child.settled',
        childId,
        callId,
        childAgent: 'a',
        grant: {},
        usage: tokens(used),
        ...end,
      }),
    raised: (budget: object) => say({ type: 'budget.raised', budget, by: 'user' }),
    detached: () => say({ type: 'run.detached' }),
    completed: (used: number) => say({ type: 'run.completed', text: 'done', usage: report(used) }),
    failed: (used: number) =>
      say({
        type: 'run.failed',
        exitReason: 'max_turns',
        fault: { code: 'budget.turns', message: 'no more turns', retryable: false },
        usage: report(used),
      }),
    interrupted: (used: number) =>
      say({ type: 'run.interrupted', exitReason: 'interrupted', reason: 'user', usage: report(used) }),
    streamed: (seq: number): RunEvent => ({
      ...about,
      type: 'text.streamed',
      live: true,
      seq,
      part: 1,
      delta: 'x',
      at: 0,
      depth: 0,
      agent: 'a',
    }),
  };
};

export const completed = { status: 'completed', exitReason: 'answered' } as const;
export const failed = { status: 'failed', exitReason: 'max_turns' } as const;
export const interrupted = { status: 'interrupted', exitReason: 'interrupted' } as const;
