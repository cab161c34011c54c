/**
 * The rehearsal model as a lead: it lists the folder, gives each area to a child, all at once, and puts what they found into
 * one report. It knows of the files only what the tool messages of this conversation say.
 */

import { findingLine, taskFor } from './child.ts';
import {
  type ChatRequest,
  hasTool,
  isObject,
  jsonIn,
  objectIn,
  objectsIn,
  type PastCall,
  pastCalls,
  type Reply,
  saidBy,
  schemaBlock,
} from './conversation.ts';
import { some } from './facts.ts';

const maxAreas = 5;
const topLevel = '.';

/** Stands in everything the rehearsal model writes for people. */
export const rehearsalNotice =
  'Rehearsal: no language model took part. A scripted stand-in read these files through the same tools and children and lists what stands in them.';

export const leadReply = (request: ChatRequest, spawnTool: string): Reply => {
  const question = questionIn(saidBy(request, 'user'));
  const calls = pastCalls(request);
  const listings = calls.filter(({ name }) => name === 'list_files');
  if (listings.length === 0 && hasTool(request, 'list_files'))
    return { calls: [{ name: 'list_files', arguments: { path: topLevel } }] };

  const spawns = calls.filter(({ name }) => name === spawnTool);
  const { areas, left, open } = areasIn(listings);
  if (spawns.length === 0 && open !== null) return { calls: [{ name: 'list_files', arguments: { path: open } }] };
  if (spawns.length === 0 && areas.length > 0) {
    const instructions = childInstructions(saidBy(request, 'system'));
    return {
      calls: areas.map((area) => ({
        name: spawnTool,
        arguments: {
          name: area === topLevel ? 'top level' : area,
          instructions,
          task: taskFor(area, question),
          tools: ['list_files', 'read_file', 'search_text'].filter((name) => hasTool(request, name)),
        },
      })),
    };
  }
  return { text: reportOf(question, spawns, left) };
};

const questionIn = (text: string): string => /^Question: ([\s\S]+)$/m.exec(text)?.[1]?.trim() ?? text.trim();

/** What a child is told: its part, and the form of answer that the lead's own instructions ask of children. */
const childInstructions = (own: string): string => {
  const schema = schemaBlock(own);
  const form = schema === null ? '' : `\nAnswer with JSON only, of this schema:\n\`\`\`json\n${schema}\n\`\`\``;
  return `You review one area of a folder. Read its files with your tools and report what you found in them.${form}`;
};

type Area = { path: string; files: number };

/**
 * The areas worth a child of their own, largest first; `left` are those there was no child for. `open` names a folder that
 * holds most of the files and should be looked into before areas are chosen.
 */
const areasIn = (listings: readonly PastCall[]): { areas: string[]; left: string[]; open: string | null } => {
  const seen = new Map(listings.map((call) => [String(call.arguments.path), objectIn(call.result)]));
  const foldersOf = (path: string): Area[] =>
    objectsIn(seen.get(path)?.folders).flatMap((folder) =>
      typeof folder.path === 'string' && typeof folder.files === 'number'
        ? [{ path: folder.path, files: folder.files }]
        : [],
    );
  const top = foldersOf(topLevel);
  const all = top.reduce((sum, { files }) => sum + files, 0);
  const main = top.find(({ files }) => files > 12 && files > all / 2);
  if (main && !seen.has(main.path)) return { areas: [], left: [], open: main.path };

  const inner = main ? foldersOf(main.path) : [];
  const folders = main && inner.length > 1 ? [...top.filter((folder) => folder !== main), ...inner] : top;
  const sorted = folders.toSorted((a, b) => b.files - a.files || (a.path < b.path ? -1 : 1)).map(({ path }) => path);
  const hasFiles = objectsIn(seen.get(topLevel)?.files).length > 0;
  const room = hasFiles ? maxAreas - 1 : maxAreas;
  const areas = sorted.slice(0, room);
  return { areas: hasFiles ? [topLevel, ...areas] : areas, left: sorted.slice(room), open: null };
};

type Outcome = { name: string } & ({ findings: Record<string, unknown> } | { error: string });

/** What came of a child: its findings, or why there are none. */
const outcomeOf = ({ arguments: { name }, result }: PastCall): Outcome => {
  const who = String(name);
  const whole = jsonIn(result);
  if (isObject(whole) && typeof whole.error === 'string') return { name: who, error: whole.error };
  // The text of a child is followed by the data of its run.
  const text = isObject(whole) ? result : result.slice(0, Math.max(0, result.lastIndexOf('\n\n{')));
  const findings = jsonIn(text.replaceAll(/^```(?:json)?\n|\n```$/g, ''));
  return isObject(findings) ? { name: who, findings } : { name: who, error: 'its answer is not JSON' };
};

const reportOf = (question: string, spawns: readonly PastCall[], left: readonly string[]): string => {
  const outcomes = spawns.map(outcomeOf);
  const parts = [`> ${rehearsalNotice}`, '# Review', `**Question.** ${question}`];
  if (spawns.length === 0) parts.push('There are no files here that could be looked at.');
  else parts.push(inShort(outcomes));
  parts.push(...answersOf(outcomes), ...outcomes.flatMap(sectionOf), ...marksOf(outcomes));
  if (left.length > 0)
    parts.push(
      '## Not looked at',
      `There was no child left for ${some(
        left.map((path) => `\`${path}\``),
        12,
      )}.`,
    );
  return `${parts.join('\n\n')}\n`;
};

const found = (outcome: Outcome) => ('findings' in outcome ? objectsIn(outcome.findings.findings) : []);

const inShort = (outcomes: readonly Outcome[]): string => {
  const done = outcomes.filter((outcome) => 'findings' in outcome);
  const read = done.reduce(
    (sum, { findings }) => sum + (Array.isArray(findings.files_read) ? findings.files_read.length : 0),
    0,
  );
  const marks = outcomes.flatMap(found).filter(({ kind }) => kind === 'mark').length;
  return `Areas: ${outcomes.length}, ${done.length} of them reported. Files read: ${read}. Lines marked TODO, FIXME, HACK or XXX: ${marks}.`;
};

const answersOf = (outcomes: readonly Outcome[]): string[] => {
  const lines = outcomes.flatMap(found).filter(({ kind }) => kind === 'answer');
  if (lines.length === 0) return [];
  return ['## Where the words of the question occur', lines.slice(0, 12).map(findingLine).join('\n')];
};

const sectionOf = (outcome: Outcome): string[] => {
  const title = `## ${outcome.name}`;
  if ('error' in outcome) return [title, `Nothing was reported: ${outcome.error}`];
  const list = found(outcome).filter(({ kind }) => kind !== 'answer' && kind !== 'mark');
  const summary = typeof outcome.findings.summary === 'string' ? outcome.findings.summary : '';
  return [title, summary, list.map(findingLine).join('\n')].filter(Boolean);
};

const marksOf = (outcomes: readonly Outcome[]): string[] => {
  const lines = [
    ...new Set(
      outcomes
        .flatMap(found)
        .filter(({ kind }) => kind === 'mark')
        .map(findingLine),
    ),
  ];
  return lines.length === 0 ? [] : ['## Left for later', lines.slice(0, 20).join('\n')];
};
