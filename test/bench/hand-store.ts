// What a program would write by hand over node:sqlite: rows, events and checkpoints in three tables, a transaction for each commit,
// as durable as the store with its defaults.
import { DatabaseSync } from 'node:sqlite';
import type { Commit } from '@troupe/protocol';

export const openHandStore = (path: string) => {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
    CREATE TABLE runs(run_id TEXT PRIMARY KEY, data TEXT);
    CREATE TABLE events(id INTEGER PRIMARY KEY, root_id TEXT, root_seq INTEGER, run_id TEXT, seq INTEGER, data TEXT,
      UNIQUE(root_id, root_seq), UNIQUE(run_id, seq));
    CREATE TABLE checkpoints(run_id TEXT PRIMARY KEY, data TEXT);`);
  const run = db.prepare('INSERT INTO runs VALUES (?, ?) ON CONFLICT(run_id) DO UPDATE SET data = excluded.data');
  const event = db.prepare('INSERT INTO events(root_id, root_seq, run_id, seq, data) VALUES (?, ?, ?, ?, ?)');
  const keep = db.prepare(
    'INSERT INTO checkpoints VALUES (?, ?) ON CONFLICT(run_id) DO UPDATE SET data = excluded.data',
  );
  const drop = db.prepare('DELETE FROM checkpoints WHERE run_id = ?');
  const places = new Map<string, number>();
  return {
    write(steps: readonly Commit[]): void {
      db.exec('BEGIN IMMEDIATE');
      for (const { runId, rootId, events, row, checkpoint } of steps) {
        for (const one of events) {
          const place = (places.get(rootId) ?? 0) + 1;
          places.set(rootId, place);
          event.run(rootId, place, runId, one.seq, JSON.stringify(one));
        }
        run.run(runId, JSON.stringify(row));
        if (checkpoint) keep.run(runId, JSON.stringify(checkpoint));
        else drop.run(runId);
      }
      db.exec('COMMIT');
    },
    close: () => db.close(),
  };
};
