import { spawn } from 'node:child_process';

/** How each system opens an address. */
const openers: Partial<Record<NodeJS.Platform, [command: string, ...args: string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

/**
 * Shows an address in the person's browser. Where there is none, nothing happens: the address is told anyway.
 *
 * @param path Where commands are looked for; default: where they are.
 */
export const openBrowser = (
  url: string,
  platform: NodeJS.Platform = process.platform,
  path: string | undefined = process.env.PATH,
): void => {
  const [command, ...args] = openers[platform] ?? ['xdg-open'];
  spawn(command, [...args, url], { stdio: 'ignore', detached: true, env: { ...process.env, PATH: path } })
    .on('error', () => {})
    .unref();
};
