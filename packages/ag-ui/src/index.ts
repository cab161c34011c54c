export { type AgUiOptions, agUiHandler } from './handler.ts';
export { type NodeRequest, type NodeResponse, nodeHandler } from './node-handler.ts';
export type { ServedRun, ServedRuntime } from './runtime-port.ts';
export { agUiResponse, type ConnectionOptions, type StreamedRun } from './sse.ts';
export { toAgUi } from './to-ag-ui.ts';
export type { StreamOptions } from './translation.ts';
