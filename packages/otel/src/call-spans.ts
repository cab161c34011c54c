/** Tool calls as `execute_tool` spans, beside the model calls of their run; the runs that a call started are below it. */
import type { EventOf, StoredEvent } from '@troupe/protocol';
import { key } from './attributes.ts';
import { contentOf, toolMessage } from './content.ts';
import { aboutRun, type OpenCall, type OpenRun, type Tracing } from './open-run.ts';
import { addMoment, closeSpan, type OpenSpan, openSpan, type SpanEnd } from './open-span.ts';

type About = { callId: string; tool?: string; at: number };

const openCall = ({ tracer }: Tracing, run: OpenRun, { callId, tool, at }: About): OpenCall => {
  const attributes = {
    [key.operation]: 'execute_tool',
    [key.tool]: tool,
    [key.toolType]: 'function',
    [key.callId]: callId,
    ...aboutRun(run),
  };
  const name = tool === undefined ? 'execute_tool' : `execute_tool ${tool}`;
  const call = { ...openSpan(tracer, name, { at, parent: run.context, attributes }), callId, ended: false };
  run.calls.push(call);
  return call;
};

/** Models repeat the ids of calls: the first one that waits for its answer is meant. */
const openWith = (run: OpenRun, callId: string): OpenCall | undefined =>
  run.calls.find((call) => !call.ended && call.callId === callId);

export const startCall = (tracing: Tracing, run: OpenRun, event: EventOf<'call.started'>): void => {
  const call = openCall(tracing, run, event);
  if (tracing.content) call.span.setAttribute(key.callArguments, contentOf(event.arguments));
};

type Settled = EventOf<'call.completed' | 'call.failed'>;

const endOf = (event: Settled, content: boolean): SpanEnd => {
  if (event.type === 'call.completed') return { status: 'ok' };
  if (event.cancelled) return { status: 'cancelled' };
  const status = event.status ?? 'error';
  const type = event.timedOut ? 'timeout' : status === 'error' ? 'tool_error' : status;
  return { status, error: { type, ...(content && { message: event.error }) } };
};

export const settleCall = (tracing: Tracing, run: OpenRun, event: Settled): void => {
  const { callId, tool, result, at } = event;
  // Of one that was there before anybody listened, nobody knows since when.
  const call = openWith(run, callId) ?? openCall(tracing, run, { callId, tool, at: run.startedAt });
  call.ended = true;
  call.span.updateName(`execute_tool ${tool}`);
  const attributes = { [key.tool]: tool, ...(tracing.content && { [key.callResult]: contentOf(result) }) };
  closeSpan(call, at, { ...endOf(event, tracing.content), attributes });
  if (tracing.content) run.heard.push(toolMessage(callId, result));
};

/** Calls that were not answered. */
export const endCalls = (run: OpenRun, at: number, status: string): void => {
  for (const call of run.calls)
    if (!call.ended) {
      call.ended = true;
      closeSpan(call, at, { status });
    }
};

const at = (run: OpenRun, place: RegExpExecArray | null): OpenCall | undefined =>
  run.turn !== undefined && Number(place?.[1]) === run.turn ? run.calls[Number(place?.[2])] : undefined;

/** The call of a run that started another one, read from the id of that: `run/turn-index/n`. */
export const callAbove = (tracing: Tracing, parent: OpenRun, child: StoredEvent): OpenCall | undefined => {
  if (parent.turn !== undefined) return at(parent, /^\/(\d+)-(\d+)\//.exec(child.runId.slice(parent.runId.length)));
  // In these events, `callId` is the run's own call.
  if (child.callId === undefined || /^(call|child)\./.test(child.type)) return undefined;
  const open = openWith(parent, child.callId);
  return open ?? openCall(tracing, parent, { callId: child.callId, at: parent.startedAt });
};

/** The call of the turn in hand with that id, ended or not. */
export const callNamed = (run: OpenRun, callId: string): OpenCall | undefined =>
  run.calls.find((call) => call.callId === callId);

/** The span that a question is about, by its id: `run/turn-index?`. */
const askerOf = (run: OpenRun, questionId: string): OpenSpan => at(run, /\/(\d+)-(\d+)\?\d*$/.exec(questionId)) ?? run;

export const noteAsked = ({ content }: Tracing, run: OpenRun, event: EventOf<'question.asked'>): void => {
  const { id, kind, prompt } = event.question;
  addMoment(askerOf(run, id), event.type, event.at, {
    'troupe.question.id': id,
    'troupe.question.kind': kind,
    ...(content && { 'troupe.question.prompt': contentOf(prompt) }),
  });
};

export const noteAnswered = ({ content }: Tracing, run: OpenRun, event: EventOf<'question.answered'>): void =>
  addMoment(askerOf(run, event.questionId), event.type, event.at, {
    'troupe.question.id': event.questionId,
    ...(content && { 'troupe.question.answer': contentOf(event.answer) }),
  });
