import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isEnded } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { describe, type TestContext, test } from 'vitest';
import { folderWith, rehearsal, runExample, type Watch } from './fixture.ts';

const team = (args: string[], context: TestContext, watch?: Watch) =>
  runExample('demo', ['--team', ...args], context, { env: rehearsal, watch, group: true });

// At once: they are slow because their models take time to think.
describe.concurrent('the demo with --team', { timeout: 60_000 }, () => {
  test.skipIf(process.platform === 'win32')(
    'a planner spawns backend, that one a reviewer; killed in the middle they go on in another process, and backend again by its name [SB-095, SB-112, F-12]',
    async (context) => {
      const { expect, onTestFinished } = context;
      const storeFile = join(folderWith({}, onTestFinished), 'runs.db');
      const { code, stdout, stderr } = await team(
        ['Measure the wind. Write it down.', 'Measure the rain.', '--store', storeFile],
        context,
      );
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expect(stdout.split('\n')[0]).toMatch(/^Rehearsal: no language model took part\./);
      expect(stdout).not.toContain('\u001b');
      // what happened, in the order in which it did
      let from = 0;
      for (const line of [
        /^You: Measure the wind\. Write it down\.$/m,
        /^↗ planner asks backend: Measure the wind\. Write it down\.$/m,
        /^↗ backend asks reviewer: Review work\.md/m,
        /^· reviewer turn 1: list_dir$/m,
        /^✂ reviewer has taken its first turn: this process is killed now \(SIGKILL\)\.$/m,
        /^Another process opens the same file\.$/m,
        /^▸ reviewer was recovered$/m,
        /^· reviewer turn 2: read_file$/m,
        /^✔ backend completed/m,
        /^↙ planner hears what backend has done$/m,
        /^backend reports: work\.md holds 2 items of one task, 0 of them from before\. The reviewer: work\.md has 2 items; 2 are not checked off\.$/m,
        /^You: Measure the rain\.$/m,
        /^↗ planner asks backend: Measure the rain\.$/m,
        /^↙ planner hears what backend has done$/m,
        // what was said before the process was killed is known
        /^backend reports: work\.md holds 3 items of 2 tasks, 2 of them from before\./m,
        /^together +8 runs/m,
        /^backend \(sub_[0-9a-f]{10}\) has worked 2 times in one conversation, over two processes\.$/m,
      ]) {
        const found = line.exec(stdout.slice(from));
        expect(found?.[0], `${String(line)} after ${from}`).toBeDefined();
        from += (found?.index ?? 0) + 1;
      }
      // what was answered before is not asked again: one first turn for each task
      expect(stdout.match(/^· reviewer turn 1:/gm)).toHaveLength(2);
      // nothing of a nested one reaches the planner
      expect(stdout).not.toContain('planner hears what reviewer');
      expect(readFileSync(join(dirname(storeFile), 'work', 'work.md'), 'utf8')).toBe(
        '# Asked for\n\n## Task 1\n\n- [ ] Measure the wind.\n- [ ] Write it down.\n\n## Task 2\n\n- [ ] Measure the rain.\n',
      );
      // and nothing is left at work
      const store = sqliteStore(storeFile);
      expect(store.list({}).filter(({ status }) => !isEnded(status))).toEqual([]);
      expect(store.sessionInbox()).toEqual([]);
      await store.close();
    },
  );

  test.skipIf(process.platform === 'win32').for([
    ['the first process', '↗ backend asks reviewer', 'Another process'],
    ['the second', '▸ reviewer was recovered', 'together'],
  ] as const)('ends in order on Ctrl-C in %s', async ([_where, when, never], context) => {
    const { expect, onTestFinished } = context;
    const storeFile = join(folderWith({}, onTestFinished), 'runs.db');
    let sent = false;
    const { code, stdout, stderr } = await team(['Go.', '--store', storeFile], context, (printed, kill) => {
      if (sent || !printed.includes(when)) return;
      sent = true;
      kill('SIGINT');
    });
    expect(stderr).toBe('');
    expect(code).toBe(130);
    expect(stdout).toMatch(/■ backend was interrupted/);
    expect(stdout).not.toContain(never);
    const store = sqliteStore(storeFile);
    expect(store.list({}).filter(({ status }) => !isEnded(status))).toEqual([]);
    await store.close();
  });

  test('tells wrong arguments in one sentence, and is the review without that flag', async (context) => {
    const review = await runExample('demo', ['one', 'two', 'three'], context, { env: rehearsal });
    context.expect(review.stderr).toMatch(/Usage: npm run demo -- \[PATH\] \["question"\]/);
    const wrong = await team(['one', 'two', 'three'], context);
    context.expect(wrong).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'There are too many arguments: put each task in quotes. Usage: npm run demo -- --team ["task"] ["what then"] [--store FILE]\n',
    });
  });
});
