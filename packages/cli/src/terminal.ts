import type { Readable, Writable } from 'node:stream';
import type { Signals } from './signals.ts';

/** Where a command reads and writes. */
export type Terminal = {
  input: Readable & { isTTY?: boolean };
  /** What was asked for. */
  output: Writable & { isTTY?: boolean };
  /** How it goes, and what is wrong. The live tree is drawn here, so that what was asked for can be sent elsewhere. */
  errors: Writable & { isTTY?: boolean };
  /** Paths are relative to it. */
  folder: string;
  environment: Readonly<Record<string, string | undefined>>;
  signals: Signals;
};

/** Whether a live tree can be drawn, and keys can be read. */
export const isInteractive = ({
  input,
  errors,
  environment,
}: Pick<Terminal, 'input' | 'errors' | 'environment'>): boolean =>
  input.isTTY === true && errors.isTTY === true && environment.TERM !== 'dumb';

/** `NO_COLOR`, when it is not empty, and `TERM=dumb` switch colours off. */
export const isColourful = ({ NO_COLOR, TERM }: Terminal['environment']): boolean => !NO_COLOR && TERM !== 'dumb';
