/**
 * The tables. What is JSON is TEXT that a person can read with the sqlite3 shell; what is looked for, or looked at most, is a
 * column beside it. No column is GENERATED: SQLite would parse the JSON at every write. The README explains every table.
 */
import type { DatabaseSync } from 'node:sqlite';

/** "Trou" in ASCII: by this a file is known for one of ours. */
export const applicationId = 0x54726f75;

/** A view of all calls. The first version called it otherwise; its text is part of both, and stays. */
const callsAs = (
  name: string,
): string => `-- Calls of a run are answered in the order in which they were started: the n-th answer belongs to the n-th call.
CREATE VIEW ${name} AS
WITH
  started AS (
    SELECT *, row_number() OVER (PARTITION BY run_id ORDER BY seq) AS n FROM events WHERE type = 'call.started'
  ),
  answered AS (
    SELECT *, row_number() OVER (PARTITION BY run_id ORDER BY seq) AS n FROM events
    WHERE type IN ('call.completed', 'call.failed')
  )
SELECT
  started.run_id,
  started.n,
  started.root_id,
  started.data ->> '$.agent' AS agent,
  started.data ->> '$.callId' AS call_id,
  started.data ->> '$.tool' AS tool,
  started.data ->> '$.arguments' AS arguments,
  strftime('%Y-%m-%d %H:%M:%f', started.at / 1000.0, 'unixepoch') AS started_at,
  CASE answered.type
    WHEN 'call.completed' THEN 'ok'
    WHEN 'call.failed' THEN coalesce(answered.data ->> '$.status', 'error')
    ELSE 'unanswered'
  END AS status,
  answered.data ->> '$.result' AS result,
  strftime('%Y-%m-%d %H:%M:%f', answered.at / 1000.0, 'unixepoch') AS answered_at,
  answered.at - started.at AS took_ms
FROM started
LEFT JOIN answered ON answered.run_id = started.run_id AND answered.n = started.n;`;

const first = `
PRAGMA application_id = ${applicationId};

CREATE TABLE owners (
  owner TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started TEXT,
  lease_until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE claims (
  run_id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  epoch INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  root_id TEXT NOT NULL,
  parent_id TEXT,
  agent TEXT NOT NULL,
  status TEXT NOT NULL,
  ended INTEGER NOT NULL,
  quota TEXT,
  sent_to TEXT,
  seq INTEGER NOT NULL,
  created_at INTEGER,
  ended_at INTEGER,
  data TEXT NOT NULL
);
CREATE INDEX runs_by_root ON runs (root_id, ended, ended_at);
CREATE INDEX runs_by_status ON runs (status);
CREATE INDEX runs_by_session ON runs (sent_to) WHERE sent_to IS NOT NULL;
CREATE INDEX runs_by_quota ON runs (quota) WHERE quota IS NOT NULL;

CREATE TABLE jobs (
  run_id TEXT PRIMARY KEY REFERENCES runs (run_id) ON DELETE CASCADE,
  data TEXT NOT NULL
);

CREATE TABLE checkpoints (
  run_id TEXT PRIMARY KEY REFERENCES runs (run_id) ON DELETE CASCADE,
  data TEXT NOT NULL
);

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  root_id TEXT NOT NULL,
  root_seq INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  at INTEGER,
  data TEXT NOT NULL,
  UNIQUE (root_id, root_seq),
  UNIQUE (run_id, seq)
);
CREATE UNIQUE INDEX events_one_end ON events (run_id)
  WHERE type IN ('run.completed', 'run.failed', 'run.interrupted');
CREATE INDEX events_questions ON events (run_id) WHERE type = 'question.asked';

CREATE TABLE memories (
  id INTEGER PRIMARY KEY,
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  UNIQUE (scope, key)
);
CREATE VIRTUAL TABLE memories_text USING fts5 (
  text, content = '', contentless_delete = 1, tokenize = 'trigram case_sensitive 1'
);

CREATE VIEW questions AS
SELECT
  asked.data ->> '$.question.id' AS question_id,
  CASE
    WHEN answered.id IS NOT NULL THEN 'answered'
    WHEN runs.ended THEN 'dropped'
    ELSE 'open'
  END AS status,
  asked.run_id,
  asked.root_id,
  asked.data ->> '$.agent' AS agent,
  asked.data ->> '$.question.kind' AS kind,
  asked.data ->> '$.question.tool' AS tool,
  asked.data ->> '$.question.prompt' AS prompt,
  asked.data ->> '$.question.arguments' AS arguments,
  strftime('%Y-%m-%d %H:%M:%f', asked.at / 1000.0, 'unixepoch') AS asked_at,
  answered.data ->> '$.answer' AS answer,
  answered.data ->> '$.by' AS answered_by,
  strftime('%Y-%m-%d %H:%M:%f', answered.at / 1000.0, 'unixepoch') AS answered_at
FROM events AS asked
LEFT JOIN runs ON runs.run_id = asked.run_id
LEFT JOIN events AS answered
  ON answered.run_id = asked.run_id
  AND answered.type = 'question.answered'
  AND answered.data ->> '$.questionId' = asked.data ->> '$.question.id'
WHERE asked.type = 'question.asked';

${callsAs('journal')}
`;

/** What runs heard, and messages to them. */
const second = `
ALTER TABLE events ADD COLUMN heard TEXT;
ALTER TABLE events ADD COLUMN whole INTEGER;

-- What runs heard stands beside the first event of the step that came of it; here, when nothing was said.
CREATE TABLE quiet_steps (
  id INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  heard TEXT NOT NULL,
  whole INTEGER NOT NULL
);
CREATE INDEX quiet_steps_by_run ON quiet_steps (run_id);

CREATE TABLE mail (
  id INTEGER PRIMARY KEY,
  mail_id TEXT NOT NULL UNIQUE,
  run_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  message TEXT NOT NULL,
  receipt TEXT
);
CREATE INDEX mail_by_run ON mail (run_id);
CREATE INDEX mail_unanswered ON mail (id) WHERE receipt IS NULL;

DROP VIEW journal;

${callsAs('calls')}

CREATE VIEW journal AS
WITH steps AS (
  SELECT run_id, seq, 1 AS said, id, heard, whole FROM events WHERE heard IS NOT NULL
  UNION ALL
  SELECT run_id, seq + 1, 0, id, heard, whole FROM quiet_steps
)
SELECT
  steps.run_id,
  entry.value ->> '$.seq' AS after_seq,
  strftime('%Y-%m-%d %H:%M:%f', (entry.value ->> '$.at') / 1000.0, 'unixepoch') AS at,
  entry.value ->> '$.heard.type' AS type,
  entry.value -> '$.heard' AS heard
FROM steps, json_each(steps.heard) AS entry
ORDER BY steps.run_id, steps.seq, steps.said, steps.id, entry.key;
`;

/** Messages to sessions, and runs in the background of one. */
const third = `
ALTER TABLE runs ADD COLUMN unit_of TEXT;
CREATE INDEX runs_by_unit ON runs (unit_of) WHERE unit_of IS NOT NULL;

-- Of a message to a session: which. run_id is then the run that sent it.
ALTER TABLE mail ADD COLUMN session TEXT;
DROP INDEX mail_unanswered;
CREATE INDEX mail_unanswered ON mail (id) WHERE receipt IS NULL AND session IS NULL;
CREATE INDEX mail_to_sessions ON mail (session) WHERE receipt IS NULL AND session IS NOT NULL;
CREATE INDEX mail_to_sessions_answered ON mail (run_id) WHERE receipt IS NOT NULL AND session IS NOT NULL;
`;

/** What brings a file from each version to the next. Numbered by its place, and never changed once published. */
export const migrations: readonly string[] = [first, second, third];

/** The version of a file's tables: 0 when it has none. */
export const versionOf = (db: DatabaseSync): number => {
  const has = db.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'`).get();
  if (!has) return 0;
  return Number(db.prepare(`SELECT value FROM meta WHERE name = 'schema'`).get()?.value ?? 0);
};

/** Brings the tables up to date, all at once or not at all. Another process may be doing the same. */
export const migrate = (db: DatabaseSync, steps: readonly string[] = migrations): void => {
  if (versionOf(db) >= steps.length) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    const version = versionOf(db);
    if (version === 0) db.exec('CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID');
    for (const step of steps.slice(version)) db.exec(step);
    db.prepare(`INSERT OR REPLACE INTO meta (name, value) VALUES ('schema', CAST(? AS INTEGER))`).run(
      Math.max(version, steps.length),
    );
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
};
