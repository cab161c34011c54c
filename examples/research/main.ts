// npm run research -- ["question"] [--folder PATH]
//
// Answers a question about a folder: a lead asks one scout, then several at once, then sends one off into the background and ends its
// turn. The program waits until the lead has heard of that one, too. Works with OPENAI_API_KEY or OPENAI_BASE_URL, with a model server on
// this machine, and without any of them.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { harmless, oneLine, openModel, type RunNode, reportTable, treeOf } from '@troupe/cli';
import { createRuntime, type Runtime } from '@troupe/core';
import { childLabel } from '@troupe/delegation';
import { isTerminal, messageOf, type RunEvent, type TerminalEvent } from '@troupe/protocol';
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
  say(`${model.notice}\nFolder: ${folder.root}\nQuestion: ${question}\n`);

  const session = runtime.session(leadAgent(fileTools(folder)), { sessionKey: 'research' });
  let stopped = false;
  const stop = () => {
    stopped = true;
    void session.interrupt('Ctrl-C');
  };
  process.once('SIGINT', stop);
  await session.send(`Folder: ${folder.name}\nQuestion: ${question}`);
  const { last, told } = await conversation(runtime, say);
  process.off('SIGINT', stop);
  await runtime.close();

  say(tableOf(told));
  if (stopped) return 130;
  if (last.type === 'run.completed') return 0;
  throw new Error(
    `The research failed (${last.exitReason}): ${last.type === 'run.failed' ? last.fault.message : last.reason}`,
  );
}

/**
 * Tells what the lead says, until it has ended a run and there is no background work that it has not heard of. A unit of background work
 * is a run with an `origin`.
 */
async function conversation(runtime: Runtime, say: (line: string) => void) {
  const told: RunEvent[] = [];
  const unheard = new Set<string>();
  let last: TerminalEvent | undefined;
  for await (const event of runtime.events()) {
    told.push(event);
    const isLead = event.agent === 'lead';
    if (event.type === 'run.started' && event.origin) {
      unheard.add(event.runId);
      say(`↗ in the background: ${event.runId}`);
    }
    // Nobody is woken for work that was ended on purpose.
    if (event.type === 'run.interrupted') unheard.delete(event.runId);
    if (event.type === 'run.started' && isLead) last = undefined;
    for (const unit of heardIn(event)) {
      unheard.delete(unit);
      say(`↙ the lead hears of ${unit}`);
    }
    if (event.type === 'run.completed' && isLead) say(`\n${harmless(event.text ?? '').trim()}\n`);
    if (isTerminal(event) && isLead) last = event;
    if (last && unheard.size === 0) return { last, told };
  }
  throw new Error('The runtime was closed before the lead had ended.');
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
