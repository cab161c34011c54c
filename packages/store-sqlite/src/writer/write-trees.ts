/** Forgetting: whole trees in which every run has ended. */
import type { DatabaseSync } from 'node:sqlite';
import type { Tasks } from './messages.ts';

export type TreeWriter = {
  findOld(task: Tasks['findOld']['ask']): Tasks['findOld']['give'];
  forgetTrees(task: Tasks['forgetTrees']['ask']): number;
};

export const openTreeWriter = (db: DatabaseSync): TreeWriter => {
  const oldest = (of: string): string => `
    SELECT claims.run_id AS rootId, (SELECT count(*) FROM events WHERE events.root = old.root) AS events
    FROM (
      SELECT root, max(coalesce(ended_at, 0)) AS ended_at FROM runs
      ${of} GROUP BY root HAVING min(ended) = 1
      ORDER BY 2 DESC, root DESC LIMIT -1 OFFSET :keep
    ) AS old JOIN claims ON claims.run = old.root
    WHERE ended_at < :olderThan`;
  const find = db.prepare(oldest(''));
  const findSent = db.prepare(
    oldest(`WHERE root IN (
      SELECT root FROM runs WHERE sent_to = :sentTo
      UNION ALL SELECT root FROM runs WHERE :units AND unit_of = :sentTo AND sent_to IS NULL)`),
  );
  const noteLast = db.prepare(`
    INSERT OR REPLACE INTO meta (name, value)
    SELECT 'forgotten', max(coalesce(max(id), 0), coalesce((SELECT value FROM meta WHERE name = 'forgotten'), 0)) FROM events`);
  const findRoot = db.prepare('SELECT run FROM claims WHERE run_id = ?');
  const isNew = db.prepare('SELECT 1 FROM runs WHERE root = ? AND (ended = 0 OR ended_at >= ?)');
  const remove = [
    'DELETE FROM events WHERE root = ?',
    'DELETE FROM quiet_steps WHERE run IN (SELECT run FROM runs WHERE root = ?)',
    `DELETE FROM mail WHERE run_id IN (SELECT run_id FROM runs WHERE root = ?)
      AND (session IS NULL OR receipt IS NOT NULL)`,
    'DELETE FROM claims WHERE run IN (SELECT run FROM runs WHERE root = ?1) OR run = ?1',
    'DELETE FROM runs WHERE root = ?',
  ].map((sql) => db.prepare(sql));

  // What was answered only after its sender was forgotten, or was sent by no run.
  const removeLate = db.prepare(`
    DELETE FROM mail WHERE session IS NOT NULL AND receipt IS NOT NULL
      AND at < :olderThan AND session = coalesce(:sentTo, session)
      AND NOT EXISTS (SELECT 1 FROM claims JOIN runs USING (run) WHERE claims.run_id = mail.run_id)`);

  // Claims on runs that were never written, by owners that are gone. Looks at every claim, so it is left to who has time.
  // A tree is known by the number of its root, also where only those below have been written.
  const removeClaims = db.prepare(`
    DELETE FROM claims WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.run = claims.run)
      AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.root = claims.run)
      AND NOT EXISTS (SELECT 1 FROM owners WHERE owners.owner = claims.owner)`);

  return {
    findOld({ olderThan, keep, sentTo, units }) {
      removeLate.run({ olderThan, sentTo });
      // Whoever forgets one session has no time for all others.
      if (sentTo === null) removeClaims.run();
      const found =
        sentTo === null
          ? find.all({ keep, olderThan })
          : findSent.all({ keep, olderThan, sentTo, units: Number(units) });
      return found as Tasks['findOld']['give'];
    },
    forgetTrees({ rootIds, olderThan }) {
      let forgotten = 0;
      noteLast.run();
      for (const rootId of rootIds) {
        const root = findRoot.get(rootId)?.run;
        // Somebody else has forgotten it since it was looked for, and its id may have been used again.
        if (root === undefined || isNew.get(Number(root), olderThan)) continue;
        for (const statement of remove) statement.run(Number(root));
        forgotten += 1;
      }
      return forgotten;
    },
  };
};
