import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report } from '@troupe/core';
import { keepSecret } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type DiagnosisAbout, diagnosisOf, writeDiagnosis } from '../../src/index.ts';
import { batchTool, delegate, use, worker } from '../batch.ts';
import { calling, leadWith, open, settle } from '../delegating.ts';

/** The report of a child that ran out of time, after these turns. */
const lateChild = async (turns: Parameters<typeof open>[0] & readonly unknown[] = []): Promise<Report> => {
  const reports: Report[][] = [];
  const goal = 'Find the moon.';
  const troupe = open({
    lead: [calling(delegate({ agent: 'scout', goal })), 'Done.'],
    scout: [...turns, { hang: true }],
  } as never);
  const run = troupe.runtime.start(
    leadWith(batchTool([worker('scout')], { reports, budget: { activeMs: 90_000 } })),
    'Go.',
    {
      runId: 'root',
    },
  );
  await settle();
  troupe.clock.increment(90_000);
  await run.report;
  return reports[0]![0]!;
};

const about: DiagnosisAbout = {
  goal: 'Find the moon.',
  index: 1,
  count: 3,
  role: 'leaf',
  depth: 1,
  timeoutMs: 90_000,
  config: { model: 'small' },
  tools: ['read', 'write'],
};

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-logs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

describe('[HM-105] the diagnosis of a child', () => {
  test('that ran out of time before its first answer says what is known of it', async () => {
    const diagnosis = diagnosisOf(await lateChild(), about);
    expect(diagnosis?.fileName).toMatch(/^subagent-timeout-root_1-0_0-[0-9a-f]{8}-19700101T000130\.log$/);
    for (const line of [
      'run: root/1-0/0',
      'parent: root',
      'call: call_1',
      'agent: scout',
      'task: 2 of 3',
      'role: leaf',
      'depth: 1',
      'exit reason: timeout',
      'timeout: 90s',
      'duration: 90s, of which it worked 90s',
      'goal: Find the moon.',
      'config: {"model":"small"}',
      'prompt: system 9 characters in 1 messages, user 14 characters in 1 messages, assistant 0 characters in 0 messages, tool 0 characters in 0 messages',
      'tools: read, write',
      'stack: not available',
    ])
      expect(diagnosis?.text).toContain(`\n${line}`);
    expect(diagnosis?.text).toContain('\nfault: budget.timeout:');
  });

  test('leaves out what nobody knows', async () => {
    const { parentId: _p, callId: _c, fault: _f, createdAt: _a, endedAt: _e, ...report } = await lateChild();
    const diagnosis = diagnosisOf(report, { goal: 'G', tools: [] });
    expect(diagnosis?.text).not.toMatch(/undefined|parent:|task:|config:|timeout:|role:|fault:/);
    expect(diagnosis?.text).toContain('tools: none');
    expect(diagnosis?.fileName).toContain('19700101T000000');
    expect(diagnosisOf(report, { goal: 'G', index: 0 })?.text).toContain('task: 1\n');
  });

  test('is made of no other child: not of one whose model answered, not of one that ended in another way [HM-104]', async () => {
    const report = await lateChild([calling(use('read'))]);
    expect(report).toMatchObject({ exitReason: 'timeout', usage: { turns: 1 } });
    expect(diagnosisOf(report, about)).toBeUndefined();
    expect(diagnosisOf({ ...(await lateChild()), exitReason: 'error' }, about)).toBeUndefined();
  });

  test('keeps the first thousand characters of a goal, and no secret, not even half of one', async () => {
    const key = 'sk-abcdefghijklmnopqrstuvwxyz123456';
    const known = 'correct-horse-battery';
    keepSecret(known);
    const goal = `${'x'.repeat(990)}${known} more`;
    const report = await lateChild();
    const { text = '' } = diagnosisOf(report, { ...about, goal, config: { apiKey: key }, tools: [known] }) ?? {};
    expect(text).not.toContain('correct');
    expect(text).not.toContain('sk-abc');
    expect(text).not.toContain('more');
    expect(text).toContain('"apiKey":"[redacted]"');
    expect(/^goal: (.*)$/m.exec(text)?.[1]).toHaveLength(1_000);
  });

  test('has a name that any file system takes, another one for each run', async () => {
    const report = await lateChild();
    const nameOf = (runId: string) => diagnosisOf({ ...report, runId }, about)?.fileName ?? '';
    expect(nameOf('a/1-0/0')).not.toBe(nameOf('a_1-0_0'));
    fc.assert(
      fc.property(
        fc.uint16Array({ maxLength: 20 }).map((units) => String.fromCharCode(...units)),
        fc.constantFrom(1, 99),
        (id, times) => {
          expect(nameOf(id.repeat(times))).toMatch(/^subagent-timeout-[A-Za-z0-9._-]{1,110}\.log$/);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('[HM-105] the log of a child', () => {
  test('is written once, for its user alone, whatever folder it is to be in', async () => {
    const folder = join(newFolder(), 'deep', 'logs');
    const report = await lateChild();
    const path = await writeDiagnosis(report, about, { folder });
    expect(await writeDiagnosis(report, about, { folder })).toBe(path);
    expect(readdirSync(folder)).toEqual([diagnosisOf(report, about)?.fileName]);
    expect(readFileSync(path ?? '', 'utf8')).toBe(diagnosisOf(report, about)?.text);
    if (process.platform !== 'win32') expect(statSync(path ?? '').mode & 0o777).toBe(0o600);
  });

  test('is in the home of its user if nothing else is said', async () => {
    const home = newFolder();
    const spied = vi.spyOn(process.getBuiltinModule('os'), 'homedir').mockReturnValue(home);
    onTestFinished(() => spied.mockRestore());
    const path = await writeDiagnosis(await lateChild(), about);
    expect(path).toBe(join(home, '.troupe', 'logs', readdirSync(join(home, '.troupe', 'logs'))[0] ?? ''));
  });

  test('is not written where there is nothing to say', async () => {
    const folder = newFolder();
    expect(await writeDiagnosis(await lateChild([calling(use('read'))]), about, { folder })).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('that cannot be written has no path, and breaks nothing', async () => {
    const folder = join(newFolder(), 'file');
    writeFileSync(folder, 'in the way');
    expect(await writeDiagnosis(await lateChild(), about, { folder })).toBeUndefined();
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(await writeDiagnosis(await lateChild(), { ...about, config: cycle as never }, { folder })).toBeUndefined();
  });

  test('is not written where there are no files, and nothing fails', async () => {
    const report = await lateChild();
    const spied = vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined);
    onTestFinished(() => spied.mockRestore());
    expect(await writeDiagnosis(report, about, { folder: newFolder() })).toBeUndefined();
  });
});
