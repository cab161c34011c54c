import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { ProcessIdentity } from './messages.ts';

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** State and start time of a process, where there is a /proc. @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
const statOf = (pid: number): { state: string; started: string } | undefined => {
  const stat = read(`/proc/${pid}/stat`);
  // The name of the program may hold anything, brackets included; field 3 follows the last one.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  const boot = read('/proc/sys/kernel/random/boot_id')?.trim();
  return fields?.[0] && fields[19] && boot ? { state: fields[0], started: `${boot} ${fields[19]}` } : undefined;
};

/** This process. Where there is no /proc it is known by host and process id alone. */
export const ownIdentity = (): ProcessIdentity => ({
  host: hostname(),
  pid: process.pid,
  started: statOf(process.pid)?.started ?? null,
});

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
};

/** True when a process is known to be gone: it was on this host, and nothing runs there under its id that started when it did. */
export const isGone = ({ host, pid, started }: ProcessIdentity, self: ProcessIdentity): boolean => {
  if (host !== self.host) return false;
  if (!exists(pid)) return true;
  const found = statOf(pid);
  if (!found || started === null) return false;
  return found.started !== started || found.state === 'Z' || found.state === 'X';
};
