/** What was said and done in one run, kept from its events, live ones too. */
import { type EventOf, isLive, isTerminal, type RunEvent, type StoredEvent, textOfMessage } from '@troupe/protocol';
import type { Entry } from '../wire.ts';

type Turn = Extract<Entry, { type: 'turn' }>;
type Call = Extract<Entry, { type: 'call' }>;
type About = { at: number; eventId: string; rootSeq: number };

export type Conversation = {
  /** Takes the next event of the run. */
  take(event: RunEvent): void;
  entries(): Entry[];
  /** Entries that are new or have changed since this was asked last, in their order. */
  news(): Entry[];
};

export const openConversation = (): Conversation => {
  const entries = new Map<string, Entry>();
  const changed = new Set<string>();
  let turn: string | undefined;

  const put = (entry: Entry): void => {
    entries.set(entry.id, entry);
    changed.add(entry.id);
  };
  const about = ({ at, id, rootSeq }: StoredEvent): About => ({ at, eventId: id, rootSeq });
  const openTurn = (): Turn | undefined => {
    const entry = turn === undefined ? undefined : entries.get(turn);
    return entry?.type === 'turn' && entry.streaming ? entry : undefined;
  };
  /** The first call of this name that is open: models name several alike, and they are answered in order. */
  const callOf = (callId: string, fits: (call: Call) => boolean): Call | undefined => {
    for (const entry of entries.values())
      if (entry.type === 'call' && entry.callId === callId && fits(entry)) return entry;
    return undefined;
  };
  const openCall = (callId: string): Call | undefined => callOf(callId, ({ status }) => status === 'open');

  const takeLive = (event: Extract<RunEvent, { live: true }>): void => {
    if (event.type === 'call.progressed') {
      const call = openCall(event.callId);
      if (call) put({ ...call, note: event.note });
      return;
    }
    const open = openTurn();
    if (!open) return;
    if (event.type === 'text.streamed') put({ ...open, text: open.text + event.delta });
    else put({ ...open, reasoning: (open.reasoning ?? '') + event.delta });
  };

  const closeTurn = (event: EventOf<'turn.completed'>): void => {
    const { turn: n, message, reasoning, usage, costUsd, model, finish, at } = event;
    const before = entries.get(`turn-${n}`) as Turn | undefined;
    put({
      ...(before ?? { type: 'turn', turn: n, id: `turn-${n}`, at, model: '' }),
      eventId: event.id,
      rootSeq: event.rootSeq,
      text: textOfMessage(message),
      ...(reasoning !== undefined && { reasoning }),
      ...(model !== undefined && { model }),
      streaming: false,
      usage,
      costUsd,
      finish,
    });
  };

  /** A turn in flight that is not closed any more: a pause or an interrupt aborted it. */
  const breakOff = (): void => {
    const open = openTurn();
    if (open) put({ ...open, streaming: false });
  };

  const settle = (event: EventOf<'call.completed' | 'call.failed'>): void => {
    const status = event.type === 'call.completed' ? 'ok' : (event.status ?? 'error');
    const { callId, tool, result, at, id } = event;
    const unmade: Call = { ...about(event), type: 'call', id, callId, tool, arguments: null, status, children: [] };
    put({ ...(openCall(callId) ?? unmade), status, result, endedAt: at });
  };

  const keepChild = (event: EventOf<'child.requested' | 'child.started' | 'child.settled'>): void => {
    const has = (call: Call) => call.children.some(({ runId }) => runId === event.childId);
    const call = callOf(event.callId, has) ?? openCall(event.callId);
    if (!call) return;
    const others = call.children.filter(({ runId }) => runId !== event.childId);
    const child = { runId: event.childId, agent: event.childAgent };
    put({
      ...call,
      children: [...others, event.type === 'child.settled' ? { ...child, status: event.status } : child],
    });
  };

  const finish = (event: EventOf<'run.completed' | 'run.failed' | 'run.interrupted'>): void => {
    breakOff();
    const end = { ...about(event), type: 'end' as const, id: 'end' };
    if (event.type === 'run.completed')
      return put({ ...end, status: 'completed', exitReason: 'answered', text: event.text });
    const { exitReason, partialText = null } = event;
    if (event.type === 'run.interrupted') return put({ ...end, status: 'interrupted', exitReason, text: partialText });
    put({ ...end, status: 'failed', exitReason, text: partialText, fault: event.fault });
  };

  const takeStored = (event: StoredEvent): void => {
    const it = about(event);
    switch (event.type) {
      case 'run.queued':
      case 'run.started': {
        const { input, constraints, attachments } = event.job;
        return put({
          ...it,
          type: 'job',
          id: 'job',
          input,
          ...(constraints && { constraints }),
          ...(attachments && { attachments: attachments.length }),
        });
      }
      case 'run.steered':
        return put({ ...it, type: 'told', id: `told-${event.seq}`, by: 'person', text: event.text });
      case 'run.paused':
        return breakOff();
      case 'turn.started': {
        turn = `turn-${event.turn}`;
        // What somebody said stands there already, from when it was said.
        const known = new Set([...entries.values()].map((entry) => (entry.type === 'told' ? entry.text : '')));
        for (const [n, text] of (event.heard ?? []).filter((each) => !known.has(each)).entries())
          put({ ...it, type: 'told', id: `heard-${event.seq}-${n}`, by: 'system', text });
        return put({ ...it, type: 'turn', id: turn, turn: event.turn, model: event.model, text: '', streaming: true });
      }
      case 'turn.attempted': {
        const open = openTurn();
        if (!open) return;
        const attempts = event.fault ? [...(open.attempts ?? []), event.fault.message] : open.attempts;
        // What was sent of it before is void.
        const { reasoning: _, ...rest } = open;
        return put({ ...rest, text: '', ...(attempts && { attempts }) });
      }
      case 'turn.completed':
        return closeTurn(event);
      case 'call.started': {
        const { callId, tool, arguments: given } = event;
        const id = `call-${event.seq}`;
        return put({ ...it, type: 'call', id, callId, tool, arguments: given, status: 'open', children: [] });
      }
      case 'call.completed':
      case 'call.failed':
        return settle(event);
      case 'child.requested':
      case 'child.started':
      case 'child.settled':
        return keepChild(event);
      case 'question.asked':
        return put({ ...it, type: 'question', id: event.question.id, question: event.question });
      case 'question.answered': {
        const asked = entries.get(event.questionId);
        if (asked?.type === 'question') put({ ...asked, answer: event.answer });
        return;
      }
      case 'context.compacted': {
        const { summary, summarized } = event;
        return put({ ...it, type: 'compacted', id: `compacted-${event.seq}`, summary, summarized });
      }
      case 'warning.raised': {
        const { code, message } = event;
        return put({ ...it, type: 'warning', id: `warning-${event.seq}`, code, message });
      }
      default:
        if (isTerminal(event)) finish(event);
    }
  };

  return {
    take: (event) => (isLive(event) ? takeLive(event) : takeStored(event)),
    entries: () => [...entries.values()],
    news() {
      const news = [...entries.values()].filter(({ id }) => changed.has(id));
      changed.clear();
      return news;
    },
  };
};
