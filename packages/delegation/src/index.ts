export type { ControlRequest, ControlResponse } from './control/answer-request.ts';
export {
  type DelegationDetails,
  type DelegationFilter,
  type DelegationRecord,
  type DelegationStatus,
  type Delegations,
  delegations,
} from './control/delegations.ts';
export { createSubworkerTool, createSwarmTool } from './create-subworker-tool.ts';
export type { DelegationCompletion } from './delegate/completion.ts';
export { createDelegateTool } from './delegate/create-delegate-tool.ts';
export { type DelegateConfig, type DelegateConfigSource, readDelegateConfig } from './delegate/delegate-config.ts';
export { type DelegateOptions, type DelegateRoute, deniedTools } from './delegate/delegate-options.ts';
export type { DelegateEntry, DelegateResult } from './delegate/delegation-result.ts';
export { type GitWorktrees, type GitWorktreesOptions, gitWorktrees } from './delegate/git-worktrees.ts';
export { createManageDelegationsTool } from './delegate/manage-delegations.ts';
export type { GiveWorkspace, KeptWorkspace, WorkspaceRequest, Workspaces } from './delegate/workspace.ts';
export type { Delegation } from './delegation-of.ts';
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
export type { ChildAbout, ChildCompletion, ChildEvent, ChildOutput } from './relay/child-event.ts';
export {
  type ChildHooks,
  type ChildOutcome,
  type ChildStart,
  type ChildStop,
  childLifecycle,
  type MemoryNotice,
  onChildren,
} from './relay/child-lifecycle.ts';
export { type ChildProgressOptions, childProgress } from './relay/child-progress.ts';
export { childLabel, completionLine, type TouchedFiles } from './relay/completion.ts';
export type { AnsweredCall, PastCall } from './relay/watched-child.ts';
export { type Diagnosis, type DiagnosisAbout, diagnosisOf } from './results/diagnosis.ts';
export {
  type DelegationEntry,
  type EntryAbout,
  type EntryStatus,
  entryOf,
  entryStatusOf,
} from './results/entry.ts';
export { isErrorResult, type ResultContent } from './results/error-result.ts';
export { timeoutTextOf } from './results/timeout-text.ts';
export { type OutputTailEntry, outputTailOf, type ToolTraceEntry, toolTraceOf } from './results/tool-trace.ts';
export { writeDiagnosis } from './results/write-diagnosis.ts';
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
export { lifecycleText } from './subagents/commands/command-text.ts';
export {
  type CommandMessage,
  type CommandSender,
  createSubagentCommands,
  type SubagentCommandOptions,
  type SubagentCommands,
} from './subagents/commands/create-subagent-commands.ts';
export type { CommandOutcome } from './subagents/commands/run-command.ts';
export { createSpawnTool, type SpawnToolOptions } from './subagents/create-spawn-tool.ts';
export { createSubagentManager } from './subagents/create-subagent-manager.ts';
export { type ImportedSubagents, type ImportOptions, readSubagentFiles } from './subagents/import-subagents.ts';
export type { SubagentFiles, SubagentSource } from './subagents/imported-files.ts';
export { type AgentMatch, type AgentProfile, matchAgent } from './subagents/match-agent.ts';
export {
  type ResponseSource,
  sourceOf,
  toWireSource,
  type WireSource,
  withSource,
} from './subagents/response-source.ts';
export { type Role, roles } from './subagents/roles.ts';
export type { SubagentRequestConfig } from './subagents/subagent-config.ts';
export { subagentFolder } from './subagents/subagent-folder.ts';
export type {
  AskedBy,
  Asking,
  Cancelled,
  CollectRequest,
  DispatchRequest,
  RequesterInput,
  ResumeRequest,
  Spawned as SpawnedSubagent,
  SpawnRequest,
  SteerOutcome,
  SubagentEvent,
  SubagentInfo,
  SubagentLimits,
  SubagentManager,
  SubagentResult,
  SubagentStatus,
  SubagentSummary,
} from './subagents/subagent-manager.ts';
export type { SubagentOptions } from './subagents/subagent-options.ts';
export type {
  Delivery,
  Requester,
  SubagentConfig,
  SubagentRecord,
  SubagentState,
} from './subagents/subagent-record.ts';
export type { Thinking } from './subagents/thinking.ts';
export type { ToolProfile } from './subagents/tool-profiles.ts';
export type { SubworkerOptions } from './subworker-options.ts';
export type { SubworkerData } from './subworker-result.ts';
