import { resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { FaultError, type MemoryStore, type Receipt, type RunStore, type StoredEvent } from '@troupe/protocol';
import type { AtOnce, Later } from './answers.ts';
import { checkLater } from './file/check-later.ts';
import { connectReader } from './file/connect.ts';
import { mark } from './file/damage.ts';
import { fileAt } from './file/moved.ts';
import { prepareFile } from './file/prepare-file.ts';
import { openChanges } from './reader/changes.ts';
import { indexed } from './reader/memory-text.ts';
import { readCursor, readEvents } from './reader/read-events.ts';
import { readMail } from './reader/read-mail.ts';
import { readMemories } from './reader/read-memories.ts';
import { readRuns } from './reader/read-runs.ts';
import { openReader } from './reader/statements.ts';
import { mailText } from './writer/encode.ts';
import type { Tasks } from './writer/messages.ts';
import { ownIdentity } from './writer/process-identity.ts';
import { openQueue, type Queue } from './writer/queue.ts';

export type SqliteStoreOptions = {
  /** The file. It is made when there is none, its folder is not. Beside it SQLite keeps `-wal` and `-shm` while it is open. */
  path: string;
  /**
   * `full`: what is acknowledged survives a power failure; a thread of its own writes, and waits for the disk. `normal`: it survives
   * the end of the process; a power failure may take the last moments, never the order or the shape of what is left. Nothing is
   * waited for then, so it is written where it is asked for. Default: `full`.
   */
  durability?: 'full' | 'normal';
  /** How large the file may grow, in bytes: commits for which there is no room are refused with `store.unavailable`. Default: as large as its disk. */
  maxBytes?: number;
  /** What leases are measured by, in epoch milliseconds. Default: the machine's time. */
  now?: () => number;
};

export type SqliteStore = Required<Pick<RunStore, 'events' | 'changes'>> &
  AtOnce<
    Pick<
      RunStore & MemoryStore,
      | 'holder'
      | 'inbox'
      | 'sessionInbox'
      | 'receipt'
      | 'checkpoint'
      | 'journal'
      | 'get'
      | 'list'
      | 'quotas'
      | 'cursor'
      | 'read'
      | 'search'
    >
  > &
  Later<
    Pick<
      RunStore & MemoryStore,
      'claim' | 'renew' | 'release' | 'commit' | 'post' | 'withdraw' | 'prune' | 'write' | 'reset'
    >
  > & {
    /** What is stored here is there after the process. */
    readonly lasting: true;
    /**
     * Writes everything that was asked for, gives back the claims that were made through this store, and closes the file.
     * From now on every other method fails with `store.closed`.
     */
    close(): Promise<void>;
  };

/** Events of one transaction of forgetting: enough to be quick, few enough to let commits through. */
const forgottenAtOnce = 2_000;

/**
 * Runs and memories in one SQLite file, for one machine. Reads answer at once; writes are promises that resolve when the file has
 * them. Other processes may open the same file.
 *
 * @param options The file, or the file and how to treat it.
 * @throws FaultError `store.unavailable` when the file cannot be opened or written; `store.newer` when a newer version wrote it;
 * `store.corrupt` when it was damaged: it has been set aside then, and opening the same path again starts an empty store. A file of
 * more than 32 MiB is checked while it is in use: once it is found to be damaged every method fails with `store.corrupt`, and it is set
 * aside when it is opened the next time.
 */
export const sqliteStore = (options: string | SqliteStoreOptions): SqliteStore => {
  const {
    durability = 'full',
    maxBytes,
    now = Date.now,
    ...given
  } = typeof options === 'string' ? { path: options } : options;
  const path = pathOf(given.path);
  const isToBeChecked = prepareFile(path, now);
  const file = fileAt(path);
  const db = connectReader(path);
  const self = ownIdentity();
  const queue = openQueue({ path, file, durability, maxBytes, self, now: now() });
  const reader = openReader(db, path);
  let closing: Promise<void> | undefined;

  let damaged: FaultError | undefined;

  const stopChecking = isToBeChecked
    ? checkLater(
        path,
        (damage) => {
          mark(path);
          damaged = new FaultError(
            'store.corrupt',
            `The store "${path}" is damaged (${damage}). Close it and open it again: it is set aside then, to be looked at.`,
            { details: { path } },
          );
        },
        () => mark(path),
      )
    : () => {};
  const check = (): void => {
    if (closing) throw new FaultError('store.closed', `The store "${path}" is closed. Open it again to use it.`);
    if (damaged) throw damaged;
  };
  const open =
    <A extends unknown[], R>(work: (...args: A) => R) =>
    (...args: A): R => {
      check();
      return work(...args);
    };
  const ask: Queue['ask'] = async (wish) => {
    check();
    return queue.ask(wish);
  };
  const runs = readRuns(reader, self);
  const mailbox = readMail(reader);
  const memories = readMemories(reader);
  const changes = openChanges(reader);

  return {
    lasting: true,
    claim: (runId, owner, { leaseMs }) => ask({ type: 'claim', runId, owner, leaseMs, now: now() }),
    holder: open((runId: string) => runs.holder(runId, now())),
    async renew(owner, { leaseMs }) {
      await ask({ type: 'renew', owner, leaseMs, now: now() });
    },
    async release(owner, runIds) {
      await ask({ type: 'release', owner, runIds: runIds ?? null });
    },
    async commit(commits) {
      if (commits.length === 0) return [];
      const places = await ask({ type: 'commit', commits });
      return commits.flatMap(({ events }, i) => events.map((event, n) => placed(event, places[i], n)));
    },
    async post(mail) {
      await ask({ type: 'post', ...mailText(mail) });
    },
    async withdraw(id, receipt) {
      return JSON.parse(await ask({ type: 'withdraw', id, receipt: JSON.stringify(receipt) })) as Receipt;
    },
    inbox: open(mailbox.inbox),
    sessionInbox: open(mailbox.sessionInbox),
    receipt: open(mailbox.receipt),
    checkpoint: open(runs.checkpoint),
    journal: open(runs.journal),
    get: open(runs.get),
    list: open(runs.list),
    quotas: open(runs.quotas),
    events: open(readEvents(reader, check)),
    cursor: open(() => readCursor(reader)),
    changes: open(changes.listen),
    async prune({ olderThan, keep, sentTo = null, units = false }) {
      let forgotten = 0;
      for (const rootIds of inTurns(await ask({ type: 'findOld', olderThan, keep, sentTo, units })))
        forgotten += await ask({ type: 'forgetTrees', rootIds, olderThan });
      return forgotten;
    },
    read: open(memories.read),
    search: open(memories.search),
    async write(scope, key, value) {
      await ask({ type: 'remember', scope, key, value: JSON.stringify(value), text: indexed(key, value) });
    },
    async reset(scope, key) {
      await ask({ type: 'forgetMemories', scope, key: key ?? null });
    },
    close() {
      changes.stop();
      stopChecking();
      closing ??= closeAll(db, queue);
      return closing;
    },
  };
};

const pathOf = (path: string): string => {
  if (path !== '' && path !== ':memory:') return resolve(path);
  throw new FaultError(
    'store.unavailable',
    `sqliteStore() was given the path "${path}", which names no file. Give it one, or use memoryStore() of @troupe/core.`,
  );
};

const closeAll = async (db: DatabaseSync, queue: Queue): Promise<void> => {
  try {
    await queue.close();
  } finally {
    db.close();
  }
};

const placed = (event: object, first: Tasks['commit']['give'][number] | undefined, n: number): StoredEvent =>
  ({ ...event, rootSeq: (first?.rootSeq ?? 0) + n, cursor: String((first?.id ?? 0) + n) }) as StoredEvent;

/** Trees to forget, in turns that are quick enough to let other writes through. */
const inTurns = (trees: Tasks['findOld']['give']): string[][] => {
  const turns: string[][] = [];
  let room = 0;
  for (const { rootId, events } of trees) {
    if (room <= 0) {
      turns.push([]);
      room = forgottenAtOnce;
    }
    turns.at(-1)?.push(rootId);
    room -= events + 1;
  }
  return turns;
};
