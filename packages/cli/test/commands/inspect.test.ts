import { describe, expect, test } from 'vitest';
import { freshFolder, linesOf, office, startTroupe, troupe, untilTold } from '../shell.ts';

/** What the page at an address says that it is of. */
const nameAt = async (url: string): Promise<unknown> => {
  const socket = new WebSocket(url.replace('http:', 'ws:').replace('/?', '/page?'));
  const hello = await new Promise<MessageEvent>((resolve, reject) => {
    socket.addEventListener('message', resolve, { once: true });
    socket.addEventListener('error', reject, { once: true });
  });
  socket.close();
  return (JSON.parse(String(hello.data)) as { name: unknown }).name;
};

describe('troupe inspect', { timeout: 60_000 }, () => {
  test('serves a page for the store until it is stopped', async () => {
    const folder = freshFolder();
    await troupe(folder, ['run', office, 'Hello', '--id', 'r']);
    const inspecting = startTroupe(folder, ['inspect', '--json']);
    await inspecting.said(/"url":"([^"]+)"/);
    const [, url = ''] = /"url":"([^"]+)"/.exec(inspecting.stdout()) ?? [];
    // What the page holds is the inspector's own affair; who is let in is said here.
    const [guest, stranger] = await Promise.all([fetch(url), fetch(new URL('/', url))]);
    expect([200, 503]).toContain(guest.status);
    expect([401, 403]).toContain(stranger.status);
    await Promise.all([guest.text(), stranger.text()]);
    inspecting.child.kill('SIGINT');
    expect((await inspecting.ended).code).toBe(0);
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  });

  test('serves one for a run that is executed here, for as long as that works', async () => {
    const folder = freshFolder();
    const working = startTroupe(folder, ['run', office, 'dig', '--id', 'r', '--inspect']);
    await working.said(/Inspector: http:\/\/127\.0\.0\.1:\d+\/\?token=/);
    await untilTold(folder, 'r', 'call.started');
    working.child.kill('SIGINT');
    expect((await working.ended).code).toBe(130);
  });

  test('serves one for a file that is named, and for the actors of other programs', async () => {
    const folder = freshFolder();
    await troupe(folder, ['run', office, 'Hello', '--id', 'r', '--store', 'other.db']);
    for (const args of [['other.db'], ['--actors']]) {
      const inspecting = startTroupe(folder, ['inspect', ...args]);
      await inspecting.said(/http:\/\/127\.0\.0\.1:\d+\/\?token=\S+\n/);
      expect(await nameAt(inspecting.stdout().trim())).toBe(args[0] === '--actors' ? 'agents' : 'other.db');
      if (args[0] === '--actors')
        await inspecting.said(/inspection messages to ws:\/\/127\.0\.0\.1:\d+\/inspect\?token=/);
      inspecting.child.kill('SIGINT');
      expect((await inspecting.ended).code).toBe(0);
    }
    expect(await troupe(folder, ['inspect', 'a.db', '--store', 'b.db'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('two stores'),
    });
    expect(await troupe(folder, ['inspect', '--actors', 'a.db'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"a.db"'),
    });
  });

  test('refuses a port that is none, and a store that is none', async () => {
    const folder = freshFolder();
    expect((await troupe(folder, ['inspect', '--port', 'any'])).stderr).toMatch(/--port is "any"/);
    expect(await troupe(folder, ['inspect', '--port', '65536'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--port is "65536"'),
    });
    expect(await troupe(folder, ['inspect'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no store'),
    });
  });
});

describe('troupe runs export', () => {
  test.each([
    ['markdown', 'r.md', /^# lead: completed/],
    ['html', 'r.html', /^<!doctype html>/i],
    ['jsonl', 'r.jsonl', /^\{"id":"r:1"|^\{.*"type":"run\.started"/],
    ['sequence', 'r.sequence.mmd', /^sequenceDiagram\n/],
    ['mermaid', 'r.sequence.mmd', /^sequenceDiagram\n/],
    ['chart', 'r.chart.mmd', /^stateDiagram-v2\n[\s\S]*"deciding"/],
  ])('gives a run as %s', async (format, name, found) => {
    const folder = freshFolder();
    await troupe(folder, ['run', office, 'Hello', '--id', 'r']);
    const { code, stdout } = await troupe(folder, ['runs', 'export', 'r', '--as', format]);
    expect(code).toBe(0);
    expect(stdout).toMatch(found);
    const [json] = linesOf((await troupe(folder, ['runs', 'export', 'r', '--as', format, '--json'])).stdout);
    expect(json).toEqual({
      runId: 'r',
      as: format,
      name,
      mediaType: expect.stringMatching(/^(?:text|application)\//),
      text: expect.stringMatching(found),
    });
  });

  test('gives a child with what is below it, and nothing of the others', async () => {
    const folder = freshFolder();
    await troupe(folder, ['run', office, 'team 2', '--id', 'r']);
    const { stdout } = await troupe(folder, ['runs', 'export', 'r/1-1/0', '--as', 'jsonl']);
    expect(new Set(linesOf(stdout).map(({ runId }) => runId))).toEqual(new Set(['r/1-1/0']));
  });

  test('refuses what it cannot give', async () => {
    const folder = freshFolder();
    await troupe(folder, ['run', office, 'Hello', '--id', 'r']);
    expect(await troupe(folder, ['runs', 'export', 'r', '--as', 'pdf'])).toMatchObject({ code: 2, stdout: '' });
    expect(await troupe(folder, ['runs', 'export', 'nowhere'])).toMatchObject({ code: 4, stdout: '' });
  });
});
