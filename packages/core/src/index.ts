export type { Report } from '@troupe/protocol';
export { resultOfTool } from './actors/check.ts';
export { type AgentMachine, agentMachine } from './agent/agent-machine.ts';
export { readAnswer } from './agent/answers.ts';
export type { Approval } from './agent/approval.ts';
export type { AgentContext, RunCommand, RunContext, RunFact, RunInput, RunOutput } from './agent/context.ts';
export { jsonValuesIn } from './agent/json-in.ts';
export { type Allowance, admit, allowanceOf, defaultBudget, type Limits } from './agent/limits.ts';
export type { ToolResult } from './agent/outcome.ts';
export { type DeliveryEvent, deliveryMachine, type Outlook, type Woken } from './background/delivery-machine.ts';
export { isWokenBy } from './background/letter.ts';
export { inlinePlacement } from './defaults/inline-placement.ts';
export { memoryStore } from './defaults/memory-store.ts';
export { consoleLogger, randomIds, systemClock } from './defaults/system.ts';
export { type Agent, type AgentOptions, type AnyAgent, defineAgent } from './define-agent.ts';
export {
  type ChildRequest,
  type Dispatch,
  type Dispatched,
  defineTool,
  dispatched,
  type Hook,
  type HookCall,
  isDispatched,
  isSpawned,
  type OwnRuns,
  type RunView,
  type SettleContext,
  type Spawned,
  spawned,
  type Tool,
  type ToolContext,
  type ToolOptions,
  type UnitEnd,
} from './define-tool.ts';
export type { Job } from './job.ts';
export {
  type Credential,
  type CredentialPool,
  type CredentialPoolOptions,
  credentialPool,
  type Lease,
} from './model/credential-pool.ts';
export { type CredentialsOptions, withCredentials } from './model/with-credentials.ts';
export { type FallbackChoice, type FallbackOptions, withFallback } from './model/with-fallback.ts';
export { type RetryOptions, withRetry } from './model/with-retry.ts';
export type { ChildToPlace, Place, PlaceRule } from './placement/place.ts';
export type { ForkChange, ForkOptions } from './replay/cut.ts';
export type { Replay, ReplayOptions, ReplayStep } from './replay/replay.ts';
export type { Ask } from './run/ask.ts';
export { type Ending, type LifecycleHooks, lifecycle } from './run/lifecycle.ts';
export type { Run } from './run/run.ts';
export { type AgentSnapshot, agentLogic } from './runtime/agent-logic.ts';
export { createRuntime } from './runtime/create-runtime.ts';
export type { ReadOptions } from './runtime/intake.ts';
export type { RuntimeOptions } from './runtime/options.ts';
export type { EventStream, Runtime, StartOptions } from './runtime/runtime.ts';
export { type StoredRuns, storedRuns } from './runtime/stored-runs.ts';
export type { SessionRest } from './session/rest.ts';
export { type RestEvent, restMachine } from './session/rest-machine.ts';
export type { Delivery as SessionDelivery, SendOptions, Session } from './session/session.ts';
export { type SessionRuns, sessionMachine } from './session/session-machine.ts';
export { type ConsoleSinkOptions, consoleSink } from './sinks/console-sink.ts';
export { type JsonlSink, type JsonlSinkOptions, jsonlSink } from './sinks/jsonl-sink.ts';
export { readJsonl } from './sinks/read-jsonl.ts';
export type { LineTarget } from './sinks/text-file.ts';
export { guarded } from './streams/guarded.ts';
export { ofType, textOf } from './streams/of-type.ts';
