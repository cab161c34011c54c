import { exitCode } from '../exit-code.ts';
import type { Action, CommonFlags } from './asked.ts';
import { openOutput } from './output.ts';
import { momentText } from './tables.ts';
import { openWorkspace } from './workspace.ts';

/** Steps a stored run through its machine: what it heard, where it was then, what it said. Calls nothing. */
export const replay: Action<[runId: string], CommonFlags> = async ({ args: [runId], flags, terminal }) => {
  const output = openOutput(terminal, flags.json);
  const workspace = await openWorkspace({ ...flags, placing: { when: 'never' } }, terminal);
  try {
    const { steps } = await workspace.runtime.replay(runId);
    for (const { heard, at, snapshot, said } of steps)
      output.give({ at, heard, state: snapshot.value, said }, () => {
        const told = said.map(({ seq, type }) => `${seq} ${type}`).join(', ');
        return `${momentText(at)}  ${heard.type} → ${stateText(snapshot.value)}${told === '' ? '' : `  ${told}`}`;
      });
    return exitCode.done;
  } finally {
    await workspace.close();
  }
};

/** A state of a chart as a path: `running.thinking`. */
const stateText = (value: unknown): string => {
  if (typeof value !== 'object' || value === null) return String(value);
  const parts = Object.entries(value).map(([name, below]) => `${name}.${stateText(below)}`);
  return parts.join(' ');
};
