// npm run demo -- [PATH] ["question"] [--out FILE]
//
// Reviews a folder: a lead agent looks at it, gives its areas to children that read the files, and writes a report of what they
// found. Works with OPENAI_API_KEY or OPENAI_BASE_URL, with a model server on this machine, and without any of them.
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { harmless, oneLine, openModel, reportTable, showLiveTree } from '@troupe/cli';
import { createRuntime } from '@troupe/core';
import { messageOf, type Report } from '@troupe/protocol';
import { findingsIn, leadAgent } from './agents.ts';
import { Folder } from './folder.ts';
import { fileTools } from './tools.ts';

const usage = 'Usage: npm run demo -- [PATH] ["question"] [--out FILE]';
const usualQuestion = 'What is in this folder, how do its parts fit together, and what is left to do?';

// A reader that has seen enough (`| head`) ends the printing, not the review.
process.stdout.on('error', () => {});

try {
  process.exitCode = await review(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${oneLine(messageOf(error))}\n`);
  process.exitCode = 1;
}

async function review(args: string[]): Promise<number> {
  const { path, question, out } = readArgs(args);
  const folder = await Folder.open(path);

  await using model = await openModel();
  say(model.notice);
  say(`Folder: ${folder.root}\nQuestion: ${question}\n`);

  const runtime = createRuntime({ provider: model.provider, model: model.name, pricing: model.pricing });
  const run = runtime.start(leadAgent(fileTools(folder)), `Folder: ${folder.name}\nQuestion: ${question}`);
  const view = showLiveTree(run.events$);
  const stop = interruptOn((reason) => void run.interrupt(reason));

  const report = await run.ended;
  await view.done;
  stop.forget();

  const text = report.text === null ? null : harmless(report.text).trimEnd();
  say(text === null ? '' : `\n${text}\n`);
  say(`${reportTable(view.tree)}\n`);
  const children = await Promise.all(report.children.map((child) => run.child(child.runId).ended));
  if (children.length > 0) say(checked(children));
  if (text !== null)
    say(`Report: ${await save(out ?? (await usualPlace(folder)), text, model.notice, reportTable(view.tree))}`);
  say('Runs: kept in memory for the life of this process, and gone with it.');
  await runtime.close();

  if (report.status === 'completed') return 0;
  if (report.status === 'interrupted') return stop.exitCode;
  throw new Error(`The review failed (${report.exitReason}): ${report.fault?.message ?? 'no reason was given.'}`);
}

function readArgs(args: string[]): { path: string; question: string; out: string | undefined } {
  try {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { out: { type: 'string' } } });
    const [path = '.', question = usualQuestion, ...rest] = positionals;
    if (rest.length > 0) throw new Error('There are too many arguments: put the question in quotes');
    return { path, question: question.trim() || usualQuestion, out: values.out };
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
