import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freshFolder, linesOf, office, startTroupe, troupe, untilTold } from '../shell.ts';

describe('commands to a run that another process executes', () => {
  test('reach it through the store, and say what came of them', async () => {
    const folder = freshFolder();
    const working = startTroupe(folder, ['run', office, 'dig', '--id', 'r', '--json']);
    await untilTold(folder, 'r', 'call.started');
    expect(await troupe(folder, ['steer', 'r', 'Deeper,', 'please.'])).toEqual({
      code: 0,
      stdout: 'Run "r" was told, and hears it when its calls have ended.\n',
      stderr: '',
    });
    const paused = await troupe(folder, ['pause', 'r', '--json']);
    expect([paused.code, linesOf(paused.stdout)]).toEqual([0, [{ runId: 'r', status: 'accepted' }]]);
    const again = await troupe(folder, ['pause', 'r']);
    expect([again.code, again.stderr]).toEqual([4, 'troupe: Run "r" was not paused: the run is paused already.\n']);
    expect(await troupe(folder, ['resume', 'r'])).toMatchObject({ code: 0, stdout: 'Run "r" was resumed.\n' });
    expect(await troupe(folder, ['raise', 'r', 'turns=30'])).toMatchObject({
      code: 0,
      stdout: 'Run "r" was given more.\n',
    });
    await untilTold(folder, 'r', 'budget.raised');
    expect(await troupe(folder, ['pause', 'r', '--spawning'])).toMatchObject({
      code: 0,
      stdout: 'Run "r" was kept from starting children.\n',
    });
    const held = await troupe(folder, ['pause', 'r', '--spawning']);
    expect([held.code, held.stderr]).toEqual([
      4,
      'troupe: Run "r" was not kept from starting children: spawning is paused already.\n',
    ]);
    expect(await troupe(folder, ['resume', 'r', '--spawning', '--json'])).toMatchObject({ code: 0 });
    await untilTold(folder, 'r', 'spawning.resumed');
    expect(await troupe(folder, ['interrupt', 'r', 'Enough.'])).toMatchObject({ code: 0 });
    const { code, stdout } = await working.ended;
    expect([code, linesOf(stdout)[0].status]).toEqual([1, 'interrupted']);
    const late = await troupe(folder, ['steer', 'r', 'more']);
    expect([late.code, late.stderr]).toEqual([4, 'troupe: Run "r" has ended: interrupted.\n']);
  }, 30_000);

  test('answer what it asks, while it waits for that', async () => {
    const folder = freshFolder();
    const waiting = startTroupe(folder, ['run', office, 'deploy', '--id', 'r', '--wait']);
    await waiting.said(/asks: May I deploy\?/);
    const unclear = await troupe(folder, ['answer', 'r', 'maybe']);
    expect([unclear.code, unclear.stderr]).toEqual([4, expect.stringContaining('expected one of true, yes')]);
    expect(await troupe(folder, ['answer', 'r/1-0?', 'yes'])).toMatchObject({ code: 0, stderr: '' });
    expect(await waiting.ended).toMatchObject({ code: 0, stdout: 'Done: deployed\n' });
  }, 30_000);
});

describe('a run that nobody executes', () => {
  const left = async (job: string) => {
    const folder = freshFolder();
    expect((await troupe(folder, ['run', office, job, '--id', 'r'])).code).toBe(3);
    return folder;
  };

  test.each([
    ['answer', ['yes']],
    ['steer', ['hurry']],
    ['resume', []],
    ['pause', []],
    ['interrupt', []],
  ])('is not told to %s without its agent file', async (command, words) => {
    const folder = await left('deploy');
    const { code, stdout, stderr } = await troupe(folder, [command, 'r', ...words]);
    expect([code, stdout]).toEqual([4, '']);
    expect(stderr).toContain('Nobody executes run "r" now');
    expect(stderr).toContain('--file FILE');
  });

  test('goes on here when it is answered with its agent file', async () => {
    const folder = await left('deploy');
    const ended = await troupe(folder, ['answer', 'r', 'yes', '--file', office]);
    expect([ended.code, ended.stdout]).toEqual([0, 'Run "r" was answered.\nDone: deployed\n']);
  });

  test.each([
    [['--decline', 'Not on Fridays.'], 'Not on Fridays.'],
    [['--decline'], 'Declined by the user.'],
  ])('takes %j for an answer', async (flags, reason) => {
    const folder = await left('deploy');
    const ended = await troupe(folder, ['answer', 'r', '--file', office, '--json', ...flags]);
    expect([ended.code, linesOf(ended.stdout)[0].text]).toEqual([0, expect.stringContaining(reason)]);
  });

  test('is answered by question, where several are asked below it', async () => {
    const folder = await left('team 2');
    const unclear = await troupe(folder, ['answer', 'r', 'yes', '-f', office]);
    expect([unclear.code, unclear.stdout]).toEqual([4, '']);
    expect(unclear.stderr).toMatch(
      /asks several things: r\/1-\d\/0\/1-0\? \(May I deploy\?\), .*Say which: --question ID\./,
    );
    const first = await troupe(folder, ['answer', 'r', 'yes', '--question', 'r/1-0/0/1-0?', '-f', office]);
    expect(first.code).toBe(3);
    const second = await troupe(folder, ['answer', 'r/1-1/0/1-0?', 'no', '-f', office]);
    expect(second.code).toBe(0);
    expect((await troupe(folder, ['runs', 'show', 'r'])).stdout).toMatch(/^below +2$/m);
  });

  test('takes values that are no text', async () => {
    const folder = await left('ask');
    const ended = await troupe(folder, ['answer', 'r', '--value', '{"red":1}', '-f', office, '--json']);
    expect([ended.code, linesOf(ended.stdout)]).toEqual([0, [expect.objectContaining({ text: 'Done: {"red":1}' })]]);
  });

  test('waits on when it is resumed and nobody answers, and can be steered and interrupted', async () => {
    const folder = await left('deploy');
    expect((await troupe(folder, ['resume', 'r', '-f', office])).code).toBe(3);
    expect((await troupe(folder, ['steer', 'r', 'Hurry.', '-f', office])).code).toBe(3);
    const ended = await troupe(folder, ['interrupt', 'r', 'Enough.', '-f', office]);
    expect(ended).toMatchObject({ code: 0, stdout: 'Run "r" was interrupted.\n' });
    expect(ended.stderr).toContain('interrupted');
  });

  test('goes on where its process was killed', async () => {
    const folder = freshFolder();
    const killed = startTroupe(folder, ['run', office, 'split 2', '--id', 'r']);
    await untilTold(folder, 'r', 'call.started');
    killed.child.kill('SIGKILL');
    await killed.ended;
    // what it was doing when it was killed may have happened: a person is asked
    const resumed = await startTroupe(folder, ['resume', 'r', '--file', office]).ended;
    expect([resumed.code, resumed.stdout]).toEqual([3, 'Run "r" was resumed.\n']);
    expect(resumed.stderr).toContain('part 2 was recovered');
    expect(resumed.stderr).toMatch(/troupe answer 'r\/1-0\/0\/1-0\?1?' ANSWER/);
  }, 30_000);

  test('does not go on with an agent that is another one now, or is not there', async () => {
    const folder = await left('deploy');
    const agent = (name: string): string =>
      `export default { agent: { name: '${name}', instructions: 'Other.', tools: [] }, provider: { async *takeTurn() {} }, model: 'm' };`;
    writeFileSync(join(folder, 'changed.mjs'), agent('lead'));
    writeFileSync(join(folder, 'other.mjs'), agent('boss'));
    for (const [file, problem] of [
      ['changed.mjs', /Agent "lead" is defined differently now/],
      ['other.mjs', /lead/],
    ] as const)
      for (const words of [
        ['resume', 'r'],
        ['answer', 'r', 'yes'],
        ['interrupt', 'r'],
      ]) {
        const ended = await troupe(folder, [...words, '--file', file]);
        expect([ended.code, ended.stdout], words.join(' ')).toEqual([4, '']);
        expect(ended.stderr).toMatch(problem);
      }
  });

  test.each<[what: string, args: string[], code: number, problem: RegExp]>([
    ['no run', ['steer', 'nowhere', 'x'], 4, /There is no run "nowhere"/],
    [
      'no question of that name',
      ['answer', 'r', 'yes', '--question', 'r/9-9?', '-f', office],
      4,
      /does not ask "r\/9-9\?" now\. Open: r\/1-0\? \(May I deploy\?\)/,
    ],
    ['two answers', ['answer', 'r', 'yes', '--decline', 'no'], 2, /Give one answer/],
    ['no answer', ['answer', 'r'], 2, /Give one answer/],
    ['a value that is no JSON', ['answer', 'r', '--value', '{red'], 2, /--value is "\{red"\. Expected JSON/],
    ['no such limit', ['raise', 'r', 'dollars=1'], 2, /raise names the limit "dollars"/],
    ['no limit', ['raise', 'r', ','], 2, /raise names the limit ""/],
    ['blank text', ['steer', 'r', ' '], 2, /What the run is to be told is missing/],
  ])('refuses %s', async (_what, args, code, problem) => {
    const folder = await left('deploy');
    const ended = await troupe(folder, args);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toMatch(problem);
  });

  test('that asks nothing is not answered', async () => {
    const folder = freshFolder();
    const working = startTroupe(folder, ['run', office, 'dig', '--id', 'r', '--json']);
    await untilTold(folder, 'r', 'call.started');
    const ended = await troupe(folder, ['answer', 'r', 'yes']);
    expect([ended.code, ended.stderr]).toEqual([4, 'troupe: Run "r" asks nothing now.\n']);
    working.child.kill('SIGINT');
    await working.ended;
  }, 20_000);
});
