import { chmodSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, type TestContext, test } from 'vitest';
import { folderWith, rehearsal, runExample, type Watch } from './fixture.ts';

const small = {
  'README.md': '# Weather station\n\nMeasures wind and rain on a roof.\n',
  'src/index.ts': '/** Reads the wind meter. */\nexport const readWind = () => 3;\n',
  'docs/wiring.md': '# Wiring plan\n\nRed goes to plus.\n',
};

/** The demo on workers, in a temporary folder of its own: what it leaves behind is found there. */
const demo = async (context: TestContext, watch?: Watch) => {
  const temporary = folderWith({}, context.onTestFinished);
  // PostgreSQL is not run as root, and has to get there.
  chmodSync(temporary, 0o755);
  const args = ['--workers', '2', folderWith(small, context.onTestFinished), 'How is the wind measured?'];
  const out = ['--out', `${folderWith({}, context.onTestFinished)}/review.md`];
  const env = { ...rehearsal, TMPDIR: temporary, TEMP: temporary };
  const ended = await runExample('demo', [...args, ...out], context, { env, watch, group: true });
  return { ...ended, left: () => [...readdirSync(temporary), ...processesOf(temporary)] };
};

/** Processes that were started with a folder in their environment or on their command line. */
const processesOf = (folder: string): string[] => {
  if (!existsSync('/proc')) return [];
  const said = (pid: string, what: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${what}`, 'utf8');
    } catch {
      return '';
    }
  };
  return readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && (said(pid, 'environ').includes(folder) || said(pid, 'cmdline').includes(folder)),
  );
};

describe.skipIf(process.platform === 'win32')('the review demo with --workers', { timeout: 90_000 }, () => {
  test('has its children executed by other processes, says by which, and leaves none of them behind', async (context) => {
    const { code, stdout, stderr, left } = await demo(context);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const taken = [...stdout.matchAll(/^⇢ (worker-\d) executes (.+)$/gm)].map(([, worker, area]) => [worker, area]);
    expect(taken).toHaveLength(3);
    expect(new Set(taken.map(([, area]) => area))).toEqual(new Set(['docs', 'src', 'top level']));
    for (const [worker, area] of taken) expect(stdout).toMatch(new RegExp(`^${worker} executed .*\\b${area}\\b`, 'm'));
    expect(stdout).toMatch(/^ {2}src +✔ completed/m);
    expect(stdout).toContain('3 of 3 children answered in the agreed form.');
    expect(left()).toEqual([]);
  });

  test.for([
    ['SIGINT', 130],
    ['SIGKILL', null],
  ] as const)('leaves nothing behind when it is stopped in the middle: %s', async ([signal, expected], context) => {
    let isSent = false;
    const { code, left } = await demo(context, (printed, kill) => {
      if (isSent || !printed.includes('⇢')) return;
      isSent = true;
      kill(signal);
    });
    expect(code).toBe(expected);
    await expect.poll(left, { timeout: 20_000 }).toEqual([]);
  });

  test('says in one sentence what it does not take', async (context) => {
    for (const [args, said] of [
      [['--workers', 'two'], '--workers is "two": give a number from 1 to 16. Usage: '],
      [['--workers', '2', '--resume'], 'With --workers a review has a database of its own'],
    ] as const) {
      const { code, stderr } = await runExample('demo', args, context, { env: rehearsal });
      expect([code, stderr]).toEqual([1, expect.stringContaining(said)]);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
  });
});
