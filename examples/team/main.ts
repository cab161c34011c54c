// npm run demo -- --team ["task"] ["what then"] [--store FILE]
//
// A planner spawns a sub-agent named "backend", which spawns a reviewer. Their process is killed in the middle of that; another process
// opens the same file, everybody goes on, and the planner goes on with backend by its name. Works with OPENAI_API_KEY or OPENAI_BASE_URL,
// with a model server on this machine, and without any of them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { oneLine, openModel, reportTable, treeOf } from '@troupe/cli';
import { messageOf, type RunEvent } from '@troupe/protocol';
import { interruptOn, say, show, tell } from './show.ts';
import { openTeam, type Team } from './team.ts';

const usage = 'Usage: npm run demo -- --team ["task"] ["what then"] [--store FILE]';
const usualTask =
  'Write slug.mjs, whose function slugOf(title) makes a URL slug of a title. Write notes.md, which says how it is used.';
const usualNext = 'Let slugOf turn letters with accents into plain ones. Say so in notes.md.';

// A reader that has seen enough (`| head`) ends the printing, not the team.
process.stdout.on('error', () => {});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${oneLine(messageOf(error))}\n`);
  process.exitCode = 1;
}

async function main(args: string[]): Promise<number> {
  const { task, next, storeFile } = await readArgs(args);
  const code = await killed(storeFile, task);
  if (code !== null) return code;

  await using model = await openModel();
  const team = await openTeam(storeFile, model);
  try {
    return await goOn(team, next);
  } finally {
    await team.close();
  }
}

/** The first process, to its death: `null`. What it gave, where it ended by itself. */
async function killed(storeFile: string, task: string): Promise<number | null> {
  const first = fileURLToPath(new URL('first.ts', import.meta.url));
  const child = spawn(process.execPath, [first, storeFile, task], { stdio: ['ignore', 'inherit', 'inherit'] });
  // A terminal sends Ctrl-C to both: the first decides what becomes of it.
  const wait = (): void => {};
  process.on('SIGINT', wait);
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  process.off('SIGINT', wait);
  // Windows knows no signals: a process that was killed has code 1 there.
  if (signal === 'SIGKILL' || (process.platform === 'win32' && code === 1)) return null;
  return code ?? 130;
}

async function goOn(team: Team, next: string): Promise<number> {
  const { runtime, manager, session } = team;
  const stop = interruptOn(team);
  const [backend] = await manager.listPersistent();
  say('\nAnother process opens the same file.\n');
  const recovering = show(team);
  const { recovered } = await runtime.recover();
  await team.rest(stop.signal);
  await recovering.close();
  say(`\nTaken up and brought to their end: ${recovered.length} runs.`);
  if (stop.signal.aborted) return 130;
  tell('Planner', await team.answer());
  if (!backend?.name)
    throw new Error('The planner has spawned no sub-agent with a name: there is nobody to go on with.');

  tell('You', next);
  const resuming = show(team);
  await (await session.send(next)).ended;
  await team.rest(stop.signal);
  await resuming.close();
  stop.forget();
  if (stop.signal.aborted) return 130;
  tell('Planner', await team.answer());

  const events: RunEvent[] = [];
  for await (const event of team.store.events({})) events.push(event);
  say(`${reportTable(treeOf(events))}\n`);
  const runs = await runtime.runs.list({ sentTo: backend.sessionKey });
  if (runs.length < 2) throw new Error(`The planner did not go on with "${backend.name}".`);
  say(`${backend.name} (${backend.agentId}) has worked ${runs.length} times in one conversation, over two processes.`);
  return 0;
}

async function readArgs(args: string[]): Promise<{ task: string; next: string; storeFile: string }> {
  try {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { store: { type: 'string' } } });
    const [task = '', next = '', ...rest] = positionals;
    if (rest.length > 0) throw new Error('There are too many arguments: put each task in quotes');
    const storeFile = resolve(values.store ?? join(await mkdtemp(join(tmpdir(), 'troupe-team-')), 'runs.db'));
    await mkdir(dirname(storeFile), { recursive: true });
    return { task: task.trim() || usualTask, next: next.trim() || usualNext, storeFile };
  } catch (error) {
    const [what] = messageOf(error).split('. ');
    throw new Error(`${what}. ${usage}`, { cause: error });
  }
}
