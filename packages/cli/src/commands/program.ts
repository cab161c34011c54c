/** Every command of `troupe`, with its flags and its help. What a command does is loaded when it is given. */
import type { ExportFormat } from '@troupe/inspector';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { Terminal } from '../terminal.ts';
import type { Action } from './asked.ts';

/** What is told the exit code. */
export type Ended = (code: number) => void;

export const programFor = (terminal: Terminal, ended: Ended): Command => {
  /** Carries a command out with what was given. */
  const act =
    <Args extends unknown[], Flags>(load: () => Promise<Action<Args, Flags>>) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const carryOut = await load();
      ended(await carryOut({ args: command.processedArgs as Args, flags: command.opts() as Flags, terminal }));
    };

  const program = new Command('troupe')
    .description('Runs agents, and looks after runs.')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .helpCommand('help [command]', 'explains a command')
    .addHelpText('after', help.program);

  const common = (command: Command): Command =>
    command
      .option('--json', 'for programs: one JSON value a line')
      .option(
        '--store <where>',
        'where runs are stored: a file, or postgres://… Default: TROUPE_STORE, else .troupe/runs.db',
      );
  const alive = (command: Command): Command =>
    command
      .option('--model <id>', 'the model of agents that name none')
      .option('--wait', 'waits for answers that others give ("troupe answer"), also where there is no terminal')
      .option('--plain', 'lines instead of the live tree')
      .option('--remote', 'leaves children to workers ("troupe worker"), unless their agent or the file says otherwise')
      .option('--inspect', 'serves the page of "troupe inspect" meanwhile');
  const withFile = (command: Command): Command =>
    command.option('-f, --file <file>', 'agent file: goes on here, where no process executes the run');
  const withBudget = (command: Command, what: string): Command =>
    command.addOption(several('--budget <limits>', `${what}, as in turns=20,costUsd=0.5`));
  const runId = (about = 'id of a run'): Argument => new Argument('<run>', about);

  withBudget(
    alive(common(program.command('run').description('starts an agent with a job, and stays until it has ended'))),
    'limits of the run and everything below it',
  )
    .option('--no-store', 'stores nothing: the run ends with this process')
    .argument('<file>', 'agent file: an ES module with a default export')
    .argument('[job...]', 'what is to be done; piped in where it is missing, or "-"')
    .option('--agent <name>', 'which agent of the file gets the job')
    .option('--id <run>', 'id of the run. Default: a new one')
    .option('--session <key>', 'goes on with this conversation')
    .addHelpText('after', help.run)
    .action(act(async () => (await import('./run.ts')).run));

  common(program.command('watch').description('shows runs that other processes execute'))
    .addArgument(new Argument('[run]', 'id of a run; without one, every run that has not ended'))
    .option('--plain', 'lines instead of the live tree')
    .addHelpText('after', help.watch)
    .action(act(async () => (await import('./watch.ts')).watch));

  common(program.command('worker').description('executes runs that others leave to workers, until it is stopped'))
    .option('--agents <file>', 'agent file: the agents whose runs are executed here')
    .option('--concurrency <n>', 'how many runs at a time', '16')
    .addOption(several('--queue <names>', 'serves these queues, as in cpu,gpu. Default: troupe'))
    .option('--health <address>', 'where GET /health is answered, or "off". Default: a free port of this machine')
    .option('--name <id>', 'what the worker is called. Default: of the machine and the process')
    .option('--model <id>', 'the model of agents that name none')
    .addHelpText('after', help.worker)
    .action(act(async () => (await import('./worker.ts')).worker));

  const runs = program.command('runs').description('stored runs').addHelpText('after', help.runs);
  const stored = async () => import('./runs.ts');
  common(runs.command('list').description('runs, newest first'))
    .addOption(several('--status <names>', '"open", or how runs stand, as in failed,interrupted'))
    .option('--limit <n>', 'how many', '20')
    .option('--before <run>', 'those that are older than this run')
    .option('--all', 'children, too')
    .action(act(async () => (await stored()).list));
  common(runs.command('show').description('what is known of a run'))
    .addArgument(runId())
    .action(act(async () => (await stored()).show));
  common(runs.command('events').description('everything that happened to a run and below it'))
    .addArgument(runId())
    .option('--after <n>', 'those after this place', '0')
    .addOption(several('--type <names>', 'only these, or all that begin so, as in run,call,question.asked'))
    .option('--own', 'nothing of what is below it')
    .option('--follow', 'goes on with what happens, until the run has ended')
    .action(act(async () => (await stored()).events));
  common(runs.command('tree').description('a run and everything below it'))
    .addArgument(runId())
    .action(act(async () => (await stored()).tree));
  common(runs.command('export').description('a run and everything below it, to take along'))
    .addArgument(runId())
    .addOption(new Option('--as <format>', 'how').choices(formats).default('markdown'))
    .action(act(async () => (await import('./export.ts')).exportRun));
  common(runs.command('prune').description('forgets trees of runs that have ended'))
    .requiredOption('--older-than <time>', 'that ended longer ago: 30d, 12h, 0')
    .option('--keep <n>', 'but not the last n', '0')
    .action(act(async () => (await stored()).prune));

  const control = async () => import('./control.ts');
  alive(withFile(common(program.command('answer').description('answers what a run asks'))))
    .addArgument(runId('id of a run, or of a question'))
    .argument('[answer...]', 'yes or no, or text')
    .option('--value <json>', 'an answer that is no text')
    .option('--decline [reason]', 'no answer: the call is declined')
    .option('--question <id>', 'which question, where a run asks several')
    .addHelpText('after', help.answer)
    .action(act(async () => (await control()).answer));
  alive(
    withFile(common(program.command('steer').description('says something to a run; it hears it before its next turn'))),
  )
    .addArgument(runId())
    .argument('<text...>')
    .action(act(async () => (await control()).steer));
  common(program.command('pause').description('holds a run and everything below it'))
    .addArgument(runId())
    .option('--spawning', 'the run and everything below it go on, but start no children')
    .action(act(async () => (await control()).pause));
  alive(withFile(common(program.command('resume').description('lets a run go on that was paused, left or killed'))))
    .addArgument(runId())
    .option('--spawning', 'lets it start children again')
    .addHelpText('after', help.resume)
    .action(act(async () => (await control()).resume));
  alive(withFile(common(program.command('interrupt').description('ends a run and everything below it'))))
    .addArgument(runId())
    .argument('[reason...]')
    .action(act(async () => (await control()).interrupt));

  alive(withFile(common(program.command('raise').description('raises limits of a run while it goes on'))))
    .addArgument(runId())
    .argument('<limits...>', 'as in turns=20 costUsd=1')
    .action(act(async () => (await control()).raise));
  common(
    program.command('inspect').description('serves a page on this machine that shows what is stored, and acts on it'),
  )
    .argument('[file]', 'a store: as --store')
    .option('--port <n>', 'default: any that is free')
    .option('--open', 'shows the page in the browser')
    .option('--actors', "no store: the actors of programs that send Stately's inspection messages here")
    .addHelpText('after', help.inspect)
    .action(act(async () => (await import('./inspect.ts')).inspect));

  common(program.command('replay').description('steps a stored run through its machine; calls nothing'))
    .addArgument(runId())
    .action(act(async () => (await import('./replay.ts')).replay));
  withBudget(
    alive(
      withFile(common(program.command('fork').description('goes on from an event of a stored tree in another way'))),
    ),
    'limits from there on',
  )
    .addArgument(runId('id of the root of a tree'))
    .requiredOption('--at <event>', 'id of an event, or its place in the root')
    .option('--id <run>', 'id of the new root. Default: a new one')
    .option('--answer <text>', 'what the question there is answered')
    .option('--answer-value <json>', 'the same, where it is no text')
    .option('--turn <text>', 'what the model answers there: text, or {"text":…,"calls":[…]}')
    .addHelpText('after', help.fork)
    .action(act(async () => (await import('./fork.ts')).fork));

  program
    .command('agents')
    .description('sub-agents of an app: a prompt, or one command')
    .option('--app <file>', 'a module that exports "manager" (createSubagentManager), its "runtime"; "agent", "close"')
    .option('--session <key>', 'acts as this session')
    .option('--json', 'for programs: one JSON value')
    .argument('[command...]', 'list, spawn, resume, cancel, steer, info, help: as after /subagents')
    .passThroughOptions()
    .addHelpText('after', help.agents)
    .action(act(async () => (await import('./agents.ts')).agents));

  common(program.command('doctor').description('looks at Node, store, models, keys, servers and terminal'))
    .argument('[file]', 'an agent file to look at, too')
    .action(act(async () => (await import('./doctor.ts')).doctor));
  program
    .command('completion')
    .description('prints a script that completes commands in a shell')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', help.completion)
    .action(act(async () => (await import('./completion.ts')).completion));
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .passThroughOptions()
    .action(async (words: string[]) =>
      ended(await (await import('./completion.ts')).complete(program, words, terminal)),
    );
  return program;
};

/** A flag for several values, behind commas or each with the flag again. It takes one word: what stands behind that is no value. */
const several = (flags: string, about: string): Option =>
  new Option(flags, about).argParser<string[] | undefined>((said, before) => {
    const values = said.split(',').map((each) => each.trim());
    if (values.includes('')) throw new InvalidArgumentError('Expected values with commas between them; one is blank.');
    return [...(before ?? []), ...values];
  });

/** Named here, so that nothing is loaded for them. `mermaid` is another name of `sequence`. */
const formats = Object.keys({
  markdown: true,
  html: true,
  jsonl: true,
  sequence: true,
  chart: true,
  mermaid: true,
} satisfies Record<ExportFormat | 'mermaid', true>);

const codes = `
Exit codes: 0 carried out, or the run completed · 1 it did not work, or the run failed · 2 no such command, flag or value ·
3 the run waits for an answer · 4 no such run, or it does not take this now · 130 Ctrl-C · 143 SIGTERM`;

const help = {
  program: `
Examples:
  $ troupe doctor                                 what is there, what is missing
  $ troupe run agents.mjs "Review src/"           an agent works, its children below it
  $ troupe runs list --status open
  $ troupe answer run_1 yes                       in another terminal
${codes}`,
  run: `
An agent file is an ES module. Its default export is an agent (defineAgent), or an object: options of createRuntime
(agents, provider, model, budget, store …) with "agent", who gets the job, and "close", called at the end. Where it brings no
provider, the model is the one that "troupe doctor" names.

Ctrl-C interrupts the run and everything below it; once more leaves at once, and the run can go on later: troupe resume.

Examples:
  $ troupe run agents.mjs "Which files are large?"
  $ troupe run agents.mjs --budget turns=20,costUsd=0.5 --model gpt-5 "Review src/"
  $ git diff | troupe run reviewer.ts --json | jq -r .text
${codes}`,
  worker: `
Children of agents that say so (defineAgent({ placement })), and with "troupe run --remote" all of them, are left to workers. Those reach
the same database, and have the same agents. It takes @troupe/store-postgres and @troupe/pg-boss, or an agent file that exports "store"
and "placement".

SIGTERM and Ctrl-C: takes nothing new, gives back what it executes, and ends with 0; once more leaves at once. GET /health says 200 while it
serves, and 503 while it drains, or when the store has not answered for a lease (10 s, unless the agent file says otherwise).

Examples:
  $ export TROUPE_STORE=postgres://me:secret@db/troupe
  $ troupe worker --agents agents.mjs --concurrency 8 --health 127.0.0.1:8080
  $ troupe worker --agents agents.mjs --queue gpu       children of agents with placement: { queue: "gpu" }
  $ troupe run agents.mjs --remote "Review src/"        its children are executed by workers`,
  watch: `
Examples:
  $ troupe watch                  every run that has not ended
  $ troupe watch run_1 --json     its events, one a line`,
  runs: `
Examples:
  $ troupe runs list --status open
  $ troupe runs events run_1 --type call --json
  $ troupe runs export run_1 --as html > run_1.html
  $ troupe runs prune --older-than 30d --keep 100`,
  inspect: `
The address it prints lets in whoever has it; it listens on this machine only. It runs until Ctrl-C.

Examples:
  $ troupe inspect --open
  $ troupe inspect runs.db
  $ troupe inspect --actors --port 8080    createWebSocketInspector({ url }) of @statelyai/inspect sends there
  $ troupe run agents.mjs --inspect "Review src/"`,
  answer: `
Examples:
  $ troupe answer run_1 yes
  $ troupe answer 'run_1/2-0?' "Use the blue one."
  $ troupe answer run_1 --decline "Not on Fridays."`,
  resume: `
Examples:
  $ troupe resume run_1                       it was paused, and its process is there
  $ troupe resume run_1 --file agents.mjs     its process is gone: it goes on here`,
  fork: `
Examples:
  $ troupe fork run_1 --at 12 --file agents.mjs --answer no
  $ troupe fork run_1 --at run_1/1-0/0:3 --file agents.mjs --budget turns=50`,
  agents: `
Examples:
  $ troupe agents --app ./app.mjs                                 a prompt
  $ troupe agents --app ./app.mjs spawn --name counter Count the files.
  $ echo 'Count the files.' | troupe agents --app ./app.mjs
${codes}`,
  completion: `
Examples:
  $ source <(troupe completion bash)
  $ troupe completion fish > ~/.config/fish/completions/troupe.fish`,
};
