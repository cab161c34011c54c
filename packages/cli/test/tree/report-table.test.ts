import { expect, test } from 'vitest';
import { reportTable } from '../../src/tree/report-table.ts';
import { treeOf } from '../../src/tree/tree.ts';
import { journal } from '../events.ts';

test('the report table shows status, turns, tokens, cost and time of each run, and of all together', () => {
  const log = journal();
  log.start('run_1', 'lead', 10);
  log.turn('run_1', 'lead', 1, [{ id: 'c', name: 'spawn_subworker' }]);
  log.wait(1_000);
  log.start('run_1/1-0/0', '調査 part');
  log.turn('run_1/1-0/0', '調査 part', 1);
  log.wait(11_000);
  log.fail('run_1/1-0/0', '調査 part', 'max_turns');
  log.turn('run_1', 'lead', 2);
  log.complete('run_1', 'lead', 2);
  expect(reportTable(treeOf(log.events))).toBe(
    `
run          status               turns  tokens     cost  time
───────────  ───────────────────  ─────  ──────  ───────  ────
lead         ✔ completed              2     220  $0.0020  12 s
  調査 part  ✖ failed: max_turns      1     110        –  11 s
───────────  ───────────────────  ─────  ──────  ───────  ────
together     2 runs                   3     330  $0.0020  12 s`.trim(),
  );
});

test('the report table says what is not known of a run that has not ended', () => {
  const log = journal();
  log.start('run_1', 'lead');
  expect(reportTable(treeOf(log.events)).split('\n')[2]).toBe('lead      · running      0       0     –     –');
});
