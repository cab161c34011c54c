/**
 * How everything is written: one call of `write`, one transaction, one round trip.
 *
 * The trees that a batch writes, and the sessions that it goes on with, are locked before the transaction gets its number. So of one tree
 * the numbers come in the order of its commits, and whoever has a number and may still write an event holds such a lock: `horizon` rests
 * on both.
 *
 * An outcome names the stores that it concerns: those of whoever executes the runs that were left messages, and of whoever posted the
 * messages that were answered. Nobody waits for a receipt of what a commit left, and who minds a session is not known here: both are
 * found by whoever looks. Nor is anybody told in the transaction itself, for PostgreSQL commits those that notify one after another.
 */

/** @param space Told apart from the locks of other schemas by this number. */
export const writeFunctions = (space: number): string => `
-- Why a step must not be written; NULL when it may.
CREATE FUNCTION refusal_of(step jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  its claims%ROWTYPE;
  known record;
  newest text;
BEGIN
  SELECT * INTO its FROM claims WHERE run_id = step ->> 'runId' FOR UPDATE;
  IF NOT (its.run_id IS NULL AND (step ->> 'epoch')::bigint = 1)
    AND (its.owner IS DISTINCT FROM step ->> 'owner' OR its.epoch IS DISTINCT FROM (step ->> 'epoch')::bigint) THEN
    RETURN jsonb_build_object('code', 'fenced', 'step', step -> 'nth', 'owner', its.owner, 'epoch', coalesce(its.epoch, 0));
  END IF;
  IF step ? 'before' THEN
    SELECT (step -> 'before' ->> 'seq')::bigint AS seq, (step -> 'before' ->> 'ended')::boolean AS ended,
      step -> 'before' ->> 'status' AS status INTO known;
  ELSE
    SELECT seq, ended, status INTO known FROM runs WHERE run_id = step ->> 'runId';
  END IF;
  IF known.ended THEN
    RETURN jsonb_build_object('code', 'ended', 'step', step -> 'nth', 'status', known.status);
  END IF;
  IF coalesce(known.seq, 0) <> (step ->> 'seq')::bigint THEN
    RETURN jsonb_build_object('code', 'conflict', 'step', step -> 'nth', 'seq', coalesce(known.seq, 0));
  END IF;
  IF step ? 'turn' AND known.seq IS NULL THEN
    SELECT run_id INTO newest FROM runs WHERE sent_to = step -> 'turn' ->> 'session' ORDER BY id DESC LIMIT 1;
    IF newest IS NOT NULL AND newest IS DISTINCT FROM step -> 'turn' ->> 'after' THEN
      RETURN jsonb_build_object('code', 'overtaken', 'step', step -> 'nth', 'newest', newest);
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION write_row(step jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  its jsonb := step -> 'row';
  run text := step ->> 'runId';
BEGIN
  INSERT INTO runs (run_id, root_id, parent_id, agent, status, ended, quota, sent_to, unit_of, detached, seq, created_at, ended_at, data)
  VALUES (run, step ->> 'rootId', its ->> 'parentId', its ->> 'agent', step ->> 'status', (step ->> 'ended')::boolean,
    its ->> 'quota', its ->> 'sentTo', its ->> 'unitOf', its ? 'detached', (step ->> 'seq')::bigint + jsonb_array_length(step -> 'events'),
    (its ->> 'createdAt')::double precision, (its ->> 'endedAt')::double precision, texts[(its ->> 'data')::int]::json)
  ON CONFLICT (run_id) DO UPDATE SET
    seq = excluded.seq, data = excluded.data, status = excluded.status, ended = excluded.ended, ended_at = excluded.ended_at,
    detached = excluded.detached;
  IF its ? 'job' THEN
    INSERT INTO jobs (run_id, data) VALUES (run, texts[(its ->> 'job')::int]::json)
    ON CONFLICT (run_id) DO UPDATE SET data = excluded.data;
  END IF;
END $$;

-- A step that was checked. whole: the place of the last event of its commit. Gives back the stores that it concerns.
CREATE FUNCTION write_step(step jsonb, texts text[], tx bigint, n int, place bigint, whole bigint)
RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  holders text[];
  senders text[];
  run text := step ->> 'runId';
  before bigint := (step ->> 'seq')::bigint;
  first int := (step ->> 'data')::int;
  its_heard json := texts[(step ->> 'heard')::int]::json;
  said int := jsonb_array_length(step -> 'events');
BEGIN
  IF (step ->> 'epoch')::bigint = 1 AND NOT EXISTS (SELECT 1 FROM claims WHERE run_id = run) THEN
    INSERT INTO claims (run_id, owner, epoch) VALUES (run, step ->> 'owner', 1) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      RAISE serialization_failure USING MESSAGE = 'Somebody else has claimed a new run at this moment.';
    END IF;
  END IF;
  IF step ? 'row' THEN
    PERFORM write_row(step, texts);
  END IF;
  IF (step ->> 'ended')::boolean THEN
    DELETE FROM checkpoints WHERE run_id = run;
  ELSIF step ? 'checkpoint' THEN
    INSERT INTO checkpoints (run_id, data) VALUES (run, texts[(step ->> 'checkpoint')::int]::json)
    ON CONFLICT (run_id) DO UPDATE SET data = excluded.data;
  END IF;
  IF said > 0 THEN
    INSERT INTO events (tx, n, root_id, root_seq, run_id, seq, type, at, data, heard, whole)
    SELECT write_step.tx, write_step.n + each.i, step ->> 'rootId', place + each.i, run, before + each.i,
      each.event ->> 0, (each.event ->> 1)::double precision, texts[first + each.i - 1]::json,
      CASE WHEN each.i = 1 THEN its_heard END, CASE WHEN each.i = 1 AND its_heard IS NOT NULL THEN write_step.whole END
    FROM jsonb_array_elements(step -> 'events') WITH ORDINALITY AS each (event, i);
  ELSIF its_heard IS NOT NULL THEN
    INSERT INTO quiet_steps (run_id, seq, heard, whole) VALUES (run, before, its_heard, write_step.whole);
  END IF;
  IF step ? 'mail' THEN
    WITH written AS (
      INSERT INTO mail (mail_id, run_id, session, at, message)
      SELECT its ->> 'id', its ->> 'runId', its ->> 'session', (its ->> 'at')::double precision, texts[(its ->> 'message')::int]::json
      FROM jsonb_array_elements(step -> 'mail') WITH ORDINALITY AS left_here (its, i) ORDER BY i
      ON CONFLICT DO NOTHING RETURNING run_id, session
    )
    -- A question for each, so that no plan reads whole tables for it.
    SELECT array_agg(DISTINCT store) FILTER (WHERE store IS NOT NULL) INTO holders FROM (
      SELECT (SELECT store FROM claims JOIN owners USING (owner) WHERE claims.run_id = written.run_id) AS store
      FROM written WHERE session IS NULL
    ) AS holder;
  END IF;
  IF step ? 'receipts' THEN
    WITH written AS (
      UPDATE mail SET receipt = texts[answered.text]::json
      FROM (
        SELECT DISTINCT ON (each ->> 'id') each ->> 'id' AS id, (each ->> 'receipt')::int AS text
        FROM jsonb_array_elements(step -> 'receipts') WITH ORDINALITY AS all_of (each, i) ORDER BY each ->> 'id', i
      ) AS answered
      WHERE mail.mail_id = answered.id AND mail.receipt IS NULL RETURNING sender
    )
    SELECT array_agg(DISTINCT sender) FILTER (WHERE sender IS NOT NULL) INTO senders FROM written;
  END IF;
  RETURN holders || senders;
END $$;

CREATE FUNCTION outcome_of(given jsonb, concerned text[]) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('given', given)
    || CASE WHEN concerned <> '{}' THEN jsonb_build_object('concerned', concerned) ELSE '{}' END
$$;

-- Steps that belong together: where each of them stands, or why none was written.
CREATE FUNCTION write_commit(task jsonb, texts text[], tx bigint, n int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  step jsonb;
  refusal jsonb;
  place bigint;
  whole bigint;
  places jsonb[] := '{}';
  concerned text[] := '{}';
BEGIN
  FOR step IN SELECT value FROM jsonb_array_elements(task -> 'steps') LOOP
    refusal := refusal_of(step);
    IF refusal IS NOT NULL THEN
      RETURN jsonb_build_object('refused', refusal);
    END IF;
  END LOOP;
  SELECT coalesce(max(root_seq), 0) INTO place FROM events WHERE root_id = task ->> 'rootId';
  whole := place + (task ->> 'said')::int;
  FOR step IN SELECT value FROM jsonb_array_elements(task -> 'steps') LOOP
    concerned := concerned || write_step(step, texts, tx, n, place, whole);
    places := places || to_jsonb(place + 1);
    n := n + jsonb_array_length(step -> 'events');
    place := place + jsonb_array_length(step -> 'events');
  END LOOP;
  RETURN outcome_of(to_jsonb(places), concerned);
END $$;

CREATE FUNCTION lease(its_owner text, its_store text, until timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO owners (owner, store, lease_until) VALUES (its_owner, its_store, until)
  ON CONFLICT (owner) DO UPDATE SET store = excluded.store, lease_until = excluded.lease_until
$$;

-- The epoch of a claim; NULL when somebody else holds the run.
CREATE FUNCTION write_claim(task jsonb, its_store text, now timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  run text := task ->> 'runId';
  claimant text := task ->> 'owner';
  its claims%ROWTYPE;
BEGIN
  INSERT INTO claims (run_id, owner, epoch) VALUES (run, claimant, 0) ON CONFLICT DO NOTHING;
  SELECT * INTO its FROM claims WHERE run_id = run FOR UPDATE;
  IF its.owner <> claimant
    AND EXISTS (SELECT 1 FROM owners WHERE owner = its.owner AND lease_until > now)
    AND NOT EXISTS (SELECT 1 FROM runs WHERE run_id = run AND ended) THEN
    RETURN NULL;
  END IF;
  PERFORM lease(claimant, its_store, now + (task ->> 'leaseMs')::double precision * interval '1 millisecond');
  UPDATE claims SET owner = claimant, epoch = its.epoch + 1 WHERE run_id = run;
  RETURN its.epoch + 1;
END $$;

CREATE FUNCTION withdraw(its_id text, its_receipt json) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  known text;
BEGIN
  UPDATE mail SET receipt = its_receipt WHERE mail_id = its_id AND receipt IS NULL;
  SELECT receipt::text INTO known FROM mail WHERE mail_id = its_id;
  RETURN known;
END $$;

-- Forgets a tree, unless it goes on or has ended later: its id may have been used again since it was looked for.
CREATE FUNCTION forget_tree(root text, older_than double precision) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  its_runs text[];
BEGIN
  IF EXISTS (SELECT 1 FROM runs WHERE root_id = root AND (NOT ended OR ended_at >= older_than)) THEN
    RETURN false;
  END IF;
  SELECT array_agg(run_id) INTO its_runs FROM runs WHERE root_id = root;
  DELETE FROM events WHERE root_id = root;
  DELETE FROM quiet_steps WHERE run_id = ANY (its_runs);
  DELETE FROM mail WHERE run_id = ANY (its_runs) AND (session IS NULL OR receipt IS NOT NULL);
  DELETE FROM claims WHERE run_id = ANY (its_runs);
  DELETE FROM checkpoints WHERE run_id = ANY (its_runs);
  DELETE FROM jobs WHERE run_id = ANY (its_runs);
  DELETE FROM runs WHERE root_id = root;
  RETURN its_runs IS NOT NULL;
END $$;

-- What no tree takes along: what was answered only after its sender was forgotten, or was sent by no run, and claims on runs that
-- were never written, by owners that are gone.
CREATE FUNCTION forget_loose(older_than double precision, sent_to text) RETURNS void LANGUAGE sql AS $$
  DELETE FROM mail WHERE session IS NOT NULL AND receipt IS NOT NULL
    AND at < older_than AND session = coalesce(sent_to, session)
    AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.run_id = mail.run_id);
  -- Whoever forgets one session has no time for all others.
  DELETE FROM claims WHERE forget_loose.sent_to IS NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.run_id = claims.run_id)
    AND NOT EXISTS (SELECT 1 FROM owners WHERE owners.owner = claims.owner);
$$;

CREATE FUNCTION write_task(task jsonb, texts text[], its_store text, tx bigint, n int, now timestamptz)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  given jsonb;
  concerned text[];
BEGIN
  CASE task ->> 'type'
    WHEN 'commit' THEN RETURN write_commit(task, texts, tx, n);
    WHEN 'claim' THEN given := to_jsonb(write_claim(task, its_store, now));
    WHEN 'renew' THEN
      PERFORM lease(task ->> 'owner', its_store, now + (task ->> 'leaseMs')::double precision * interval '1 millisecond');
    WHEN 'release' THEN
      IF task ? 'runIds' THEN
        DELETE FROM claims WHERE owner = task ->> 'owner' AND run_id IN (SELECT jsonb_array_elements_text(task -> 'runIds'))
          AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.run_id = claims.run_id);
        UPDATE claims SET owner = '' WHERE owner = task ->> 'owner' AND run_id IN (SELECT jsonb_array_elements_text(task -> 'runIds'));
      ELSE
        DELETE FROM owners WHERE owner = task ->> 'owner';
      END IF;
    WHEN 'post' THEN
      INSERT INTO mail (mail_id, run_id, session, at, message, sender)
      VALUES (task ->> 'id', task ->> 'runId', task ->> 'session', (task ->> 'at')::double precision,
        texts[(task ->> 'message')::int]::json, its_store)
      ON CONFLICT DO NOTHING;
      IF NOT task ? 'session' THEN
        SELECT array_agg(store) INTO concerned FROM claims JOIN owners USING (owner) WHERE run_id = task ->> 'runId';
      END IF;
    WHEN 'withdraw' THEN given := to_jsonb(withdraw(task ->> 'id', texts[(task ->> 'receipt')::int]::json));
    WHEN 'remember' THEN
      INSERT INTO memories (scope, key, value, folded)
      VALUES (task ->> 'scope', task ->> 'key', texts[(task ->> 'value')::int]::json, texts[(task ->> 'folded')::int])
      ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, folded = excluded.folded;
    WHEN 'forgetMemories' THEN
      DELETE FROM memories WHERE scope = task ->> 'scope' AND key = coalesce(task ->> 'key', key);
    WHEN 'forgetLoose' THEN PERFORM forget_loose((task ->> 'olderThan')::double precision, task ->> 'sentTo');
    WHEN 'forgetTrees' THEN
      SELECT to_jsonb(count(*) FILTER (WHERE forget_tree(value, (task ->> 'olderThan')::double precision))) INTO given FROM jsonb_array_elements_text(task -> 'rootIds');
    WHEN 'close' THEN DELETE FROM owners WHERE store = its_store;
  END CASE;
  RETURN outcome_of(given, concerned);
END $$;

-- Does what is asked for, in order, and says what came of each; of a batch that was written before, what it said then.
CREATE FUNCTION write(its_store text, batch_no bigint, tasks jsonb, texts text[], locks text[], now_ms double precision)
RETURNS text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  now timestamptz := coalesce(to_timestamp(now_ms / 1000.0), clock_timestamp());
  last stores%ROWTYPE;
  tx bigint;
  n int := 0;
  task jsonb;
  outcome jsonb;
  outcomes jsonb[] := '{}';
BEGIN
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  -- Whoever waits here for a transaction that nobody ends gives up, and is asked again.
  PERFORM set_config('lock_timeout', '5s', true);
  PERFORM pg_advisory_xact_lock(${space}, key)
    FROM (SELECT DISTINCT hashtext(name) AS key FROM unnest(locks) AS name ORDER BY 1) AS keys;
  INSERT INTO stores (id, batch, at) VALUES (its_store, 0, clock_timestamp()) ON CONFLICT DO NOTHING;
  SELECT * INTO last FROM stores WHERE id = its_store FOR UPDATE;
  IF last.batch >= batch_no THEN
    RETURN last.answer::text;
  END IF;
  SELECT value + pg_current_xact_id()::text::bigint INTO tx FROM meta WHERE name = 'before';
  FOR task IN SELECT value FROM jsonb_array_elements(tasks) LOOP
    outcome := write_task(task, texts, its_store, tx, n, now);
    IF outcome ? 'given' AND task ? 'said' THEN
      n := n + (task ->> 'said')::int;
    END IF;
    outcomes := outcomes || outcome;
  END LOOP;
  IF task ->> 'type' = 'close' THEN
    DELETE FROM stores WHERE id = its_store;
  ELSE
    UPDATE stores SET batch = batch_no, answer = to_json(outcomes), at = clock_timestamp() WHERE id = its_store;
  END IF;
  RETURN to_json(outcomes)::text;
END $$;
`;
