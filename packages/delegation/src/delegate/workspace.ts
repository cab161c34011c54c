/** Where children work: in a folder that is there, or in one that each is given to itself. */
import type { ToolContext } from '@troupe/core';
import { messageOf, type Report, redact } from '@troupe/protocol';
import type { Role } from './delegate-input.ts';

/** The child that a folder is for. */
export type WorkspaceRequest = {
  /** The run that the child will be: whatever its tools do, they do as `context.runId`. */
  runId: string;
  /** The run that delegates. */
  parentRunId: string;
  /** 0-based; `count` tasks were delegated together. */
  index: number;
  count: number;
  goal: string;
  /** As it takes effect. */
  role: Role;
};

/**
 * Gives a child the folder that it is told to work in: an existing one; `undefined` for none. Called in the order of the tasks, before
 * any of them starts; where it throws, or the folder is not there, none does, and the call says why. Not called again for a child that
 * is stored; for one that is not, since the program died before, it is, with the same `runId`.
 */
export type GiveWorkspace = (child: WorkspaceRequest) => string | undefined | Promise<string | undefined>;

/** What is left of the folder of a child that has ended. */
export type KeptWorkspace = { path: string; branch?: string };

/** Gives each child a folder of its own, and takes it back. See {@link gitWorktrees}. */
export type Workspaces = {
  give: GiveWorkspace;
  /**
   * Called when a task is tried again (`timeoutFallbacks`): from now on the child `toRunId`, which has not started, works in the folder that
   * `runId` was given. For those whose tools call folders after runs; the child is told its folder in any case. May be called again after a
   * restart. Where it throws, the task is not tried again, and a warning says why.
   */
  handOn?(runId: string, toRunId: string): void | Promise<void>;
  /**
   * Called when the child has ended, once all children of its call have, those that its tasks are tried again with, too, and for one that
   * was given a folder and not started: always with the run that it was given to. What it gives stands in the entry of the task: what there
   * is to look at. A child that was cut off with its whole tree may never come here, and one may come again after a restart.
   */
  takeBack(runId: string): KeptWorkspace | undefined | Promise<KeptWorkspace | undefined>;
};

type Option = string | readonly string[] | GiveWorkspace | Workspaces | undefined;

const isFolders = (option: Option): option is string | readonly string[] =>
  typeof option === 'string' || Array.isArray(option);

/** Whether it can be meant as the option `workspace`. */
export const isWorkspace = (option: Option): boolean => {
  if (option === undefined || typeof option === 'function') return true;
  if (isFolders(option)) return [option].flat().every((folder) => typeof folder === 'string');
  return typeof option?.give === 'function' && typeof option.takeBack === 'function';
};

/** The first of some paths that is an existing folder, absolute; `undefined` when none is, or where there is no file system. */
export const workspaceOf = (candidates: readonly string[]): string | undefined => {
  // Found, not imported: this package loads where there is no Node.
  const { getBuiltinModule: find } = globalThis.process ?? {};
  const [fs, os, path] = [find?.('fs'), find?.('os'), find?.('path')];
  if (!fs || !os || !path) return undefined;
  for (const candidate of candidates) {
    if (candidate.trim() === '') continue;
    const folder = path.resolve(candidate.replace(/^~(?=$|[/\\])/, () => os.homedir()));
    if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return folder;
  }
  return undefined;
};

const takeBackFrom = (option: Option): Workspaces['takeBack'] | undefined =>
  typeof option === 'object' && 'takeBack' in option ? (runId) => option.takeBack(runId) : undefined;

/** The folder of each child, in their order; when one cannot be had, why, and those that were given are taken back. */
export const giveWorkspaces = async (
  children: readonly WorkspaceRequest[],
  { workspace: option }: { workspace?: Option },
  call: Pick<ToolContext, 'signal'>,
): Promise<{ folders: (string | undefined)[] } | { error: string }> => {
  if (option === undefined || isFolders(option)) {
    const folder = workspaceOf([option ?? []].flat());
    return { folders: children.map(() => folder) };
  }
  const give: GiveWorkspace = typeof option === 'function' ? option : (child) => option.give(child);
  const folders: (string | undefined)[] = [];
  const giveUp = async (error: string): Promise<{ error: string }> => {
    for (const { runId } of children.slice(0, folders.length))
      await Promise.resolve(runId)
        .then(takeBackFrom(option))
        .catch(() => {});
    return { error };
  };
  for (const { runId, parentRunId, index, count, goal, role } of children) {
    if (call.signal.aborted) return giveUp('Cancelled: nothing was started.');
    try {
      const given = await give({ runId, parentRunId, index, count, goal, role });
      const folder = given === undefined ? undefined : workspaceOf([String(given)]);
      if (given !== undefined && folder === undefined) throw new Error(`"${given}" is not an existing folder`);
      folders.push(folder);
    } catch (error) {
      return giveUp(`Task ${index} has no workspace: ${redact(messageOf(error))}. Nothing was started.`);
    }
  }
  return call.signal.aborted ? giveUp('Cancelled: nothing was started.') : { folders };
};

/** Lets a child work in the folder that another was given. */
export const handWorkspaceOn = async (
  runId: string,
  toRunId: string,
  { workspace: option }: { workspace?: Option },
): Promise<void> => {
  if (typeof option === 'object' && 'handOn' in option) await option.handOn?.(runId, toRunId);
};

/** Takes back what children were given that have ended: what is left, by their run ids, and what went wrong. */
export const takeWorkspacesBack = async (
  reports: readonly Pick<Report, 'runId'>[],
  { workspace: option }: { workspace?: Option },
): Promise<{ kept: Map<string, KeptWorkspace>; problems: string[] }> => {
  const takeBack = takeBackFrom(option);
  const kept = new Map<string, KeptWorkspace>();
  const problems: string[] = [];
  if (!takeBack) return { kept, problems };
  for (const [index, { runId }] of reports.entries())
    try {
      const left = await takeBack(runId);
      if (left) kept.set(runId, left);
    } catch (error) {
      problems.push(`Task ${index}: its workspace was not taken back: ${redact(messageOf(error))}.`);
    }
  return { kept, problems };
};
