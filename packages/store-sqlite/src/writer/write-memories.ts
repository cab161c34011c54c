/** Memories, and the index that finds them by any three characters. */
import type { DatabaseSync } from 'node:sqlite';
import type { Tasks } from './messages.ts';

export type MemoryWriter = {
  remember(task: Tasks['remember']['ask']): null;
  /** Those of a scope, or of one key of it. */
  forget(task: Tasks['forgetMemories']['ask']): null;
};

export const openMemoryWriter = (db: DatabaseSync): MemoryWriter => {
  const set = db.prepare(`
    INSERT INTO memories (scope, key, value) VALUES (?, ?, ?)
    ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value RETURNING id`);
  const index = db.prepare('INSERT OR REPLACE INTO memories_text (rowid, text) VALUES (?, ?)');
  const dropIndex = db.prepare('DELETE FROM memories_text WHERE rowid IN (SELECT id FROM memories WHERE scope = ?)');
  const drop = db.prepare('DELETE FROM memories WHERE scope = ?');
  const dropOne = db.prepare('DELETE FROM memories WHERE scope = ? AND key = ? RETURNING id');
  const dropIndexOf = db.prepare('DELETE FROM memories_text WHERE rowid = ?');

  return {
    remember({ scope, key, value, text }) {
      const id = Number(set.get(scope, key, value)?.id);
      index.run(id, text);
      return null;
    },
    forget({ scope, key }) {
      if (key === null) {
        dropIndex.run(scope);
        drop.run(scope);
        return null;
      }
      const found = dropOne.get(scope, key);
      if (found) dropIndexOf.run(Number(found.id));
      return null;
    },
  };
};
