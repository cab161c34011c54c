/** With the git of this machine, in repositories of their own. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { defineTool, memoryStore } from '@troupe/core';
import type { ModelRequest } from '@troupe/protocol';
import type { Script } from '@troupe/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type GitWorktrees, type GitWorktreesOptions, gitWorktrees, type Workspaces } from '../../src/index.ts';
import { calling, requestsOf, settle, tool } from '../delegating.ts';
import { delegate, delegatingOnce, entriesIn, errorIn, openAgain, openLead, resultIn } from './lead.ts';

let top: string;
let repo: string;
const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.com', ...args], {
    cwd,
    encoding: 'utf8',
  }).trim();
const commit = (cwd: string, file: string, text = file): void => {
  writeFileSync(join(cwd, file), text);
  git(cwd, 'add', '.');
  git(cwd, 'commit', '--quiet', '-m', `adds ${file}`);
};
const branches = (): string[] =>
  git(repo, 'branch', '--list', 'troupe/*', '--format=%(refname:short)').split('\n').filter(Boolean);
const folders = (): string[] => (existsSync(join(top, 'trees')) ? readdirSync(join(top, 'trees')) : []);
const open = (options: Partial<GitWorktreesOptions> = {}): GitWorktrees =>
  gitWorktrees({ repo, folder: join(top, 'trees'), ...options });

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'worktrees-')));
  repo = join(top, 'repo');
  mkdirSync(repo);
  git(repo, 'init', '--quiet');
  commit(repo, 'README');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(top, { recursive: true, force: true });
});

/** Programs take their time where the machine has other things to do. */
const patient = { timeout: 30_000 };

/** A tool that works in the worktree of the run that calls it. */
const worker = (worktrees: GitWorktrees) =>
  defineTool({
    name: 'work',
    description: 'Works.',
    inputSchema: z.object({ how: z.string() }),
    execute: ({ how }, { runId }) => {
      const folder = worktrees.pathOf(runId) ?? '/nowhere';
      if (how === 'write') writeFileSync(join(folder, 'shared'), runId);
      if (how === 'stage') git(folder, 'mv', 'README', 'MOVED');
      if (how === 'commit') commit(folder, 'shared', runId);
      if (how === 'elsewhere') git(folder, 'switch', '--quiet', '-c', `feature-${runId.replaceAll('/', '-')}`);
      if (how === 'detached') {
        git(folder, 'switch', '--quiet', '--detach');
        commit(folder, 'shared', runId);
      }
      return 'worked';
    },
  });
/** Children do what their goal says. */
const works = ({ messages }: ModelRequest) => {
  const last = messages.at(-1);
  return last?.role === 'user' ? calling({ name: 'work', arguments: { how: String(last.content) } }) : 'Worked.';
};
const scripted =
  (goals: readonly string[]): Script =>
  (request, context) => {
    if (context.agent !== 'lead') return works(request);
    const first = request.messages.at(-1)?.content === 'Do it.';
    return first ? calling(delegate({ tasks: goals.map((goal) => ({ goal })) })) : 'done';
  };
const working = (goals: readonly string[], options: Partial<GitWorktreesOptions> = {}) => {
  const workspace = open(options);
  const troupe = openLead(scripted(goals), {
    options: { workspace, maxConcurrentChildren: 9 },
    tools: [worker(workspace)],
  });
  return troupe.run();
};

describe('a worktree for each child', patient, () => {
  test('lets all of them write the same file; each goes, with its branch, unless it holds work [HM-173]', async () => {
    const goals = ['look', 'write', 'stage', 'commit', 'elsewhere', 'detached'];
    const report = await working(goals);
    const entries = entriesIn(report);
    const nameOf = (i: number) => `${report.runId}.1-0.${i}`;
    const kept = goals.map((_, i) => ({ path: join(top, 'trees', nameOf(i)), branch: `troupe/${nameOf(i)}` }));
    expect(entries.map(({ workspace }) => workspace)).toEqual([undefined, ...kept.slice(1)]);
    expect(folders()).toEqual(goals.slice(1).map((_, i) => nameOf(i + 1)));
    expect(branches()).toEqual(kept.slice(1).map(({ branch }) => branch));
    for (const i of [1, 3, 5])
      expect(readFileSync(join(kept[i]?.path ?? '', 'shared'), 'utf8')).toBe(entries[i]?.run_id);
    expect(existsSync(join(repo, 'shared'))).toBe(false);
    expect(git(repo, 'status', '--porcelain')).toBe('');
  });

  test('stays with what it holds however the child ended [HM-173, HM-102]', async () => {
    const workspace = open();
    const children = {
      'task-1': [calling({ name: 'work', arguments: { how: 'write' } }), { fault: { message: 'The model is down.' } }],
      'task-2': [{ fault: { message: 'The model is down.' } }],
    };
    const troupe = delegatingOnce({ tasks: [{ goal: 'a' }, { goal: 'b' }] }, children, {
      options: { workspace },
      tools: [worker(workspace)],
    });
    const report = await troupe.run();
    expect(entriesIn(report).map((entry) => [entry.status, entry.workspace?.path])).toEqual([
      ['failed', join(top, 'trees', `${report.runId}.1-0.0`)],
      ['failed', undefined],
    ]);
    expect(folders()).toEqual([`${report.runId}.1-0.0`]);
  });

  test.each(['a run that is interrupted', 'a new file that git is told not to show'])(
    'stays with the work of %s [HM-173, HM-120]',
    async (which) => {
      if (!which.startsWith('a run')) git(repo, 'config', 'status.showUntrackedFiles', 'no');
      const workspace = open();
      const children = { 'task-1': [calling({ name: 'work', arguments: { how: 'write' } }), { hang: true }] };
      const troupe = delegatingOnce({ goal: 'a' }, children as never, {
        options: { workspace },
        tools: [worker(workspace)],
      });
      const run = troupe.runtime.start(troupe.lead, 'Go.');
      await vi.waitFor(() => expect(requestsOf(troupe, 'task-1')).toHaveLength(2), patient);
      await run.interrupt();
      await run.ended;
      expect(readFileSync(join(top, 'trees', `${run.id}.1-0.0`, 'shared'), 'utf8')).toBe(`${run.id}/1-0/0`);
    },
  );

  test('goes when its work is somewhere else by then: merged, or pushed [HM-173]', async () => {
    const workspace = open();
    const merge = tool('merge', {
      execute: (_: never, { runId }: { runId: string }) => {
        commit(workspace.pathOf(runId) ?? '', 'new');
        return git(repo, 'merge', '--quiet', `troupe/${runId.replaceAll('/', '.')}`);
      },
    } as never);
    const children = { 'task-1': [calling({ name: 'merge', arguments: {} }), 'Merged.'] };
    const troupe = delegatingOnce({ goal: 'a' }, children, { options: { workspace }, tools: [merge] });
    expect(entriesIn(await troupe.run())[0]).not.toHaveProperty('workspace');
    expect([folders(), branches(), existsSync(join(repo, 'new'))]).toEqual([[], [], true]);
  });

  test('goes when it holds nothing but what its repository works on, on whatever branch, or none [HM-173]', async () => {
    git(repo, 'switch', '--quiet', '--detach');
    commit(repo, 'nowhere-else');
    expect(entriesIn(await working(['look']))[0]).not.toHaveProperty('workspace');
    expect(folders()).toEqual([]);
  });

  test.each([
    ['always', ['look', 'write'], 2],
    ['never', ['look', 'write', 'commit'], 0],
  ] as const)('stays %s where that is wanted [HM-173]', async (keep, goals, left) => {
    const entries = entriesIn(await working(goals, { keep }));
    expect(entries.filter(({ workspace }) => workspace)).toHaveLength(left);
    expect([folders().length, branches().length]).toEqual([left, left]);
  });

  test('begins where the worktree of its parent is, whose work stays its own [HM-173, HM-031]', async () => {
    const workspace = open();
    const first: string[] = [];
    const script: Script = ({ messages }, { agent, depth, runId }) => {
      const last = messages.at(-1);
      if (agent === 'lead')
        return last?.content === 'Do it.' ? calling(delegate({ goal: 'mid', role: 'orchestrator' })) : 'done';
      if (depth === 2) {
        first.push(readFileSync(join(workspace.pathOf(runId) ?? '', 'shared'), 'utf8'));
        return last?.role === 'user' ? calling({ name: 'work', arguments: { how: 'stage' } }) : 'Looked.';
      }
      if (last?.content === 'mid') return calling({ name: 'work', arguments: { how: 'commit' } });
      return last?.content === 'worked' ? calling(delegate({ goal: 'deep' })) : 'Led.';
    };
    const troupe = openLead(script, { options: { workspace, maxSpawnDepth: 2 }, tools: [worker(workspace)] });
    const report = await troupe.run();
    expect(first[0]).toBe(`${report.runId}/1-0/0`);
    // and what a child of it still has of it is no reason for it to go
    expect(folders()).toEqual([`${report.runId}.1-0.0`, `${report.runId}.1-0.0.2-0.0`]);
    expect(entriesIn(report)[0]?.workspace?.branch).toBe(`troupe/${report.runId}.1-0.0`);
  });

  test('is made in no other repository than its own, whoever calls the program [HM-173]', async () => {
    vi.stubEnv('GIT_DIR', join(top, 'not-there'));
    vi.stubEnv('GIT_INDEX_FILE', join(top, 'no-index'));
    const workspace = open();
    const troupe = delegatingOnce({ goal: 'a' }, { 'task-1': ['A.'] }, { options: { workspace } });
    expect(entriesIn(await troupe.run())).toMatchObject([{ summary: 'A.' }]);
  });

  test('has a name that git takes, whatever its run is called [HM-173]', async () => {
    const workspace = open({ keep: 'always' });
    const troupe = delegatingOnce({ goal: 'a' }, { 'task-1': ['A.'] }, { options: { workspace } });
    const [entry] = entriesIn(
      (await troupe.runtime.start(troupe.lead, 'Go.', { runId: '-- my run.lock' }).ended) as never,
    );
    expect(entry?.workspace?.branch).toMatch(/^troupe\/run-[0-9a-f]{16}\.1-0\.0$/);
  });
});

describe('a worktree that cannot be made', patient, () => {
  test('is an error of the call that says what git said; those that were made go [HM-173, B-53]', async () => {
    const workspace = open();
    const troupe = delegatingOnce({ tasks: [{ goal: 'a' }, { goal: 'b' }] }, {}, { options: { workspace } });
    git(repo, 'branch', 'troupe/r.1-0.1');
    const report = await troupe.runtime.start(troupe.lead, 'Go.', { runId: 'r' }).ended;
    expect(errorIn(report as never)).toMatch(
      /^Task 1 has no workspace: fatal: a branch named 'troupe\/r\.1-0\.1' already exists\. Nothing/,
    );
    expect([folders(), branches()]).toEqual([[], ['troupe/r.1-0.1']]);
  });

  test('is an error where there is no repository [HM-173]', async () => {
    const workspace = open({ repo: top });
    const troupe = delegatingOnce({ goal: 'a' }, {}, { options: { workspace } });
    expect(errorIn(await troupe.run())).toMatch(/^Task 0 has no workspace: fatal: not a git repository/);
  });

  test('is an error where there is no git [HM-173]', async () => {
    vi.stubEnv('PATH', top);
    const troupe = delegatingOnce({ goal: 'a' }, {}, { options: { workspace: open() } });
    expect(errorIn(await troupe.run())).toBe('Task 0 has no workspace: spawn git ENOENT. Nothing was started.');
  });

  test.each(['changed', 'never'] as const)(
    'since another run of that id left one: what that holds is not touched, keep %s [HM-173]',
    async (keep) => {
      const life = async () => {
        const workspace = open({ keep });
        const troupe = delegatingOnce({ goal: 'a' }, { 'task-1': ['A.'] }, { options: { workspace } });
        return errorIn((await troupe.runtime.start(troupe.lead, 'Go.', { runId: 'r' }).ended) as never);
      };
      await open().give({ runId: 'r/1-0/0', parentRunId: 'r', index: 0, count: 1, goal: 'a', role: 'leaf' });
      writeFileSync(join(top, 'trees', 'r.1-0.0', 'work'), 'precious');
      expect(await life()).toMatch(/r\.1-0\.0" is there already, from another run of that id/);
      expect(readFileSync(join(top, 'trees', 'r.1-0.0', 'work'), 'utf8')).toBe('precious');
    },
  );

  test('is no worktree but a folder that somebody made: it is not touched [HM-173]', async () => {
    mkdirSync(join(top, 'trees', 'r.1-0.0'), { recursive: true });
    const workspace = open();
    const troupe = delegatingOnce({ goal: 'a' }, {}, { options: { workspace } });
    const report = await troupe.runtime.start(troupe.lead, 'Go.', { runId: 'r' }).ended;
    expect(errorIn(report as never)).toContain('is there already');
    expect(folders()).toEqual(['r.1-0.0']);
  });
});

describe('a worktree that its child has removed', () => {
  test('is not missed [HM-173]', async () => {
    const workspace = open();
    const remove = tool('remove', {
      execute: (_: never, { runId }: { runId: string }) =>
        git(repo, 'worktree', 'remove', workspace.pathOf(runId) ?? ''),
    } as never);
    const children = { 'task-1': [calling({ name: 'remove', arguments: {} }), 'Removed.'] };
    const troupe = delegatingOnce({ goal: 'a' }, children, { options: { workspace }, tools: [remove] });
    const { results, warnings } = resultIn(await troupe.run());
    expect(results).toMatchObject([{ summary: 'Removed.' }]);
    expect([results[0]?.workspace, warnings]).toEqual([undefined, undefined]);
  });
});

describe('after a crash', patient, () => {
  test('a worktree is there for the child that goes on, and is judged by what it holds in the end [HM-173, L7]', async () => {
    const store = { ...memoryStore(), lasting: true };
    const workspace = open();
    const opening = { options: { workspace }, tools: [worker(workspace)] };
    const write = calling({ name: 'work', arguments: { how: 'write' } });
    const first = delegatingOnce(
      { tasks: [{ goal: 'a' }, { goal: 'b' }] },
      { 'task-1': [write, { hang: true }], 'task-2': [{ hang: true }] },
      { ...opening, store, open: true },
    );
    first.runtime.start(first.lead, 'Go.', { runId: 'r' });
    await vi.waitFor(() => expect(requestsOf(first, 'task-1')).toHaveLength(2), patient);
    await settle();
    await first.runtime.close({ runs: 'suspend' });
    expect(folders()).toEqual(['r.1-0.0', 'r.1-0.1']);
    const second = openAgain({ lead: ['done'], 'task-1': ['A.'], 'task-2': ['B.'] }, store, opening);
    await second.runtime.recover();
    const report = await (await second.runtime.attach('r')).ended;
    expect(entriesIn(report as never).map(({ workspace: left }) => left?.branch)).toEqual([
      'troupe/r.1-0.0',
      undefined,
    ]);
    expect(folders()).toEqual(['r.1-0.0']);
  });

  test('a worktree that was made for a child that was not stored is given to it [HM-173]', async () => {
    const child = { runId: 'r/1-0/0', parentRunId: 'r', index: 0, count: 1, goal: 'a', role: 'leaf' } as const;
    const path = await open().give(child);
    expect(path).toBe(join(top, 'trees', 'r.1-0.0'));
    expect(await open().give(child)).toBe(path);
  });

  test('what git refuses to remove stays, and is told of [HM-173]', async () => {
    const workspace = open();
    const lock = tool('lock', {
      execute: (_: never, { runId }: { runId: string }) => git(repo, 'worktree', 'lock', workspace.pathOf(runId) ?? ''),
    } as never);
    const children = { 'task-1': [calling({ name: 'lock', arguments: {} }), 'Locked.'] };
    const troupe = delegatingOnce({ goal: 'a' }, children, { options: { workspace }, tools: [lock] });
    const { results, warnings } = resultIn(await troupe.run());
    expect(results).toMatchObject([{ summary: 'Locked.' }]);
    expect(warnings).toEqual([
      expect.stringMatching(/^Task 0: its workspace was not taken back: fatal: cannot remove a locked/),
    ]);
    expect(folders()).toHaveLength(1);
  });
});

describe('a worktree of a task that is tried again', patient, () => {
  /** Children of the first model work as their goal says and hang, those of the second look for what is there and write more. */
  const again: Script = ({ messages, model }, { agent }) => {
    const last = messages.at(-1);
    if (agent === 'lead')
      return last?.content === 'Do it.'
        ? calling(delegate({ tasks: [{ goal: 'look' }, { goal: 'write' }, { goal: 'commit' }] }))
        : 'done';
    if (model !== 'second')
      return last?.role === 'user'
        ? calling({ name: 'work', arguments: { how: String(last.content) } })
        : String(messages[1]?.content) === 'commit'
          ? 'Committed.'
          : { hang: true };
    return last?.role === 'user' ? calling({ name: 'find', arguments: {} }) : `Found ${String(last?.content)}.`;
  };
  const opened = (workspace: Workspaces, pathOf: GitWorktrees['pathOf']) => {
    const find = tool('find', {
      execute: (_: never, { runId }: { runId: string }) => {
        const folder = pathOf(runId) ?? '/nowhere';
        const found = existsSync(join(folder, 'shared')) ? readFileSync(join(folder, 'shared'), 'utf8') : 'nothing';
        if (found !== 'nothing') writeFileSync(join(folder, 'more'), runId);
        return found;
      },
    } as never);
    const options = { workspace, timeoutMs: 1_000, timeoutFallbacks: [{ model: 'second' }] };
    return openLead(again, { options, tools: [worker({ pathOf } as GitWorktrees), find] });
  };
  const inTime = async <T>({ clock }: ReturnType<typeof opened>, promise: Promise<T>): Promise<T> => {
    let isOver = false;
    const over = promise.finally(() => {
      isOver = true;
    });
    await vi.waitFor(
      async () => {
        await settle();
        if (!isOver) clock.increment(250);
        expect(isOver).toBe(true);
      },
      { ...patient, interval: 20 },
    );
    return over;
  };

  test('is that of its first child: the next one goes on in it, and it is taken back once, with all its work [HM-173, HM-175]', async () => {
    const worktrees = open();
    const asked: string[] = [];
    const noting: Workspaces = {
      give: (child) => {
        asked.push(`give ${child.index}`);
        return worktrees.give(child);
      },
      handOn: async (from, to) => {
        asked.push(`hand ${from.slice(-1)} on to ${to.slice(-1)}`);
        await worktrees.handOn?.(from, to);
      },
      takeBack: (runId) => {
        asked.push(`take ${runId.slice(-1)}`);
        return worktrees.takeBack(runId);
      },
    };
    const troupe = opened(noting, worktrees.pathOf);
    const report = await inTime(troupe, troupe.run());
    const { results, warnings } = resultIn(report);
    const id = report.runId;
    expect(results.map((entry) => [entry.run_id, entry.summary, entry.workspace?.branch])).toEqual([
      [`${id}/1-0/3`, 'Found nothing.', undefined],
      [`${id}/1-0/4`, `Found ${id}/1-0/1.`, `troupe/${id}.1-0.1`],
      [`${id}/1-0/2`, 'Committed.', `troupe/${id}.1-0.2`],
    ]);
    expect(warnings).toBeUndefined();
    const told = requestsOf(troupe, 'task-2').map(({ request }) => request.messages[0]);
    expect(new Set(told.map((message) => JSON.stringify(message))).size).toBe(1);
    expect(String(told[0]?.content)).toContain(join(top, 'trees', `${id}.1-0.1`));
    // nothing else is left: neither the worktree that holds nothing, nor another name of one that does
    expect(folders()).toEqual([`${id}.1-0.1`, `${id}.1-0.2`]);
    expect(readFileSync(join(results[1]?.workspace?.path ?? '', 'more'), 'utf8')).toBe(`${id}/1-0/4`);
    expect(asked).toEqual([
      ...['give 0', 'give 1', 'give 2', 'hand 0 on to 3', 'hand 1 on to 4'],
      ...['take 0', 'take 1', 'take 2'],
    ]);
  });

  test('holds work that only a child of the next one has besides [HM-173, HM-175]', async () => {
    const worktrees = open();
    const child = { runId: 'r/1-0/0', parentRunId: 'r', index: 0, count: 1, goal: 'a', role: 'leaf' } as const;
    const path = String(await worktrees.give(child));
    await worktrees.handOn?.('r/1-0/0', 'r/1-0/1');
    expect(worktrees.pathOf('r/1-0/1')).toBe(path);
    commit(path, 'work');
    const below = await worktrees.give({ ...child, runId: 'r/1-0/1/1-0/0', parentRunId: 'r/1-0/1' });
    expect(existsSync(join(String(below), 'work'))).toBe(true);
    expect(await worktrees.takeBack('r/1-0/0')).toEqual({ path, branch: 'troupe/r.1-0.0' });
    expect(worktrees.pathOf('r/1-0/1')).toBeUndefined();
  });

  test('is handed on again where a program died before it was stored, to whoever it is then [HM-173, HM-175]', async () => {
    const child = { parentRunId: 'r', count: 2, goal: 'a', role: 'leaf' } as const;
    await open().give({ ...child, runId: 'r/1-0/0', index: 0 });
    const path = await open().give({ ...child, runId: 'r/1-0/1', index: 1 });
    await open().handOn?.('r/1-0/0', 'r/1-0/2');
    await open().handOn?.('r/1-0/1', 'r/1-0/2');
    expect(open().pathOf('r/1-0/2')).toBe(path);
  });

  test('is known after a restart to the one that goes on in it [HM-173, HM-175, L7]', async () => {
    const store = { ...memoryStore(), lasting: true };
    const worktrees = open();
    const options = { workspace: worktrees, timeoutMs: 1_000, timeoutFallbacks: [{ model: 'second' }] };
    const opening = { options, tools: [worker(worktrees)] };
    const write = calling({ name: 'work', arguments: { how: 'write' } });
    const first = delegatingOnce(
      { goal: 'a' },
      { 'task-1': [{ hang: true }, { hang: true }] },
      {
        ...opening,
        store,
        open: true,
      },
    );
    first.runtime.start(first.lead, 'Go.', { runId: 'r' });
    await vi.waitFor(async () => {
      await settle();
      first.clock.increment(250);
      expect(requestsOf(first, 'task-1')).toHaveLength(2);
    }, patient);
    await settle();
    await first.runtime.close({ runs: 'suspend' });
    const second = openAgain({ lead: ['done'], 'task-1': [write, 'Written.'] }, store, {
      ...opening,
      options: { ...options, workspace: open() },
    });
    await second.runtime.recover();
    const attached = await second.runtime.attach('r');
    const [entry] = entriesIn(await attached.ended);
    expect(entry).toMatchObject({ run_id: 'r/1-0/1', fallback_attempt: 1, workspace: { branch: 'troupe/r.1-0.0' } });
    expect(readFileSync(join(top, 'trees', 'r.1-0.0', 'shared'), 'utf8')).toBe('r/1-0/1');
  });

  test('that is gone is not worked in: the timeout stands, and a warning says why [HM-173, HM-175]', async () => {
    const worktrees = open();
    const noting: Workspaces = {
      ...worktrees,
      handOn: (from, to) => {
        if (from.endsWith('/0')) git(repo, 'worktree', 'remove', worktrees.pathOf(from) ?? '');
        return worktrees.handOn?.(from, to);
      },
    };
    const troupe = opened(noting, worktrees.pathOf);
    const { results, warnings } = resultIn(await inTime(troupe, troupe.run()));
    // the other task takes the place of the next child
    expect(results.map((entry) => [entry.status, entry.run_id.slice(-1)])).toEqual([
      ['timeout', '0'],
      ['completed', '3'],
      ['completed', '2'],
    ]);
    expect(warnings).toEqual([
      expect.stringMatching(/^Task 0 was not tried again with model "second": its worktree ".*1-0\.0" is gone$/),
    ]);
  });
});

describe('gitWorktrees', () => {
  test.each([
    [{ repo: '/not/there' }, 'repo is "/not/there". Expected an existing folder of a git repository.'],
    [{ keep: 'some' as never }, 'keep is "some". Expected always, changed or never.'],
  ])('refuses what it cannot use: %o', (options, message) => {
    expect(() => open(options)).toThrow(expect.objectContaining({ code: 'delegate.invalid', message }));
  });

  test.each([
    [undefined, /^\.troupe\/worktrees\/repo-[0-9a-f]{16}$/],
    ['~/elsewhere', /^elsewhere$/],
  ])('makes them below the home of the user if nothing else is said, or there: %s [HM-173]', async (folder, where) => {
    const os = process.getBuiltinModule('os');
    const home = vi.spyOn(os, 'homedir').mockReturnValue(top);
    const { give, pathOf } = gitWorktrees({ repo, ...(folder !== undefined && { folder }) });
    home.mockRestore();
    expect(pathOf('r/1-0/0')).toBeUndefined();
    const path = await give({ runId: 'r/1-0/0', parentRunId: 'r', index: 0, count: 1, goal: 'a', role: 'leaf' });
    expect(path).toBe(pathOf('r/1-0/0'));
    expect(dirname(path ?? '').slice(top.length + 1)).toMatch(where);
  });

  test('needs Node', () => {
    vi.stubGlobal('process', undefined);
    expect(() => gitWorktrees({ repo })).toThrow('gitWorktrees needs Node');
    vi.unstubAllGlobals();
  });
});
