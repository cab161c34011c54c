/**
 * Another process at the same database: `node child.ts URL SCHEMA MODE`. Says on its standard output, line by line, what the store
 * has acknowledged; each line is written before anything else happens.
 */
import { writeSync } from 'node:fs';
import { stepOf } from '../../../test/support/steps.ts';
import { postgresStore } from '../src/index.ts';

const [url = '', schema = '', mode = ''] = process.argv.slice(2);
const owner = `owner ${process.pid}`;
const leaseMs = 500;
const hour = 3_600_000;

const say = (line: unknown): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};

const store = postgresStore({ url, schema, pollMs: 50 });

/** Claims a run as soon as it is free. */
const claim = async (runId: string): Promise<number> => {
  const given = await store.claim(runId, owner, { leaseMs });
  return given?.epoch ?? claim(runId);
};

/** Writes a run until the process is killed. */
const writeOn = async (runId: string): Promise<void> => {
  const epoch = await claim(runId);
  let known = 0;
  for await (const { seq } of store.events({ runId })) known = seq;
  for (let seq = known; ; seq++) {
    await store.commit([
      stepOf({ runId, rootId: 'tree', owner, epoch, expectedSeq: seq, checkpoint: { seq: seq + 1 } }),
    ]);
    say({ runId, seq: seq + 1 });
  }
};

const modes: Record<string, () => Promise<void>> = {
  async open() {
    await store.get('r');
    say('open');
  },
  async hold() {
    const epoch = await claim('r');
    await store.commit([stepOf({ runId: 'r', owner, epoch })]);
    say({ epoch });
    setInterval(() => void store.renew(owner, { leaseMs }), leaseMs / 3);
  },
  async write() {
    const renew = () => void store.renew(owner, { leaseMs });
    setInterval(renew, leaseMs / 3);
    await Promise.all(Array.from({ length: 8 }, (_, n) => writeOn(`tree/1-${n}/0`)));
  },
  async once() {
    await store.commit([stepOf({ runId: 'once', owner })]);
    say('written');
  },
  async listen() {
    // Written by another store, which keeps nothing alive by itself.
    const other = postgresStore({ url, schema });
    await Promise.all([store.get('r'), other.get('r')]);
    const stop = store.changes(() => {
      if (!isWritten) return;
      stop();
      say('heard');
    });
    let isWritten = false;
    say('listening');
    await other.commit([stepOf({ runId: 'r', owner })]);
    isWritten = true;
  },
  async linger() {
    store.changes(() => {}, { keepAlive: false });
    store.live?.listen(undefined, () => {});
    await store.get('r');
    say('lingering');
  },
  async overhear() {
    const awake = setInterval(() => {}, hour);
    const heard = () => {
      clearInterval(awake);
      say('hears');
    };
    // It looks once when it hears.
    postgresStore({ url, schema, pollMs: hour }).changes(heard, { keepAlive: false });
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
  async hours() {
    await store.claim('long', owner, { leaseMs: hour });
    say('claimed');
    setInterval(() => {}, hour);
  },
};
await modes[mode]?.();
