/**
 * An event as one line for people: when, which run, who, what, and what matters of it, as `key=value`. Nothing in it that a terminal
 * would obey, however a model or a tool put it; no secrets; long texts are cut.
 */
import {
  type EventOf,
  harmlessJSON,
  type RunEvent,
  redact,
  textOfMessage,
  tokensOf,
  type Usage,
} from '@troupe/protocol';
import { previewOf } from '../agent/outcome.ts';

const longest = 120;

type Fields = { [name: string]: unknown };
type FieldsOf = { [T in RunEvent['type']]: (event: EventOf<T>) => Fields };

const spent = (usage: Usage): Fields => ({ tokens: tokensOf(usage), costUsd: usage.costUsd });
const kindOf = ({ kind, spent: used, limit }: { kind: string; spent: number; limit: number }): Fields => ({
  kind,
  spent: used,
  limit,
});
const childOf = ({ childId, childAgent }: { childId: string; childAgent: string }): Fields => ({
  child: childId,
  agent: childAgent,
});

const fieldsOf: FieldsOf = {
  'run.queued': ({ job }) => ({ input: job.input }),
  'run.started': ({ model, job }) => ({ model, input: job.input }),
  'run.paused': ({ reason }) => ({ reason }),
  'run.resumed': ({ by }) => ({ by }),
  'run.steered': ({ text }) => ({ text }),
  'run.recovered': () => ({}),
  'run.detached': () => ({}),
  'run.forked': ({ from, changed }) => ({ from, changed: changed.join(',') || undefined }),
  'run.completed': ({ text, usage }) => ({ turns: usage.turns, ...spent(usage.total), text }),
  'run.failed': ({ exitReason, fault, usage }) => ({ exitReason, ...spent(usage.total), fault: fault.message }),
  'run.interrupted': ({ exitReason, reason, usage }) => ({ exitReason, ...spent(usage.total), reason }),
  'turn.started': ({ turn, model }) => ({ turn, model }),
  'turn.attempted': ({ turn, number, fault }) => ({ turn, number, fault: fault?.message }),
  'turn.completed': ({ turn, message, usage, costUsd }) => ({
    turn,
    ...spent(costUsd === null ? usage : { ...usage, costUsd }),
    calls: message.calls?.map(({ name }) => name).join(','),
    text: textOfMessage(message) || undefined,
  }),
  'call.started': ({ tool, arguments: given }) => ({ tool, arguments: given }),
  'call.completed': ({ tool, result }) => ({ tool, result }),
  'call.failed': ({ tool, status, error }) => ({ tool, status, error }),
  'question.asked': ({ question }) => ({ tool: question.tool, question: question.id, prompt: question.prompt }),
  'question.answered': ({ questionId, answer, by }) => ({ question: questionId, answer, by }),
  'child.requested': childOf,
  'child.started': childOf,
  'child.settled': (event) => ({ ...childOf(event), status: event.status, exitReason: event.exitReason }),
  'child.refused': ({ message }) => ({ message }),
  'budget.warned': kindOf,
  'budget.raised': ({ budget, by }) => ({ budget, by }),
  'budget.exhausted': kindOf,
  'spawning.paused': ({ by }) => ({ by }),
  'spawning.resumed': ({ by }) => ({ by }),
  'context.compacted': ({ summarized, kept }) => ({ summarized, kept }),
  'memory.read': ({ scope, key, found }) => ({ scope, key, found }),
  'memory.written': ({ scope, key }) => ({ scope, key }),
  'policy.applied': ({ policy, decision, subject }) => ({ policy, decision, subject }),
  'warning.raised': ({ code, message }) => ({ code, message }),
  'text.streamed': ({ delta }) => ({ delta }),
  'reasoning.streamed': ({ delta }) => ({ delta }),
  'call.progressed': ({ note }) => ({ note }),
};

const plain = /^[\w./:@?,+-]+$/;

const cut = (text: string): string => previewOf(text, longest).preview;

/** A text as it is when it is one word, else in quotes; any other value as JSON. */
const wordOf = (value: unknown): string => {
  if (typeof value !== 'string') return harmlessJSON(cut(JSON.stringify(redact(value))));
  const text = cut(value);
  return plain.test(text) ? text : harmlessJSON(JSON.stringify(text));
};

/** The line of an event, without its end. A pure function. */
export const lineOf = (event: RunEvent): string => {
  const fields = (fieldsOf[event.type] as ((event: RunEvent) => Fields) | undefined)?.(event) ?? {};
  return [
    new Date(event.at).toISOString().slice(11),
    wordOf(event.runId),
    wordOf(event.agent),
    wordOf(event.type),
    ...Object.entries(fields).flatMap(([name, value]) =>
      value === undefined || value === null ? [] : `${name}=${wordOf(value)}`,
    ),
  ].join(' ');
};
