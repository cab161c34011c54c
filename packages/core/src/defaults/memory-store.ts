import {
  type Commit,
  type EventQuery,
  FaultError,
  isEnded,
  type JSONValue,
  type Memory,
  type MemoryStore,
  type ReadEvent,
  type RunFilter,
  type RunRow,
  type RunStore,
} from '@troupe/protocol';

type Stored = { row: RunRow; events: ReadEvent[] };

/**
 * Runs and memories for the life of the process. Keeps every promise of the ports but the one of outliving it;
 * answers at once, so nobody waits for it.
 */
export const memoryStore = (): RunStore & MemoryStore => {
  const claims = new Map<string, { epoch: number; owner: string }>();
  const runs = new Map<string, Stored>();
  const roots = new Map<string, ReadEvent[]>();
  const all: ReadEvent[] = [];
  const memories = new Map<string, Map<string, JSONValue>>();

  const refuse = (code: string, message: string): never => {
    throw new FaultError(code, message);
  };

  const commit = ({ runId, rootId, epoch, expectedSeq, events, row }: Commit): ReadEvent[] => {
    const claim = claims.get(runId);
    if (!claim || claim.epoch !== epoch)
      refuse(
        'store.fenced',
        `Run "${runId}" is at epoch ${claim?.epoch ?? 0}, and this writer holds epoch ${epoch}. Another process has claimed it: stop this one.`,
      );
    const known = runs.get(runId);
    const seq = known?.events.length ?? 0;
    if (known && isEnded(known.row.status))
      refuse('store.ended', `Run "${runId}" has ended (${known.row.status}); nothing can be added.`);
    if (seq !== expectedSeq)
      refuse(
        'store.conflict',
        `Run "${runId}" has ${seq} events, but this writer expected ${expectedSeq}. Read it again, or stop one of the two.`,
      );
    const root = roots.get(rootId) ?? [];
    roots.set(rootId, root);
    const stored = events.map(
      (event, i): ReadEvent => ({ ...event, rootSeq: root.length + 1 + i, cursor: String(all.length + 1 + i) }),
    );
    const run: Stored = known ?? { row, events: [] };
    run.row = row;
    runs.set(runId, run);
    for (const event of stored) {
      run.events.push(event);
      root.push(event);
      all.push(event);
    }
    return stored;
  };

  const slice = (query: EventQuery): { events: readonly ReadEvent[]; from: number } => {
    if ('rootId' in query) return { events: roots.get(query.rootId) ?? [], from: query.after ?? 0 };
    if ('runId' in query) return { events: runs.get(query.runId)?.events ?? [], from: query.after ?? 0 };
    const from = query.after === undefined ? 0 : Number(query.after);
    if (!Number.isInteger(from) || from < 0)
      refuse(
        'store.cursor',
        `"${query.after}" is no cursor of this store. Use the cursor of an event it gave, or none.`,
      );
    return { events: all, from };
  };

  return {
    lasting: false,
    claim(runId, owner) {
      const claim = claims.get(runId);
      if (claim && claim.owner !== owner && !isEnded(runs.get(runId)?.row.status ?? 'running')) return null;
      const next = { epoch: (claim?.epoch ?? 0) + 1, owner };
      claims.set(runId, next);
      return { epoch: next.epoch };
    },
    commit,
    get: (runId) => runs.get(runId)?.row,
    list({ status, rootId, limit = 100, before }: RunFilter = {}) {
      const wanted = status === undefined ? null : new Set(typeof status === 'string' ? [status] : status);
      const rows = [...runs.values()].map(({ row }) => row).reverse();
      const from = before === undefined ? 0 : rows.findIndex(({ runId }) => runId === before) + 1;
      if (before !== undefined && from === 0) return [];
      return rows
        .slice(from)
        .filter((row) => (!wanted || wanted.has(row.status)) && (rootId === undefined || row.rootId === rootId))
        .slice(0, limit);
    },
    *events(query) {
      const { events, from } = slice(query);
      for (let i = from; i < events.length; i++) yield events[i] as ReadEvent;
    },
    read: (scope, key) => memories.get(scope)?.get(key),
    write(scope, key, value) {
      const entries = memories.get(scope) ?? new Map<string, JSONValue>();
      memories.set(scope, entries);
      entries.set(key, value);
    },
    search(scope, text, { limit = 20 } = {}) {
      const wanted = text.toLowerCase();
      const found: Memory[] = [];
      for (const [key, value] of memories.get(scope) ?? []) {
        if (found.length >= limit) break;
        if (`${key}\n${typeof value === 'string' ? value : JSON.stringify(value)}`.toLowerCase().includes(wanted))
          found.push({ scope, key, value });
      }
      return found;
    },
    reset(scope) {
      memories.delete(scope);
    },
  };
};
