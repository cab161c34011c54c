import { isWithin } from '@troupe/protocol';
import type { FileRegistry } from './file-registry.ts';

/** What a parent must be told of the files that its child changed under it. */
export type StaleNote = {
  /** One sentence for the model, which names at most 8 of the paths. */
  note: string;
  /** All of the paths, absolute, in the order in which the parent knows them. */
  paths: string[];
};

/** How many paths a note names. */
const named = 8;

/**
 * What a parent has read before its child began, a run at or below the child has written since, and the parent has not read again.
 * `undefined` when there is no such file, or the registry knows nothing of it, as after a restart.
 *
 * @param about.childRunId Several, where one task was given to several children in turn.
 * @param about.readBefore What `registry.knownReads(parentRunId)` gave when the child began.
 * @param about.since What `registry.now()` gave then.
 */
export const staleNoteFor = (
  registry: FileRegistry,
  about: { parentRunId: string; childRunId: string | readonly string[]; readBefore: readonly string[]; since: number },
): StaleNote | undefined => {
  const { parentRunId, childRunId, readBefore, since } = about;
  const childRunIds = [childRunId].flat();
  const written = new Set(
    registry
      .writesSince(parentRunId, since, readBefore)
      .filter(({ runId, path, atMs }) => {
        const readAt = registry.readAt(parentRunId, path) ?? Number.NEGATIVE_INFINITY;
        return childRunIds.some((id) => isWithin(runId, id)) && atMs > readAt;
      })
      .map(({ path }) => path),
  );
  const paths = readBefore.filter((path) => written.has(path));
  if (paths.length === 0) return undefined;
  const more = paths.length > named ? ` (+${paths.length - named} more)` : '';
  return {
    note: `subagent modified files the parent previously read — re-read before editing: ${paths.slice(0, named).join(', ')}${more}`,
    paths,
  };
};
