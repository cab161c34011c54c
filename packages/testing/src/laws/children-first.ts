/** L2: a child's terminal event precedes its parent's. A child that was detached before that is a root of its own. */
import { at, type Log, type Violation } from './log.ts';

export const childrenFirst = ({ runs }: Log): Violation[] =>
  [...runs.values()].flatMap((child) => {
    const parent = child.parentId === undefined ? undefined : runs.get(child.parentId);
    const end = parent?.terminal;
    if (!end) return [];
    if ((child.detachedAt ?? Number.POSITIVE_INFINITY) < end.place) return [];
    if ((child.terminal?.place ?? Number.POSITIVE_INFINITY) < end.place) return [];
    return [at('L2', end.event, `it ended before its child "${child.runId}" did.`)];
  });
