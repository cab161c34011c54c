/**
 * Shows an address in the person's browser without telling anybody else. Every user of a machine can read command lines, so what
 * stands there is a file in a folder that nobody else may enter, which sends the browser on to the address: as Jupyter does it.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemClock } from '@troupe/core';
import type { Clock } from '@troupe/protocol';
import { html } from '../export/markup.ts';
import { later } from '../later.ts';

/** How each system opens an address. */
const openers: Partial<Record<NodeJS.Platform, [command: string, ...args: string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

/** A browser that has not read the file by then is not coming. */
const patienceMs = 60_000;

const pageTo = (url: string): string =>
  html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url=${url}">
<title>Troupe inspector</title>
<p><a href="${url}">Open the inspector</a></p>
</html>
`.markup;

/** Writes a file that sends whoever opens it to an address. Only this user can read it (on Windows: as everything in its folder). */
const writePage = (url: string): { path: string; remove(): void } | undefined => {
  try {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-open-'));
    const path = join(folder, 'open.html');
    writeFileSync(path, pageTo(url), { mode: 0o600 });
    return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
  } catch {
    // Nowhere to write: the address is told anyway.
    return undefined;
  }
};

type How = {
  platform?: NodeJS.Platform;
  /** Where commands are looked for; default: where they are. */
  path?: string | undefined;
  clock?: Clock;
};

/**
 * Shows an address in the person's browser. Where that cannot be, nothing happens: the address is told anyway. Leaves nothing behind:
 * its file goes after a minute, with the process, or when the function that it gives back is called.
 */
export const openBrowser = (
  url: string,
  { platform = process.platform, path = process.env.PATH, clock = systemClock }: How = {},
): (() => void) => {
  const page = writePage(url);
  if (!page) return () => {};
  const forget = (): void => {
    process.off('exit', forget);
    stopWaiting();
    page.remove();
  };
  const stopWaiting = later(clock, patienceMs, forget);
  process.once('exit', forget);
  const [command, ...args] = openers[platform] ?? ['xdg-open'];
  spawn(command, [...args, pathToFileURL(page.path).href], {
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, PATH: path },
  })
    .on('error', forget)
    .unref();
  return forget;
};
