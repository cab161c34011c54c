/** Who may write a run: claims with epochs, and owners with leases and the processes they live in. */
import type { DatabaseSync } from 'node:sqlite';
import type { ProcessIdentity, Tasks } from './messages.ts';
import { isGone } from './process-identity.ts';
import type { RunStates } from './run-states.ts';

type OwnerRow = ProcessIdentity & { lease_until: number };

export type ClaimWriter = {
  claim(task: Tasks['claim']['ask'], states: RunStates): Tasks['claim']['give'];
  renew(task: Tasks['renew']['ask']): null;
  release(task: Tasks['release']['ask'], states: RunStates): null;
  /** Makes an owner known that writes without having claimed. */
  register(owner: string): void;
  /** Gives back the claims of every owner that was made known here. */
  releaseAll(): void;
  /** Forgets owners that are gone. */
  sweep(now: number): void;
  /** Nothing of the last batch was written: what it made known is not. */
  rolledBack(): void;
  committed(): void;
};

/** Who holds what was given back: an owner that nobody is. */
const nobody = '';

export const openClaimWriter = (db: DatabaseSync, self: ProcessIdentity): ClaimWriter => {
  const enter = db.prepare(`
    INSERT INTO owners (owner, host, pid, started, lease_until) VALUES (?, ?, ?, ?, 0)
    ON CONFLICT (owner) DO UPDATE SET host = excluded.host, pid = excluded.pid, started = excluded.started`);
  const lease = db.prepare(`
    INSERT INTO owners (owner, host, pid, started, lease_until) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (owner) DO UPDATE SET host = excluded.host, pid = excluded.pid, started = excluded.started,
      lease_until = excluded.lease_until`);
  const find = db.prepare('SELECT host, pid, started, lease_until FROM owners WHERE owner = ?');
  const all = db.prepare('SELECT owner, host, pid, started, lease_until FROM owners');
  const remove = db.prepare('DELETE FROM owners WHERE owner = ?');
  const known = new Set<string>();
  const fresh = new Set<string>();

  const register = (owner: string): void => {
    if (known.has(owner) || fresh.has(owner)) return;
    enter.run(owner, self.host, self.pid, self.started);
    fresh.add(owner);
  };

  const renew = (owner: string, until: number): null => {
    lease.run(owner, self.host, self.pid, self.started, until);
    fresh.add(owner);
    return null;
  };

  const holds = (owner: string, now: number): boolean => {
    const found = find.get(owner) as OwnerRow | undefined;
    return found !== undefined && found.lease_until > now && !isGone(found, self);
  };

  return {
    claim({ runId, owner, leaseMs, now }, states) {
      const run = states.of(runId);
      const isFree = run.owner === null || run.owner === owner || run.ended || !holds(run.owner, now);
      if (!isFree) return null;
      renew(owner, now + leaseMs);
      const epoch = run.epoch + 1;
      states.claim(runId, owner, epoch);
      return { epoch };
    },
    renew: ({ owner, leaseMs, now }) => renew(owner, now + leaseMs),
    release({ owner, runIds }, states) {
      for (const runId of runIds ?? []) {
        const run = states.of(runId);
        if (run.owner !== owner) continue;
        if (run.status === null) states.unclaim(runId);
        else states.claim(runId, nobody, run.epoch);
      }
      if (runIds) return null;
      remove.run(owner);
      known.delete(owner);
      fresh.delete(owner);
      return null;
    },
    register,
    releaseAll() {
      for (const owner of known) remove.run(owner);
    },
    sweep(now) {
      const gone = (all.all() as (OwnerRow & { owner: string })[]).filter(
        (owner) => isGone(owner, self) || owner.lease_until <= now,
      );
      for (const { owner } of gone) remove.run(owner);
    },
    rolledBack: () => fresh.clear(),
    committed() {
      for (const owner of fresh) known.add(owner);
      fresh.clear();
    },
  };
};
