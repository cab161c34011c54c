import type { MemoryStore, Receipt, RunStore } from '@troupe/protocol';
import type { Later } from './answers.ts';
import { type PostgresStoreOptions, settle } from './options.ts';
import { openChanges } from './reader/changes.ts';
import { openHints } from './reader/hints.ts';
import { type Hearing, listen } from './reader/listen.ts';
import { readCursor, readEvents } from './reader/read-events.ts';
import { readMail } from './reader/read-mail.ts';
import { readMemories } from './reader/read-memories.ts';
import { readRuns } from './reader/read-runs.ts';
import { openReader, textIn } from './reader/reader.ts';
import { openRelay } from './relay/relay.ts';
import { closed, openDatabase } from './server/database.ts';
import { openQueue, type Queue } from './writer/queue.ts';
import { everybody, openTeller } from './writer/tell.ts';

export type PostgresStore = Pick<RunStore, 'journal' | 'live'> &
  Required<Pick<RunStore, 'events' | 'changes'>> &
  Later<Omit<RunStore, 'lasting' | 'events' | 'changes' | 'journal' | 'live'> & MemoryStore> & {
    /** What is stored here is there after the process. */
    readonly lasting: true;
    /**
     * Writes everything that was asked for, gives back the claims that were made through this store, and ends its connections.
     * From now on every other method fails with `store.closed`.
     */
    close(): Promise<void>;
  };

/** Events of one transaction of forgetting: enough to be quick, few enough to let commits through. */
const forgottenAtOnce = 2_000;

/**
 * Runs and memories in PostgreSQL, for as many processes on as many machines as it serves. Nothing is connected before something is
 * asked; the first that asks makes the tables.
 *
 * Every answer fails with `store.unavailable` once the database could not be reached for `timeoutMs`; what was to be written then may
 * be stored or not, and is found out by reading, or by claiming the run again.
 *
 * @param options The url of a database, or the database and how to use it.
 * @throws FaultError `store.invalid` when the options are wrong. What is asked of the store rejects with `store.newer` when a newer
 * version of this package made the tables.
 */
export const postgresStore = (options: string | PostgresStoreOptions): PostgresStore => {
  const settled = settle(options);
  const { name, now, pollMs, pool } = settled;
  const database = openDatabase(settled);
  const teller = openTeller(database);
  const queue = openQueue(database, now, (stores) => settled.hints && teller.tell(stores));
  let closing: Promise<void> | undefined;

  const reader = openReader(database, () => closing !== undefined);
  const runs = readRuns(reader, now);

  const hearing: Hearing = {
    onHint: () => changes.tell(),
    onText: (text) => relay?.take(text),
    onConnect() {
      changes.lookAnew();
      relay?.begin();
    },
  };
  const channels = async (): Promise<string[]> => {
    const asked = `SELECT ${reader.schema}.channel(store) AS channel FROM unnest($1::text[]) AS store`;
    return (await reader.read(asked, [[queue.id, everybody]])).map((row) => textIn(row, 'channel'));
  };
  const hints = settled.hints ? openHints((on) => listen(pool, channels, on), hearing) : undefined;
  const changes = openChanges(reader, queue.id, pollMs, hints);
  const relay =
    hints &&
    openRelay({
      self: queue.id,
      send: teller.say,
      want: hints.want,
      leave: hints.leave,
    });

  const check = (): void => {
    if (closing) throw closed(name);
  };
  const ask: Queue['ask'] = async (wish) => {
    check();
    return queue.ask(wish);
  };
  const closeAll = async (): Promise<void> => {
    try {
      await queue.close();
    } finally {
      await teller.close();
      await database.end();
    }
  };

  return {
    lasting: true,
    async claim(runId, owner, { leaseMs }) {
      const epoch = await ask({ type: 'claim', runId, owner, leaseMs });
      return epoch === null ? null : { epoch };
    },
    holder: runs.holder,
    async renew(owner, { leaseMs }) {
      await ask({ type: 'renew', owner, leaseMs });
    },
    async release(owner, runIds) {
      await ask({ type: 'release', owner, runIds });
    },
    async commit(commits) {
      check();
      if (commits.length === 0) return [];
      const places = await ask({ type: 'commit', commits });
      relay?.stored(commits[0]?.rootId ?? '');
      // Where an event stands among those of all trees is known for good only when nobody else is writing: it has no cursor yet.
      return commits.flatMap(({ events }, i) =>
        events.map((event, n) => ({ ...event, rootSeq: (places[i] ?? 0) + n })),
      );
    },
    async post(mail) {
      await ask({ type: 'post', mail });
    },
    ...readMail(reader),
    async withdraw(id, receipt) {
      const known = await ask({ type: 'withdraw', id, receipt });
      return known === null ? receipt : (JSON.parse(known) as Receipt);
    },
    checkpoint: runs.checkpoint,
    journal: runs.journal,
    get: runs.get,
    list: runs.list,
    quotas: runs.quotas,
    events: readEvents(reader),
    cursor: () => readCursor(reader),
    changes(heard, given) {
      check();
      return changes.listen(heard, given);
    },
    ...(relay && {
      live: {
        tell: relay.tell,
        listen(rootId, heard) {
          check();
          return relay.listen(rootId, heard);
        },
      },
    }),
    async prune(asked) {
      const { olderThan, sentTo } = asked;
      await ask({ type: 'forgetLoose', olderThan, sentTo });
      let forgotten = 0;
      for (const rootIds of inTurns(await runs.old(asked)))
        forgotten += await ask({ type: 'forgetTrees', rootIds, olderThan });
      return forgotten;
    },
    ...readMemories(reader),
    async write(scope, key, value) {
      await ask({ type: 'remember', scope, key, value });
    },
    async reset(scope, key) {
      await ask({ type: 'forgetMemories', scope, key });
    },
    close() {
      changes.stop();
      relay?.stop();
      hints?.stop();
      closing ??= closeAll();
      return closing;
    },
  };
};

/** Trees to forget, in turns that are quick enough to let other writes through. */
const inTurns = (trees: readonly { rootId: string; events: number }[]): string[][] => {
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
