/**
 * The tables. What is JSON is TEXT that a person can read with the sqlite3 shell; what is looked for, or looked at most, is a
 * column beside it. No column is GENERATED: SQLite would parse the JSON at every write. The README explains every table.
 *
 * Each table and each index that a step changes is another page on the disk, 4 KB whatever was changed. So runs are known by
 * numbers, which need no index of their own, and where a run stands is a column of its row.
 */
import type { DatabaseSync } from 'node:sqlite';

/** "Trpe" in ASCII: by this a file is known for one of ours. */
export const applicationId = 0x54727065;

const first = `
PRAGMA application_id = ${applicationId};

CREATE TABLE owners (
  owner TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started TEXT,
  lease_until INTEGER NOT NULL
) WITHOUT ROWID;

-- Who may write a run, and the number by which every other table knows it. Roots that were only named have no owner.
CREATE TABLE claims (
  run INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  owner TEXT,
  epoch INTEGER NOT NULL
);

CREATE TABLE runs (
  run INTEGER PRIMARY KEY,
  root INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  root_id TEXT NOT NULL,
  parent_id TEXT,
  agent TEXT NOT NULL,
  status TEXT NOT NULL,
  ended INTEGER NOT NULL,
  quota TEXT,
  sent_to TEXT,
  unit_of TEXT,
  seq INTEGER NOT NULL,
  created_at INTEGER,
  ended_at INTEGER,
  data TEXT NOT NULL,
  checkpoint TEXT
);
CREATE INDEX runs_by_root ON runs (root, ended, ended_at);
CREATE INDEX runs_by_status ON runs (status);
CREATE INDEX runs_by_session ON runs (sent_to) WHERE sent_to IS NOT NULL;
CREATE INDEX runs_open_by_session ON runs (sent_to) WHERE ended = 0 AND sent_to IS NOT NULL;
CREATE INDEX runs_by_unit ON runs (unit_of) WHERE unit_of IS NOT NULL;
CREATE INDEX runs_by_quota ON runs (quota) WHERE quota IS NOT NULL;

CREATE TABLE jobs (
  run INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
  data TEXT NOT NULL
);

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  root INTEGER NOT NULL,
  root_seq INTEGER NOT NULL,
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  at INTEGER,
  data TEXT NOT NULL,
  -- What the run heard before the step whose first event this is, and how many events its tree had once that was written.
  heard TEXT,
  whole INTEGER,
  UNIQUE (root, root_seq),
  UNIQUE (run, seq)
);
CREATE UNIQUE INDEX events_one_end ON events (run)
  WHERE type IN ('run.completed', 'run.failed', 'run.interrupted');
CREATE INDEX events_questions ON events (run) WHERE type = 'question.asked';

-- What was heard before a step without events.
CREATE TABLE quiet_steps (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  heard TEXT NOT NULL,
  whole INTEGER NOT NULL
);
CREATE INDEX quiet_steps_by_run ON quiet_steps (run);

-- Of a message to a session, run_id is the run that sent it; of another one, the run that it is for. Either may not be there yet.
CREATE TABLE mail (
  id INTEGER PRIMARY KEY,
  mail_id TEXT NOT NULL UNIQUE,
  run_id TEXT NOT NULL,
  session TEXT,
  at INTEGER NOT NULL,
  message TEXT NOT NULL,
  receipt TEXT
);
CREATE INDEX mail_by_run ON mail (run_id);
CREATE INDEX mail_unanswered ON mail (id) WHERE receipt IS NULL AND session IS NULL;
CREATE INDEX mail_to_sessions ON mail (session) WHERE receipt IS NULL AND session IS NOT NULL;
CREATE INDEX mail_to_sessions_answered ON mail (run_id) WHERE receipt IS NOT NULL AND session IS NOT NULL;

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
  claims.run_id,
  runs.root_id,
  runs.agent,
  asked.data ->> '$.question.kind' AS kind,
  asked.data ->> '$.question.tool' AS tool,
  asked.data ->> '$.question.prompt' AS prompt,
  asked.data ->> '$.question.arguments' AS arguments,
  strftime('%Y-%m-%d %H:%M:%f', asked.at / 1000.0, 'unixepoch') AS asked_at,
  answered.data ->> '$.answer' AS answer,
  answered.data ->> '$.by' AS answered_by,
  strftime('%Y-%m-%d %H:%M:%f', answered.at / 1000.0, 'unixepoch') AS answered_at
FROM claims
JOIN runs USING (run)
JOIN events AS asked USING (run)
LEFT JOIN events AS answered
  ON answered.run = asked.run
  AND answered.type = 'question.answered'
  AND answered.data ->> '$.questionId' = asked.data ->> '$.question.id'
WHERE asked.type = 'question.asked';

-- Calls of a run are answered in the order in which they were started: the n-th answer belongs to the n-th call.
CREATE VIEW calls AS
WITH
  started AS (
    SELECT run_id, events.*, row_number() OVER (PARTITION BY run_id ORDER BY seq) AS n
    FROM claims JOIN events USING (run) WHERE type = 'call.started'
  ),
  answered AS (
    SELECT run_id, events.*, row_number() OVER (PARTITION BY run_id ORDER BY seq) AS n
    FROM claims JOIN events USING (run) WHERE type IN ('call.completed', 'call.failed')
  )
SELECT
  started.run_id,
  started.n,
  runs.root_id,
  runs.agent,
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
JOIN runs ON runs.run = started.run
LEFT JOIN answered ON answered.run_id = started.run_id AND answered.n = started.n;

CREATE VIEW journal AS
WITH steps AS (
  SELECT run_id, run, seq, 1 AS said, id, heard FROM claims JOIN events USING (run) WHERE heard IS NOT NULL
  UNION ALL
  SELECT run_id, run, seq + 1, 0, id, heard FROM claims JOIN quiet_steps USING (run)
)
SELECT
  steps.run_id,
  entry.value ->> '$.seq' AS after_seq,
  strftime('%Y-%m-%d %H:%M:%f', (entry.value ->> '$.at') / 1000.0, 'unixepoch') AS at,
  entry.value ->> '$.heard.type' AS type,
  entry.value -> '$.heard' AS heard
FROM steps, json_each(steps.heard) AS entry
ORDER BY steps.run, steps.seq, steps.said, steps.id, entry.key;
`;

/** What brings a file from each version to the next. Numbered by its place, and never changed once published. */
export const migrations: readonly string[] = [first];

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
