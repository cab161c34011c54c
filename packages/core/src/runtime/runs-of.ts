import { FaultError, type RunStore, type RunTree } from '@troupe/protocol';
import type { Runtime } from './runtime.ts';

/** Stored runs, to be looked up. */
export const runsOf = (store: RunStore): Runtime['runs'] => ({
  get: async (runId) => store.get(runId),
  async list(filter) {
    const { limit } = filter ?? {};
    if (limit !== undefined && !(Number.isInteger(limit) && limit >= 0))
      throw new FaultError(
        'query.invalid',
        `runs.list was given the limit ${limit}. Expected a whole number of 0 or more, or none for 100.`,
      );
    return store.list(filter);
  },
  async tree(rootId) {
    const rows = [...(await store.list({ rootId, limit: Number.MAX_SAFE_INTEGER }))].reverse();
    const nodes = new Map<string, RunTree>(rows.map((row) => [row.runId, { ...row, children: [] }]));
    for (const node of nodes.values()) if (node.parentId !== undefined) nodes.get(node.parentId)?.children.push(node);
    const root = nodes.get(rootId);
    if (!root) throw new FaultError('run.unknown', `There is no run "${rootId}" in this runtime's store.`);
    return root;
  },
});
