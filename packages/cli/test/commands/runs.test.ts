import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshFolder, linesOf, office, troupe } from '../shell.ts';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'troupe-runs-'));
  await troupe(folder, ['run', office, 'Hello', '--id', 'hello']);
  await troupe(folder, ['run', office, 'fail', '--id', 'failing']);
  await troupe(folder, ['run', office, 'deploy', '--id', 'asking']);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('troupe runs', () => {
  test('list shows roots, newest first', async () => {
    const { code, stdout, stderr } = await troupe(folder, ['runs', 'list']);
    expect([code, stderr]).toEqual([0, '']);
    const [heading, ...rows] = stdout.trimEnd().split('\n');
    expect(heading).toMatch(/^run +agent +status +began +turns +tokens +cost +job$/);
    expect(rows.map((row) => row.split(/ {2,}/).slice(0, 3))).toEqual([
      ['asking', 'lead', '‖ paused'],
      ['failing', 'lead', '✖ failed: model_error'],
      ['hello', 'lead', '✔ completed'],
    ]);
  });

  test.each<[flags: string[], ids: string[]]>([
    [['--status', 'open'], ['asking']],
    [
      ['--status', 'failed,completed'],
      ['failing', 'hello'],
    ],
    [
      ['--status', 'failed', '--status', 'completed'],
      ['failing', 'hello'],
    ],
    [['--limit', '1'], ['asking']],
    [['--before', 'failing'], ['hello']],
    [
      ['--all', '--limit', '2'],
      ['asking', 'failing'],
    ],
  ])('list %j gives programs a line for each', async (flags, ids) => {
    const { stdout } = await troupe(folder, ['runs', 'list', '--json', ...flags]);
    expect(linesOf(stdout).map(({ runId }) => runId)).toEqual(ids);
  });

  test('show tells what is known, what it asks, and what it said last', async () => {
    const asking = await troupe(folder, ['runs', 'show', 'asking']);
    expect(asking.stdout).toMatch(/^status +‖ paused$/m);
    expect(asking.stdout).toContain("asks     May I deploy? (yes, no)\n         troupe answer 'asking/1-0?' ANSWER");
    expect((await troupe(folder, ['runs', 'show', 'hello'])).stdout).toMatch(/\nYou said: Hello\n$/);
    expect((await troupe(folder, ['runs', 'show', 'failing'])).stdout).toMatch(/\nIt is down\.\n$/);
    const [json] = linesOf((await troupe(folder, ['runs', 'show', 'hello', '--json'])).stdout);
    expect(json).toMatchObject({ runId: 'hello', status: 'completed', text: 'You said: Hello', questions: [] });
  });

  test('events tells all that happened, or what is asked for', async () => {
    const types = async (...flags: string[]) =>
      linesOf((await troupe(folder, ['runs', 'events', 'asking', '--json', ...flags])).stdout).map(({ type }) => type);
    expect(await types()).toEqual([
      'run.started',
      'turn.started',
      'turn.completed',
      'call.started',
      'question.asked',
      'run.paused',
    ]);
    expect(await types('--after', '4')).toEqual(['question.asked', 'run.paused']);
    expect(await types('--type', 'run, question.asked')).toEqual(['run.started', 'question.asked', 'run.paused']);
    const { stdout } = await troupe(folder, ['runs', 'events', 'hello', '--own', '--follow']);
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/ hello:4 {2}run\.completed {2}✔ lead completed after 1 turn/);
  });

  test('events takes the run also behind a flag that takes several values', async () => {
    const { code, stdout } = await troupe(folder, ['runs', 'events', '--type', 'run', 'asking', '--json']);
    expect([code, linesOf(stdout).map(({ type }) => type)]).toEqual([0, ['run.started', 'run.paused']]);
  });

  test('tree draws a run and what is below it', async () => {
    const { stdout } = await troupe(folder, ['runs', 'tree', 'hello']);
    expect(stdout).toMatch(/^✔ completed {2}lead {2}hello {2}1 turn {2}\d+ tokens\n$/);
    expect(linesOf((await troupe(folder, ['runs', 'tree', 'hello', '--json'])).stdout)[0].children).toEqual([]);
  });

  test('prune forgets what has ended for so long', async () => {
    const own = freshFolder();
    await troupe(own, ['run', office, 'Hello', '--id', 'one']);
    await troupe(own, ['run', office, 'Hello', '--id', 'two']);
    expect((await troupe(own, ['runs', 'prune', '--older-than', '1h'])).stdout).toBe('Forgot 0 trees of runs.\n');
    expect((await troupe(own, ['runs', 'prune', '--older-than', '0', '--keep', '1'])).stdout).toBe(
      'Forgot 1 tree of runs.\n',
    );
    const rest = await troupe(own, ['runs', 'prune', '--older-than', '0', '--json']);
    expect(linesOf(rest.stdout)).toEqual([{ pruned: 1 }]);
    expect(await troupe(own, ['runs', 'list'])).toEqual({ code: 0, stdout: '', stderr: 'No runs.\n' });
  });

  test.each<[args: string[], code: number, problem: RegExp]>([
    [['runs', 'list', '--status', 'lost'], 2, /--status is "lost"\. Expected open, queued/],
    [['runs', 'list', '--before', 'nobody'], 4, /nobody/],
    [['runs', 'list', '--status', 'failed,'], 2, /--status <names>' argument 'failed,' is invalid\. .*one is blank/],
    [['runs', 'list', '--limit', 'few'], 2, /--limit is "few"/],
    [['runs', 'show', 'nowhere'], 4, /There is no run "nowhere"/],
    [['runs', 'prune'], 2, /--older-than/],
    [['runs', 'prune', '--older-than', 'a while'], 2, /--older-than is "a while"\. Expected a time such as 30d/],
    [['runs', 'list', '--store', 'nowhere.db'], 1, /There is no store .*nowhere\.db\. "troupe run" makes one/],
  ])('%j is refused', async (args, code, problem) => {
    const ended = await troupe(folder, args);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toMatch(problem);
  });
});

describe('troupe replay', () => {
  test('steps a stored run through its machine', async () => {
    const { stdout } = await troupe(folder, ['replay', 'asking']);
    const steps = stdout.trimEnd().split('\n');
    expect(steps.map((step) => step.split('  ')[1])).toEqual([
      'xstate.init → running.thinking',
      'turn.closed → paused.question',
    ]);
    const json = linesOf((await troupe(folder, ['replay', 'asking', '--json'])).stdout);
    expect(json[1]).toMatchObject({ state: { paused: 'question' }, heard: { type: 'turn.closed' } });
  });

  test('of a run that is not there is refused', async () => {
    expect(await troupe(folder, ['replay', 'nowhere'])).toMatchObject({ code: 4, stdout: '' });
  });
});

describe('troupe fork', () => {
  test.each<[what: string, flags: string[], text: string]>([
    ['another answer', ['--at', '5', '--answer', 'yes'], 'Done: deployed'],
    ['another turn', ['--at', 'asking:3', '--turn', 'No need.'], 'No need.'],
    ['a turn with calls', ['--at', '3', '--turn', '{"calls":[{"name":"unknown_tool","arguments":{}}]}'], 'Done: '],
    ['another budget', ['--at', '2', '--turn', 'Quick.', '--budget', 'turns=1'], 'Quick.'],
  ])('goes on from an event with %s', async (_what, flags, text) => {
    const ended = await troupe(folder, ['fork', 'asking', '-f', office, '--json', ...flags]);
    expect([ended.code, linesOf(ended.stdout)[0].text]).toEqual([0, expect.stringContaining(text)]);
  });

  test('takes an answer that is no text, and an id', async () => {
    const own = freshFolder();
    await troupe(own, ['run', office, 'ask', '--id', 'r']);
    const args = ['fork', 'r', '--at', '5', '-f', office, '--id', 'f', '--answer-value', '[1]'];
    const ended = await troupe(own, args);
    expect([ended.code, ended.stdout]).toEqual([0, 'Done: [1]\n']);
    expect(ended.stderr).toContain('Run: f, from r:5');
  });

  test.each<[args: string[], code: number, problem: RegExp]>([
    [['--at', '5'], 2, /give its agent file with --file FILE/],
    [['--at', '5', '-f', office, '--answer', 'a', '--answer-value', '1'], 2, /not both/],
    [['--at', '5', '-f', office, '--turn', '{"calls":1}'], 2, /--turn is \{"calls":1\}\. Expected text, or/],
    [['--at', '99', '-f', office], 4, /There is no event "asking:99"/],
  ])('%j is refused', async (flags, code, problem) => {
    const ended = await troupe(folder, ['fork', 'asking', ...flags]);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toMatch(problem);
  });
});
