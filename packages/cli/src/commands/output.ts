import { harmlessJSON } from '@troupe/protocol';
import type { Terminal } from '../terminal.ts';
import { harmless } from '../text-width.ts';

/** What a command says. */
export type Output = {
  readonly isJSON: boolean;
  /** What was asked for: `value` as a line of JSON with `--json`, else `text`, which is made only then. */
  give(value: unknown, text: () => string): void;
  /** What helps people: never with `--json`. */
  note(text: string): void;
  /** What must be known, JSON or not. */
  warn(text: string): void;
};

export const openOutput = ({ output, errors }: Pick<Terminal, 'output' | 'errors'>, isJSON = false): Output => ({
  isJSON,
  give(value, text) {
    const said = isJSON ? harmlessJSON(JSON.stringify(value)) : harmless(text());
    output.write(`${said}\n`);
  },
  note(text) {
    if (!isJSON) errors.write(`${harmless(text)}\n`);
  },
  warn: (text) => void errors.write(`${harmless(text)}\n`),
});
