/** Modules of users, loaded; where one cannot be, it is said in which file and line, and what stands there. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { messageOf, redact } from '@troupe/protocol';
import { fitTo, oneLine } from '../text-width.ts';

/** What a module exports, or why it could not be loaded: a sentence, with its cause. */
export type Loaded = { module: Record<string, unknown> } | { why: string; cause: unknown };

/** @param path Absolute. */
export const loadModule = async (path: string): Promise<Loaded> => {
  const files: string[] = [];
  const hooks = registerHooks({
    load(url, context, next) {
      if (url.startsWith('file:') && !url.includes('/node_modules/')) files.push(fileURLToPath(url));
      return next(url, context);
    },
  });
  try {
    return { module: (await import(pathToFileURL(path).href)) as Record<string, unknown> };
  } catch (cause) {
    return { why: whyNot(cause, path, files), cause };
  } finally {
    hooks.deregister();
  }
};

type Place = { file: string; line: number; column: number; text?: string };

const whyNot = (error: unknown, path: string, files: readonly string[]): string => {
  const missing = missingIn(error);
  const place = missing
    ? missing.place
    : (pointedAt(stackOf(error)) ?? thrownAt(error, path) ?? unparsed(error, files));
  const said = `${oneLine(messageOf(error)).replace(/\.?$/, '.')}${missing?.advice ?? ''}`;
  if (!place) return said;
  const { file, line, column, text = linesOf(file)[line - 1] ?? '' } = place;
  // What is written there may be a key.
  return `${said} In ${file}:${line}:${column}: ${fitTo(oneLine(redact(text)), longest)}`;
};

const longest = 120;

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? '') : '');
const linesOf = (file: string): string[] => (existsSync(file) ? readFileSync(file, 'utf8').split(/\r?\n/) : []);

/** Node's own words, above the stack: the file and line, the line itself, and an arrow below it. */
const pointedAt = (said: string): Place | undefined => {
  const [where = '', ...rest] = said.split(/\r?\n/);
  const [, name, line] = /^(.+):(\d+)$/.exec(where) ?? [];
  const arrow = rest.findIndex((text) => /^\s*\^+\s*$/.test(text));
  const file = name?.startsWith('file:') ? fileURLToPath(name) : name;
  if (file === undefined || !existsSync(file)) return undefined;
  const text = rest[arrow - 1];
  // There is none at the end of a file that breaks off.
  if (text === undefined)
    return { file, line: Number(line), column: (linesOf(file)[Number(line) - 1]?.length ?? 0) + 1 };
  return { file, line: Number(line), column: (rest[arrow] ?? '').indexOf('^') + 1, text };
};

/** Where in this file something was called that threw. */
const thrownAt = (error: unknown, path: string): Place | undefined => {
  const url = pathToFileURL(path).href;
  const frame = stackOf(error)
    .split('\n')
    .find((text) => text.includes(`${url}:`));
  const [, line, column] = /:(\d+):(\d+)\)?$/.exec(frame ?? '') ?? [];
  return line === undefined ? undefined : { file: path, line: Number(line), column: Number(column) };
};

/** Of what does not parse the error tells no place. Node tells it when it looks at the file by itself; the last that was read comes first. */
const unparsed = (error: unknown, files: readonly string[]): Place | undefined => {
  if (!(error instanceof SyntaxError)) return undefined;
  for (const file of files.toReversed().slice(0, mostChecked)) {
    const { stderr } = spawnSync(process.execPath, ['--check', file], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const place = pointedAt(stderr);
    if (place) return place;
  }
  return undefined;
};

const mostChecked = 10;

/** An import that leads nowhere: where it stands, and what may help. */
const missingIn = (error: unknown): { place: Place | undefined; advice: string } | undefined => {
  const [, kind, name = '', file = ''] =
    /^Cannot find (package|module) '(.+)' imported from (.+?)(?:\n|$)/.exec(messageOf(error)) ?? [];
  if (kind === undefined) return undefined;
  const last = name.split(/[\\/]/).at(-1) ?? '';
  const [place] = linesOf(file).flatMap((text, at): Place[] => {
    const quoted = [...text.matchAll(/(?<=\b(?:import|from)\b.*)(['"])(.+?)\1/g)].find(([said]) => said.includes(last));
    return quoted ? [{ file, line: at + 1, column: quoted.index + 1 }] : [];
  });
  if (kind === 'package') return { place, advice: ` Install it: npm install ${name} (in ${dirname(file)}).` };
  const base = name.replace(/\.[cm]?[jt]s$/, '');
  const there = ['.ts', '.mjs', '.js', '.mts', '/index.ts', '/index.js'].find((ending) => existsSync(base + ending));
  return {
    place,
    advice: there === undefined ? '' : ` There is ${base}${there}: an import names the file as it is called.`,
  };
};
