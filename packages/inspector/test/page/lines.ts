import type { Happening, RunLine } from '../../src/wire.ts';

/** A row of a run, as a hub tells it. */
export const runLine = (id: string, parts: Partial<RunLine> = {}): RunLine => ({
  kind: 'run',
  id,
  rootId: id.split('/')[0] ?? id,
  ...(id.includes('/') && { parentId: id.slice(0, id.lastIndexOf('/')) }),
  name: 'worker',
  createdAt: 1_000,
  lastAt: 1_000,
  depth: id.split('/').length - 1,
  model: 'openai/gpt-5-mini',
  title: 'do it',
  status: 'running',
  turn: 1,
  tools: [],
  questions: [],
  gauges: [],
  own: { tokens: 0, costUsd: null },
  total: { tokens: 0, costUsd: null },
  seq: 1,
  rootSeq: 1,
  ...parts,
});

/** Something that happened to a run of the tree `run`. */
export const happening = (rootSeq: number, parts: Partial<Happening> = {}): Happening => ({
  id: `run:${rootSeq}`,
  rowId: 'run',
  rootId: 'run',
  rootSeq,
  at: rootSeq * 100,
  type: 'turn.started',
  from: 'run',
  to: 'model',
  text: '',
  ...parts,
});
