export { type AgentsPromptOptions, agentsPrompt } from './agents-prompt.ts';
export type { AgentsApp } from './agents-talk.ts';
export type { AgentFile } from './commands/agent-file.ts';
export {
  type Connection,
  type FindOptions,
  type FoundModel,
  findModel,
  type LocalServer,
  localServers,
} from './find-model.ts';
export { type OpenModel, openModel } from './open-model.ts';
export { type Rehearsal, startRehearsal } from './rehearsal.ts';
export type { Control } from './screen/control.ts';
export {
  type EventSource,
  type LiveTree,
  type LiveTreeOptions,
  type Screen,
  showLiveTree,
} from './screen/live-tree.ts';
export { harmless, oneLine } from './text-width.ts';
export type { Batch } from './tree/batch.ts';
export { lineOf } from './tree/line-of.ts';
export { reportTable } from './tree/report-table.ts';
export { type RowOptions, rowsOf } from './tree/rows.ts';
export { type GrowingTree, openTree, type RunNode, type Tree, treeOf } from './tree/tree.ts';
