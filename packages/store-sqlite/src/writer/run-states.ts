/** Runs as they stand while a batch is written: read once, changed in memory, written once, whatever a batch does to them. */
import type { DatabaseSync } from 'node:sqlite';
import type { RowText, StepText } from './messages.ts';

type RunState = {
  readonly runId: string;
  /** By which the file knows the run, and its root; `null` until it has to. */
  run: number | null;
  root: number | null;
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
};

/** The numbers of a run and of its root. */
export type Numbers = { run: number; root: number };

export type RunStates = {
  of(runId: string): RunState;
  /** The newest run that a session was sent. */
  newestOf(session: string): string | undefined;
  /** Writes a claim. */
  claim(runId: string, owner: string, epoch: number): void;
  /** Nobody has claimed a run that was never written. */
  unclaim(runId: string): void;
  /** Takes note of a step that was checked. */
  enter(step: StepText): Numbers;
  /** Writes what the batch has left to write. */
  flush(): void;
  /** Forgets everything: another batch begins. */
  clear(): void;
};

export const openRunStates = (db: DatabaseSync): RunStates => {
  const find = db.prepare(`
    SELECT claims.run, claims.epoch, claims.owner, runs.root, runs.seq, runs.status, runs.ended
    FROM claims LEFT JOIN runs USING (run) WHERE claims.run_id = ?`);
  const addClaim = db.prepare('INSERT INTO claims (run_id, owner, epoch) VALUES (?, ?, ?)');
  const setClaim = db.prepare('UPDATE claims SET owner = ?, epoch = ? WHERE run = ?');
  const removeClaim = db.prepare('DELETE FROM claims WHERE run = ?');
  const findBelow = db.prepare('SELECT 1 FROM runs WHERE root = ? LIMIT 1');
  const addRow = db.prepare(`
    INSERT INTO runs (run, root, run_id, root_id, parent_id, agent, status, ended, quota, sent_to, unit_of, seq, created_at,
      ended_at, data, checkpoint)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  // What an index holds is written only when it changes: an index that is touched is another page on the disk.
  const setRow = db.prepare('UPDATE runs SET seq = ?, data = ?, checkpoint = coalesce(?, checkpoint) WHERE run = ?');
  const setStatus = db.prepare(
    'UPDATE runs SET seq = ?, data = ?, checkpoint = coalesce(?, checkpoint), status = ? WHERE run = ?',
  );
  const setEnd = db.prepare(
    'UPDATE runs SET seq = ?, data = ?, checkpoint = NULL, status = ?, ended = 1, ended_at = ? WHERE run = ?',
  );
  const setJob = db.prepare('INSERT OR REPLACE INTO jobs (run, data) VALUES (?, ?)');
  const findNewest = db.prepare('SELECT run_id AS runId FROM runs WHERE sent_to = ? ORDER BY run DESC LIMIT 1');
  const states = new Map<string, RunState>();
  /** Of each session that was sent a run in this batch, the newest. */
  const newest = new Map<string, string>();

  const load = (runId: string): RunState => {
    const found = find.get(runId) as
      | {
          run: number;
          epoch: number;
          owner: string | null;
          root: number | null;
          seq: number | null;
          status: string | null;
          ended: number | null;
        }
      | undefined;
    return {
      runId,
      run: found?.run ?? null,
      root: found?.root ?? null,
      rootId: '',
      epoch: found?.epoch ?? 0,
      owner: found?.owner ?? null,
      seq: found?.seq ?? 0,
      status: found?.status ?? null,
      stored: found?.status ?? null,
      ended: found?.ended === 1,
    };
  };

  const of = (runId: string): RunState => {
    const known = states.get(runId);
    if (known) return known;
    const state = load(runId);
    states.set(runId, state);
    return state;
  };

  const claim = (state: RunState, owner: string | null, epoch: number): number => {
    if (state.run === null) state.run = Number(addClaim.run(state.runId, owner, epoch).lastInsertRowid);
    else setClaim.run(owner, epoch, state.run);
    Object.assign(state, { owner, epoch });
    return state.run;
  };

  /** A root that was never written is known by a claim that is nobody's. */
  const numberOf = (rootId: string): number => {
    const root = of(rootId);
    return root.run ?? claim(root, null, 0);
  };

  /** Runs are in the order of their numbers: one that begins after all is given its own then, unless it is known as a root by this one. */
  const unclaim = (state: RunState): void => {
    const { run, runId } = state;
    const isRoot = [...states.values()].some((each) => each !== state && each.root === run) || findBelow.get(run);
    if (isRoot) claim(state, null, 0);
    else {
      removeClaim.run(run);
      states.delete(runId);
    }
  };

  const write = (
    { run, root, runId, rootId, status, stored, ended, seq, checkpoint }: RunState,
    row: RowText,
  ): void => {
    const { parentId, agent, quota, sentTo, unitOf, createdAt, endedAt, data, job } = row;
    const left = ended ? null : (checkpoint ?? null);
    if (stored === null)
      addRow.run(
        run,
        root,
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
        left,
      );
    else if (ended) setEnd.run(seq, data, status, endedAt, run);
    else if (stored === status) setRow.run(seq, data, left, run);
    else setStatus.run(seq, data, left, status, run);
    if (job !== null) setJob.run(run, job);
  };

  return {
    of,
    newestOf: (session) => newest.get(session) ?? (findNewest.get(session) as { runId: string } | undefined)?.runId,
    claim(runId, owner, epoch) {
      claim(of(runId), owner, epoch);
    },
    unclaim: (runId) => unclaim(of(runId)),
    enter({ runId, rootId, owner, epoch, turn, status, ended, events, row, checkpoint }) {
      const state = of(runId);
      const run = state.run === null || state.owner === null ? claim(state, owner, epoch) : state.run;
      const root = state.root ?? numberOf(rootId);
      state.root = root;
      state.rootId = rootId;
      if (turn && state.status === null) newest.set(turn.session, runId);
      state.seq += events.length;
      state.status = status;
      state.ended = ended;
      // A job is brought once only.
      if (row) state.row = { ...row, job: row.job ?? state.row?.job ?? null };
      if (checkpoint !== null) state.checkpoint = checkpoint;
      return { run, root };
    },
    flush() {
      for (const state of states.values()) if (state.row) write(state, state.row);
    },
    clear() {
      states.clear();
      newest.clear();
    },
  };
};
