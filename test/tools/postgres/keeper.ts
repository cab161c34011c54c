// node keeper.ts FOLDER [durable]
//
// Keeps a PostgreSQL in FOLDER for as long as the process lives that started it, and leaves nothing behind, however that one ends.
// Says where it is in FOLDER/where.json, or why there is none. On its standard input it is told `crash`, `stop` and `start`, and
// answers each with a line.
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Cluster, makeCluster } from './cluster.ts';

const [folder = '', durable] = process.argv.slice(2);
const parent = process.ppid;

const say = (where: object): void => {
  writeFileSync(join(folder, 'where.part'), JSON.stringify(where));
  renameSync(join(folder, 'where.part'), join(folder, 'where.json'));
};

let cluster: Cluster | undefined;
const end = async (): Promise<void> => {
  await cluster?.stop('SIGQUIT');
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
};

const orders: Record<string, (cluster: Cluster) => Promise<void>> = {
  crash: ({ stop }) => stop('SIGQUIT'),
  stop: ({ stop }) => stop('SIGINT'),
  start: ({ start }) => start(),
};

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void end());
setInterval(() => {
  if (process.ppid !== parent) void end();
}, 200);

try {
  cluster = await makeCluster(folder, durable === 'durable');
  await cluster.start();
  say({ port: cluster.port, keeper: process.pid });
} catch (error) {
  say({ error: String(error) });
}

let turn = Promise.resolve();
createInterface(process.stdin).on('line', (order) => {
  turn = turn.then(async () => {
    if (cluster) await orders[order]?.(cluster);
    process.stdout.write(`${order}\n`);
  });
});
