export { createSubworkerTool, createSwarmTool } from './create-subworker-tool.ts';
export type { Disk, FileStamp } from './files/disk.ts';
export {
  type FileRegistry,
  type FileRegistryOptions,
  type FileSight,
  fileRegistry,
  processFiles,
} from './files/file-registry.ts';
export { type StaleNote, staleNoteFor } from './files/stale-note.ts';
export type { FileWrite } from './files/stale-warning.ts';
export { type FileUse, type TrackFilesOptions, trackFiles } from './files/track-files.ts';
export { type Connect, type Connection, childProvider } from './routes/child-provider.ts';
export { type Endpoint, endpointId, type KnownEndpoint, knownEndpoints, type Wire } from './routes/endpoint.ts';
export { type EndpointPools, endpointPools } from './routes/endpoint-pools.ts';
export {
  type ParentEndpoint,
  type ResolvedProvider,
  type Route,
  type RouteRequest,
  routeOf,
} from './routes/route-of.ts';
export { settingsFor } from './routes/settings-for.ts';
export type { SubworkerOptions } from './subworker-options.ts';
export type { SubworkerData } from './subworker-result.ts';
