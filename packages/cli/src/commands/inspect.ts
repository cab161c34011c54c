import { exitCode } from '../exit-code.ts';
import type { Action, CommonFlags } from './asked.ts';
import { openStore, storeFileOf } from './open-store.ts';
import { openOutput } from './output.ts';
import { misuse } from './problem.ts';
import { countOf } from './values.ts';

/** Serves the inspector's page for a store until Ctrl-C. What other processes store is shown as they store it. */
export const inspect: Action<[], CommonFlags & { port?: string; open?: true }> = async ({ flags, terminal }) => {
  const output = openOutput(terminal, flags.json);
  const port = countOf(flags.port ?? '0', '--port');
  if (port > 65_535) throw misuse(`--port is "${port}". Expected a number of 0 to 65535.`);
  const store = openStore(storeFileOf(flags.store || undefined, terminal), false);
  try {
    const { inspectStore } = await import('@troupe/inspector');
    const say = (text: string): void => output.warn(`troupe: ${text}`);
    const page = await inspectStore(store, { port, open: flags.open === true, logger: { warn: say, error: say } });
    output.give({ url: page.url, inspectUrl: page.inspectUrl }, () => page.url);
    await signalled();
    await page.close();
    return exitCode.done;
  } finally {
    await store.close();
  }
};

/** Resolves at Ctrl-C, or SIGTERM. */
const signalled = (): Promise<void> =>
  new Promise((resolve) => {
    const heard = (): void => {
      process.off('SIGINT', heard);
      process.off('SIGTERM', heard);
      resolve();
    };
    process.on('SIGINT', heard);
    process.on('SIGTERM', heard);
  });
