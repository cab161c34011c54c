/** The files of the older layout as they are found: the list of sub-agents, and transcripts. They are only read. */
import { FaultError } from '@troupe/protocol';
import { isFields, type Note } from './imported-config.ts';

/** Where files of sub-agents are read. Paths are relative, with `/`. */
export type SubagentFiles = {
  /** The text of a file; `undefined`: there is none. */
  read(path: string): Promise<string | undefined>;
  /** The names of the files and folders in a folder; empty where there is none. */
  list(folder: string): Promise<string[]>;
};

/** A port, or the files themselves, as texts by their paths. */
export type SubagentSource = SubagentFiles | Readonly<Record<string, string>>;

const isPort = (source: SubagentSource): source is SubagentFiles => typeof source.read === 'function';

export const filesOf = (source: SubagentSource): SubagentFiles => {
  if (isPort(source)) return source;
  const texts = new Map(Object.entries(source));
  return {
    read: async (path) => texts.get(path),
    list: async (folder) => {
      const inside = [...texts.keys()].filter((path) => path.startsWith(`${folder}/`));
      return [...new Set(inside.flatMap((path) => path.slice(folder.length + 1).split('/', 1)))];
    },
  };
};

/** A text as JSON; `undefined`: it is none. Why not is not told: that would show a piece of it, which may hold a secret. */
export const jsonIn = (text: string): { value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text.trim()) };
  } catch {
    return undefined;
  }
};

const latestVersion = 1;

/** What the list holds, by its keys. */
export const readRuns = async (files: SubagentFiles, path: string, note: Note): Promise<[string, unknown][]> => {
  const unreadable = (why: string, about: { cause?: unknown } = {}) =>
    new FaultError(
      'subagents.unreadable',
      `${path} cannot be read as a list of sub-agents: ${why}. Nothing was brought along, and the file is as it was. Mend it, or move it away.`,
      about,
    );
  let text: string | undefined;
  try {
    text = await files.read(path);
  } catch (cause) {
    throw unreadable('reading it failed', { cause });
  }
  if (text === undefined) return [];
  const found = jsonIn(text);
  if (!found) throw unreadable('it is not JSON');
  if (!isFields(found.value)) throw unreadable('it is no object with a version and runs');
  const { version, runs = {} } = found.value;
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1)
    throw unreadable('its version is no whole number from 1 on');
  if (!isFields(runs)) throw unreadable('its runs are no object');
  if (version > latestVersion)
    note(`${path} has version ${version}, newer than ${latestVersion}: what is known of it was read.`);
  return Object.entries(runs);
};

/** The transcripts in folders, by session key. A folder is listed once; what cannot be read is not there, with a note. */
export type Transcripts = {
  keysIn(folder: string): Promise<ReadonlySet<string>>;
  /** The first one, with its path, of those that are there. */
  find(sessionKey: string, folders: readonly string[]): Promise<{ path: string; text: string } | undefined>;
  isIn(sessionKey: string, folders: readonly string[]): Promise<boolean>;
};

const ending = '.jsonl';
/** What a key is called as a file. */
const stemOf = (sessionKey: string): string => sessionKey.replace(/[^\p{L}\p{N}_-]/gu, '_');

export const transcriptsIn = (files: SubagentFiles, note: Note): Transcripts => {
  const listed = new Map<string, Promise<ReadonlySet<string>>>();
  const list = async (folder: string): Promise<ReadonlySet<string>> => {
    try {
      const names = await files.list(folder);
      // What was deleted is still there, under a name that says so.
      const there = names.filter((name) => name.endsWith(ending) && !name.includes('.deleted.'));
      return new Set(there.map((name) => name.slice(0, -ending.length)));
    } catch {
      note(`${folder} could not be listed: what was said there was left out.`);
      return new Set();
    }
  };
  const keysIn = (folder: string): Promise<ReadonlySet<string>> => {
    const known = listed.get(folder) ?? list(folder);
    listed.set(folder, known);
    return known;
  };
  const pathsOf = async (sessionKey: string, folders: readonly string[]): Promise<string[]> => {
    const stem = stemOf(sessionKey);
    const paths: string[] = [];
    for (const folder of folders) if ((await keysIn(folder)).has(stem)) paths.push(`${folder}/${stem}${ending}`);
    return paths;
  };
  return {
    keysIn,
    isIn: async (sessionKey, folders) => (await pathsOf(sessionKey, folders)).length > 0,
    async find(sessionKey, folders) {
      for (const path of await pathsOf(sessionKey, folders)) {
        try {
          const text = await files.read(path);
          if (text !== undefined) return { path, text };
        } catch {
          note(`${path} could not be read, and was left out.`);
        }
      }
      return undefined;
    },
  };
};
