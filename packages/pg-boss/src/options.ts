import { FaultError, keepSecret, keepSecretsOfUrl, type Logger } from '@troupe/protocol';
import pg from 'pg';

export type PgBossOptions = {
  /** `postgres://user:password@host:port/database`, with the parameters that `pg` knows, as `?sslmode=verify-full`. Or `pool`. */
  url?: string;
  /** Connections of the program's own, instead of `url`. They stay open when the placement is closed. */
  pool?: pg.Pool;
  /**
   * The schema that holds pg-boss's tables: at most 50 letters, digits and `_`. It is made where there is none. Default: `pgboss`.
   * A program that uses another version of pg-boss itself gives a schema of its own here.
   */
  schema?: string;
  /** How many connections are open at most, with `url`; each server listens on one more. Default: 4. */
  maxConnections?: number;
  /**
   * After so many seconds without a sign of life a worker is taken for dead, and its runs are handed to others. 10 or more; longer
   * where tools block the event loop. Default: 10.
   */
  heartbeatSeconds?: number;
  /** Where it is said what went wrong and was made good. Default: the console. */
  logger?: Logger;
};

export type Settled = {
  pool: pg.Pool;
  /** The pool was made here, and ends here. */
  isOwn: boolean;
  /** Which database that is, without a secret. */
  name: string;
  schema: string;
  heartbeatSeconds: number;
  logger: Logger;
};

export const invalid = (what: string): FaultError => new FaultError('placement.invalid', what);

const refuse = (what: string): FaultError => invalid(`pgBoss() was given ${what}`);

/** Checks what was given, and fills in the rest. @throws FaultError `placement.invalid` */
export const settle = (given: string | PgBossOptions): Settled => {
  const options = typeof given === 'string' ? { url: given } : given;
  const { url, pool, schema = 'pgboss', maxConnections = 4, heartbeatSeconds = 10, logger = console } = options;
  if ((url === undefined) === (pool === undefined))
    throw refuse(
      `${url === undefined ? 'neither a url nor a pool' : 'a url and a pool'}. Give it one of the two: "postgres://user:password@host:port/database", or a pool of the package pg.`,
    );
  if (!/^[a-z_][a-z0-9_]{0,49}$/i.test(schema) || /^pg_/i.test(schema))
    throw refuse(
      `the schema "${schema}". Expected at most 50 letters, digits and "_", no digit first, and not "pg_" as the server's own.`,
    );
  for (const [name, value, least, most] of [
    ['maxConnections', maxConnections, 2, 10_000],
    ['heartbeatSeconds', heartbeatSeconds, 10, 3_600],
  ] as const)
    if (!Number.isInteger(value) || value < least || value > most)
      throw refuse(`${name} ${value}. Expected a whole number from ${least} to ${most}.`);
  const made = pool ?? open(url ?? '', maxConnections);
  return { pool: made, isOwn: pool === undefined, name: nameOf(made), schema, heartbeatSeconds, logger };
};

const open = (url: string, max: number): pg.Pool => {
  if (!/^postgres(ql)?:\/\//.test(url))
    throw refuse(
      `a url that begins with "${/^[a-z+.-]{0,20}:/i.exec(url)?.[0] ?? 'no scheme'}". Expected "postgres://user:password@host:port/database".`,
    );
  keepSecretsOfUrl(url);
  keepSecret(process.env.PGPASSWORD ?? '');
  const options = {
    connectionString: url,
    max,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    allowExitOnIdle: true,
    fallback_application_name: 'troupe',
  };
  try {
    // What is wrong with the url is found only where a connection is made of it.
    new pg.Client(options);
    return new pg.Pool(options);
  } catch {
    // The error itself may hold the url.
    throw refuse('a url that cannot be understood. Expected "postgres://user:password@host:port/database".');
  }
};

const nameOf = (pool: pg.Pool): string => {
  const { host, port, database } = new pg.Client(pool.options);
  return `the database "${database}" at ${host.startsWith('/') ? host : `${host}:${port}`}`;
};
