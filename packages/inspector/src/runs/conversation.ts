/** What was said and done in one run, kept from its events, live ones too. */
import { type EventOf, isLive, isTerminal, type RunEvent, type StoredEvent, textOfMessage } from '@troupe/protocol';
import type { Entry } from '../wire.ts';

type Turn = Extract<Entry, { type: 'turn' }>;
type Call = Extract<Entry, { type: 'call' }>;
type Child = Call['children'][number];
type About = { at: number; eventId: string; rootSeq: number };

export type Conversation = {
  /** Takes the next event of the run. */
  take(event: RunEvent): void;
  entries(): Entry[];
  /** Entries that are new or have changed since this was asked last, in their order. */
  news(): Entry[];
};

export const openConversation = (): Conversation => {
  /** Calls without their children: these are put in when they are looked at. */
  const entries = new Map<string, Entry>();
  /** What has changed, by its place among all. */
  const changed = new Map<string, number>();
  const places = new Map<string, number>();
  /** Calls without a result, by their name: models name several alike, and they are answered in order. */
  const unanswered = new Map<string, string[]>();
  /** The call of each child, and the children of each call. */
  const calls = new Map<string, string>();
  const crews = new Map<string, Map<string, Child>>();
  /** What was told, by anybody. */
  const told = new Set<string>();
  let turn: string | undefined;

  const put = (entry: Entry): void => {
    entries.set(entry.id, entry);
    const place = places.get(entry.id) ?? places.size;
    places.set(entry.id, place);
    changed.set(entry.id, place);
    if (entry.type === 'told') told.add(entry.text);
  };
  const shown = (entry: Entry): Entry => {
    const crew = crews.get(entry.id);
    return entry.type === 'call' && crew ? { ...entry, children: [...crew.values()] } : entry;
  };
  const about = ({ at, id, rootSeq }: StoredEvent): About => ({ at, eventId: id, rootSeq });
  const openTurn = (): Turn | undefined => {
    const entry = turn === undefined ? undefined : entries.get(turn);
    return entry?.type === 'turn' && entry.streaming ? entry : undefined;
  };
  const openCall = (callId: string): Call | undefined =>
    entries.get(unanswered.get(callId)?.[0] ?? '') as Call | undefined;

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
    unanswered.get(callId)?.shift();
  };

  const keepChild = (event: EventOf<'child.requested' | 'child.started' | 'child.settled'>): void => {
    const { childId, callId, childAgent } = event;
    const call = entries.get(calls.get(childId) ?? '') ?? openCall(callId);
    if (!call) return;
    calls.set(childId, call.id);
    const crew = crews.get(call.id) ?? new Map<string, Child>();
    crews.set(call.id, crew);
    const child = { runId: childId, agent: childAgent };
    crew.set(childId, event.type === 'child.settled' ? { ...child, status: event.status } : child);
    put(call);
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
        for (const [n, text] of (event.heard ?? []).filter((each) => !told.has(each)).entries())
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
        const alike = unanswered.get(callId);
        if (alike) alike.push(id);
        else unanswered.set(callId, [id]);
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
    entries: () => [...entries.values()].map(shown),
    news() {
      const news = [...changed].sort(([, a], [, b]) => a - b).flatMap(([id]) => entries.get(id) ?? []);
      changed.clear();
      return news.map(shown);
    },
  };
};
