import type { Terminal } from '../terminal.ts';

/** Flags that most commands take. */
export type CommonFlags = { json?: true; store?: string | false | undefined };
/** Flags of commands that bring runs to life here. */
export type RuntimeFlags = { file?: string; model?: string; budget?: string[]; remote?: true };
/** Flags of commands that stay until a run has ended. */
export type AttendFlags = { wait?: true; plain?: true; inspect?: true };

/** A command as it was given: its arguments in order, its flags, and where it reads and writes. */
type Asked<Args extends unknown[], Flags = object> = { args: Args; flags: Flags; terminal: Terminal };

/** Carries a command out, and gives the exit code. */
export type Action<Args extends unknown[], Flags = object> = (asked: Asked<Args, Flags>) => Promise<number>;
