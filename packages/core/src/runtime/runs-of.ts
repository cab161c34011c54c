import { type Clock, FaultError, type RunStore, type RunTree } from '@troupe/protocol';
import { openBackgroundWork } from '../background/background-work.ts';
import { everyRow } from '../every-row.ts';
import type { Runtime } from './runtime.ts';

/** What runs record in one tick is stored at its end. */
const thisTick = Promise.resolve();

/** A tree, and below each of its runs what that started in the background. */
const treeOf = async (store: RunStore, rootId: string, work = openBackgroundWork(store)): Promise<RunTree> => {
  const rows = [...(await store.list({ rootId, ...everyRow }))].reverse();
  const nodes = new Map<string, RunTree>(rows.map((row) => [row.runId, { ...row, children: [] }]));
  for (const node of nodes.values()) if (node.parentId !== undefined) nodes.get(node.parentId)?.children.push(node);
  const root = nodes.get(rootId);
  if (!root) throw new FaultError('run.unknown', `There is no run "${rootId}" in this runtime's store.`);
  for (const { runId, origin } of await work.startedBy(root))
    nodes.get(origin?.runId ?? '')?.children.push({ ...(await treeOf(store, runId, work)), background: true });
  return root;
};

/** Stored runs, to be looked up. */
export const runsOf = (store: RunStore, clock: Clock): Runtime['runs'] => ({
  async get(runId) {
    await thisTick;
    return store.get(runId);
  },
  async list(filter) {
    const { limit } = filter ?? {};
    if (limit !== undefined && !(Number.isInteger(limit) && limit >= 0))
      throw new FaultError(
        'query.invalid',
        `runs.list was given the limit ${limit}. Expected a whole number of 0 or more, or none for 100.`,
      );
    await thisTick;
    return store.list(filter);
  },
  async prune({ olderThan, keep = 0, sentTo, units = false }) {
    if (!(olderThan >= 0) || !(Number.isInteger(keep) && keep >= 0))
      throw new FaultError(
        'query.invalid',
        `runs.prune was given olderThan ${olderThan} and keep ${keep}. Expected milliseconds of 0 or more, and a whole number of 0 or more.`,
      );
    if (units && sentTo === undefined)
      throw new FaultError(
        'query.invalid',
        'runs.prune was given units: true and no sentTo. Name the session whose background units are meant; without one all trees are.',
      );
    // What ended in this very millisecond has ended 0 ago.
    const before = clock.now() - olderThan + 1;
    return store.prune({ olderThan: before, keep, ...(sentTo !== undefined && { sentTo, units }) });
  },
  async cursor() {
    await thisTick;
    return store.cursor();
  },
  async tree(rootId) {
    await thisTick;
    return treeOf(store, rootId);
  },
});
