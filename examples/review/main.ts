// npm run demo -- [PATH] ["question"] [--out FILE] [--store FILE]
// npm run demo -- --resume [--out FILE] [--store FILE]
// npm run demo -- --workers 2 [PATH] ["question"] [--out FILE]
//
// Reviews a folder: a lead agent looks at it, gives its areas to children that read the files, and writes a report of what they
// found. Works with OPENAI_API_KEY or OPENAI_BASE_URL, with a model server on this machine, and without any of them.
// A review that was killed goes on with --resume, where it was. With --workers its children are executed by other processes, through a
// PostgreSQL that is started for it.
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { harmless, oneLine, openModel, reportTable, showLiveTree } from '@troupe/cli';
import { createRuntime, type Run } from '@troupe/core';
import { messageOf, type Report, type RunRow, type RunStore } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { findingsIn, leadAgent } from './agents.ts';
import type { Fleet } from './fleet.ts';
import { Folder } from './folder.ts';
import { fileTools } from './tools.ts';

const usage =
  'Usage: npm run demo -- [PATH] ["question"] [--out FILE] [--store FILE], or: npm run demo -- --resume, or with --workers N';
const mostWorkers = 16;
const usualQuestion = 'What is in this folder, how do its parts fit together, and what is left to do?';

// A reader that has seen enough (`| head`) ends the printing, not the review.
process.stdout.on('error', () => {});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${oneLine(messageOf(error))}\n`);
  process.exitCode = 1;
}

async function main(args: string[]): Promise<number> {
  const asked = readArgs(args);
  if (asked.workers > 0) return await reviewByWorkers(asked);
  await mkdir(dirname(asked.storeFile), { recursive: true });
  const store = sqliteStore(asked.storeFile);
  try {
    return await review(asked, store);
  } finally {
    await store.close();
  }
}

/** The same, with children that other processes execute. */
async function reviewByWorkers(asked: Args): Promise<number> {
  const { root } = await Folder.open(asked.path);
  const { openFleet } = await import('./fleet.ts');
  const fleet = await openFleet(asked.workers, root);
  try {
    return await review(asked, fleet.store, fleet);
  } finally {
    await fleet.close();
  }
}

async function review(
  { path, question, out, storeFile, resume }: Args,
  store: RunStore,
  fleet?: Fleet,
): Promise<number> {
  const unfinished = resume ? await unfinishedIn(store, storeFile) : null;
  const folder = await Folder.open(unfinished ? String(unfinished.job.metadata?.folder) : path);

  await using model = await openModel();
  say(model.notice);
  const lead = leadAgent(fileTools(folder));
  const runtime = createRuntime({
    provider: model.provider,
    model: model.name,
    pricing: model.pricing,
    store,
    agents: [lead],
    ...(fleet && { placement: fleet.placement }),
  });
  let run: Run;
  if (unfinished) {
    say(
      `Going on with the review of ${folder.root} that began at ${new Date(unfinished.createdAt).toLocaleString()}.\n`,
    );
    run = await runtime.attach(unfinished.runId);
  } else {
    say(`Folder: ${folder.root}\nQuestion: ${question}\n`);
    run = runtime.start(lead, {
      input: `Folder: ${folder.name}\nQuestion: ${question}`,
      metadata: { folder: folder.root },
    });
  }
  const view = showLiveTree(run.events$, { control: { runtime } });
  fleet?.tellTo((line) => view.say(harmless(line)));
  const stop = interruptOn((reason) => void run.interrupt(reason));

  const report = await (unfinished ? runtime.resume(run.id).then(() => run.ended) : run.ended);
  await view.done;
  stop.forget();

  const text = report.text === null ? null : harmless(report.text).trimEnd();
  say(text === null ? '' : `\n${text}\n`);
  say(`${reportTable(view.tree)}\n`);
  const ended = async (runId: string): Promise<Report> => (await runtime.attach(runId)).ended;
  const children = await Promise.all(report.children.map(({ runId }) => ended(runId)));
  if (children.length > 0) say(checked(children));
  if (text !== null)
    say(`Report: ${await save(out ?? (await usualPlace(folder)), text, model.notice, reportTable(view.tree))}`);
  say(fleet ? fleet.executed() : `Runs: ${storeFile}`);
  await runtime.close();

  if (report.status === 'completed') return 0;
  if (report.status === 'interrupted') return stop.exitCode;
  throw new Error(`The review failed (${report.exitReason}): ${report.fault?.message ?? 'no reason was given.'}`);
}

/** The newest review that has not ended. */
async function unfinishedIn(store: RunStore, file: string): Promise<RunRow> {
  const open = await store.list({ status: ['queued', 'running', 'paused', 'interrupting'] });
  const review = open.find(({ agent, depth }) => agent === 'lead' && depth === 0);
  if (review) return review;
  throw new Error(`There is no unfinished review in ${file}: start one without --resume.`);
}

type Args = {
  path: string;
  question: string;
  out: string | undefined;
  storeFile: string;
  resume: boolean;
  /** How many processes execute the children; 0: this one does. */
  workers: number;
};

function readArgs(args: string[]): Args {
  try {
    const text = { type: 'string' } as const;
    const options = { out: text, store: text, workers: text, resume: { type: 'boolean' } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const workers = Number(values.workers ?? 0);
    if (values.workers !== undefined && !(Number.isInteger(workers) && workers > 0 && workers <= mostWorkers))
      throw new Error(`--workers is "${values.workers}": give a number from 1 to ${mostWorkers}`);
    if (workers > 0 && (values.store !== undefined || values.resume))
      throw new Error('With --workers a review has a database of its own: it takes no --store and no --resume');
    const { out, store = join(tmpdir(), 'troupe-demo', 'runs.db'), resume = false } = values;
    const [path = '.', question = usualQuestion, ...rest] = positionals;
    if (rest.length > 0) throw new Error('There are too many arguments: put the question in quotes');
    if (resume && positionals.length > 0) throw new Error('A review that goes on has its folder and its question');
    return { path, question: question.trim() || usualQuestion, out, storeFile: resolve(store), resume, workers };
  } catch (error) {
    const [what] = messageOf(error).split('. ');
    throw new Error(`${what}. ${usage}`, { cause: error });
  }
}

/** The first Ctrl-C ends the run in order, the second ends the process. */
function interruptOn(interrupt: (reason: string) => void): { exitCode: number; forget(): void } {
  const codes = { SIGINT: 130, SIGTERM: 143 } as const;
  const state = {
    exitCode: 130,
    asked: false,
    forget() {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
    },
  };
  const onSignal = (signal: keyof typeof codes) => {
    state.exitCode = codes[signal];
    if (state.asked) process.exit(state.exitCode);
    state.asked = true;
    interrupt(signal === 'SIGINT' ? 'Ctrl-C' : signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  return state;
}

/** How many children answered in the form they were asked for. */
function checked(children: readonly Report[]): string {
  const answers = children.map(({ text }) => (text === null ? null : findingsIn(text)));
  const good = answers.filter((answer) => answer !== null);
  const findings = good.flatMap((answer) => answer.findings);
  const files = new Set(findings.map(({ file }) => file));
  return `Findings: ${findings.length} in ${files.size} files; ${good.length} of ${children.length} children answered in the agreed form.`;
}

/** Not in the folder that is reviewed, and not where one happens to stand. */
async function usualPlace(folder: Folder): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), 'troupe-review-')), `${folder.name || 'root'}.md`);
}

async function save(path: string, text: string, notice: string, table: string): Promise<string> {
  const file = resolve(path);
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `${text}\n\n---\n\n${notice}\n\n\`\`\`text\n${table}\n\`\`\`\n`);
  } catch (error) {
    throw new Error(`The report could not be written to ${file}: ${messageOf(error)}`, { cause: error });
  }
  return file;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
