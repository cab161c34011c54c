export { Budget, type BudgetKind, Grant } from './budget.ts';
export {
  type EventDraft,
  type EventOf,
  isLive,
  isTerminal,
  type LiveDraft,
  LiveEvent,
  RunEvent,
  StoredEvent,
  type TerminalEvent,
} from './event.ts';
export { Fault, FaultError, faultOf, isFaultError } from './fault.ts';
export { hashOf } from './hash-of.ts';
export {
  againOf,
  type CallId,
  callKeyOf,
  callKeyOfChild,
  childIdOf,
  isWithin,
  lineOf,
  type QuestionId,
  questionIdOf,
  type RunId,
  runOfQuestion,
} from './ids.ts';
export { JobData } from './job.ts';
export { harmlessJSON, type JSONSchema, JSONValue, messageOf, toJSON } from './json.ts';
export { Message, Part, ToolCall, textOfMessage } from './message.ts';
export type { Clock, IdSource, Logger } from './ports/clock.ts';
export type { Memory, MemoryStore } from './ports/memory-store.ts';
export type {
  ModelContext,
  ModelOptions,
  ModelPart,
  ModelProvider,
  ModelRequest,
  ModelSettings,
  ToolSpec,
} from './ports/model-provider.ts';
export type {
  Activation,
  DispatchRequest,
  Placement,
  PlacementServer,
  RunExecutor,
} from './ports/placement.ts';
export type { Pricing } from './ports/pricing.ts';
export type {
  Checkpoint,
  Commit,
  EventQuery,
  JournalEntry,
  LiveRelay,
  Mail,
  NewEvent,
  Quota,
  ReadEntry,
  ReadEvent,
  RunFilter,
  RunRow,
  RunStore,
  RunTree,
} from './ports/run-store.ts';
export {
  type InputOf,
  type OutputOf,
  type Schema,
  type SchemaIssue,
  type SchemaResult,
  schemaOf,
  textOfIssue,
} from './ports/schema.ts';
export { Answer, Question, type Receipt } from './question.ts';
export { keepSecret, keepSecretsOfUrl, redact, redactEach, redactNames } from './redact.ts';
export { type RedactedParts, redactParts } from './redact-parts.ts';
export {
  CallReport,
  ChildReport,
  ExitReason,
  isEnded,
  type Report,
  ReportData,
  RunStatus,
  UsageReport,
  unfinished,
} from './report.ts';
export { beginningOf, shorten } from './shorten.ts';
export { addUsage, lessUsage, noUsage, tokensOf, Usage } from './usage.ts';
