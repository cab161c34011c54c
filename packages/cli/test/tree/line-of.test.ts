import { expect, test } from 'vitest';
import { textWidth } from '../../src/text-width.ts';
import { lineOf } from '../../src/tree/line-of.ts';
import { journal, usageReport } from '../events.ts';

test('notable events get one line each, indented by depth, and others none', () => {
  const log = journal();
  const child = 'run_1/1-0/0';
  log.start('run_1', 'lead');
  log.turn('run_1', 'lead', 1, [
    { id: 'a', name: 'read_file' },
    { id: 'b', name: 'read_file' },
    { id: 'c', name: 'spawn_subworker' },
  ]);
  log.tell(child, 'part', { type: 'run.queued', job: { input: 'go' } });
  log.start(child, 'part');
  log.tell(child, 'part', {
    type: 'turn.attempted',
    turn: 1,
    number: 1,
    provider: 'p',
    model: 'small',
    fault: { code: 'model.rate_limited', message: 'Too many requests.', retryable: true },
  });
  log.tell(child, 'part', {
    type: 'call.failed',
    callId: 'x',
    tool: 'read_file',
    error: 'There is no "a\nb".',
    result: '',
  });
  log.tell(child, 'part', { type: 'child.refused', callId: 'x', code: 'spawn.refused', message: 'Too deep.' });
  log.tell(child, 'part', { type: 'budget.warned', kind: 'tokens', spent: 80, limit: 100 });
  log.fail(child, 'part', 'max_turns');
  log.tell('run_1', 'lead', { type: 'warning.raised', code: 'w', message: 'Careful.' });
  log.tell('run_1', 'lead', {
    type: 'run.completed',
    text: 'x',
    usage: usageReport({ inputTokens: 1_200, outputTokens: 300, costUsd: 0.25 }, 2),
  });
  expect(log.events.map(lineOf).filter((line) => line !== null)).toEqual([
    '▸ lead starts with small',
    '· lead turn 1: read_file ×2, spawn_subworker',
    '  … part is queued',
    '  ▸ part starts with small',
    '  ↻ part turn 1, attempt 1: Too many requests.',
    '  ! part read_file: There is no "a b".',
    '  ! part may not start a child: Too deep.',
    '  ! part has used 80 of 100 tokens',
    '  ✖ part failed: max_turns – No more turns.',
    '! lead Careful.',
    '✔ lead completed after 2 turns, 1.5k tokens, $0.25',
  ]);
});

test('questions, pauses and interruptions get their line', () => {
  const log = journal();
  const question = {
    id: 'q',
    runId: 'run_1',
    rootId: 'run_1',
    callId: 'c',
    kind: 'confirmation',
    tool: 'delete',
    arguments: {},
    prompt: 'Delete it?',
    options: ['yes', 'no'],
    askedAt: 1,
  } as const;
  log.tell('run_1', 'lead', { type: 'question.asked', question: { ...question, options: [...question.options] } });
  log.tell('run_1', 'lead', { type: 'run.paused', reason: 'question', questionIds: ['q'] });
  log.tell('run_1', 'lead', { type: 'question.answered', questionId: 'q', answer: true, by: 'somebody' });
  log.tell('run_1', 'lead', { type: 'run.resumed', by: 'answer' });
  log.tell('run_1', 'lead', { type: 'run.paused', reason: 'paused', questionIds: [] });
  log.tell('run_1', 'lead', { type: 'run.steered', text: 'be brief' });
  log.tell('run_1', 'lead', { type: 'budget.raised', budget: { turns: 9, costUsd: 1, deadlineAt: 5 }, by: 'user' });
  log.tell('run_1', 'lead', { type: 'spawning.paused', by: 'user' });
  log.tell('run_1', 'lead', { type: 'spawning.resumed', by: 'user' });
  log.interrupt('run_1', 'lead', 'interrupted');
  expect(log.events.map(lineOf)).toEqual([
    '? lead asks: Delete it?',
    null,
    '▸ lead got an answer',
    '▸ lead goes on',
    '‖ lead is paused',
    '▸ lead is told: be brief',
    '▸ lead may use more: 9 turns, 1 costUsd',
    '‖ lead may start no children',
    '▸ lead may start children again',
    '■ lead was interrupted: enough',
  ]);
});

test('a line is never longer than a screenful, nor anything a terminal would obey', () => {
  const log = journal();
  const event = log.tell('run_1', 'lead', { type: 'run.steered', text: '\u001b[2J'.concat('語'.repeat(500)) });
  const line = lineOf(event) ?? '';
  expect(textWidth(line)).toBeLessThanOrEqual(240);
  expect(line).not.toContain('\u001b');
});
