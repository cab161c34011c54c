import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import { folderWith, rehearsal, runExample, type Watch } from './fixture.ts';

const research = (args: string[], context: TestContext, watch?: Watch) =>
  runExample('research', args, context, { env: rehearsal, watch });

const small = {
  'README.md': '# Weather station\n\nMeasures wind and rain on a roof. Then it tells.\n',
  'src/index.ts': '/** Reads the wind meter. */\nexport const readWind = () => 3;\n',
  'docs/wiring.md': '# Wiring plan\n\nRed goes to plus.\n',
};

// At once: they are slow because their models take time to think.
describe.concurrent('the research example', { timeout: 60_000 }, () => {
  test('asks one scout, then several, then one in the background, and answers when it has heard of that', async (context) => {
    const { expect, onTestFinished } = context;
    const folder = folderWith(small, onTestFinished);
    const { code, stdout, stderr } = await research(['How is the wind measured?', '--folder', folder], context);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout.split('\n')[0]).toMatch(/^Rehearsal: no language model took part\./);
    expect(stdout).not.toContain('\u001b');
    // what happened, in the order in which it did
    let from = 0;
    for (const line of [
      /^▸ \[1\/1\] Take a first look at the top level$/m,
      /^✓ \[1\/1\] Take a first look at the top level \(\d+s\)$/m,
      /^▸ \[1\/2\] Read docs$/m,
      /^✓ \[[12]\/2\] Read (docs|src) \(\d+s\)$/m,
      /^↗ in the background: deleg_[0-9a-f]{16}$/m,
      /^3 of 3 scouts have reported\. At work in the background: Search all files for its words\./m,
      /^↙ the lead hears of deleg_[0-9a-f]{16}$/m,
      /^4 of 4 scouts have reported\.$/m,
      /^run +status +turns +tokens +cost +time$/m,
    ]) {
      const found = line.exec(stdout.slice(from));
      expect(found?.[0], `${String(line)} after ${from}`).toBeDefined();
      from += (found?.index ?? 0) + 1;
    }
    // what stands in the files
    for (const fact of [
      '`README.md` Measures wind and rain on a roof.',
      '`src/index.ts` Exports: readWind',
      '`docs/wiring.md` Headings: Wiring plan',
      '## Search all files for its words\n\n3 lines in 3 files hold one of: wind, measured.',
      '`src/index.ts:2` export const readWind',
    ])
      expect(stdout).toContain(fact);
    // what each run used
    expect(stdout).toMatch(/^ {2}Read src +✔ completed +\d+ +[\d.]+k? +\$0 +[\d.]+ s$/m);
    expect(stdout).toMatch(/^in the background +✔ completed/m);
    expect(stdout).toMatch(/^together +7 runs/m);
  });

  test('tells a wrong path and wrong arguments in one sentence', async (context) => {
    const { expect, onTestFinished } = context;
    const nope = join(folderWith({}, onTestFinished), 'nope');
    expect(await research(['why', '--folder', nope], context)).toEqual({
      code: 1,
      stdout: '',
      stderr: `There is no folder "${nope}".\n`,
    });
    const wrong = await research(['why', 'me'], context);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toBe(
      'There are too many arguments: put the question in quotes. Usage: npm run research -- ["question"] [--folder PATH]\n',
    );
  });

  test.skipIf(process.platform === 'win32').for([
    ['the lead', '✓ [1/1] Take a first look'],
    ['what is in the background', 'At work in the background'],
  ] as const)(
    'ends in order on Ctrl-C while %s is at work (Windows has no signals to send)',
    async ([_who, when], context) => {
      const { expect, onTestFinished } = context;
      let sent = false;
      const folder = folderWith(small, onTestFinished);
      const args = ['How is the wind measured?', '--folder', folder];
      const { code, stdout, stderr } = await research(args, context, (printed, kill) => {
        if (sent || !printed.includes(when)) return;
        sent = true;
        kill('SIGINT');
      });
      expect(stderr).toBe('');
      expect(code).toBe(130);
      expect(stdout).toMatch(/■ interrupted/);
      expect(stdout).not.toContain('the lead hears');
      expect(stdout).toMatch(/^together/m);
    },
  );
});
