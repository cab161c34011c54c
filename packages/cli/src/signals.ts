/**
 * Ctrl-C and SIGTERM, from the first moment of a process. Imports nothing that takes time: it is there before anything else is loaded.
 *
 *   early ──hold()──▶ held ──hear()──▶ heard ──▶ over
 *
 * What comes early, before anything has begun, ends the process; so does what comes when all is over, and something does not close. Between
 * `hold` and `hear` something has begun that is to end in order: the first is kept for who hears it, the second does not wait for that.
 */
import { exitCode } from './exit-code.ts';

const codes = { SIGINT: exitCode.interrupted, SIGTERM: exitCode.terminated } as const;
type Signal = keyof typeof codes;

export type Signals = {
  /** The exit code of the last one; null while there was none. */
  code(): number | null;
  /** Resolves when something may begin that is to be ended in order; never, when a signal has come by then. */
  hold(): Promise<void>;
  /** Told of each one, and at once of the one that was kept. Gives what ends that. */
  hear(heard: () => void): () => void;
  /** Ctrl-C that was read as a key. */
  stop(): void;
  /** Ends the process, whatever it still does. */
  quit(): void;
};

export type SignalsOptions = {
  /** Default: the process. */
  process?: Pick<NodeJS.EventEmitter, 'on'>;
  /** Ends the process at once. `isEarly`: nothing has begun. */
  leave(code: number, isEarly: boolean): void;
};

export const openSignals = ({ process: from = process, leave }: SignalsOptions): Signals => {
  let last: number | null = null;
  let isKept = false;
  const leaving = (isEarly: boolean) => (): void => leave(last ?? exitCode.interrupted, isEarly);
  let take = leaving(true);
  const keep = (): void => {
    if (isKept) leaving(false)();
    isKept = true;
  };
  const onSignal = (signal: Signal): void => {
    last = codes[signal];
    take();
  };
  for (const name of Object.keys(codes)) from.on(name, onSignal);
  return {
    code: () => last,
    async hold() {
      // What has come by now, while modules were loaded, is told in the next turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      if (last !== null) await new Promise(() => {});
      take = keep;
    },
    hear(heard) {
      take = heard;
      if (isKept) heard();
      isKept = false;
      return () => {
        if (take === heard) take = leaving(false);
      };
    },
    stop: () => onSignal('SIGINT'),
    quit: leaving(false),
  };
};
