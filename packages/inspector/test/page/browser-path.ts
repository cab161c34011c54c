/** A real browser: the system's Chromium, or the one that comes in a package. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
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
  // It is unpacked into the system's folder for temporary files, once.
  const unpacked = await chromiumInPackage.executablePath().catch(() => undefined);
  return unpacked !== undefined && spawnSync(unpacked, ['--version']).status === 0 ? unpacked : undefined;
};

/** Where the browser is; `undefined` where there is none, as on machines that its package is not made for. */
export const browserPath = process.platform === 'linux' ? await findBrowser() : undefined;
