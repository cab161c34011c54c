/** Runs as they stand while a batch is written: read once, changed in memory, written once, whatever a batch does to them. */
import type { DatabaseSync } from 'node:sqlite';
import type { RowText, StepText } from './messages.ts';

type RunState = {
  readonly runId: string;
  rootId: string;
  /** 0 and `null` when nobody has claimed it. */
  epoch: number;
  owner: string | null;
  seq: number;
  /** As it is, and as it is written; `null` when it never was. */
  status: string | null;
  stored: string | null;
  ended: boolean;
  /** What is to be written at the end of the batch. */
  row?: RowText;
  checkpoint?: string;
  changed: boolean;
};

export type RunStates = {
  of(runId: string): RunState;
  /** Writes a claim. */
  claim(runId: string, owner: string, epoch: number): void;
  /** Takes note of a step that was checked. */
  enter(step: StepText): void;
  /** Writes what the batch has left to write. */
  flush(): void;
  /** Forgets everything: another batch begins. */
  clear(): void;
};

export const openRunStates = (db: DatabaseSync): RunStates => {
  const find = db.prepare(`
    SELECT claims.epoch, claims.owner, runs.root_id, runs.seq, runs.status, runs.ended
    FROM claims LEFT JOIN runs USING (run_id) WHERE run_id = ?`);
  const setClaim = db.prepare(`
    INSERT INTO claims (run_id, owner, epoch) VALUES (?, ?, ?)
    ON CONFLICT (run_id) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch`);
  const addRow = db.prepare(`
    INSERT INTO runs (run_id, root_id, parent_id, agent, status, ended, quota, sent_to, unit_of, seq, created_at, ended_at, data)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  // What an index holds is written only when it changes: an index that is touched is another page on the disk.
  const setRow = db.prepare('UPDATE runs SET seq = ?, data = ? WHERE run_id = ?');
  const setStatus = db.prepare(
    'UPDATE runs SET seq = ?, data = ?, status = ?, ended = ?, ended_at = ? WHERE run_id = ?',
  );
  const setJob = db.prepare('INSERT OR REPLACE INTO jobs (run_id, data) VALUES (?, ?)');
  const setCheckpoint = db.prepare(`
    INSERT INTO checkpoints (run_id, data) VALUES (?, ?) ON CONFLICT (run_id) DO UPDATE SET data = excluded.data`);
  const dropCheckpoint = db.prepare('DELETE FROM checkpoints WHERE run_id = ?');
  const states = new Map<string, RunState>();

  const load = (runId: string): RunState => {
    const found = find.get(runId) as
      | {
          epoch: number;
          owner: string;
          root_id: string | null;
          seq: number | null;
          status: string | null;
          ended: number | null;
        }
      | undefined;
    return {
      runId,
      rootId: found?.root_id ?? '',
      epoch: found?.epoch ?? 0,
      owner: found?.owner ?? null,
      seq: found?.seq ?? 0,
      status: found?.status ?? null,
      stored: found?.status ?? null,
      ended: found?.ended === 1,
      changed: false,
    };
  };

  const of = (runId: string): RunState => {
    const known = states.get(runId);
    if (known) return known;
    const state = load(runId);
    states.set(runId, state);
    return state;
  };

  const writeRow = ({ runId, rootId, status, stored, ended, seq }: RunState, row: RowText): void => {
    const { parentId, agent, quota, sentTo, unitOf, createdAt, endedAt, data, job } = row;
    if (stored === null)
      addRow.run(
        runId,
        rootId,
        parentId,
        agent,
        status,
        Number(ended),
        quota,
        sentTo,
        unitOf,
        seq,
        createdAt,
        endedAt,
        data,
      );
    else if (stored === status) setRow.run(seq, data, runId);
    else setStatus.run(seq, data, status, Number(ended), endedAt, runId);
    if (job !== null) setJob.run(runId, job);
  };

  const write = (state: RunState): void => {
    const { runId, ended, row, checkpoint } = state;
    if (row) writeRow(state, row);
    if (ended) dropCheckpoint.run(runId);
    else if (checkpoint !== undefined) setCheckpoint.run(runId, checkpoint);
  };

  return {
    of,
    claim(runId, owner, epoch) {
      setClaim.run(runId, owner, epoch);
      Object.assign(of(runId), { owner, epoch });
    },
    enter({ runId, rootId, owner, epoch, status, ended, events, row, checkpoint }) {
      const state = of(runId);
      if (state.owner === null) this.claim(runId, owner, epoch);
      state.rootId = rootId;
      state.seq += events.length;
      state.status = status;
      state.ended = ended;
      state.changed = true;
      // A job is brought once only.
      if (row) state.row = { ...row, job: row.job ?? state.row?.job ?? null };
      if (checkpoint !== null) state.checkpoint = checkpoint;
    },
    flush() {
      for (const state of states.values()) if (state.changed) write(state);
    },
    clear: () => states.clear(),
  };
};
