/** A real browser: the system's Chromium, or the one that comes in a package. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import chromiumInPackage from '@sparticuz/chromium';

const SYSTEM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
export const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const findBrowser = async (): Promise<string | undefined> => {
  const system = SYSTEM.find((path) => existsSync(path));
  if (system !== undefined) return system;
  // It is unpacked into the system's folder for temporary files, once: by this process, or by another one that is at it still.
  for (let attempt = 0; attempt < 60; attempt++) {
    const unpacked = await chromiumInPackage.executablePath().catch(() => undefined);
    if (unpacked === undefined) return undefined;
    const { status, error } = spawnSync(unpacked, ['--version']);
    if (status === 0) return unpacked;
    if (!String(error).includes('ETXTBSY')) return undefined;
    await sleep(500);
  }
  return undefined;
};

/** Where the browser is; `undefined` where there is none, as on machines that its package is not made for. */
export const browserPath = process.platform === 'linux' ? await findBrowser() : undefined;
