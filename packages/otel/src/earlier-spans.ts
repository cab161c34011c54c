/** Which span was a run's: of the runs that ended last, and, with a store, of those that another process left unfinished. */
import { isSpanContextValid, type SpanContext, TraceFlags } from '@opentelemetry/api';
import type { JSONValue, MemoryStore } from '@troupe/protocol';
import { failed } from './failed.ts';

/** Where the spans of unfinished runs are noted: `memoryStore()`, or a store that outlives the process, as `sqliteStore(…)`. */
export type SpanStore = Pick<MemoryStore, 'read' | 'write' | 'reset'>;

export type EarlierSpans = {
  /** Takes note of the span of a run that goes on. */
  begun(runId: string, context: SpanContext): void;
  ended(runId: string, context: SpanContext): void;
  /** Calls `found`, now or later, if another span was that of this run, or of a unit. */
  find(runId: string, found: (context: SpanContext) => void): void;
};

const scope = 'troupe.otel';
const remembered = 1_000;

export const openEarlierSpans = (store: SpanStore | undefined): EarlierSpans => {
  const ended = new Map<string, SpanContext>();
  let last: Promise<unknown> = Promise.resolve();
  // One after another: what is forgotten must not be written after that.
  const then = (act: () => unknown): void => {
    last = last.then(act).catch(failed);
  };
  return {
    begun(runId, { traceId, spanId, traceFlags }) {
      if (store) then(() => store.write(scope, runId, { traceId, spanId, traceFlags }));
    },
    ended(runId, context) {
      ended.delete(runId);
      ended.set(runId, context);
      const [oldest] = ended.keys();
      if (ended.size > remembered && oldest !== undefined) ended.delete(oldest);
      if (store) then(() => store.reset(scope, runId));
    },
    find(runId, found) {
      const known = ended.get(runId);
      if (known) found(known);
      else if (store)
        then(async () => {
          const context = contextIn(await store.read(scope, runId));
          if (context) found(context);
        });
    },
  };
};

const contextIn = (value: JSONValue | undefined): SpanContext | undefined => {
  const { traceId, spanId, traceFlags } = (value ?? {}) as Partial<SpanContext>;
  const context = {
    traceId: String(traceId),
    spanId: String(spanId),
    traceFlags: traceFlags ?? TraceFlags.NONE,
    isRemote: true,
  };
  return isSpanContextValid(context) ? context : undefined;
};
