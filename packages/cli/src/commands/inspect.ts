import { exitCode } from '../exit-code.ts';
import type { Terminal } from '../terminal.ts';
import type { Action, CommonFlags } from './asked.ts';
import { type OpenedStore, openStore, storePlaceOf } from './open-store.ts';
import { openOutput } from './output.ts';
import { misuse } from './problem.ts';
import { countOf } from './values.ts';

type Flags = CommonFlags & { port?: string; open?: true; actors?: true };

/** What a store was called on the command line, without a password. */
const asSaid = (said: string, terminal: Terminal): string => {
  const { kind, shown } = storePlaceOf(said, terminal);
  return kind === 'file' ? said : shown;
};

/** What is looked at: a store, with the name of its file or database, or, without one, actors of other programs. */
const sourceIn = async (
  file: string | undefined,
  flags: Flags,
  terminal: Terminal,
): Promise<{ store: OpenedStore; name: string } | undefined> => {
  const named = flags.store || undefined;
  if (file !== undefined && named !== undefined)
    throw misuse(
      `There are two stores, "${asSaid(file, terminal)}" and --store "${asSaid(named, terminal)}". Name one.`,
    );
  if (flags.actors && (file ?? named) !== undefined)
    throw misuse(`--actors looks at no store. Leave it out, or "${asSaid(file ?? named ?? '', terminal)}".`);
  if (flags.actors) return undefined;
  const place = storePlaceOf(file ?? named, terminal);
  return { store: await openStore(place, false), name: place.name };
};

/**
 * Serves the inspector's page until Ctrl-C, for a store or for actors of other programs. What other processes store is shown as they
 * store it.
 */
export const inspect: Action<[file: string | undefined], Flags> = async ({ args: [file], flags, terminal }) => {
  const output = openOutput(terminal, flags.json);
  const port = countOf(flags.port ?? '0', '--port');
  if (port > 65_535) throw misuse(`--port is "${port}". Expected a number of 0 to 65535.`);
  const { store, name } = (await sourceIn(file, flags, terminal)) ?? {};
  try {
    const { inspectActors, inspectStore } = await import('@troupe/inspector');
    const say = (text: string): void => output.warn(`troupe: ${text}`);
    const options = { port, open: flags.open === true, ...(name && { name }), logger: { warn: say, error: say } };
    // Before anybody is told that it is there.
    const stopped = new Promise<void>((resolve) => terminal.signals.hear(resolve));
    const page = await (store ? inspectStore(store, options) : inspectActors(options));
    output.give({ url: page.url, inspectUrl: page.inspectUrl }, () => page.url);
    if (!store) output.note(`Programs send Stately's inspection messages to ${page.inspectUrl}`);
    await stopped;
    await page.close();
    return exitCode.done;
  } finally {
    await store?.close();
  }
};
