/**
 * Runs as `invoke_agent` spans: begun with the first that is heard of a run, ended with its terminal event, whatever is missing in
 * between. Nothing is kept of a run that has ended but, for some, which span was its own.
 */
import { type Context, ROOT_CONTEXT } from '@opentelemetry/api';
import {
  type EventOf,
  isEnded,
  isTerminal,
  type JSONValue,
  type StoredEvent,
  type TerminalEvent,
} from '@troupe/protocol';
import { key, momentOf, usageAttributes } from './attributes.ts';
import { callAbove, callNamed, endCalls, noteAnswered, noteAsked, settleCall, startCall } from './call-spans.ts';
import { completeTurn, endChat, noteAttempt, noteChunk, noteCompaction, startTurn } from './chat-spans.ts';
import { contentOf, errorOf, jobMessages } from './content.ts';
import type { EarlierSpans } from './earlier-spans.ts';
import { aboutRun, type OpenRun, type Tracing } from './open-run.ts';
import { addLink, addMoment, closeSpan, openSpan, type SpanEnd } from './open-span.ts';

/** The first event of a run. */
export type Beginning = EventOf<'run.queued' | 'run.started'>;

export type RunSpans = {
  hear(event: StoredEvent): void;
  /** A model said something. */
  hearChunk(runId: string, at: number): void;
  /** Ends every span that is open: nobody tells any more how it goes on. */
  end(): void;
};

type Options = Tracing & {
  earlier: EarlierSpans;
  /** What the span of a root is below. */
  parentOf(event: Beginning): Context | undefined;
};

const isBeginning = (event: StoredEvent): event is Beginning =>
  event.type === 'run.queued' || event.type === 'run.started';

export const openRunSpans = (options: Options): RunSpans => {
  const { tracer, earlier } = options;
  const runs = new Map<string, OpenRun>();
  /** Runs under way whose parent was not heard of yet, or has ended, by its id: none is looked for among all. */
  const apart = new Map<string, Set<OpenRun>>();
  /** The newest moment that was told of any run. */
  let latest = 0;

  const contextAbove = (event: StoredEvent): Context => {
    const parent = runs.get(event.parentId ?? '');
    if (parent) return (callAbove(options, parent, event) ?? parent).context;
    return (isBeginning(event) && event.parentId === undefined && options.parentOf(event)) || ROOT_CONTEXT;
  };

  const open = (event: StoredEvent): OpenRun => {
    const { runId, rootId, parentId, depth, agent, at } = event;
    const joined = event.seq !== 1;
    const model = event.type === 'run.started' ? event.model : '';
    const conversation = event.type === 'run.started' ? event.sessionKey : undefined;
    const attributes = {
      [key.operation]: 'invoke_agent',
      ...aboutRun({ runId, agent, conversation }),
      [key.provider]: model ? options.providerOf(model) : undefined,
      [key.requestModel]: model || undefined,
      [key.rootId]: rootId,
      [key.parentId]: parentId,
      [key.depth]: depth,
      [key.joined]: joined || undefined,
    };
    const run: OpenRun = {
      ...openSpan(tracer, `invoke_agent ${agent}`, { at, parent: contextAbove(event), attributes }),
      runId,
      parentId,
      depth,
      agent,
      joined,
      model,
      conversation,
      lastAt: at,
      detached: false,
      compacted: false,
      chat: undefined,
      turn: undefined,
      calls: [],
      below: apart.get(runId) ?? new Set(),
      heard: [],
    };
    runs.set(runId, run);
    apart.delete(runId);
    if (parentId !== undefined) below(parentId).add(run);
    if (joined) join(run, event);
    earlier.begun(runId, run.span.spanContext());
    return run;
  };

  const below = (parentId: string): Set<OpenRun> => {
    const siblings = runs.get(parentId)?.below ?? apart.get(parentId) ?? new Set();
    if (!runs.has(parentId)) apart.set(parentId, siblings);
    return siblings;
  };
  const leave = (run: OpenRun): void => {
    const { parentId } = run;
    if (parentId === undefined) return;
    const siblings = below(parentId);
    siblings.delete(run);
    if (siblings.size === 0) apart.delete(parentId);
  };

  /** A run whose beginning was not heard: it had another span before, and runs below it may have one already. */
  const join = (run: OpenRun, first: StoredEvent): void => {
    link(run, run.runId, 'earlier');
    if (first.type === 'child.settled') link(run, first.childId, 'child');
    for (const child of run.below) addLink(child, run.span, 'parent');
  };
  const link = (run: OpenRun, runId: string, kind: string): void =>
    earlier.find(runId, (context) => {
      // The store may answer once it has ended.
      if (run.span.isRecording()) run.span.addLink({ context, attributes: { [key.link]: kind } });
    });

  const begin = (run: OpenRun, event: Beginning): void => {
    if (options.content && run.heard.length === 0) {
      run.heard = jobMessages(event.job);
      run.span.setAttribute(key.inputMessages, contentOf(run.heard));
    }
    if (event.type === 'run.queued') return;
    const { model, sessionKey, origin, job } = event;
    run.model = model;
    run.conversation = sessionKey;
    run.span.setAttributes({ [key.requestModel]: model, [key.provider]: options.providerOf(model) });
    if (sessionKey !== undefined) run.span.setAttribute(key.conversation, sessionKey);
    const caller = origin && runs.get(origin.runId);
    if (caller) addLink(run, (callNamed(caller, origin.callId) ?? caller).span, 'origin');
    else if (origin) link(run, origin.runId, 'origin');
    // A run that was begun for them knows them from its job.
    if (Array.isArray(job.metadata?.delivered)) linkDelivered(run, job.metadata.delivered);
  };

  const linkDelivered = (run: OpenRun, ids: readonly JSONValue[] = []): void => {
    for (const id of ids) if (typeof id === 'string') link(run, id, 'delivered');
  };

  const hear = (event: StoredEvent): void => {
    latest = Math.max(latest, event.at);
    const run = runs.get(event.runId) ?? open(event);
    tell(run, event);
    run.lastAt = event.at;
  };

  const tell = (run: OpenRun, event: StoredEvent): void => {
    if (isTerminal(event)) return close(run, event.at, endOf(event, options.content));
    const moment = momentOf(event);
    if (moment) addMoment(run, event.type, event.at, moment);
    switch (event.type) {
      case 'run.queued':
      case 'run.started':
        return begin(run, event);
      case 'run.paused':
        return endChat(run, event.at, { status: 'cancelled' });
      case 'run.detached':
        run.detached = true;
        return;
      case 'run.forked':
        return linkFork(run, event);
      case 'turn.started':
        startTurn(options, run, event);
        return linkDelivered(run, event.delivered);
      case 'turn.attempted':
        return noteAttempt(options, run, event);
      case 'turn.completed':
        return completeTurn(options, run, event);
      case 'context.compacted':
        return noteCompaction(options, run, event);
      case 'call.started':
        return startCall(options, run, event);
      case 'call.completed':
      case 'call.failed':
        return settleCall(options, run, event);
      case 'question.asked':
        return noteAsked(options, run, event);
      case 'question.answered':
        return noteAnswered(options, run, event);
      case 'child.settled':
        return settleChild(event);
      default:
        return;
    }
  };

  const linkFork = (run: OpenRun, { from }: EventOf<'run.forked'>): void => {
    const source = from.slice(0, from.lastIndexOf(':'));
    const alive = runs.get(source);
    if (alive) addLink(run, alive.span, 'fork');
    else link(run, source, 'fork');
  };

  /** A child that ended where nobody heard it. */
  const settleChild = ({ childId, status, exitReason, at }: EventOf<'child.settled'>): void => {
    const child = runs.get(childId);
    if (child && isEnded(status)) close(child, at, { status, attributes: { [key.exitReason]: exitReason } });
  };

  const close = (run: OpenRun, at: number, end: SpanEnd): void => {
    runs.delete(run.runId);
    leave(run);
    for (const child of run.below)
      if (child.detached) below(run.runId).add(child);
      else close(child, at, unfinished);
    endBelow(run, at, end);
    closeSpan(run, at, end);
    earlier.ended(run.runId, run.span.spanContext());
  };

  return {
    hear,
    hearChunk(runId, at) {
      const run = runs.get(runId);
      if (run) noteChunk(run, at);
    },
    end() {
      const deepestFirst = [...runs.values()].sort((a, b) => b.depth - a.depth);
      runs.clear();
      apart.clear();
      for (const run of deepestFirst) {
        endBelow(run, latest, unfinished);
        closeSpan(run, latest, unfinished);
      }
    },
  };
};

const unfinished: SpanEnd = { status: 'unfinished' };

/** What a run had under way ends with it: for the same reason, where it failed. */
const endBelow = (run: OpenRun, at: number, { status, error }: SpanEnd): void => {
  const cut = status === 'unfinished' ? status : 'cancelled';
  endChat(run, at, error ? { status: 'failed', error } : { status: cut });
  endCalls(run, at, cut);
};

const endOf = (event: TerminalEvent, content: boolean): SpanEnd => {
  const { own, turns, toolCalls, activeMs } = event.usage;
  const attributes = {
    ...usageAttributes(own),
    [key.turns]: turns,
    [key.toolCalls]: toolCalls,
    [key.activeMs]: activeMs,
  };
  switch (event.type) {
    case 'run.completed': {
      const { text } = event;
      const said = content && text !== null;
      const parts = [{ type: 'text', content: text }];
      const answer = said && { [key.outputMessages]: contentOf([{ role: 'assistant', parts, finish_reason: 'stop' }]) };
      return { status: 'completed', attributes: { ...attributes, ...answer, [key.exitReason]: 'answered' } };
    }
    case 'run.failed':
      return {
        status: 'failed',
        error: errorOf(event.fault, content),
        attributes: { ...attributes, [key.exitReason]: event.exitReason },
      };
    case 'run.interrupted': {
      const { exitReason, reason } = event;
      return {
        status: 'interrupted',
        attributes: {
          ...attributes,
          [key.exitReason]: exitReason,
          ...(content && { [key.reason]: contentOf(reason) }),
        },
      };
    }
  }
};
