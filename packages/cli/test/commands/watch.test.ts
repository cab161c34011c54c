import { describe, expect, test } from 'vitest';
import { freshFolder, linesOf, office, startTroupe, troupe, untilTold } from '../shell.ts';

describe('troupe watch', { timeout: 30_000 }, () => {
  test.each([
    ['Hello', 0, 'You said: Hello\n'],
    ['fail', 1, ''],
  ])('of a run that has ended tells how: %s', async (job, code, stdout) => {
    const folder = freshFolder();
    await troupe(folder, ['run', office, job, '--id', 'r']);
    const watched = await troupe(folder, ['watch', 'r']);
    expect(watched).toMatchObject({ code, stdout });
    expect(watched.stderr).toContain('lead starts with scripted');
    const { stdout: lines } = await troupe(folder, ['watch', 'r', '--json']);
    const types = linesOf(lines).map(({ type }) => type);
    expect([types.at(0), types.at(-1)]).toEqual(['run.started', job === 'fail' ? 'run.failed' : 'run.completed']);
  });

  test('without a run follows all that have not ended, and those that begin, and no others', async () => {
    const folder = freshFolder();
    await troupe(folder, ['run', office, 'Hello', '--id', 'before']);
    await troupe(folder, ['run', office, 'deploy', '--id', 'open']);
    await troupe(folder, ['run', office, 'Hello', '--id', 'between']);
    const watching = startTroupe(folder, ['watch', '--json']);
    await watching.said(/"type":"question\.asked"/);
    await troupe(folder, ['run', office, 'Hello', '--id', 'after']);
    await watching.said(/"after:4"/);
    watching.child.kill('SIGTERM');
    const { code, stdout } = await watching.ended;
    expect(code).toBe(0);
    const ids = linesOf(stdout).map(({ id }) => id);
    expect(new Set(ids.map((id) => id.split(':')[0]))).toEqual(new Set(['open', 'after']));
    expect(ids.slice(0, 2)).toEqual(['open:1', 'open:2']);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('follows a store in which nothing has happened yet, or nothing is open', async () => {
    const folder = freshFolder();
    await troupe(folder, ['run', office, 'Hello', '--id', 'old']);
    const watching = startTroupe(folder, ['watch']);
    await watching.said(/Watches every run until Ctrl-C\./);
    await troupe(folder, ['runs', 'prune', '--older-than', '0']);
    await troupe(folder, ['run', office, 'Hello', '--id', 'new']);
    await untilTold(folder, 'new', 'run.completed');
    await watching.said(/✔ lead completed/);
    watching.child.kill('SIGINT');
    expect((await watching.ended).code).toBe(0);
    await troupe(folder, ['runs', 'prune', '--older-than', '0']);
    const empty = startTroupe(folder, ['watch']);
    await empty.said(/Watches every run until Ctrl-C\./);
    await troupe(folder, ['run', office, 'Hello', '--id', 'newest']);
    await empty.said(/✔ lead completed/);
    empty.child.kill('SIGINT');
    expect((await empty.ended).code).toBe(0);
  });

  test.each([
    ['every run as JSON', ['watch', '--json'], 'stdout'],
    ['a run as lines', ['watch', 'r'], 'stderr'],
    ['its events', ['runs', 'events', 'r', '--follow'], 'stdout'],
  ] as const)('ends when nobody reads it any more: %s', async (_what, args, stream) => {
    const folder = freshFolder();
    await troupe(folder, ['run', office, 'deploy', '--id', 'r']);
    const watching = startTroupe(folder, args);
    await watching.said(/question\.asked|lead asks/);
    watching.child[stream]?.destroy();
    // The first line that nobody reads tells it, and the run has not ended by then.
    const steered = troupe(folder, ['steer', 'r', 'Go on.', '--file', office]);
    expect((await watching.ended).code).toBe(0);
    await steered;
  });
});
