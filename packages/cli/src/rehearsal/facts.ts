/** What can be told of a text file without understanding it. */

export type FileFacts = {
  file: string;
  lines: number;
  headings: string[];
  exports: string[];
  /** What the file says of itself: its first sentence, or the description of a manifest. */
  about: string;
  marks: { line: number; text: string }[];
};

/** A word that somebody left for later, at the beginning of a comment or a list item. */
const mark = /(?:\/\/+|\/\*+|#+|<!--|--|^\s*[-*]+)\s*(?:\[[ x]\]\s*)?@?(?:TODO|FIXME|HACK|XXX)\b/;
const sentenceMax = 200;

/** @param text The file, or the part of it that was read, which begins at `firstLine` of `lineCount`. */
export const factsOf = (
  file: string,
  text: string,
  { firstLine = 1, lineCount }: { firstLine?: number; lineCount?: number } = {},
): FileFacts => {
  const lines = text.split(/\r?\n/);
  return {
    file,
    lines: lineCount ?? lines.length,
    headings: isProse(file) ? headingsOf(lines) : [],
    exports: exportsOf(file, text),
    about: aboutOf(file, text),
    marks: marksOf(lines, firstLine),
  };
};

export const isMark = (line: string): boolean => mark.test(line);

/** Lines with a mark that somebody left for later. */
const marksOf = (lines: readonly string[], firstLine = 1): { line: number; text: string }[] =>
  lines.flatMap((text, index) => (isMark(text) ? [{ line: firstLine + index, text: cut(text.trim()) }] : []));

export const isProse = (file: string): boolean => /\.(md|mdx|markdown|rst|txt|adoc)$/i.test(file);

/** Headings outside of code blocks. */
const headingsOf = (lines: readonly string[]): string[] => {
  const headings: string[] = [];
  let fenced = false;
  for (const line of lines) {
    if (/^\s*(```|~~~)/.test(line)) fenced = !fenced;
    const heading = fenced ? null : /^#{1,6}\s+(.+?)\s*#*$/.exec(line);
    if (heading?.[1]) headings.push(cut(heading[1].replaceAll(/[*_`]/g, '')));
  }
  return headings;
};

const declarations: readonly (readonly [files: RegExp, names: RegExp])[] = [
  [
    /\.[cm]?[jt]sx?$/,
    /^export\s+(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:const|let|var|function\*?|class|interface|type|enum|namespace)\s+([\w$]+)/gm,
  ],
  [/\.py$/, /^(?:async\s+)?(?:def|class)\s+([A-Za-z]\w*)/gm],
  [/\.go$/, /^(?:func(?:\s*\([^)]*\))?|type|var|const)\s+([A-Z]\w*)/gm],
  [/\.rs$/, /^\s*pub(?:\([^)]*\))?\s+(?:async\s+)?(?:fn|struct|enum|trait|mod|const|type)\s+(\w+)/gm],
  [/\.(java|kt|cs)$/, /^\s*public\s+(?:[\w<>[\],]+\s+)*?(?:class|interface|enum|record)\s+(\w+)/gm],
];

/** What a file offers to others. */
const exportsOf = (file: string, text: string): string[] => {
  const pattern = declarations.find(([files]) => files.test(file))?.[1];
  if (!pattern) return [];
  const declared = [...text.matchAll(pattern)].map(([, name = '']) => name);
  const listed = /\.[cm]?[jt]sx?$/.test(file)
    ? [...text.matchAll(/^export\s+(?:type\s+)?\{([^}]*)\}/gm)].flatMap(([, names = '']) =>
        names.split(',').map(exportedName),
      )
    : [];
  return [...new Set([...declared, ...listed])].filter(Boolean);
};

/** `type One as Two` is offered as `Two`. */
const exportedName = (entry: string): string => entry.trim().split(/\s+/).at(-1) ?? '';

/** A mark for later says nothing of the file. */
const aboutOf = (file: string, whole: string): string => {
  const text = whole.replace(/^#![^\n]*\n/, '').replace(/^(?:(?:\/\/|#) ?(?:TODO|FIXME|HACK|XXX)\b[^\n]*\n)+/, '');
  if (/(^|\/)(package|composer|deno)\.json$/.test(file)) return manifestOf(text);
  if (isProse(file)) return firstSentence(paragraphOf(text));
  const comment = /^(?:(?:import|'use|"use)[^\n]*\n|\s)*\/\*\*?([\s\S]*?)\*\//.exec(text)?.[1];
  if (comment) return firstSentence(comment.replaceAll(/^\s*\*+ ?/gm, ''));
  const lines = /^((?:(?:\/\/|#)[^\n]*\n)+)/.exec(text)?.[1];
  if (lines) return firstSentence(lines.replaceAll(/^(?:\/\/|#)+ ?/gm, ''));
  const docstring = /^\s*("""|''')([\s\S]*?)\1/.exec(text)?.[2];
  return docstring ? firstSentence(docstring) : '';
};

const manifestOf = (text: string): string => {
  try {
    const { name, description } = JSON.parse(text) as { name?: unknown; description?: unknown };
    return cut([name, description].filter((part) => typeof part === 'string' && part !== '').join(': '));
  } catch {
    return '';
  }
};

/** The first paragraph that is no heading, list, table, quote, badge or code. */
const paragraphOf = (text: string): string =>
  text
    .replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '')
    .split(/\n\s*\n/)
    .map((block) =>
      block
        .split('\n')
        .filter((line) => !/^\s*(#|>|\||[-*+] |\d+\. |!\[|\[!|<|---)/.test(line))
        .join(' ')
        .trim(),
    )
    .find((block) => block.length > 20) ?? '';

export const firstSentence = (text: string): string => {
  const flat = text
    .replaceAll(/([=~*_#-])\1{3,}/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return cut(/^.*?[.!?。](?=\s|$)/.exec(flat)?.[0] ?? flat);
};

/** The first of many names, and how many more there are. */
export const some = (names: readonly string[], shown = 6): string =>
  names.length > shown ? `${names.slice(0, shown).join(', ')} and ${names.length - shown} more` : names.join(', ');

const cut = (text: string): string => (text.length > sentenceMax ? `${text.slice(0, sentenceMax - 1)}…` : text);

const common = new Set(
  'about after also and are because been before being between both but can could does each else even from have here how into just like look made make many more most much must need only other over same should some such than that the their them then there these they this those through under used uses using very was were what when where which while who why will with would you your files folder first built project code review'.split(
    ' ',
  ),
);

/** The words of a question that are worth looking for. */
export const wordsToFind = (question: string): string[] => {
  const words = question.toLowerCase().match(/[\p{L}\p{N}_-]{4,}/gu) ?? [];
  return [...new Set(words)].filter((word) => !common.has(word)).slice(0, 4);
};
