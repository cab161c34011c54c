import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { createDelegateTool, type DelegateResult, gitWorktrees } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const repo = mkdtempSync(join(tmpdir(), 'repo-')); // in earnest: the repository that the children work on
const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', '-C', repo, ...args]);
git('init', '-q');
git('commit', '-q', '--allow-empty', '-m', 'begins');

const worktrees = gitWorktrees({ repo, folder: mkdtempSync(join(tmpdir(), 'trees-')) });
const write = defineTool({
  name: 'write',
  description: 'Writes a file.',
  inputSchema: z.object({ path: z.string(), text: z.string() }),
  execute({ path, text }, { runId }) {
    writeFileSync(join(worktrees.pathOf(runId) ?? repo, path), text);
    return 'Written.';
  },
});
const lead = defineAgent({
  name: 'lead',
  instructions: 'Hand out, and merge.',
  tools: [write, createDelegateTool({ background: false, workspace: worktrees })],
});

const tasks = [{ goal: 'Write the poem.' }, { goal: 'Read the poem.' }];
const poem = { path: 'poem', text: 'Roses are red.' };
const provider = scriptedProvider({
  lead: [{ calls: [{ name: 'delegate_task', arguments: { tasks } }] }, 'I shall merge it.'],
  'task-1': [{ calls: [{ name: 'write', arguments: poem }] }, 'Written.'],
  'task-2': ['There is none.'],
});

const runtime = createRuntime({ provider, model: 'large' });
const { calls } = await runtime.start(lead, 'We need a poem.', { runId: 'r1' }).report;
const { results } = calls[0]!.data as DelegateResult;
for (const { summary, workspace } of results) console.log(summary, workspace?.branch ?? 'nothing is left');
await runtime.close();
