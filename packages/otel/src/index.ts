export type { SpanStore } from './earlier-spans.ts';
export { type TraceOptions, traceRuns } from './trace-runs.ts';
