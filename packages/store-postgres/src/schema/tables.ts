/**
 * The tables. What is JSON is of type `json`, not `jsonb`: it comes back by the letter, its keys in their order, and it may hold every
 * text, zero bytes and halves of characters included, which `jsonb` refuses. What is looked for is a column beside it.
 *
 * Ids are stored as they stand inside a JSON string, so that any text is one; of nearly all ids that is the id itself.
 * Times are epoch milliseconds as programs gave them; only leases are measured by the clock of the database.
 */

export const tables = `
CREATE TABLE meta (
  name text PRIMARY KEY,
  value bigint NOT NULL
);

-- Who writes here. The answer to the last batch is kept, so that one whose answer was lost may be sent again.
CREATE TABLE stores (
  id text PRIMARY KEY,
  batch bigint NOT NULL,
  answer json,
  at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE owners (
  owner text PRIMARY KEY,
  store text NOT NULL,
  lease_until timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX owners_by_store ON owners (store);

CREATE TABLE claims (
  run_id text PRIMARY KEY,
  owner text NOT NULL,
  epoch bigint NOT NULL
);
CREATE INDEX claims_by_owner ON claims (owner);

CREATE TABLE runs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id text NOT NULL UNIQUE,
  root_id text NOT NULL,
  parent_id text,
  agent text NOT NULL,
  status text NOT NULL,
  ended boolean NOT NULL,
  quota text,
  sent_to text,
  unit_of text,
  detached boolean NOT NULL,
  seq bigint NOT NULL,
  created_at double precision NOT NULL,
  ended_at double precision,
  data json NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX runs_by_root ON runs (root_id, ended, ended_at);
CREATE INDEX runs_by_status ON runs (status, id);
CREATE INDEX runs_by_session ON runs (sent_to, id) WHERE sent_to IS NOT NULL;
CREATE INDEX runs_open_by_session ON runs (sent_to, id) WHERE NOT ended AND sent_to IS NOT NULL;
CREATE INDEX runs_by_unit ON runs (unit_of, id) WHERE unit_of IS NOT NULL;
CREATE INDEX runs_by_quota ON runs (quota) WHERE quota IS NOT NULL;

CREATE TABLE jobs (
  run_id text PRIMARY KEY,
  data json NOT NULL
);

CREATE TABLE checkpoints (
  run_id text PRIMARY KEY,
  data json NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- tx is the transaction that wrote an event, n its place in it: where a reader over all trees stands.
CREATE TABLE events (
  tx bigint NOT NULL,
  n integer NOT NULL,
  root_id text NOT NULL,
  root_seq bigint NOT NULL,
  run_id text NOT NULL,
  seq bigint NOT NULL,
  type text NOT NULL,
  at double precision NOT NULL,
  data json NOT NULL,
  heard json,
  whole bigint,
  PRIMARY KEY (tx, n),
  UNIQUE (root_id, root_seq),
  UNIQUE (run_id, seq)
);
CREATE UNIQUE INDEX events_one_end ON events (run_id)
  WHERE type IN ('run.completed', 'run.failed', 'run.interrupted');
CREATE INDEX events_questions ON events (run_id) WHERE type = 'question.asked';

-- What runs heard stands beside the first event of the step that came of it; here, when nothing was said.
CREATE TABLE quiet_steps (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id text NOT NULL,
  seq bigint NOT NULL,
  heard json NOT NULL,
  whole bigint NOT NULL
);
CREATE INDEX quiet_steps_by_run ON quiet_steps (run_id, seq);

-- Of a message to a session, run_id is the run that sent it. sender: the store of the process that may wait for the receipt.
CREATE TABLE mail (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  mail_id text NOT NULL UNIQUE,
  run_id text NOT NULL,
  session text,
  at double precision NOT NULL,
  message json NOT NULL,
  sender text,
  receipt json
);
CREATE INDEX mail_by_run ON mail (run_id);
CREATE INDEX mail_unanswered ON mail (run_id, id) WHERE receipt IS NULL AND session IS NULL;
CREATE INDEX mail_to_sessions ON mail (session, id) WHERE receipt IS NULL AND session IS NOT NULL;

CREATE TABLE memories (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  scope text NOT NULL,
  key text NOT NULL,
  value json NOT NULL,
  folded text NOT NULL,
  UNIQUE (scope, key)
);

INSERT INTO meta (name, value) VALUES ('schema', 0), ('before', 0),
  ('secret', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint);
`;

/** For people at a psql prompt. */
export const views = `
-- What is JSON, so that its parts can be looked at: texts that PostgreSQL cannot hold are replaced where it has to.
CREATE FUNCTION readable(data json) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN data::jsonb;
EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
  RETURN regexp_replace(data::text, '\\\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::jsonb;
END $$;

CREATE FUNCTION time_of(ms double precision) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
  SELECT to_timestamp(ms / 1000.0)
$$;

CREATE VIEW questions AS
SELECT
  asked.of -> 'question' ->> 'id' AS question_id,
  CASE WHEN answered.of IS NOT NULL THEN 'answered' WHEN runs.ended THEN 'dropped' ELSE 'open' END AS status,
  asked.run_id,
  asked.root_id,
  asked.of ->> 'agent' AS agent,
  asked.of -> 'question' ->> 'kind' AS kind,
  asked.of -> 'question' ->> 'tool' AS tool,
  asked.of -> 'question' ->> 'prompt' AS prompt,
  asked.of -> 'question' -> 'arguments' AS arguments,
  time_of(asked.at) AS asked_at,
  answered.of -> 'answer' AS answer,
  answered.of ->> 'by' AS answered_by,
  time_of(answered.at) AS answered_at
FROM (SELECT *, readable(data) AS of FROM events WHERE type = 'question.asked') AS asked
LEFT JOIN runs ON runs.run_id = asked.run_id
LEFT JOIN LATERAL (
  SELECT each.at, readable(each.data) AS of FROM events AS each
  WHERE each.run_id = asked.run_id AND each.type = 'question.answered'
    AND readable(each.data) ->> 'questionId' = asked.of -> 'question' ->> 'id'
) AS answered ON true;

-- Calls of a run are answered in the order in which they were started: the n-th answer belongs to the n-th call.
CREATE VIEW calls AS
WITH
  started AS (
    SELECT *, readable(data) AS of, row_number() OVER (PARTITION BY run_id ORDER BY seq) AS nth
    FROM events WHERE type = 'call.started'
  ),
  answered AS (
    SELECT *, readable(data) AS of, row_number() OVER (PARTITION BY run_id ORDER BY seq) AS nth
    FROM events WHERE type IN ('call.completed', 'call.failed')
  )
SELECT
  started.run_id,
  started.nth AS n,
  started.root_id,
  started.of ->> 'agent' AS agent,
  started.of ->> 'callId' AS call_id,
  started.of ->> 'tool' AS tool,
  started.of -> 'arguments' AS arguments,
  time_of(started.at) AS started_at,
  CASE answered.type
    WHEN 'call.completed' THEN 'ok'
    WHEN 'call.failed' THEN coalesce(answered.of ->> 'status', 'error')
    ELSE 'unanswered'
  END AS status,
  answered.of ->> 'result' AS result,
  time_of(answered.at) AS answered_at,
  answered.at - started.at AS took_ms
FROM started
LEFT JOIN answered ON answered.run_id = started.run_id AND answered.nth = started.nth;

CREATE VIEW journal AS
WITH steps AS (
  SELECT run_id, seq, 1 AS said, n AS id, heard, whole FROM events WHERE heard IS NOT NULL
  UNION ALL
  SELECT run_id, seq + 1, 0, id, heard, whole FROM quiet_steps
)
SELECT
  steps.run_id,
  (entry.value ->> 'seq')::bigint AS after_seq,
  time_of((entry.value ->> 'at')::double precision) AS at,
  entry.value -> 'heard' ->> 'type' AS type,
  entry.value -> 'heard' AS heard
FROM steps, jsonb_array_elements(readable(steps.heard)) WITH ORDINALITY AS entry (value, nth)
ORDER BY steps.run_id, steps.seq, steps.said, steps.id, entry.nth;
`;
