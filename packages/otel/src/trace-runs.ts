import type { Context, Tracer } from '@opentelemetry/api';
import { FaultError, isLive, type RunEvent } from '@troupe/protocol';
import { from, type ObservableInput, Subscription } from 'rxjs';
import { providerIn } from './attributes.ts';
import { openEarlierSpans, type SpanStore } from './earlier-spans.ts';
import { failed, orElse } from './failed.ts';
import { type Beginning, openRunSpans } from './run-spans.ts';

/** See {@link traceRuns}. */
export type TraceOptions = {
  /** Makes the spans: `trace.getTracer('my-app')`, once an SDK is registered. */
  tracer: Tracer;
  /**
   * Whether spans hold what was said: jobs, answers, reasoning, arguments and results of calls, questions and their answers, and the
   * text of faults, which may quote it; without it the status of what failed is the fault's code. Secrets are left out. Default: false.
   */
  content?: boolean;
  /** The `gen_ai.provider.name` of a model id. Default: the text before its first `/`, else `_OTHER`. */
  providerName?: (model: string) => string;
  /**
   * What the span of a root run is below, by its first event: `({ job }) => propagation.extract(ROOT_CONTEXT, job.metadata ?? {})`.
   * Default: nothing, each tree is a trace of its own.
   */
  parent?: (event: Beginning) => Context | undefined;
  /**
   * Where the spans of unfinished runs are noted, three short texts each, so that a run that goes on in another process links to the span
   * it had in the first. The scope is `troupe.otel`. Default: nowhere.
   */
  store?: SpanStore;
};

/**
 * Makes an OpenTelemetry trace of each tree of runs: `invoke_agent` spans with `chat` and `execute_tool` spans in them, by the semantic
 * conventions for generative AI. Times are those of the events.
 *
 * What the tracer, its processors or the store throw goes to the `diag` logger of OpenTelemetry, and changes no run.
 *
 * @param events$ `runtime.events$`, the events of one run, or stored ones. It may begin anywhere.
 * @returns The subscription. When it ends, and when the events do, spans that are open end as `unfinished`.
 * @throws FaultError `otel.invalid` when there is no tracer
 */
export const traceRuns = (events$: ObservableInput<RunEvent>, options: TraceOptions): Subscription => {
  const { tracer, content = false, providerName = providerIn, parent, store } = options;
  if (typeof tracer?.startSpan !== 'function')
    throw new FaultError(
      'otel.invalid',
      `traceRuns got no tracer, but ${typeof tracer}. Expected what trace.getTracer(name) of @opentelemetry/api gives.`,
    );
  const spans = openRunSpans({
    tracer,
    content,
    providerOf: (model) => orElse('_OTHER', () => providerName(model)),
    parentOf: (event) => orElse(undefined, () => parent?.(event)),
    earlier: openEarlierSpans(store),
  });
  const subscription = new Subscription(() => spans.end());
  subscription.add(
    from(events$).subscribe({
      next: (event) =>
        orElse(undefined, () => {
          if (!isLive(event)) spans.hear(event);
          else if (event.type !== 'call.progressed') spans.hearChunk(event.runId, event.at);
        }),
      error: (error: unknown) => {
        failed(error);
        subscription.unsubscribe();
      },
      complete: () => subscription.unsubscribe(),
    }),
  );
  return subscription;
};
