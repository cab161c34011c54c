import { FaultError, keepSecret, keepSecretsOfUrl } from '@troupe/protocol';
import pg from 'pg';

export type PostgresStoreOptions = {
  /** `postgres://user:password@host:port/database`, with the parameters that `pg` knows, as `?sslmode=verify-full`. Or `pool`. */
  url?: string;
  /** Connections of the program's own, instead of `url`. They stay open when the store is closed. */
  pool?: pg.Pool;
  /** The schema that holds the tables: letters, digits and `_`. It is made where there is none. Default: `troupe`. */
  schema?: string;
  /** How many connections are open at most, with `url`. Default: 4. */
  maxConnections?: number;
  /**
   * How long something may take, in milliseconds, connecting again included, until it fails with `store.unavailable`. Shorter than a
   * lease of the runtime (30 s unless set otherwise): who is cut off stops before others take its runs over. Default: 20,000.
   */
  timeoutMs?: number;
  /** How often it is looked for what other processes have stored, in milliseconds, while somebody waits for it. Default: 250. */
  pollMs?: number;
  /**
   * Whether stores tell each other when they leave a message for a run or have answered one, and what happens in a tree that another
   * process follows, live events included: it is noticed at once, and not only at the next look, which shows no live event. Takes one more connection of each process while it waits for others (`LISTEN`), and one small statement
   * (`NOTIFY`) after what concerns another. Switch it off behind PgBouncer in transaction mode, which passes none of it on, and where
   * connections are few. Default: true.
   */
  hints?: boolean;
  /** What leases are measured by, in epoch milliseconds. Default: the clock of the database, which all processes share. */
  now?: () => number;
};

export type Settled = {
  pool: pg.Pool;
  /** The pool was made here, and ends here. */
  isOwn: boolean;
  /** Which database that is, without a secret. */
  name: string;
  schema: string;
  timeoutMs: number;
  pollMs: number;
  hints: boolean;
  now: (() => number) | undefined;
};

const invalid = (what: string): FaultError => new FaultError('store.invalid', `postgresStore() was given ${what}`);

/** Checks what was given, and fills in the rest. @throws FaultError `store.invalid` */
export const settle = (given: string | PostgresStoreOptions): Settled => {
  const options = typeof given === 'string' ? { url: given } : given;
  const {
    url,
    pool,
    schema = 'troupe',
    maxConnections = 4,
    timeoutMs = 20_000,
    pollMs = 250,
    hints = true,
    now,
  } = options;
  if ((url === undefined) === (pool === undefined))
    throw invalid(
      `${url === undefined ? 'neither a url nor a pool' : 'a url and a pool'}. Give it one of the two: "postgres://user:password@host:port/database", or a pool of the package pg.`,
    );
  if (!/^[a-z_][a-z0-9_]{0,62}$/i.test(schema) || /^pg_/i.test(schema))
    throw invalid(
      `the schema "${schema}". Expected at most 63 letters, digits and "_", no digit first, and not "pg_" as the server's own.`,
    );
  for (const [name, value, least] of [
    ['maxConnections', maxConnections, 1],
    ['timeoutMs', timeoutMs, 100],
    ['pollMs', pollMs, 1],
  ] as const)
    if (!Number.isInteger(value) || value < least || value > 2 ** 31 - 1)
      throw invalid(`${name} ${value}. Expected a whole number of ${least} or more.`);
  if (typeof hints !== 'boolean') throw invalid(`hints ${String(hints)}. Expected true or false.`);
  const made = pool ?? open(url ?? '', maxConnections, timeoutMs);
  return { pool: made, isOwn: pool === undefined, name: nameOf(made), schema, timeoutMs, pollMs, hints, now };
};

const open = (url: string, max: number, timeoutMs: number): pg.Pool => {
  if (!/^postgres(ql)?:\/\//.test(url))
    throw invalid(
      `a url that begins with "${/^[a-z+.-]{0,20}:/i.exec(url)?.[0] ?? 'no scheme'}". Expected "postgres://user:password@host:port/database".`,
    );
  keepSecretsOfUrl(url);
  keepSecret(process.env.PGPASSWORD ?? '');
  const options = {
    connectionString: url,
    max,
    connectionTimeoutMillis: Math.ceil(timeoutMs / 2),
    keepAlive: true,
    allowExitOnIdle: true,
    fallback_application_name: 'troupe',
  };
  try {
    // What is wrong with the url is found only where a connection is made of it.
    new pg.Client(options);
    return new pg.Pool(options);
  } catch {
    // The error itself may hold the url.
    throw invalid('a url that cannot be understood. Expected "postgres://user:password@host:port/database".');
  }
};

const nameOf = (pool: pg.Pool): string => {
  const { host, port, database } = new pg.Client(pool.options);
  return `the database "${database}" at ${host.startsWith('/') ? host : `${host}:${port}`}`;
};
