/** Forgetting: whole trees in which every run has ended. */
import type { DatabaseSync } from 'node:sqlite';
import type { Tasks } from './messages.ts';

export type TreeWriter = {
  findOld(task: Tasks['findOld']['ask']): Tasks['findOld']['give'];
  forgetTrees(task: Tasks['forgetTrees']['ask']): number;
};

export const openTreeWriter = (db: DatabaseSync): TreeWriter => {
  const oldest = (of: string): string => `
    SELECT root_id AS rootId, (SELECT count(*) FROM events WHERE events.root_id = old.root_id) AS events
    FROM (
      SELECT root_id, max(coalesce(ended_at, 0)) AS ended_at, max(id) AS id FROM runs
      ${of} GROUP BY root_id HAVING min(ended) = 1
      ORDER BY 2 DESC, 3 DESC LIMIT -1 OFFSET :keep
    ) AS old
    WHERE ended_at < :olderThan`;
  const find = db.prepare(oldest(''));
  const findSent = db.prepare(oldest('WHERE root_id IN (SELECT root_id FROM runs WHERE sent_to = :sentTo)'));
  const noteLast = db.prepare(`
    INSERT OR REPLACE INTO meta (name, value)
    SELECT 'forgotten', max(coalesce(max(id), 0), coalesce((SELECT value FROM meta WHERE name = 'forgotten'), 0)) FROM events`);
  const goesOn = db.prepare('SELECT 1 FROM runs WHERE root_id = ? AND ended = 0');
  const remove = [
    'DELETE FROM events WHERE root_id = ?',
    'DELETE FROM quiet_steps WHERE run_id IN (SELECT run_id FROM runs WHERE root_id = ?)',
    `DELETE FROM mail WHERE run_id IN (SELECT run_id FROM runs WHERE root_id = ?)
      AND (session IS NULL OR receipt IS NOT NULL)`,
    'DELETE FROM claims WHERE run_id IN (SELECT run_id FROM runs WHERE root_id = ?)',
    'DELETE FROM runs WHERE root_id = ?',
  ].map((sql) => db.prepare(sql));

  // What was answered only after its sender was forgotten, or was sent by no run.
  const removeLate = db.prepare(`
    DELETE FROM mail WHERE session IS NOT NULL AND receipt IS NOT NULL
      AND at < :olderThan AND session = coalesce(:sentTo, session)
      AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.run_id = mail.run_id)`);

  // Claims on runs that were never written, by owners that are gone. Looks at every claim, so it is left to who has time.
  const removeClaims = db.prepare(`
    DELETE FROM claims WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.run_id = claims.run_id)
      AND NOT EXISTS (SELECT 1 FROM owners WHERE owners.owner = claims.owner)`);

  return {
    findOld({ olderThan, keep, sentTo }) {
      removeLate.run({ olderThan, sentTo });
      removeClaims.run();
      const found = sentTo === null ? find.all({ keep, olderThan }) : findSent.all({ keep, olderThan, sentTo });
      return found as Tasks['findOld']['give'];
    },
    forgetTrees({ rootIds }) {
      let forgotten = 0;
      noteLast.run();
      for (const rootId of rootIds) {
        if (goesOn.get(rootId)) continue;
        for (const statement of remove) statement.run(rootId);
        forgotten += 1;
      }
      return forgotten;
    },
  };
};
