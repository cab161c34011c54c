import { resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { messageOf } from '@troupe/protocol';
import { agentsPrompt } from './agents-prompt.ts';
import { type AgentsApp, openTalk } from './agents-talk.ts';
import { harmless } from './text-width.ts';

/** Where a command reads and writes. */
export type Terminal = {
  input: Readable & { isTTY?: boolean };
  output: Writable & { isTTY?: boolean };
  /** What is wrong goes here. */
  errors: Writable;
  /** Paths are relative to it. */
  folder: string;
  environment: Readonly<Record<string, string | undefined>>;
};

const usage = `Usage: troupe agents --app FILE [--session KEY] [command…]

  --app FILE      a module that exports "manager" (createSubagentManager) and its "runtime"; "agent", to talk to;
                  "close", called at the end
  --session KEY   act as this session. Default: "terminal" in the prompt of an app with an agent, else the program
                  itself, which sees every sub-agent
  command         list, spawn, resume, cancel, steer, info, help, as after /subagents; waits for what it has begun.
                  None: a prompt for commands and plain text, until /exit or Ctrl-D
`;

type Loaded = AgentsApp & { close?: () => unknown };

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const can = (value: unknown, ...names: string[]): boolean =>
  isObject(value) && names.every((name) => typeof value[name] === 'function');

/** @throws Error when the module cannot be loaded, or is no such module */
const loadApp = async (path: string, folder: string): Promise<Loaded> => {
  const module = (await import(pathToFileURL(resolve(folder, path)).href)) as Record<string, unknown>;
  if (!can(module.manager, 'spawn', 'status', 'close'))
    throw new Error('it exports no "manager". Export what createSubagentManager gives.');
  if (!can(module.runtime, 'session', 'start', 'close'))
    throw new Error('it exports no "runtime". Export the runtime of the manager.');
  return module as unknown as Loaded;
};

type Asked = { app: string; sessionKey?: string; words: string[] };

/** The flags stand before the command: what comes after it is its own. */
const askedIn = (args: readonly string[]): Asked | string => {
  const [area, ...rest] = args;
  if (area !== 'agents') return area === undefined ? 'A command is missing.' : `There is no command "${area}".`;
  const said = new Map<string, string>();
  let at = 0;
  for (let arg = rest[at]; arg?.startsWith('--'); arg = rest[at]) {
    const [, name = '', given] = /^([^=]+)(?:=([\s\S]*))?$/.exec(arg) ?? [];
    if (name !== '--app' && name !== '--session') return `There is no flag "${name}".`;
    at += given === undefined ? 2 : 1;
    const value = given ?? rest[at - 1] ?? '';
    if (value === '') return `${name} needs a value.`;
    said.set(name, value);
  }
  const app = said.get('--app');
  const sessionKey = said.get('--session');
  if (app === undefined) return '--app is missing.';
  return { app, ...(sessionKey !== undefined && { sessionKey }), words: rest.slice(at) };
};

/**
 * The command `troupe`: so far `troupe agents`. Gives the exit code: 0 when the command was carried out, whatever its answer; 1 when the
 * app could not be used; 2 for what is no command. Never rejects.
 */
export const troupeCommand = async (args: readonly string[], terminal: Terminal): Promise<number> => {
  const { input, output, errors, folder, environment } = terminal;
  // Whoever reads may leave: what was begun is carried out all the same.
  for (const stream of [output, errors]) stream.on('error', () => {});
  if (args.some((arg) => arg === '--help' || arg === '-h') && !args.includes('--app')) {
    output.write(usage);
    return 0;
  }
  const asked = askedIn(args);
  if (typeof asked === 'string') {
    errors.write(`${harmless(asked)}\n\n${usage}`);
    return 2;
  }
  const { app, sessionKey, words } = asked;
  try {
    const { manager, runtime, agent, close } = await loadApp(app, folder);
    try {
      if (words.length === 0) await agentsPrompt({ manager, runtime, agent, sessionKey, input, output, environment });
      else {
        const say = (text: string): void => void output.write(`${harmless(text)}\n`);
        const talk = openTalk({ manager, runtime, sessionKey, say, note: say });
        await talk.hear(words);
        await talk.idle();
        talk.close();
      }
    } finally {
      await manager.close();
      await runtime.close();
      await close?.();
    }
    return 0;
  } catch (error) {
    errors.write(`troupe: ${harmless(app)}: ${harmless(messageOf(error))}\n`);
    return 1;
  }
};
