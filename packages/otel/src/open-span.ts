/** A span that has begun. Times are those of events; one that seems to end before it began ends when it began. */
import {
  type Attributes,
  type Context,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { redact } from '@troupe/protocol';
import { defined, key } from './attributes.ts';
import { orElse } from './failed.ts';
import { timeOf } from './times.ts';

export type OpenSpan = {
  readonly span: Span;
  /** For what is below it. */
  readonly context: Context;
  readonly startedAt: number;
};

/** How a span ends. `error` makes it one that failed; what was cancelled, or is not over, has failed at nothing. */
export type SpanEnd = {
  /** In `troupe.status`. */
  status: string;
  error?: { type: string; message?: string };
  attributes?: Attributes;
};

export const openSpan = (
  tracer: Tracer,
  name: string,
  {
    at,
    parent,
    attributes,
    kind = SpanKind.INTERNAL,
  }: { at: number; parent: Context; attributes: Attributes; kind?: SpanKind },
): OpenSpan => {
  const span = tracer.startSpan(name, { kind, startTime: timeOf(at), attributes: defined(attributes) }, parent);
  return { span, context: trace.setSpan(parent, span), startedAt: at };
};

/** Whatever listens to spans may throw here: those around this one are to be ended all the same. */
export const closeSpan = (open: OpenSpan, at: number, { status, error, attributes = {} }: SpanEnd): void =>
  orElse(undefined, () => {
    const { span, startedAt } = open;
    span.setAttributes(defined({ ...attributes, [key.status]: status, [key.errorType]: error?.type }));
    if (error)
      span.setStatus({
        code: SpanStatusCode.ERROR,
        ...(error.message !== undefined && { message: redact(error.message) }),
      });
    span.end(timeOf(Math.max(at, startedAt)));
  });

/** What happened in the time of a span. */
export const addMoment = ({ span }: OpenSpan, type: string, at: number, attributes: Attributes): void => {
  span.addEvent(`troupe.${type}`, defined(attributes), timeOf(at));
};

/** What led to a span and is not above it. */
export const addLink = ({ span }: OpenSpan, to: Span | undefined, kind: string): void => {
  if (to) span.addLink({ context: to.spanContext(), attributes: { [key.link]: kind } });
};
