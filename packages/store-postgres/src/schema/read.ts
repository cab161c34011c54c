/** How all trees are read, in one order that never changes behind a reader. */

/** @param space The number that the locks of this schema are told by. */
export const readFunctions = (space: number): string => `
-- Up to where the order of all trees is known for good: whatever has a lower number is written or never will be. What others do in this
-- cluster, however long it takes, does not count: who holds none of our locks and has a number already will write none of our events.
-- Is asked before the events are read, in a statement of its own.
CREATE FUNCTION horizon(OUT upto bigint, OUT blocked boolean) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  snap pg_snapshot;
  ours xid8;
  unsure boolean;
BEGIN
  FOR attempt IN 1..50 LOOP
    SELECT pg_current_snapshot() INTO snap;
    WITH
      locks AS MATERIALIZED (SELECT pid, locktype, classid, transactionid, mode FROM pg_locks
        WHERE granted AND locktype IN ('transactionid', 'advisory')),
      writing AS (
        SELECT number, holder.pid IS NULL AS unsure FROM pg_snapshot_xip(snap) AS number
        LEFT JOIN locks AS holder ON holder.locktype = 'transactionid' AND holder.mode = 'ExclusiveLock'
          AND holder.transactionid = number::xid
        WHERE holder.pid IS NULL OR EXISTS (
          SELECT 1 FROM locks WHERE locks.pid = holder.pid AND locks.locktype = 'advisory' AND locks.classid::bigint = ${space})
      )
    SELECT min(number), coalesce(bool_or(writing.unsure), false) INTO ours, unsure FROM writing;
    -- One that has just ended, or has just begun, shows no lock.
    EXIT WHEN NOT unsure;
  END LOOP;
  blocked := ours IS NOT NULL;
  SELECT value + coalesce(ours, pg_snapshot_xmax(snap))::text::bigint INTO upto FROM meta WHERE name = 'before';
END $$;

-- Where a store hears. PostgreSQL lets everybody listen everywhere and say anything: who may not read the tables does not know where.
CREATE FUNCTION channel(store text) RETURNS text LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
  SELECT 'troupe:' || substr(encode(sha256(convert_to(value || ' ' || store, 'UTF8')), 'hex'), 1, 40) FROM meta WHERE name = 'secret'
$$;

CREATE FUNCTION read_all(after_tx bigint, after_n bigint, most int, bytes bigint)
RETURNS TABLE (tx bigint, n int, root_seq bigint, seq bigint, data text, found bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  upto bigint;
BEGIN
  SELECT horizon.upto INTO upto FROM horizon();
  RETURN QUERY SELECT page.tx, page.n, page.root_seq, page.seq, page.data::text, page.found FROM (
    SELECT *, count(*) OVER () AS found,
      sum(pg_column_size(each.data)) OVER (ORDER BY each.tx, each.n) - pg_column_size(each.data) AS before FROM (
      SELECT * FROM events WHERE (events.tx, events.n) > (after_tx, after_n) AND events.tx < upto
      ORDER BY events.tx, events.n LIMIT most
    ) AS each
  ) AS page WHERE page.before < bytes ORDER BY page.tx, page.n;
END $$;
`;
