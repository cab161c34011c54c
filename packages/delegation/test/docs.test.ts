import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { type DelegateOptions, delegatePolicyOf } from '../src/delegate/delegate-options.ts';
import { checks } from '../src/subagents/admission.ts';
import { type SubagentOptions, subagentPolicyOf } from '../src/subagents/subagent-options.ts';
import { SubagentConfig } from '../src/subagents/subagent-record.ts';
import { policyOf } from '../src/subworker-options.ts';

// What the programs leave in the folder for such things goes with it.
const folder = mkdtempSync(join(tmpdir(), 'troupe-guides-'));
vi.stubEnv('TMPDIR', folder);
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const pages = {
  readme: read('../README.md'),
  guide: read('../docs/subworkers.md'),
  files: read('../docs/files.md'),
  delegate: read('../docs/delegate-task.md'),
  subagents: read('../docs/subagents.md'),
};
const programsIn = (page: string) => [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);

const printed = (page: string, n = 0) => [...page.matchAll(/^```text\n(.*?)\n```$/gms)].at(n)?.[1] ?? '';
/** What is another one each time: ids, and how long something took. */
const settled = (text: string) =>
  text
    .replaceAll(/run_\w{9,}/g, 'RUN')
    .replaceAll(/sub_[0-9a-f]{10}/g, 'SUBAGENT')
    .replaceAll(/deleg_[0-9a-f]{16}/g, 'UNIT')
    .replaceAll(/\b[\d.]+ s\b/g, 'N s');

/** Each program, the page that shows it, and what it prints. */
const programs: [name: string, page: keyof typeof pages, run: () => Promise<unknown>, prints: string][] = [
  ['readme', 'readme', () => import('./docs/readme.ts'), 'It is Titan. completed'],
  ['readme-delegate', 'readme', () => import('./docs/readme-delegate.ts'), 'It is Titan. task-1'],
  ['guide', 'guide', () => import('./docs/guide.ts'), printed(pages.guide)],
  ['paused', 'guide', () => import('./docs/paused.ts'), 'It waits for your approval. Deploys the build.\nIt is out.'],
  ['files', 'files', () => import('./docs/files.ts'), printed(pages.files)],
  ['delegate-one', 'delegate', () => import('./docs/delegate-one.ts'), printed(pages.delegate, 0)],
  ['delegate-batch', 'delegate', () => import('./docs/delegate-batch.ts'), printed(pages.delegate, 1)],
  ['delegate-background', 'delegate', () => import('./docs/delegate-background.ts'), printed(pages.delegate, 2)],
  ['delegate-restart', 'delegate', () => import('./docs/delegate-restart.ts'), printed(pages.delegate, 3)],
  ['delegate-worktrees', 'delegate', () => import('./docs/delegate-worktrees.ts'), printed(pages.delegate, 4)],
  ['subagents-first', 'subagents', () => import('./docs/subagents-first.ts'), printed(pages.subagents, 0)],
  ['subagents-restart', 'subagents', () => import('./docs/subagents-restart.ts'), printed(pages.subagents, 1)],
  ['subagents-import', 'subagents', () => import('./docs/subagents-import.ts'), printed(pages.subagents, 2)],
  [
    'subagents-spawn',
    'subagents',
    () => import('./docs/subagents-spawn.ts'),
    'Somebody is counting.\nThere are more than 9,000.\nresearcher: Count the craters of the Moon. completed',
  ],
  ['subagent-commands', 'subagents', () => import('./docs/subagent-commands.ts'), printed(pages.subagents, 4)],
];

describe('the README and the guides', () => {
  test('show no code that is not run', () => {
    for (const page of Object.keys(pages) as (keyof typeof pages)[]) {
      const shown = programs.filter(([, where]) => where === page).map(([name]) => read(`./docs/${name}.ts`));
      expect(programsIn(pages[page])).toEqual(shown);
    }
  });

  test.each(programs)('show a program that prints what they say: %s', async (_name, page, run, prints) => {
    const lines: string[] = [];
    const log = vi.spyOn(console, 'log').mockImplementation((...words: unknown[]) => void lines.push(words.join(' ')));
    await run().finally(() => log.mockRestore());
    expect(settled(lines.join('\n'))).toBe(settled(prints));
    for (const line of prints.split('\n')) expect(pages[page]).toContain(line);
  });

  test('tell the true defaults', () => {
    const policy = policyOf('spawn_subworker', {});
    const told = [...pages.guide.matchAll(/^\| `(\w+)` \| `(\d+|'\w+')` \|/gm)].map(([, option = '', value = '']) => [
      option,
      value.startsWith("'") ? value.slice(1, -1) : Number(value),
    ]);
    const { tools: _tools, defaultModel: _default, allowedModels: _allowed, quotaKey: _key, ...rest } = policy;
    expect(Object.fromEntries(told)).toEqual(rest);
  });

  test('tell every option of delegate_task, with its true default', () => {
    const {
      toolsets: _bundles,
      models: _models,
      denyTools: _denied,
      capacityKey: _key,
      maxToolCalls,
      ...rest
    } = delegatePolicyOf({});
    const options = [
      ...(pages.delegate.match(/^## Options$.*?^## /ms)?.[0] ?? '').matchAll(/^\| `(\w+)` \| (.*?) \|/gm),
    ];
    const told = options.flatMap(([, option = '', value = '']) => {
      const literal = /^`(\d+|'\w+'|true|false)`$/.exec(value)?.[1];
      return literal === undefined ? [] : [[option, JSON.parse(literal.replaceAll("'", '"')) as unknown]];
    });
    expect(Object.fromEntries(told)).toEqual(rest);
    expect(maxToolCalls).toBe(rest.maxIterations * 10);
    const all = {
      name: 0,
      maxConcurrentChildren: 0,
      maxAsyncChildren: 0,
      maxIterations: 0,
      maxToolCalls: 0,
      maxSpawnDepth: 0,
      orchestrators: 0,
      timeoutMs: 0,
      idleTimeoutMs: 0,
      timeoutFallbacks: 0,
      heartbeat: 0,
      budget: 0,
      background: 0,
      completions: 0,
      model: 0,
      route: 0,
      models: 0,
      offerImages: 0,
      settings: 0,
      tools: 0,
      toolsets: 0,
      offerToolsets: 0,
      denyTools: 0,
      inheritServerTools: 0,
      approval: 0,
      workspace: 0,
      files: 0,
      diagnostics: 0,
      maxSummaryChars: 0,
      id: 0,
    } satisfies Record<keyof DelegateOptions, 0>;
    expect(options.map(([, option]) => option)).toEqual(Object.keys(all));
  });

  test('tell every option of a manager of sub-agents, with its true default', () => {
    const { id, spawnToolName, approval, archiveAfterMs, sweepEveryMs, limits } = subagentPolicyOf({});
    const section = pages.subagents.match(/^## Options$.*?^## /ms)?.[0] ?? '';
    const options = [...section.matchAll(/^\| `(\w+)` \| (.*?) \|/gm)];
    const told = options.flatMap(([, option = '', value = '']) => {
      const literal = /^`([\d_]+|'\w+')`$/.exec(value)?.[1];
      return literal === undefined
        ? []
        : [[option, JSON.parse(literal.replaceAll("'", '"').replaceAll('_', '')) as unknown]];
    });
    expect(Object.fromEntries(told)).toEqual({ id, spawnToolName, ...limits, approval, archiveAfterMs, sweepEveryMs });
    const all = {
      id: 0,
      tools: 0,
      spawnToolName: 0,
      skills: 0,
      toolProfiles: 0,
      roles: 0,
      providers: 0,
      defaultModel: 0,
      defaultToolProfile: 0,
      maxDepth: 0,
      maxChildrenPerAgent: 0,
      maxTotal: 0,
      maxPersistent: 0,
      requester: 0,
      approval: 0,
      archiveAfterMs: 0,
      sweepEveryMs: 0,
    } satisfies Record<keyof SubagentOptions, 0>;
    expect(options.map(([, option]) => option)).toEqual(Object.keys(all));
  });

  test('tell every role, tool profile and field of a sub-agent, and its limits in their order', () => {
    const rowsOf = (heading: string): string[][] => {
      const section = pages.subagents.split(`${heading}\n`)[1]?.split(/^##/m)[0] ?? '';
      return [...section.matchAll(/^\| (`.*) \|$/gm)].map(([, row = '']) =>
        row.split(' | ').map((cell) => cell.replaceAll('`', '')),
      );
    };
    const { roles, toolProfiles } = subagentPolicyOf({});
    expect(rowsOf('### Roles').map(([name, profile, turns]) => [name, profile, Number(turns)])).toEqual(
      [...roles].map(([name, { toolProfile, maxTurns }]) => [name, toolProfile, maxTurns]),
    );
    const profiles = new Map(rowsOf('### Tool profiles').map(([name = '', holds = '']) => [name, holds]));
    const open = (holds: string): string[] =>
      holds.split(', ').flatMap((name) => (profiles.has(name) ? open(profiles.get(name) ?? '') : name));
    for (const [name, profile] of toolProfiles)
      expect([name, profile === 'all' ? profiles.get(name) : open(profiles.get(name) ?? '')]).toEqual([
        name,
        profile === 'all' ? 'every tool' : profile,
      ]);
    expect(profiles.size).toBe(toolProfiles.size);
    const kinds = rowsOf('## Limits').map(([kind = '']) => (kind === 'cycle, depth' ? 'place' : kind));
    expect(kinds).toEqual(Object.keys(checks));
    const fields = rowsOf('## What a sub-agent is').flatMap(([names = '']) => names.split(', '));
    expect(Object.keys(SubagentConfig.shape).filter((field) => !fields.includes(field))).toEqual([]);
  });
});
