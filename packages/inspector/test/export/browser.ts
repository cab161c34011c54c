import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const system = '/usr/bin/chromium';

/** The Chromium of this machine, else the one that comes with the packages. */
export const openBrowser = async (): Promise<Browser> => {
  const args = ['--no-sandbox'];
  if (existsSync(system)) return chromium.launch({ executablePath: system, args });
  const { default: shipped } = await import('@sparticuz/chromium');
  return chromium.launch({ executablePath: await shipped.executablePath(), args: [...shipped.args, ...args] });
};
