/**
 * The rehearsal model as a child: it lists its area, reads the files that say most, and answers with what stands in them.
 * Everything it says comes from tool results in the conversation; what it does next depends on them and nothing else.
 */
import {
  type ChatRequest,
  hasTool,
  objectIn,
  objectsIn,
  type PastCall,
  pastCalls,
  type Reply,
  saidBy,
  schemaAsked,
} from './conversation.ts';
import { type FileFacts, factsOf, isMark, isProse, some, wordsToFind } from './facts.ts';
import { fillSchema } from './fill-schema.ts';

const filesToRead = 8;
const readsPerTurn = 4;
const maxReadBytes = 200_000;
const maxFindings = 24;

type Finding = { file: string; line?: number; kind: string; note: string };

/** What the lead writes as a child's task, and the child reads back. */
export const taskFor = (area: string, question: string): string => `Area: ${area}\nQuestion: ${question}`;

/** The same as the context of a delegated task, whose goal is in words for people: to read an area, or to search one. */
export const childContext = (area: string, question: string): string => taskFor(area, oneLine(question));
export const searchContext = (area: string, question: string): string =>
  `Search: ${area}\nQuestion: ${oneLine(question)}`;
const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ');

const readTask = (task: string): { area: string; question: string } => ({
  area: /^(?:Area|Search): (.+)$/m.exec(task)?.[1]?.trim() || '.',
  question: /^Question: ([\s\S]+)$/m.exec(task)?.[1]?.trim() ?? task,
});

/** The context that `delegate_task` puts between the task and what is said to every child. */
const contextIn = (instructions: string): string | undefined =>
  /^CONTEXT:\n((?:Area|Search): .+\nQuestion: .+)$/m.exec(instructions)?.[1];

export const childReply = (request: ChatRequest): Reply => {
  const context = contextIn(saidBy(request, 'system'));
  const { area, question } = readTask(context ?? saidBy(request, 'user'));
  const calls = pastCalls(request);
  if (context?.startsWith('Search: ')) return searchReply(request, area, question, calls);
  const listing = calls.find(({ name }) => name === 'list_files');
  if (!listing && hasTool(request, 'list_files')) return { calls: firstLook(request, area, question) };

  const files = listing ? filesIn(listing) : [];
  const read = new Set(calls.filter(({ name }) => name === 'read_file').map((call) => String(call.arguments.path)));
  const next = hasTool(request, 'read_file') ? worthReading(files).filter(({ path }) => !read.has(path)) : [];
  if (next.length > 0)
    return { calls: next.slice(0, readsPerTurn).map(({ path }) => ({ name: 'read_file', arguments: { path } })) };

  const answer = answerFor(area, files, listing, calls);
  const schema = schemaAsked(request);
  if (context !== undefined && !schema) return { text: inProse(answer) };
  return { text: JSON.stringify(schema ? fillSchema(schema, answer) : answer, null, 1) };
};

/** Searches, and tells what was found. */
const searchReply = (request: ChatRequest, path: string, question: string, calls: readonly PastCall[]): Reply => {
  const words = wordsToFind(question);
  if (calls.length === 0 && hasTool(request, 'search_text') && words.length > 0)
    return { calls: [{ name: 'search_text', arguments: { path, words } }] };
  const [search] = calls;
  if (!search) return { text: 'The question has no word that could be searched for.' };
  const { files_searched: files, matches, matches_not_shown: more, error } = objectIn(search.result);
  if (error !== undefined) return { text: `The search failed: ${String(error)}` };
  const found = objectsIn(matches).length;
  const count = found + (typeof more === 'number' ? more : 0);
  const summary = `${count} lines in ${String(files)} files hold one of: ${words.join(', ')}.`;
  return { text: inProse({ summary, findings: searched(calls) }) };
};

/** An answer for people. */
const inProse = ({ summary, findings }: { summary: string; findings: readonly Finding[] }): string =>
  [summary, findings.map(findingLine).join('\n')].filter(Boolean).join('\n\n');

/** A finding as an item of a list. */
export const findingLine = ({ file, line, note }: Record<string, unknown>): string =>
  `- \`${String(file)}${typeof line === 'number' ? `:${line}` : ''}\` ${String(note)}`;

const firstLook = (request: ChatRequest, area: string, question: string) => {
  const list = { name: 'list_files', arguments: { path: area, recursive: area !== '.' } };
  const words = wordsToFind(question);
  if (area === '.' || !hasTool(request, 'search_text')) return [list];
  const marks = { name: 'search_text', arguments: { path: area, words: ['TODO', 'FIXME', 'HACK', 'XXX'] } };
  return words.length === 0 ? [list, marks] : [list, marks, { name: 'search_text', arguments: { path: area, words } }];
};

type Listed = { path: string; bytes: number };

const filesIn = ({ result }: PastCall): Listed[] =>
  objectsIn(objectIn(result).files).flatMap(({ path, bytes }) =>
    typeof path === 'string' && typeof bytes === 'number' ? [{ path, bytes }] : [],
  );

const readable =
  /\.([cm]?[jt]sx?|json|ya?ml|toml|py|go|rs|java|kt|cs|rb|php|c|h|cpp|hpp|swift|sh|sql|html|css|mdx?|markdown|rst|txt|adoc)$/i;

/** Introductions first, then entries and manifests, then the largest: the same files however often it is asked. */
const worthReading = (files: readonly Listed[]): Listed[] => {
  const rank = (path: string): number => {
    if (/(^|\/)readme(\.\w+)?$/i.test(path)) return 0;
    if (/(^|\/)(index|main|mod|lib|__init__)\.\w+$/.test(path)) return 1;
    if (/(^|\/)(package|deno)\.json$|\.toml$/.test(path)) return 2;
    if (/(^|\/)(tests?|fixtures?|__tests__)\//.test(path) || /\.(test|spec)\./.test(path)) return 5;
    return isProse(path) ? 3 : 4;
  };
  return files
    .filter(
      ({ path, bytes }) => bytes > 0 && bytes <= maxReadBytes && readable.test(path) && !/(^|[-.])lock\b/.test(path),
    )
    .map((file) => ({ ...file, rank: rank(file.path), depth: file.path.split('/').length }))
    .sort((a, b) => a.rank - b.rank || a.depth - b.depth || b.bytes - a.bytes || (a.path < b.path ? -1 : 1))
    .slice(0, filesToRead);
};

const answerFor = (
  area: string,
  files: readonly Listed[],
  listing: PastCall | undefined,
  calls: readonly PastCall[],
) => {
  const facts = calls.filter(({ name }) => name === 'read_file').flatMap(factsIn);
  const findings = withoutRepeats([...facts.flatMap(findingsOf), ...searched(calls)]).slice(0, maxFindings);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const more = objectIn(listing?.result ?? '').files_not_shown;
  const count = files.length + (typeof more === 'number' ? more : 0);
  const about = facts.map((fact) => fact.about).find(Boolean);
  const error = objectIn(listing?.result ?? '').error;
  const summary =
    typeof error === 'string'
      ? `The area could not be listed: ${error}`
      : `${count} ${count === 1 ? 'file' : 'files'}${more === undefined ? `, ${sizeOf(bytes)}` : ''}; ${facts.length} read.${about ? ` ${about}` : ''}`;
  return { area, summary, files_read: facts.map(({ file }) => file), findings };
};

/** A mark may have been read and searched: a line is told once of a kind. */
const withoutRepeats = (findings: readonly Finding[]): Finding[] => {
  const told = new Set<string>();
  return findings.filter(({ file, line, kind, note }) => {
    const key = `${file}:${line ?? note}:${kind}`;
    return !told.has(key) && told.add(key);
  });
};

const sizeOf = (bytes: number): string => (bytes < 10_000 ? `${bytes} bytes` : `${Math.round(bytes / 1_000)} kB`);

/** What a `read_file` result tells; nothing when the file could not be read. */
const factsIn = ({ arguments: { path }, result }: PastCall): FileFacts[] => {
  const head = /^(.+): lines (\d+) to \d+.* of (\d+)\n/.exec(result);
  if (!head || typeof path !== 'string') return [];
  return [factsOf(path, result.slice(head[0].length), { firstLine: Number(head[2]), lineCount: Number(head[3]) })];
};

const findingsOf = ({ file, lines, headings, exports, about, marks }: FileFacts): Finding[] => {
  const findings: Finding[] = [];
  if (headings.length > 0) findings.push({ file, kind: 'structure', note: `Headings: ${some(headings)}` });
  if (exports.length > 0) findings.push({ file, kind: 'interface', note: `Exports: ${some(exports)}` });
  if (about) findings.push({ file, kind: 'structure', note: about });
  if (lines > 600) findings.push({ file, kind: 'risk', note: `Long: ${lines} lines` });
  for (const { line, text } of marks.slice(0, 3)) findings.push({ file, line, kind: 'mark', note: text });
  return findings;
};

/** Matches of the searches: of marks, and of the words of the question. */
const searched = (calls: readonly PastCall[]): Finding[] =>
  calls
    .filter(({ name }) => name === 'search_text')
    .flatMap(({ arguments: { words }, result }) => {
      const kind = Array.isArray(words) && words.includes('TODO') ? 'mark' : 'answer';
      return objectsIn(objectIn(result).matches)
        .flatMap(({ file, line, text }) =>
          typeof file === 'string' && typeof line === 'number' && typeof text === 'string'
            ? [{ file, line, kind, note: text }]
            : [],
        )
        .filter(({ note }) => kind === 'answer' || isMark(note))
        .slice(0, 6);
    });
