import type { StoredEvent } from '@troupe/protocol';
import type { Entry, RunLine } from '../wire.ts';
import { momentText, spendingText, timeText } from './amounts.ts';
import { fenced, inline } from './markdown-text.ts';
import { allOf, type Chapter, lengthOf, statusText, storyOf, textOfAnswer, textOfValue } from './story.ts';

/**
 * A run or a tree as a report in Markdown: a table of its runs, then each with what was asked, said, called and answered. What
 * came from outside stands in fences, as it is: nothing of it is Markdown or HTML.
 */
export const toMarkdown = (events: readonly StoredEvent[]): string => {
  const all = allOf(storyOf(events));
  const [first] = all;
  const title = first ? `${inline(first.chapter.line.name)}: ${inline(statusText(first.chapter.line))}` : 'No runs';
  const parts = [`# ${title}`, tableOf(all), ...all.map(({ chapter }) => chapterOf(chapter))];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
};

const tableOf = (all: readonly { chapter: Chapter; level: number }[]): string => {
  if (all.length === 0) return '';
  const rows = all.map(({ chapter: { line }, level }) =>
    row([
      `${'— '.repeat(level)}${inline(line.name)}`,
      inline(statusText(line)),
      inline(line.title),
      String(line.turn),
      inline(spendingText(line.total)),
      timeText(lengthOf(line)),
    ]),
  );
  return [
    row(['run', 'status', 'asked for', 'turns', 'used, with children', 'time']),
    row(Array(6).fill('---')),
    ...rows,
  ].join('\n');
};
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const chapterOf = ({ line, entries }: Chapter): string =>
  [`## ${inline(line.name)}`, aboutOf(line), ...entries.map(entryOf)].join('\n\n');

const aboutOf = ({ id, model, createdAt, own, parentId }: RunLine): string =>
  [
    `Run ${inline(id)}${parentId === undefined ? '' : `, started by ${inline(parentId)}`}.`,
    `Since ${momentText(createdAt)}.`,
    `Model ${inline(model || 'unknown')}; by itself ${inline(spendingText(own))}.`,
  ].join(' ');

const entryOf = (entry: Entry): string => {
  switch (entry.type) {
    case 'job':
      return part(
        'Asked',
        fenced(textOfValue(entry.input)),
        ...(entry.constraints ?? []).map((each) => `- ${inline(each)}`),
      );
    case 'told':
      return part(entry.by === 'person' ? 'Told by a person' : 'Told by the system', fenced(entry.text));
    case 'turn':
      return turnOf(entry);
    case 'call':
      return callOf(entry);
    case 'question':
      return part(
        'Question',
        fenced(entry.question.prompt),
        entry.answer === undefined ? 'Not answered.' : `Answered:\n\n${fenced(textOfAnswer(entry.answer))}`,
      );
    case 'compacted':
      return part(`Summary of ${entry.summarized} messages`, fenced(entry.summary));
    case 'warning':
      return part(`Warning ${inline(entry.code)}`, fenced(entry.message));
    case 'end':
      return part(
        `Ended: ${inline(entry.exitReason)}`,
        ...(entry.fault ? [fenced(entry.fault.message)] : []),
        ...(entry.text === null ? [] : [fenced(entry.text)]),
      );
  }
};
const part = (title: string, ...rest: string[]): string => [`### ${title}`, ...rest].join('\n\n');

const turnOf = ({ turn, model, text, reasoning, attempts = [], usage }: Extract<Entry, { type: 'turn' }>): string =>
  part(
    `Turn ${turn}`,
    inline(`${model}${usage ? `, ${usage.inputTokens} tokens in, ${usage.outputTokens} out` : ''}`),
    ...attempts.map((each) => `- failed: ${inline(each)}`),
    ...(reasoning === undefined ? [] : [`Reasoning:\n\n${fenced(reasoning)}`]),
    ...(text === '' ? [] : [fenced(text)]),
  );

const callOf = (call: Extract<Entry, { type: 'call' }>): string =>
  part(
    `Call ${inline(call.tool)}: ${call.status}`,
    fenced(textOfValue(call.arguments), 'json'),
    ...call.children.map(({ runId, agent }) => `- child ${inline(agent)}: run ${inline(runId)}`),
    ...(call.result === undefined ? [] : [`Result:\n\n${fenced(call.result)}`]),
  );
