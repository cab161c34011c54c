import { resolve } from 'node:path';
import { FaultError } from '@troupe/protocol';
import { agentsPrompt } from '../agents-prompt.ts';
import { type AgentsApp, openTalk, type TalkOutcome } from '../agents-talk.ts';
import { exitCode } from '../exit-code.ts';
import { harmless } from '../text-width.ts';
import type { Action } from './asked.ts';
import { loadModule } from './load-module.ts';
import { openOutput } from './output.ts';
import { misuse } from './problem.ts';

type Flags = { app?: string; session?: string; json?: true };
type Loaded = AgentsApp & { close?: () => unknown };

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const can = (value: unknown, ...names: string[]): boolean =>
  isObject(value) && names.every((name) => typeof value[name] === 'function');

/** @throws FaultError `app.unusable` when the module cannot be loaded, or is no such module */
const loadApp = async (path: string, folder: string): Promise<Loaded> => {
  const unusable = (why: string, cause?: unknown): FaultError =>
    new FaultError('app.unusable', `${path}: ${why}`, { cause });
  const loaded = await loadModule(resolve(folder, path));
  if ('why' in loaded) throw unusable(loaded.why, loaded.cause);
  const { module } = loaded;
  if (!can(module.manager, 'spawn', 'status', 'close'))
    throw unusable('it exports no "manager". Export what createSubagentManager gives.');
  if (!can(module.runtime, 'session', 'start', 'close'))
    throw unusable('it exports no "runtime". Export the runtime of the manager.');
  return module as unknown as Loaded;
};

const codes: Record<TalkOutcome, number> = {
  done: exitCode.done,
  failed: exitCode.failed,
  misused: exitCode.usage,
  waits: exitCode.waits,
  refused: exitCode.refused,
};

/** One command for the sub-agents of an app, or a prompt for it. Of a command the exit code says whether it worked. */
export const agents: Action<[words: string[]], Flags> = async ({ args: [words], flags, terminal }) => {
  const { app, session: sessionKey } = flags;
  if (app === undefined) throw misuse('--app is missing: name the module of the app, as in --app ./app.mjs.');
  if (flags.json && words.length === 0) throw misuse('--json needs a command: a prompt is for people.');
  const { manager, runtime, agent, close } = await loadApp(app, terminal.folder);
  const { signals } = terminal;
  const stopping = new AbortController();
  const { signal } = stopping;
  // The first ends it in order, another at once.
  const forget = signals.hear(() => {
    forget();
    stopping.abort();
  });
  try {
    const { input, output, environment } = terminal;
    if (words.length === 0) {
      await agentsPrompt({ manager, runtime, agent, sessionKey, input, output, environment, signal });
      return signals.code() ?? exitCode.done;
    }
    const { give } = openOutput(terminal, flags.json);
    const said: string[] = [];
    const say = (text: string): void => {
      said.push(harmless(text));
      if (!flags.json) give(null, () => text);
    };
    const talk = openTalk({ manager, runtime, sessionKey, say, note: say });
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve());
    });
    await Promise.race([talk.hear(words).then(talk.idle), stopped]);
    const outcome = talk.outcome();
    talk.close();
    if (flags.json) give({ outcome, said }, () => '');
    return signals.code() ?? codes[outcome];
  } finally {
    await manager.close();
    await runtime.close();
    await close?.();
  }
};
