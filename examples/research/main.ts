// npm run research -- ["question"] [--folder PATH]
//
// Answers a question about a folder: a lead asks one scout, then several at once, then sends one off into the background and ends its
// turn. The program waits until the lead has heard of that one, too. Works with OPENAI_API_KEY or OPENAI_BASE_URL, with a model server on
// this machine, and without any of them.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { harmless, oneLine, openModel, type RunNode, reportTable, treeOf } from '@troupe/cli';
import { createRuntime } from '@troupe/core';
import { childLabel } from '@troupe/delegation';
import { messageOf, type RunEvent } from '@troupe/protocol';
import { Folder } from '../review/folder.ts';
import { fileTools } from '../review/tools.ts';
import { budget, leadAgent } from './agents.ts';
import { showProgress } from './progress.ts';

const usage = 'Usage: npm run research -- ["question"] [--folder PATH]';
const usualQuestion = 'Which events end a run, and what does its report hold?';
const usualFolder = fileURLToPath(new URL('../../packages/protocol', import.meta.url));

// A reader that has seen enough (`| head`) ends the printing, not the research.
process.stdout.on('error', () => {});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${oneLine(messageOf(error))}\n`);
  process.exitCode = 1;
}

async function main(args: string[]): Promise<number> {
  const { question, path } = readArgs(args);
  const folder = await Folder.open(path);
  await using model = await openModel();
  const runtime = createRuntime({ provider: model.provider, model: model.name, pricing: model.pricing, budget });
  const { say } = showProgress(runtime.events$);
  const told: RunEvent[] = [];
  runtime.events$.subscribe((event) => {
    told.push(event);
    linesOf(event).forEach(say);
  });
  say(`${model.notice}\nFolder: ${folder.root}\nQuestion: ${question}\n`);

  const session = runtime.session(leadAgent(fileTools(folder)), { sessionKey: 'research' });
  let stopped = false;
  const stop = () => {
    stopped = true;
    void session.interrupt('Ctrl-C');
  };
  process.once('SIGINT', stop);
  await session.send(`Folder: ${folder.name}\nQuestion: ${question}`);
  const { report } = await session.idle();
  process.off('SIGINT', stop);
  await runtime.close();

  say(tableOf(told));
  if (stopped) return 130;
  if (report?.status === 'completed') return 0;
  throw new Error(`The research failed (${report?.exitReason}): ${report?.fault?.message ?? 'there is no answer.'}`);
}

/** What the lead says, and what becomes of its background work. A unit of that is a run with an `origin`. */
function linesOf(event: RunEvent): string[] {
  const lines = heardIn(event).map((unit) => `↙ the lead hears of ${unit}`);
  if (event.type === 'run.started' && event.origin) lines.push(`↗ in the background: ${event.runId}`);
  if (event.type === 'run.completed' && event.agent === 'lead') lines.push(`\n${harmless(event.text ?? '').trim()}\n`);
  return lines;
}

/** Background work that is heard of now: by a run that was woken for it, or in a turn of one that was at work. */
function heardIn(event: RunEvent): string[] {
  const units = event.type === 'run.started' ? event.job.metadata?.delivered : 'delivered' in event && event.delivered;
  return Array.isArray(units) ? units.map(String) : [];
}

/** What every run was and used. Scouts are called by what they were asked. */
function tableOf(events: readonly RunEvent[]): string {
  const names = new Map<string, string>();
  for (const event of events) {
    if (event.type !== 'run.started') continue;
    if (event.origin) names.set(event.runId, 'in the background');
    else if (heardIn(event).length > 0) names.set(event.runId, `${event.agent}, woken`);
    else if (event.parentId !== undefined) names.set(event.runId, childLabel(String(event.job.input)));
  }
  const named = (runs: readonly RunNode[]): RunNode[] =>
    runs.map((run) => ({ ...run, agent: names.get(run.runId) ?? run.agent, children: named(run.children) }));
  return reportTable({ roots: named(treeOf(events).roots) });
}

function readArgs(args: string[]): { question: string; path: string } {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { folder: { type: 'string' } },
    });
    const [question = '', ...rest] = positionals;
    if (rest.length > 0) throw new Error('There are too many arguments: put the question in quotes');
    return { question: question.trim() || usualQuestion, path: values.folder ?? usualFolder };
  } catch (error) {
    const [what] = messageOf(error).split('. ');
    throw new Error(`${what}. ${usage}`, { cause: error });
  }
}
