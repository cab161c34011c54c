export { type AgentsPromptOptions, agentsPrompt } from './agents-prompt.ts';
export type { AgentsApp } from './agents-talk.ts';
export {
  type Connection,
  type FindOptions,
  type FoundModel,
  findModel,
  type LocalServer,
  localServers,
} from './find-model.ts';
export { lineOf } from './line-of.ts';
export { type EventSource, type LiveTree, type Screen, showLiveTree } from './live-tree.ts';
export { type OpenModel, openModel } from './open-model.ts';
export { type Rehearsal, startRehearsal } from './rehearsal.ts';
export { reportTable } from './report-table.ts';
export { harmless, oneLine } from './text-width.ts';
export { emptyTree, growTree, type RunNode, rowsOf, type Tree, treeOf } from './tree-rows.ts';
