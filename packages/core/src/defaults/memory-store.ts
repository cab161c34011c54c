import {
  type Checkpoint,
  type Commit,
  FaultError,
  isEnded,
  type JSONValue,
  type Mail,
  type Memory,
  type MemoryStore,
  type ReadEntry,
  type ReadEvent,
  type Receipt,
  type RunFilter,
  type RunRow,
  type RunStatus,
  type RunStore,
  redact,
} from '@troupe/protocol';
import { groupBy } from '../es2024.ts';
import { type Listed, openRunLists } from './run-lists.ts';
import { shelfOf } from './shelf.ts';

/** Who holds what was given back. */
const nobody = '';

type PruneOptions = Parameters<RunStore['prune']>[0];

const copyOf = <T>(sent: T): T => JSON.parse(JSON.stringify(sent)) as T;

function* behind(events: readonly ReadEvent[], place = 0): Iterable<ReadEvent> {
  for (let i = place; i < events.length; i++) yield events[i] as ReadEvent;
}

type Stored = Listed & { events: ReadEvent[]; journal: ReadEntry[]; checkpoint: Checkpoint | undefined };
/** `open`: how many of its runs have not ended. */
type Tree = { events: ReadEvent[]; runs: Stored[]; open: number };

/**
 * Runs and memories for the life of the process. Keeps every promise of the ports but the one of outliving it;
 * answers at once, so nobody waits for it.
 *
 * @param options.now What leases are measured by, in epoch milliseconds. Default: the machine's time.
 */
export const memoryStore = ({ now = Date.now }: { now?: () => number } = {}): RunStore & MemoryStore => {
  const leases = new Map<string, number>();
  const claims = new Map<string, { epoch: number; owner: string }>();
  const runs = new Map<string, Stored>();
  const trees = new Map<string, Tree>();
  const lists = openRunLists<Stored>((rootId) => trees.get(rootId)?.runs ?? []);
  /** Every event in the order of commits: its place is its cursor. */
  const all = shelfOf<ReadEvent>();
  const memories = new Map<string, Map<string, JSONValue>>();
  const mail = new Map<string, { mail: Mail; receipt?: Receipt }>();
  /** Those that nobody has answered. */
  const waiting = new Map<string, Mail>();
  /** Of those the ones for sessions, by session. */
  const letters = new Map<string, Map<string, Mail>>();

  const refuse = (code: string, message: string, runId?: string): never => {
    throw new FaultError(code, message, runId === undefined ? {} : { runId });
  };

  const statusOf = (runId: string): RunStatus => runs.get(runId)?.row.status ?? 'running';

  /** @param before The run's last step of the same commit. */
  const check = ({ runId, owner, epoch, expectedSeq, row }: Commit, before: Commit | undefined): void => {
    const known = runs.get(runId);
    const claim = claims.get(runId) ?? (known ? undefined : { epoch: 1, owner });
    if (!claim || claim.epoch !== epoch || claim.owner !== owner)
      refuse(
        'store.fenced',
        `Run "${runId}" is at epoch ${claim?.epoch ?? 0} of "${claim?.owner ?? 'nobody'}"; this writer is "${owner}" at epoch ${epoch}. Another process has claimed it: stop this one.`,
        runId,
      );
    const seq = before ? before.expectedSeq + before.events.length : (known?.events.length ?? 0);
    const status = (before ?? known)?.row.status;
    if (status && isEnded(status))
      refuse('store.ended', `Run "${runId}" has ended (${status}); nothing can be added.`, runId);
    if (seq !== expectedSeq)
      refuse(
        'store.conflict',
        `Run "${runId}" has ${seq} events, but this writer expected ${expectedSeq}. Read it again, or stop one of the two.`,
        runId,
      );
    if (!known && !before) checkTurn(row);
  };

  /** Whoever sends something to a session knows what was sent last. */
  const checkTurn = ({ runId, sessionKey, after }: RunRow): void => {
    if (after === undefined || sessionKey === undefined) return;
    const [newest] = lists.rows({ sentTo: sessionKey, limit: 1 });
    if (newest && newest.runId !== after)
      refuse(
        'store.overtaken',
        `Run "${runId}" was to come after ${after === null ? 'none' : `run "${after}"`} in session "${sessionKey}", which was sent run "${newest.runId}" since. Read the session again.`,
        runId,
      );
  };

  const commit = (commits: readonly Commit[]): ReadEvent[] => {
    const last = new Map<string, Commit>();
    for (const step of commits) {
      check(step, last.get(step.runId));
      last.set(step.runId, step);
    }
    // What is no JSON is refused before anything is written.
    const left = commits.map(({ mail: sent }) => sent?.map((each) => copyOf(each)));
    const stored: ReadEvent[] = [];
    for (const step of commits) write(step, stored);
    for (const [i, { runId, rootId, journal = [], receipts = [] }] of commits.entries()) {
      const rootSeq = trees.get(rootId)?.events.length ?? 0;
      const heard = runs.get(runId)?.journal;
      for (const entry of journal) heard?.push({ rootSeq, ...entry });
      for (const sent of left[i] ?? []) leave(sent);
      for (const { mailId, receipt } of receipts) answer(mailId, receipt);
    }
    return stored;
  };

  const leave = (sent: Mail): void => {
    if (mail.has(sent.id)) return;
    mail.set(sent.id, { mail: sent });
    waiting.set(sent.id, sent);
    if (sent.sessionKey === undefined) return;
    const its = letters.get(sent.sessionKey) ?? new Map<string, Mail>();
    letters.set(sent.sessionKey, its.set(sent.id, sent));
  };

  const settle = (id: string): void => {
    const key = waiting.get(id)?.sessionKey;
    waiting.delete(id);
    const its = key === undefined ? undefined : letters.get(key);
    its?.delete(id);
    if (its?.size === 0) letters.delete(key as string);
  };

  /** Gives back what came of a message: the first receipt stands. */
  const answer = (mailId: string, receipt: Receipt): Receipt => {
    const sent = mail.get(mailId);
    if (!sent) return receipt;
    settle(mailId);
    sent.receipt ??= receipt;
    return sent.receipt;
  };

  /** @param told Where its events are added, as they are read. */
  const write = ({ runId, rootId, owner, epoch, events, row, checkpoint }: Commit, told: ReadEvent[]): void => {
    claims.set(runId, { epoch, owner });
    const tree = trees.get(rootId) ?? { events: [], runs: [], open: 0 };
    trees.set(rootId, tree);
    let run = runs.get(runId);
    if (!run) {
      run = { row, place: 0, events: [], journal: [], checkpoint: undefined };
      runs.set(runId, run);
      lists.begin(run);
      tree.runs.push(run);
      tree.open += 1;
    }
    run.row = row;
    if (isEnded(row.status)) {
      tree.open -= 1;
      lists.end(run);
      run.checkpoint = undefined;
    } else if (checkpoint) run.checkpoint = checkpoint;
    for (const event of events) {
      const stored = { ...event, rootSeq: tree.events.length + 1, cursor: String(all.count + 1) };
      run.events.push(stored);
      tree.events.push(stored);
      all.put(stored);
      told.push(stored);
    }
  };

  const prune = (options: PruneOptions): number => {
    const { olderThan, keep, sentTo, units = false } = options;
    const rootIds =
      sentTo === undefined
        ? trees.keys()
        : new Set(lists.ofSession(sentTo, units).map(({ row: { rootId } }) => rootId));
    const old = [...rootIds]
      .flatMap((rootId) => {
        const tree = trees.get(rootId);
        if (tree?.open !== 0) return [];
        return { rootId, tree, endedAt: tree.runs.reduce((last, { row }) => Math.max(last, row.endedAt ?? 0), 0) };
      })
      .reverse()
      .sort((a, b) => b.endedAt - a.endedAt)
      .slice(keep)
      .filter(({ endedAt }) => endedAt < olderThan);
    for (const { rootId, tree } of old) {
      trees.delete(rootId);
      for (const { cursor } of tree.events) all.remove(Number(cursor));
      for (const run of tree.runs) {
        lists.forget(run);
        runs.delete(run.row.runId);
        claims.delete(run.row.runId);
      }
    }
    if (mail.size > 0) forgetMail(old, options);
    return old.length;
  };

  /** Of trees that are forgotten, and such as no tree takes along. */
  const forgetMail = (old: readonly { tree: Tree }[], { olderThan, sentTo }: PruneOptions): void => {
    const forgotten = new Set(old.flatMap(({ tree }) => tree.runs.map(({ row }) => row.runId)));
    for (const [id, { mail: its, receipt }] of mail) {
      const { sessionKey, runId, at } = its;
      const isToSession = sessionKey !== undefined;
      // What was answered only after its sender was forgotten, or was sent by no run.
      const isLate =
        isToSession && !runs.has(runId) && at < olderThan && (sentTo === undefined || sentTo === sessionKey);
      const isGone = forgotten.has(runId) ? !isToSession || receipt : isLate && receipt;
      if (!isGone) continue;
      mail.delete(id);
      settle(id);
    }
  };

  return {
    lasting: false,
    claim(runId, owner, { leaseMs }) {
      const claim = claims.get(runId);
      const isFree =
        !claim || claim.owner === owner || (leases.get(claim.owner) ?? 0) <= now() || isEnded(statusOf(runId));
      if (!isFree) return null;
      leases.set(owner, now() + leaseMs);
      const epoch = (claim?.epoch ?? 0) + 1;
      claims.set(runId, { epoch, owner });
      return { epoch };
    },
    holder(runId) {
      const owner = claims.get(runId)?.owner;
      const isHeld = owner !== undefined && (leases.get(owner) ?? 0) > now() && !isEnded(statusOf(runId));
      return isHeld ? owner : null;
    },
    renew(owner, { leaseMs }) {
      leases.set(owner, now() + leaseMs);
    },
    release(owner, runIds) {
      if (!runIds) leases.delete(owner);
      for (const runId of runIds ?? []) {
        const claim = claims.get(runId);
        if (claim?.owner !== owner) continue;
        if (runs.has(runId)) claims.set(runId, { ...claim, owner: nobody });
        else claims.delete(runId);
      }
    },
    commit,
    post: (sent) => leave(copyOf(sent)),
    inbox: (owner) =>
      [...waiting.values()].filter(
        ({ runId, sessionKey }) => sessionKey === undefined && claims.get(runId)?.owner === owner,
      ),
    sessionInbox: (wanted) =>
      wanted === undefined
        ? [...waiting.values()].filter(({ sessionKey }) => sessionKey !== undefined)
        : [...(letters.get(wanted)?.values() ?? [])],
    withdraw: answer,
    receipt: (mailId) => mail.get(mailId)?.receipt,
    checkpoint: (runId) => {
      const found = runs.get(runId)?.checkpoint;
      return found && (JSON.parse(JSON.stringify(redact(found))) as Checkpoint);
    },
    journal(runId, from = 0) {
      const entries = runs.get(runId)?.journal ?? [];
      const before = entries.findLastIndex(({ seq }) => seq < from);
      return JSON.parse(JSON.stringify(entries.slice(before + 1))) as ReadEntry[];
    },
    prune,
    get: (runId) => runs.get(runId)?.row,
    list({ before, ...filter }: RunFilter = {}) {
      const older = before === undefined ? undefined : runs.get(before);
      return before !== undefined && !older ? [] : lists.rows(filter, older);
    },
    quotas(keys) {
      const taken = [...runs.values()].flatMap(({ row }) =>
        row.quota === undefined ? [] : { ...row, key: row.quota },
      );
      return [...groupBy(taken, ({ key }) => key)]
        .filter(([key]) => keys === undefined || keys.includes(key))
        .map(([key, rows]) => ({
          key,
          completed: rows.filter(({ status }) => status === 'completed').length,
          holders: rows.flatMap(({ runId, status, detached }) => (isEnded(status) || detached ? [] : runId)),
        }));
    },
    *events(query) {
      if ('rootId' in query) return yield* behind(trees.get(query.rootId)?.events ?? [], query.after);
      if ('runId' in query) return yield* behind(runs.get(query.runId)?.events ?? [], query.after);
      const from = query.after === undefined ? 0 : Number(query.after);
      if (!Number.isInteger(from) || from < 0)
        refuse(
          'store.cursor',
          `"${query.after}" is no cursor of this store. Use the cursor of an event it gave, or none.`,
        );
      yield* all.after(from);
    },
    cursor: () => String(all.count),
    read(scope, key) {
      const value = memories.get(scope)?.get(key);
      return value === undefined ? undefined : copyOf(value);
    },
    write(scope, key, value) {
      const entries = memories.get(scope) ?? new Map<string, JSONValue>();
      memories.set(scope, entries);
      entries.set(key, copyOf(value));
    },
    search(scope, text, { limit = 20 } = {}) {
      const wanted = text.toLowerCase();
      const found: Memory[] = [];
      for (const [key, value] of memories.get(scope) ?? []) {
        if (found.length >= limit) break;
        if (`${key}\n${typeof value === 'string' ? value : JSON.stringify(value)}`.toLowerCase().includes(wanted))
          found.push({ scope, key, value: copyOf(value) });
      }
      return found;
    },
    reset(scope, key) {
      if (key === undefined) memories.delete(scope);
      else memories.get(scope)?.delete(key);
    },
  };
};
