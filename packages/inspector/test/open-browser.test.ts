import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@troupe/core';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { SimulatedClock } from 'xstate';
import { inspect } from '../src/index.ts';
import { openBrowser } from '../src/server/open-browser.ts';
import { clerk } from './clerk.ts';
import { browserPath, closeBrowser, visit } from './page/browser.ts';
import { until } from './page.ts';
import { inspected, openProgram } from './program.ts';

const url = 'http://127.0.0.1:1/?token=very-secret&a="b"';

const folderOf = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-command-'));
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
};
/** A folder with a command that notes the command line with which it is started. */
const commandIn = (name: string) => {
  const folder = folderOf();
  const noted = join(folder, 'noted');
  writeFileSync(
    join(folder, name),
    `#!/bin/sh\nprintf '%s\\n' "$0 $*" > '${noted}.part'\nmv '${noted}.part' '${noted}'\n`,
  );
  chmodSync(join(folder, name), 0o755);
  const commandLine = () => until(() => existsSync(noted) && readFileSync(noted, 'utf8').trim());
  return { path: `${folder}:/usr/bin:/bin`, commandLine };
};
const fileIn = (commandLine: string): string => fileURLToPath(commandLine.split(' ').at(-1) ?? '');

afterAll(closeBrowser);

describe('a browser', () => {
  test.each([
    ['linux', 'xdg-open'],
    ['darwin', 'open'],
    ['win32', 'rundll32'],
  ] as const)('is shown an address that stands on no command line: %s', async (platform, name) => {
    const { path, commandLine } = commandIn(name);
    onTestFinished(openBrowser(url, { platform, path }));
    const line = await commandLine();
    expect(line).toContain('file:///');
    expect(line).not.toContain('very-secret');
    // a file that nobody else can read, in a folder that nobody else can enter, leads there
    const file = fileIn(line);
    expect([statSync(file).mode & 0o777, statSync(dirname(file)).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(readFileSync(file, 'utf8')).toContain(
      'content="0;url=http://127.0.0.1:1/?token=very-secret&amp;a=&quot;b&quot;"',
    );
  });

  test('leaves no file behind: not when it is told to, and not after a minute', async () => {
    const { path, commandLine } = commandIn('xdg-open');
    const simulated = new SimulatedClock();
    const clock = { ...systemClock, setTimeout: simulated.setTimeout.bind(simulated), clearTimeout: () => {} };
    openBrowser(url, { platform: 'linux', path, clock });
    const file = fileIn(await commandLine());
    simulated.increment(59_999);
    expect(existsSync(file)).toBe(true);
    simulated.increment(1);
    expect(existsSync(dirname(file))).toBe(false);
    const other = commandIn('xdg-open');
    const forget = openBrowser(url, { platform: 'linux', path: other.path });
    const its = fileIn(await other.commandLine());
    forget();
    expect(existsSync(dirname(its))).toBe(false);
    expect(process.listeners('exit').map(({ name }) => name)).not.toContain('forget');
  });

  test('that is not there is no reason to fail, and leaves nothing either', async () => {
    const folder = folderOf();
    vi.stubEnv('TMPDIR', folder);
    for (const platform of ['linux', 'darwin', 'win32'] as const) openBrowser(url, { platform, path: '/nowhere' });
    await until(() => readdirSync(folder).length === 0);
    vi.stubEnv('TMPDIR', join(folder, 'none'));
    openBrowser(url, { platform: 'linux', path: '/nowhere' })();
  });

  test.skipIf(process.platform !== 'linux')(
    'is asked for by inspect, and nothing of it is left when that is closed (on Linux)',
    async () => {
      const { path, commandLine } = commandIn('xdg-open');
      vi.stubEnv('PATH', path);
      const { runtime } = openProgram();
      const inspector = await inspect(runtime, { open: true });
      const file = fileIn(await commandLine());
      expect(readFileSync(file, 'utf8')).toContain(inspector.url);
      await inspector.close();
      expect(existsSync(dirname(file))).toBe(false);
    },
  );

  test.skipIf(!browserPath)('comes to the page by that file (skipped where there is no browser)', async () => {
    const { runtime, say } = openProgram();
    const inspector = await inspected(runtime);
    const { page } = await visit('about:blank');
    const { path, commandLine } = commandIn('xdg-open');
    onTestFinished(openBrowser(inspector.url, { platform: 'linux', path }));
    await page.goto((await commandLine()).split(' ').at(-1) ?? '');
    const run = runtime.start(clerk, 'go');
    await page.locator('.rows [role=row]', { hasText: 'clerk' }).waitFor();
    expect(page.url()).toBe(inspector.url);
    await say('Done.');
    await run.ended;
  });
});
