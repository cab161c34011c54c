import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { textWidth } from '../../src/text-width.ts';
import { inTerminal, keys } from '../pseudo-terminal.ts';
import { bin, freshFolder, linesOf, office, startTroupe, troupe, untilTold } from '../shell.ts';

const run = (job: string, options: Partial<Parameters<typeof inTerminal>[2]> & { flags?: string[] } = {}) => {
  const { flags = [], ...rest } = options;
  const folder = options.cwd ?? freshFolder();
  const args = [bin, 'run', office, job, '--id', 'r', ...flags];
  return { folder, ...terminalOf(inTerminal(process.execPath, args, { ...rest, cwd: folder })) };
};
const terminalOf = (terminal: ReturnType<typeof inTerminal>) => ({ terminal });
const statusesIn = async (folder: string): Promise<Record<string, string>> => {
  const { stdout } = await troupe(folder, ['runs', 'list', '--all', '--json']);
  return Object.fromEntries(linesOf(stdout).map(({ runId, status }) => [runId, status]));
};

// In pseudo-terminals, with a terminal emulator for a screen.
describe('a run on a terminal', { timeout: 30_000 }, () => {
  test('is a tree with what each run does, how far it is and what it used, and stays there when it has ended', async () => {
    const { terminal } = run('split 3', { columns: 120 });
    const shown = await terminal.until(/part 3 .*dig/);
    expect(shown).toMatch(/^❯ \S lead +░░░ 0\/3 {2}spawn_subworker ×3 .*░░░░░ 15 % +calls +turn 1\/10 +15 +\d\.\d s$/m);
    expect(shown).toMatch(/^ {4}\S part 1 +dig .* turn 1\/10 /m);
    expect(shown).toMatch(/^4 runs {2}4 turns {2}60 tokens/m);
    // a person interrupts one of the children, and the others go on
    terminal.type(keys.down);
    await terminal.until(/^❯ .*part 1/m);
    terminal.type('i');
    await terminal.until(/Interrupt r\/1-0\/0 and all below it\? y: yes/);
    terminal.type('y');
    await terminal.until(/■ part 1 +interrupted[\s\S]*lead +█░░ 1\/3|lead +█░░ 1\/3[\s\S]*■ part 1 +interrupted/);
    terminal.type(keys.ctrlC);
    expect(await terminal.exit).toBe(130);
    expect(terminal.text).toMatch(/^■ lead +interrupted/m);
    expect(terminal.text).toMatch(/^ {2}■ part 3 +interrupted: parent_interrupted/m);
    expect(terminal.text).not.toContain('❯');
    // and the cursor is back
    expect(terminal.raw.lastIndexOf('\u001b[?25h')).toBeGreaterThan(terminal.raw.lastIndexOf('\u001b[?25l'));
  });

  test('opens what is asked in its place, takes no unclear answer, and gives the result', async () => {
    const { terminal } = run('deploy', { columns: 60 });
    const asked = await terminal.until(/May I deploy/);
    expect(asked).toMatch(/^❯ \? lead +waits for an answer.*\n {4}May I deploy\? \(yes, no\)\n {4}› ▏$/m);
    terminal.type('mybe');
    terminal.type(keys.backspace);
    terminal.type('\r');
    await terminal.until(/Not answered: the answer is not clear/);
    terminal.type(keys.escape);
    await terminal.until((text) => !text.includes('›') && text.includes('a answer'));
    terminal.type('a');
    await terminal.until(/› ▏/);
    terminal.type('yes');
    await terminal.until(/› yes▏/);
    terminal.type(keys.enter);
    expect(await terminal.exit).toBe(0);
    expect(terminal.text).toMatch(/\nDone: deployed$/);
  });

  test('is steered, paused and resumed by keys, and its spawning is held', async () => {
    const { folder, terminal } = run('dig');
    await terminal.until(/lead +dig/);
    terminal.type('sDig deeper.');
    await terminal.until(/› Dig deeper\.▏/);
    terminal.type(keys.enter);
    await untilTold(folder, 'r', 'run.steered');
    terminal.type(' ');
    await terminal.until(/‖ lead +paused/);
    terminal.type(' ');
    await terminal.until(/lead +dig/);
    terminal.type('p');
    await terminal.until(/lead +spawning held +dig[\s\S]*It and all below it start no children now\./);
    terminal.type('p');
    await terminal.until(/lead +dig[\s\S]*It may start children again\./);
    terminal.type(keys.ctrlC);
    expect(await terminal.exit).toBe(130);
    expect(await statusesIn(folder)).toEqual({ r: 'interrupted' });
  });

  test('fits the window, also while that becomes narrow and wide again', async () => {
    const { terminal } = run('split 5', { columns: 100, rows: 8 });
    await terminal.until(/… 2 more runs/);
    const fits = (columns: number, rows: number) => (text: string) => {
      const lines = text.split('\n').slice(-rows);
      return lines.every((line) => textWidth(line) <= columns) && /^\d+ runs/m.test(text);
    };
    terminal.resize(40, 8);
    await terminal.until((text) => fits(40, 8)(text) && /6 runs {2}/.test(text) && !text.includes('turn 1/10'));
    terminal.resize(120, 30);
    const wide = await terminal.until(/turn 1\/10[\s\S]*part 5/);
    expect(wide.split('\n').filter((line) => line.includes('part 5'))).toHaveLength(1);
    terminal.type(keys.ctrlC);
    expect(await terminal.exit).toBe(130);
  });

  test('has colours, and none with NO_COLOR', async () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are colours
    const colours = /\u001b\[(?:3\d|9\d|1|2)m/;
    const [with_, without] = [run('Hello'), run('Hello', { env: { NO_COLOR: '1' } })];
    expect([await with_.terminal.exit, await without.terminal.exit]).toEqual([0, 0]);
    expect(with_.terminal.raw).toMatch(colours);
    expect(without.terminal.raw).not.toMatch(colours);
    expect(without.terminal.text).toMatch(/✔ lead +completed/);
  });

  test.each([
    ['--plain', { flags: ['--plain'] }],
    ['TERM=dumb', { env: { TERM: 'dumb' } }],
  ])('is lines with %s', async (_what, options) => {
    const { terminal } = run('Hello', options);
    expect(await terminal.exit).toBe(0);
    expect(terminal.text).toContain('✔ lead completed after 1 turn');
    expect(terminal.raw).not.toContain('\u001b[?25l');
  });

  test('is lines where ink was left out of the install, and says what is missing', async () => {
    const folder = freshFolder();
    const hooks = join(folder, 'without-ink.mjs');
    writeFileSync(
      hooks,
      `import { registerHooks } from 'node:module';
registerHooks({
  resolve(name, context, next) {
    if (name === 'ink') throw new Error('Cannot find package "ink".');
    return next(name, context);
  },
});`,
    );
    const { terminal } = run('Hello', { cwd: folder, env: { NODE_OPTIONS: `--import ${hooks}` } });
    expect(await terminal.exit).toBe(0);
    expect(terminal.text).toContain('Plain lines: the live tree needs the packages ink and react.');
    expect(terminal.text).toContain('▸ lead starts with scripted');
    expect(terminal.text).toContain('✔ lead completed after 1 turn');
    expect(terminal.text).toMatch(/You said: Hello$/);
  });

  test('leaves its answer to whoever reads it elsewhere', async () => {
    const folder = freshFolder();
    const command = `"${process.execPath}" "${bin}" run "${office}" Hello --no-store > out.txt; cat out.txt`;
    const terminal = inTerminal('bash', ['-c', command], { cwd: folder });
    expect(await terminal.exit).toBe(0);
    expect(terminal.text).toMatch(/✔ lead +completed[\s\S]*\nYou said: Hello$/);
  });
});

describe('troupe watch', { timeout: 30_000 }, () => {
  test('shows a run of another process, answers it by keys, and ends with it', async () => {
    const folder = freshFolder();
    const executing = startTroupe(folder, ['run', office, 'deploy', '--id', 'r', '--wait']);
    await executing.said(/asks: May I/);
    const terminal = inTerminal(process.execPath, [bin, 'watch', 'r'], { cwd: folder });
    await terminal.until(/May I deploy\? \(yes, no\)/);
    terminal.type('yes');
    terminal.type(keys.enter);
    expect(await terminal.exit).toBe(0);
    expect(terminal.text).toMatch(/✔ lead +completed[\s\S]*\nDone: deployed$/);
    expect((await executing.ended).code).toBe(0);
  });

  test('holds the spawning of a run of another process by a key, and sees that it is held when it comes later', async () => {
    const folder = freshFolder();
    const executing = startTroupe(folder, ['run', office, 'dig', '--id', 'r']);
    await untilTold(folder, 'r', 'call.started');
    const watch = () => inTerminal(process.execPath, [bin, 'watch', 'r'], { cwd: folder });
    const first = watch();
    await first.until(/lead +dig[\s\S]*p hold spawning/);
    first.type('p');
    await first.until(/lead +spawning held +dig[\s\S]*It and all below it start no children now\./);
    first.type(keys.ctrlC);
    expect(await first.exit).toBe(0);
    const second = watch();
    await second.until(/lead +spawning held +dig[\s\S]*p let spawn/);
    second.type('p');
    await untilTold(folder, 'r', 'spawning.resumed');
    await second.until(/lead +dig[\s\S]*It may start children again\./);
    second.type(keys.ctrlC);
    expect(await second.exit).toBe(0);
    executing.child.kill('SIGINT');
    await executing.ended;
  });

  test('changes nothing when it is left', async () => {
    const folder = freshFolder();
    const executing = startTroupe(folder, ['run', office, 'dig', '--id', 'r']);
    await untilTold(folder, 'r', 'call.started');
    const terminal = inTerminal(process.execPath, [bin, 'watch'], { cwd: folder });
    await terminal.until(/lead +dig/);
    terminal.type(keys.ctrlC);
    expect(await terminal.exit).toBe(0);
    expect(await statusesIn(folder)).toEqual({ r: 'running' });
    executing.child.kill('SIGINT');
    await executing.ended;
  });
});
