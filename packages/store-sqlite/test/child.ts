/**
 * Another process at the same file: `node child.ts PATH DURABILITY MODE`. Says on its standard output, line by line, what the store
 * has acknowledged; each line is written before anything else happens.
 */
import { writeSync } from 'node:fs';
import { stepOf } from '../../../test/support/steps.ts';
import { sqliteStore } from '../src/index.ts';

const [path = '', durability = 'full', mode = ''] = process.argv.slice(2);
const owner = `owner ${process.pid}`;
const hour = 3_600_000;

const say = (line: unknown): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};

const store = sqliteStore({ path, durability: durability === 'normal' ? 'normal' : 'full' });

/** Writes a run until the process is killed. */
const writeOn = async (runId: string): Promise<void> => {
  const claim = await store.claim(runId, owner, { leaseMs: hour });
  if (!claim) throw new Error(`Run ${runId} is not free.`);
  const known = [...(store.events({ runId }) as Iterable<{ seq: number }>)].length;
  for (let seq = known; ; seq++) {
    await store.commit([
      stepOf({ runId, rootId: 'tree', owner, epoch: claim.epoch, expectedSeq: seq, checkpoint: { seq: seq + 1 } }),
    ]);
    say({ runId, seq: seq + 1 });
  }
};

const modes: Record<string, () => Promise<void>> = {
  async hold() {
    const claim = await store.claim('r', owner, { leaseMs: hour });
    await store.commit([stepOf({ runId: 'r', owner, epoch: claim?.epoch ?? 0 })]);
    say({ epoch: claim?.epoch });
    setInterval(() => {}, hour);
  },
  async write() {
    await Promise.all(Array.from({ length: 8 }, (_, n) => writeOn(`tree/1-${n}/0`)));
  },
  async once() {
    await store.commit([stepOf({ runId: 'once', owner })]);
    say('written');
  },
  async listen() {
    // Written by another connection, which keeps nothing alive by itself.
    const other = sqliteStore(path);
    const stop = store.changes(() => {
      stop();
      say('heard');
    });
    say('listening');
    void other.commit([stepOf({ runId: 'r', owner })]);
  },
  async nothing() {
    say('opened');
  },
  async close() {
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => store.commit([stepOf({ runId: `run ${process.pid} ${n}`, owner })])),
    );
    await store.close();
    say('closed');
  },
};
await modes[mode]?.();
