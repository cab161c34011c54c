/**
 * Model calls as `chat` spans. One span is one turn, with all its attempts: it counts what each of them used, so the spans of a tree add
 * up to the usage of its report.
 */
import { SpanKind } from '@opentelemetry/api';
import { addUsage, type EventOf, noUsage, type Usage } from '@troupe/protocol';
import { finishReasonOf, key, usageAttributes } from './attributes.ts';
import { answerOf, contentOf, errorOf, userMessage } from './content.ts';
import { aboutRun, type OpenChat, type OpenRun, type Tracing } from './open-run.ts';
import { addMoment, closeSpan, openSpan, type SpanEnd } from './open-span.ts';

const openChat = (tracing: Tracing, run: OpenRun, { model, at, turn }: { model: string; at: number; turn: number }) => {
  const attributes = {
    [key.operation]: 'chat',
    [key.provider]: tracing.providerOf(model),
    [key.requestModel]: model || undefined,
    ...aboutRun(run),
    [key.turn]: turn,
    ...(run.compacted && { [key.compacted]: true }),
  };
  const open = openSpan(tracing.tracer, `chat ${model}`.trim(), {
    at,
    parent: run.context,
    attributes,
    kind: SpanKind.CLIENT,
  });
  return { ...open, turn, attempts: 0, used: noUsage };
};

export const startTurn = (tracing: Tracing, run: OpenRun, event: EventOf<'turn.started'>): void => {
  // The end of the turn before may have been missed.
  endChat(run, event.at, cutShort(tracing, run.chat));
  run.chat = openChat(tracing, run, event);
  run.model = event.model;
  if (!tracing.content) return;
  run.heard.push(...(event.heard ?? []).map(userMessage));
  run.chat.span.setAttribute(key.inputMessages, contentOf(run.heard));
  run.heard = [];
};

/** A chat that something else took the place of, or that nobody waits for any more. */
const cutShort = ({ content }: Tracing, chat: OpenChat | undefined): SpanEnd =>
  chat?.fault ? { status: 'failed', error: errorOf(chat.fault, content) } : { status: 'cancelled' };

/** Ends the model call under way, if there is one. */
export const endChat = (run: OpenRun, at: number, end: SpanEnd, usage: Usage = noUsage): void => {
  const { chat } = run;
  if (!chat) return;
  run.chat = undefined;
  const spent = addUsage(chat.used, usage);
  closeSpan(chat, at, {
    ...end,
    attributes: {
      ...(spent !== noUsage && usageAttributes(spent)),
      [key.firstChunk]: chat.firstChunkAt === undefined ? undefined : (chat.firstChunkAt - chat.startedAt) / 1_000,
      [key.attempts]: chat.attempts || undefined,
      ...end.attributes,
    },
  });
};

/** The model call that an event is about, where its beginning was not told: it began at the earliest after what the run said last. */
const chatOf = (tracing: Tracing, run: OpenRun, about: { model?: string | undefined; turn: number }): OpenChat => {
  run.chat ??= openChat(tracing, run, { model: about.model ?? run.model, turn: about.turn, at: run.lastAt });
  return run.chat;
};

export const noteAttempt = (tracing: Tracing, run: OpenRun, event: EventOf<'turn.attempted'>): void => {
  const { number, provider, model, fault, waitMs, usage, at } = event;
  const isUnderWay = run.chat !== undefined;
  const chat = chatOf(tracing, run, event);
  chat.attempts += 1;
  if (fault) chat.fault = fault;
  if (usage) chat.used = addUsage(chat.used, usage);
  // What was said before is void.
  delete chat.firstChunkAt;
  addMoment(chat, event.type, at, {
    'troupe.attempt': number,
    [key.provider]: provider || undefined,
    [key.requestModel]: model,
    [key.errorType]: fault?.code,
    'troupe.wait_ms': waitMs,
  });
  if (!isUnderWay) endChat(run, at, cutShort(tracing, chat));
};

export const completeTurn = (tracing: Tracing, run: OpenRun, event: EventOf<'turn.completed'>): void => {
  chatOf(tracing, run, event);
  const { costUsd, usage, model, finish, at } = event;
  const attributes = {
    [key.responseModel]: model,
    [key.finishReasons]: [finishReasonOf(finish)],
    ...(tracing.content && { [key.outputMessages]: contentOf([answerOf(event)]) }),
  };
  endChat(run, at, { status: 'completed', attributes }, costUsd === null ? usage : { ...usage, costUsd });
  run.turn = event.turn;
  run.calls = [];
};

/** A summary is a model call, too: it began when the run had said what came before. */
export const noteCompaction = (tracing: Tracing, run: OpenRun, event: EventOf<'context.compacted'>): void => {
  const { model, summarized, kept, usage, costUsd, summary, at } = event;
  endChat(run, run.lastAt, cutShort(tracing, run.chat));
  chatOf(tracing, run, { model, turn: (run.turn ?? 0) + 1 });
  const attributes = {
    [key.summarized]: summarized,
    [key.kept]: kept,
    ...(tracing.content && {
      [key.outputMessages]: contentOf([
        { role: 'assistant', parts: [{ type: 'text', content: summary }], finish_reason: 'stop' },
      ]),
    }),
  };
  endChat(run, at, { status: 'completed', attributes }, costUsd === null ? usage : { ...usage, costUsd });
  run.compacted = true;
};

/** The first that a model said, where that is told live. */
export const noteChunk = (run: OpenRun, at: number): void => {
  if (run.chat) run.chat.firstChunkAt ??= at;
};
