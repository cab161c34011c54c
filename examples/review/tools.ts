import { defineTool, type Tool } from '@troupe/core';
import { z } from 'zod';
import type { FileEntry, Folder } from './folder.ts';

/** A folder may be large, a disk slow. */
const timeoutMs = 30_000;
const maxListed = 400;
const maxLines = 400;
const maxCharacters = 24_000;
const maxMatches = 60;
const maxMatchColumns = 200;

const path = z.string().default('.').describe('A path inside the folder, "." for the folder itself.');

/** Tools that look at the files of one folder and change nothing. */
export const fileTools = (folder: Folder): Tool[] => [
  defineTool({
    name: 'list_files',
    description:
      'Lists a folder: its files with their bytes, its sub-folders with how many files and bytes they hold. With recursive: all files below it.',
    inputSchema: z.object({ path, recursive: z.boolean().default(false) }),
    timeoutMs,
    idempotent: true,
    execute: async (input, { signal }) => {
      const { files, complete } = await folder.files(input.path, signal);
      const at = normal(input.path);
      const listed = input.recursive ? { files, folders: [] } : firstLevel(files, at);
      const left = listed.files.length - maxListed;
      return {
        path: at,
        folders: listed.folders.slice(0, maxListed),
        files: listed.files.slice(0, maxListed),
        ...(left > 0 && { files_not_shown: left }),
        ...(!complete && { note: 'The folder is too large; not all of it was looked at.' }),
      };
    },
  }),
  defineTool({
    name: 'read_file',
    description: `Reads a text file, at most ${maxLines} lines at once. The first line of the result says which lines these are.`,
    inputSchema: z.object({
      path: z.string(),
      from_line: z.int().positive().default(1),
      lines: z.int().positive().max(maxLines).default(maxLines),
    }),
    timeoutMs,
    idempotent: true,
    execute: async (input) => {
      const all = (await folder.text(input.path)).split(/\r?\n/);
      if (all.at(-1) === '') all.pop();
      const from = input.from_line - 1;
      const lines = all.slice(from, from + input.lines);
      const text = lines.join('\n');
      const cut = text.length > maxCharacters;
      const shown = cut ? text.slice(0, maxCharacters) : text;
      const to = cut ? from + shown.split('\n').length : from + lines.length;
      const range =
        lines.length === 0 ? 'nothing' : `lines ${from + 1} to ${to}${cut ? ' (the last one cut off)' : ''}`;
      return `${normal(input.path)}: ${range} of ${all.length}\n${shown}`;
    },
  }),
  defineTool({
    name: 'search_text',
    description:
      'Finds lines that contain any of these words, whatever their case. No patterns: the words are taken as they are.',
    inputSchema: z.object({ words: z.array(z.string().min(1)).min(1).max(10), path }),
    timeoutMs,
    idempotent: true,
    execute: async (input, { signal }) => {
      const words = input.words.map((word) => word.toLowerCase());
      const matches: { file: string; line: number; text: string }[] = [];
      let found = 0;
      let searched = 0;
      for (const { path: file } of (await folder.files(input.path, signal)).files) {
        signal.throwIfAborted();
        // What is not text, or too large, holds no matches.
        const text = await folder.text(file).catch(() => null);
        if (text === null) continue;
        searched += 1;
        for (const [index, line] of text.split('\n').entries()) {
          const low = line.toLowerCase();
          if (!words.some((word) => low.includes(word))) continue;
          found += 1;
          if (matches.length < maxMatches)
            matches.push({ file, line: index + 1, text: line.trim().slice(0, maxMatchColumns) });
        }
      }
      return {
        files_searched: searched,
        matches,
        ...(found > matches.length && { matches_not_shown: found - matches.length }),
      };
    },
  }),
];

const normal = (path: string): string =>
  path
    .replaceAll('\\', '/')
    .replace(/^(\.\/)+/, '')
    .replace(/\/+$/, '') || '.';

/** The files right in a folder, and what each of its sub-folders holds. */
const firstLevel = (files: readonly FileEntry[], at: string) => {
  const prefix = at === '.' ? '' : `${at}/`;
  const here: FileEntry[] = [];
  const folders = new Map<string, { path: string; files: number; bytes: number }>();
  for (const file of files) {
    const [first = '', ...rest] = file.path.startsWith(prefix)
      ? file.path.slice(prefix.length).split('/')
      : [file.path];
    if (rest.length === 0) {
      here.push(file);
      continue;
    }
    const sum = folders.get(first) ?? { path: `${prefix}${first}`, files: 0, bytes: 0 };
    folders.set(first, { ...sum, files: sum.files + 1, bytes: sum.bytes + file.bytes });
  }
  return { files: here, folders: [...folders.values()] };
};
