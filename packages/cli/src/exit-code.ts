/** What the command `troupe` ends with. */
export const exitCode = {
  /** It was carried out; of a run: it completed. */
  done: 0,
  /** It did not work; of a run: it failed, or was interrupted from elsewhere. */
  failed: 1,
  /** There is no such command, flag or value. */
  usage: 2,
  /** The run waits for an answer, and nobody is here to give it. */
  waits: 3,
  /** There is no such run, or it does not take this command now. */
  refused: 4,
  /** Ctrl-C. */
  interrupted: 130,
  /** SIGTERM. */
  terminated: 143,
} as const;
