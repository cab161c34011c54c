import { describe, expect, test } from 'vitest';
import {
  cancelledAllText,
  cancelledText,
  helpText,
  infoText,
  lifecycleText,
  listText,
  notFoundText,
  resumedText,
  spawnedText,
  steeredText,
  usageText,
} from '../../../src/subagents/commands/command-text.ts';
import type {
  Spawned,
  SubagentEvent,
  SubagentInfo,
  SubagentStatus,
  SubagentSummary,
} from '../../../src/subagents/subagent-manager.ts';
import type { Requester, SubagentConfig } from '../../../src/subagents/subagent-record.ts';
import { config } from '../asked.ts';

const named: SubagentConfig = {
  ...config,
  mode: 'session',
  routing: 'orchestrated',
  thinking: 'basic',
  skills: true,
  specialization: 'reports',
  keywords: ['weekly status', 'report'],
};
const requester: Requester = { sessionKey: 's', channel: null, metadata: {}, replyTo: null };
const summary: SubagentSummary = {
  agentId: 'sub_1',
  runId: 'run_1',
  label: 'Find\nthe bug',
  state: 'running',
  depth: 1,
  model: 'small',
  elapsedSeconds: 12.4,
  pendingDescendants: 0,
  background: 0,
  mode: 'run',
  name: null,
  allowSubagents: false,
};
const info: SubagentInfo = {
  ...summary,
  parentId: null,
  task: 'x'.repeat(200),
  config,
  sessionKey: 'subagent-sub_1',
  requester,
  children: [],
  effectiveSkills: false,
  resultPreview: null,
  error: null,
  usage: null,
  createdAt: 0,
  startedAt: null,
  completedAt: null,
};
const spawned: Spawned = {
  agentId: 'sub_1',
  runId: 'run_1',
  sessionKey: 'subagent-sub_1',
  label: 'Find the bug',
  depth: 1,
  parentId: null,
  config,
  skills: false,
};
const happened: SubagentEvent = {
  type: 'spawning',
  agentId: 'sub_1',
  runId: 'run_1',
  label: 'Find the bug',
  parentId: null,
  depth: 1,
  model: 'small',
  result: null,
  error: null,
  elapsedSeconds: null,
  requester,
  at: 0,
};
const status = (active: SubagentSummary[], recent: SubagentSummary[]): SubagentStatus => ({
  total: active.length + recent.length,
  active,
  recent,
  byState: { idle: 0, pending: 0, running: active.length, completed: recent.length, failed: 0, cancelled: 0 },
});

describe('what commands answer', () => {
  test('is a list of who works and who has ended [SB-151]', () => {
    const boss = {
      ...summary,
      agentId: 'sub_2',
      model: null,
      mode: 'session',
      name: 'nina',
      pendingDescendants: 1,
    } as const;
    expect(listText(status([], []))).toBe('No sub-agents spawned.');
    expect(listText(status([summary], [{ ...boss, state: 'completed' }]))).toBe(
      [
        'Sub-agents (2 total):',
        'Active:',
        '- sub_1 Find the bug: running — 12s [small]',
        'Recent:',
        '- sub_2 Find the bug: completed — 12s [session:nina] +1 descendant',
      ].join('\n'),
    );
    expect(listText(status([{ ...boss, pendingDescendants: 2 }], []))).toBe(
      'Sub-agents (1 total):\nActive:\n- sub_2 Find the bug: running — 12s [session:nina] +2 descendants',
    );
  });

  test('is what was spawned, and with what [SB-153]', () => {
    expect(spawnedText(spawned)).toBe(
      [
        'Sub-agent spawned!',
        'ID: sub_1',
        'Label: Find the bug',
        'Model: default',
        'Thinking: default',
        'Skills: inherit',
        'Mode: run',
        'Nested spawn: off',
      ].join('\n'),
    );
    expect(spawnedText({ ...spawned, model: 'small', name: 'nina', config: named, skills: true })).toBe(
      [
        'Sub-agent spawned!',
        'ID: sub_1',
        'Label: Find the bug',
        'Model: small',
        'Thinking: basic',
        'Skills: ON',
        'Mode: session [nina]',
        'Specialization: reports',
        'Keywords: weekly status, report',
        'Nested spawn: on',
      ].join('\n'),
    );
    const off = spawnedText({ ...spawned, config: { ...config, skills: false, model: 'large', allowSubagents: true } });
    expect(off).toMatch(/^Model: large$.*^Skills: OFF$.*^Nested spawn: on$/ms);
  });

  test('is what goes on [SB-155]', () => {
    expect(resumedText({ ...spawned, name: 'nina' }, `Go ${'o'.repeat(200)}`)).toBe(
      [
        'Session agent resumed!',
        'Name: nina',
        'ID: sub_1',
        `Task: Go ${'o'.repeat(116)}…`,
        'Session history is preserved.',
      ].join('\n'),
    );
    expect(resumedText(spawned, 'Go.')).toContain('Name: sub_1\n');
  });

  test('is what is stopped [SB-156]', () => {
    expect([
      cancelledText('sub_1', { cancelled: true, descendants: 0 }),
      cancelledText('sub_1', { cancelled: true, descendants: 1 }),
      cancelledText('sub_1', { cancelled: true, descendants: 3 }),
      cancelledText('sub_1', { cancelled: false, descendants: 0 }),
      cancelledAllText(0),
      cancelledAllText(1),
    ]).toEqual([
      'Cancellation requested for sub-agent sub_1.',
      'Cancellation requested for sub-agent sub_1 and 1 descendant.',
      'Cancellation requested for sub-agent sub_1 and 3 descendants.',
      'Sub-agent sub_1 not found or already finished.',
      'Cascade cancellation requested for 0 sub-agents.',
      'Cascade cancellation requested for 1 sub-agent.',
    ]);
  });

  test('is whether it was steered [SB-157]', () => {
    expect([
      steeredText('sub_1', { status: 'accepted', agentId: 'sub_1', label: 'Find', runId: 'run_2' }),
      steeredText('sub_1', { status: 'rate_limited', message: 'Try again in 1.5s.', retryAfterMs: 1_500 }),
      steeredText('sub_1', { status: 'done', message: 'It is completed.', state: 'completed' }),
      steeredText('sub_1', { status: 'not_found', message: 'There is no sub_1.' }),
      steeredText('sub_1', { status: 'failed', message: 'The store is gone.' }),
    ]).toEqual([
      'Steer accepted!\nID: sub_1\nLabel: Find\nNew run: run_2',
      'Rate limited: Try again in 1.5s.',
      'Cannot steer: It is completed.',
      'Sub-agent sub_1 not found.',
      'Steer failed: The store is gone.',
    ]);
  });

  test('is what is known of one [SB-158]', () => {
    expect(infoText(info)).toBe(
      [
        'Sub-agent sub_1',
        'Label: Find the bug',
        'State: running',
        `Task: ${'x'.repeat(119)}…`,
        'Depth: 1',
        'Model: small',
        'Tool profile: core',
        'Routing mode: direct',
        'Skills: OFF (inherited)',
        'Thinking: default',
        'Elapsed: 12s',
        'Pending descendants: 0',
        'Children: none',
      ].join('\n'),
    );
    const ended = infoText({
      ...info,
      name: 'nina',
      model: null,
      task: null,
      config: { ...named, tools: [], model: 'large' },
      effectiveSkills: true,
      children: ['sub_2', 'sub_3'],
      usage: { inputTokens: 10, outputTokens: 5 },
      resultPreview: 'It was the door.',
      error: 'Too late.',
    });
    expect(ended).toMatch(/^Name: nina$/m);
    expect(ended).not.toMatch(/^Task:/m);
    expect(ended).toMatch(/^Model: large\nTools: none\nSpecialization: reports\nRouting mode: orchestrated$/m);
    expect(ended).toMatch(/^Keywords: weekly status, report\nSkills: ON\nThinking: basic$/m);
    expect(ended).toMatch(
      /^Children: sub_2, sub_3\nTokens: 15 total \(10 in, 5 out\)\nResult: It was the door\.\nError: Too late\.$/m,
    );
    const bare = infoText({ ...info, model: null, config: { ...config, tools: ['read', 'grep'] } });
    expect(bare).toMatch(/^Model: default\nTools: read, grep$/m);
    expect(notFoundText('sub_1')).toBe('Sub-agent sub_1 not found.');
  });

  test('is how it is written [SB-150]', () => {
    expect(usageText(null)).toBe('Usage: /subagents [list|spawn|resume|cancel|steer|info|help]');
    for (const of of ['spawn', 'resume', 'cancel', 'steer', 'info'] as const) {
      expect(usageText(of)).toMatch(new RegExp(`^Usage: /subagents ${of} `));
      expect(helpText).toContain(usageText(of).replace('Usage: ', ''));
    }
    expect(helpText).toContain('/subagents list');
  });

  test('is a line for what channels tell of sub-agents [SB-160]', () => {
    const ended = { ...happened, elapsedSeconds: 3 };
    expect([
      lifecycleText(happened),
      lifecycleText({ ...happened, type: 'started' }),
      lifecycleText({ ...happened, type: 'steered', task: 'Stop.' }),
      lifecycleText({ ...ended, type: 'completed', result: 'It was\nthe door.' }),
      lifecycleText({ ...ended, type: 'failed', error: 'Too late.' }),
      lifecycleText({ ...happened, type: 'cancelled', label: 'a\nb' }),
    ]).toEqual([
      'Sub-agent Find the bug (sub_1) is spawning.',
      null,
      null,
      'Sub-agent Find the bug (sub_1) completed after 3s: It was the door.',
      'Sub-agent Find the bug (sub_1) failed after 3s: Too late.',
      'Sub-agent a b (sub_1) was cancelled.',
    ]);
  });
});
