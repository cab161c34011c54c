import { FaultError, hashOf } from '@troupe/protocol';
import { pathLocks } from '../files/path-locks.ts';
import { type KeptWorkspace, type Workspaces, workspaceOf } from './workspace.ts';

/** See {@link gitWorktrees}. */
export type GitWorktreesOptions = {
  /** A folder of the repository. `~` is the home folder. */
  repo: string;
  /** Where the worktrees are made, a folder for each. Default: `.troupe/worktrees` in the home of the user, and there one for each repository. */
  folder?: string;
  /**
   * What stays when a child has ended. `changed` (default): what holds work, that is a change that is not committed, a new file that git
   * does not ignore, a commit that is on no other branch, or another branch than its own. `always`: all. `never`: nothing, whatever it holds.
   */
  keep?: 'always' | 'changed' | 'never';
};

/** Worktrees as the option `workspace` of `createDelegateTool`. */
export type GitWorktrees = Workspaces & {
  /** The worktree of a run, if there is one: for tools, which know their run as `context.runId`. */
  pathOf(runId: string): string | undefined;
};

// Found, not imported: this package loads where there is no Node.
const node = () => {
  const { env, getBuiltinModule: find } = globalThis.process ?? {};
  const [childProcess, fs, os, path] = [find?.('child_process'), find?.('fs'), find?.('os'), find?.('path')];
  if (childProcess && fs && os && path && env) return { childProcess, fs, os, path, env };
  throw new FaultError('delegate.invalid', 'gitWorktrees needs Node: there are no files and no programs here.');
};

/** One command at a time for each repository: git locks what it writes, and does not wait for others. */
const repositories = pathLocks();

/** A run's id as git takes names: flat, so that no branch is in the way of one below it. */
const nameOf = (runId: string): string => {
  const [root = '', ...below] = runId.split('/');
  return [/^\w[\w-]{0,99}$/.test(root) ? root : `run-${hashOf(root)}`, ...below].join('.');
};

/**
 * Gives each child of `delegate_task` a `git worktree` to itself: a folder with everything that is committed, on a branch of its own that
 * begins where the branch of its parent's worktree is, else where the repository is. The branch is called `troupe/` and the run id of the
 * child, with dots for slashes. Children can then write the same files side by side; what comes of it is for the parent to merge.
 *
 * A task that is tried again goes on in the worktree of its first child.
 *
 * A worktree is removed, with its branch, when the children of its call have ended, unless it holds work (option `keep`): then the entry of
 * the child names both. What git refuses stays, and a warning says so. It needs `git` 2.22 or newer.
 *
 * @throws FaultError `delegate.invalid` when an option is wrong, or where there is no Node
 */
export const gitWorktrees = ({ repo, folder, keep = 'changed' }: GitWorktreesOptions): GitWorktrees => {
  const { childProcess, fs, os, path: paths, env } = node();
  const found = workspaceOf([repo]);
  if (found === undefined)
    throw new FaultError('delegate.invalid', `repo is "${repo}". Expected an existing folder of a git repository.`);
  if (!['always', 'changed', 'never'].includes(keep))
    throw new FaultError('delegate.invalid', `keep is "${keep}". Expected always, changed or never.`);
  const top = fs.realpathSync(found);
  const usual = () => paths.join(os.homedir(), '.troupe', 'worktrees', `${paths.basename(top)}-${hashOf(top)}`);
  const base = folder === undefined ? usual() : paths.resolve(folder.replace(/^~(?=$|[/\\])/, () => os.homedir()));

  const git = (cwd: string, ...args: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      // Called by a hook of git, a program is told of another repository.
      const { GIT_DIR: _d, GIT_WORK_TREE: _w, GIT_INDEX_FILE: _i, GIT_COMMON_DIR: _c, GIT_PREFIX: _p, ...clean } = env;
      childProcess.execFile('git', args, { cwd, env: clean }, (error, stdout, stderr) =>
        error ? reject(new Error(stderr.trim() || error.message)) : resolve(stdout.trim()),
      );
    });

  const placeOf = (runId: string) => {
    const name = nameOf(runId);
    return { path: paths.join(base, name), branch: `troupe/${name}` };
  };
  const pathOf = (runId: string): string | undefined => {
    const { path } = placeOf(runId);
    if (!fs.existsSync(path)) return undefined;
    return fs.lstatSync(path).isSymbolicLink() ? targetOf(path) : path;
  };

  const targetOf = (link: string): string => paths.resolve(fs.readlinkSync(link));
  /** By which else a worktree goes: links beside it, called after the runs that it was handed on to. */
  const linksTo = (path: string): string[] =>
    (fs.existsSync(base) ? fs.readdirSync(base, { withFileTypes: true }) : []).flatMap((entry) => {
      const link = paths.join(base, entry.name);
      return entry.isSymbolicLink() && targetOf(link) === path ? [link] : [];
    });

  const holdsWork = async (
    { path, branch }: Required<KeptWorkspace>,
    links: readonly string[] = [],
  ): Promise<boolean> => {
    if ((await git(path, 'status', '--porcelain', '--untracked-files=normal')) !== '') return true;
    if ((await git(path, 'branch', '--show-current')) !== branch) return true;
    // What children of the child have of it is with them, and may go with them.
    const below = [path, ...links].map((place) => `--exclude=troupe/${paths.basename(place)}.*`);
    const others = [`--exclude=${branch}`, ...below, '--branches', '--tags', '--remotes'];
    const head = await git(top, 'rev-parse', 'HEAD');
    return (await git(path, 'rev-list', '--max-count=1', 'HEAD', `^${head}`, '--not', ...others)) !== '';
  };

  /** Made before, for a child that was never stored: its program died. */
  const isUnused = async (place: Required<KeptWorkspace>): Promise<boolean> =>
    (await git(top, 'worktree', 'list', '--porcelain')).split('\n').includes(`branch refs/heads/${place.branch}`) &&
    !(await holdsWork(place));

  return {
    pathOf,
    give: ({ runId, parentRunId }) =>
      repositories.hold([top], async () => {
        const place = placeOf(runId);
        const { path, branch } = place;
        if (fs.existsSync(path)) {
          if (await isUnused(place).catch(() => false)) return path;
          throw new Error(`"${path}" is there already, from another run of that id. Look at it, and remove it`);
        }
        await git(pathOf(parentRunId) ?? top, 'worktree', 'add', '--quiet', '--no-track', '-b', branch, path);
        return path;
      }),
    // On the disk, so that it is known after a restart, too.
    handOn: (runId, toRunId) =>
      repositories.hold([top], async () => {
        const [{ path }, { path: link }] = [placeOf(runId), placeOf(toRunId)];
        if (!fs.existsSync(path)) throw new Error(`its worktree "${path}" is gone`);
        if (fs.lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) fs.unlinkSync(link);
        fs.symlinkSync(path, link, 'junction');
      }),
    takeBack: (runId) =>
      repositories.hold([top], async () => {
        const place = placeOf(runId);
        const { path, branch } = place;
        const links = linksTo(path);
        for (const link of links) fs.unlinkSync(link);
        if (!fs.existsSync(path)) return undefined;
        if (keep === 'always') return place;
        if (keep === 'changed' && (await holdsWork(place, links))) return place;
        await git(top, 'worktree', 'remove', ...(keep === 'never' ? ['--force'] : []), path);
        await git(top, 'branch', '-D', branch);
        return undefined;
      }),
  };
};
