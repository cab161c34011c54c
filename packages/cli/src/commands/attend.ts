import { basename } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Agent, Run, Session } from '@troupe/core';
import type { Inspector } from '@troupe/inspector';
import { isEnded, type Report } from '@troupe/protocol';
import { createActor, fromPromise, waitFor } from 'xstate';
import { exitCode } from '../exit-code.ts';
import { type LiveTree, showLiveTree } from '../screen/live-tree.ts';
import { stopMachine } from '../screen/stop-machine.ts';
import { isInteractive, type Terminal } from '../terminal.ts';
import { harmless } from '../text-width.ts';
import { statusOf } from '../tree/figures.ts';
import { reportTable } from '../tree/report-table.ts';
import { again, quoted } from './again.ts';
import type { AttendFlags, CommonFlags } from './asked.ts';
import { restOf } from './background.ts';
import { eventsAround } from './events-around.ts';
import type { Output } from './output.ts';
import { leaveMs, type Workspace } from './workspace.ts';

export type Attended = {
  run: Run;
  workspace: Workspace;
  terminal: Terminal;
  output: Output;
  flags: AttendFlags & Pick<CommonFlags, 'json'>;
};

/** Stays with a run that is executed here until it has ended, and says what it came to. Gives the exit code. */
export const attend = async ({ run, workspace, terminal, output, flags }: Attended): Promise<number> => {
  const { runtime } = workspace;
  const isDrawn = isInteractive(terminal) && !flags.plain && !flags.json;
  // Of a run that has just been started there is no row yet: it is its own root.
  const row = await runtime.runs.get(run.id);
  const root = await runtime.attach(row?.rootId ?? run.id);
  const mayWait = isDrawn || flags.wait === true;
  const stop = createActor(
    stopMachine.provide({
      actors: {
        interrupt: fromPromise(async () => {
          view?.say('Interrupting. Ctrl-C once more leaves at once.');
          await run.interrupt('Ctrl-C');
          // And what it has begun in the background.
          await (await conversationOf(run, workspace))?.interrupt('Ctrl-C');
        }),
      },
    }),
  );
  const view = flags.json ? null : show(root, { workspace, terminal, isDrawn });
  workspace.warnTo((text) => (view ? view.say(harmless(text)) : output.warn(text)));
  stop.start();
  const forget = terminal.signals.hear(() => {
    if (stop.getSnapshot().status === 'active') stop.send({ type: 'stop' });
  });
  const page = flags.inspect && (await openPage(workspace, output));
  try {
    const settled = settle({ run, workspace, mayWait, say: (text) => (view ? view.say(text) : output.note(text)) });
    settled.catch(() => {}).finally(() => stop.getSnapshot().status === 'active' && stop.send({ type: 'settled' }));
    const { value } = await waitFor(stop, ({ status }) => status !== 'active');
    view?.close();
    await view?.done;
    const code = terminal.signals.code();
    if (value === 'left') return await leave(root, workspace, output, code);
    return tellReport(await settled, { run, workspace, output, view: isDrawn ? null : view, code });
  } finally {
    forget();
    stop.stop();
    await page?.close();
    view?.close();
    workspace.warnTo(output.warn);
  }
};

const show = (
  root: Run,
  { workspace: { runtime }, terminal, isDrawn }: { workspace: Workspace; terminal: Terminal; isDrawn: boolean },
): LiveTree => {
  const { errors: screen, input, environment } = terminal;
  const events$ = eventsAround(root, runtime.events$);
  const where = { screen: isDrawn ? screen : linesOnly(screen), input, environment };
  return showLiveTree(events$, { ...where, control: { runtime, stop: terminal.signals.stop } });
};

/** The page of the inspector, for as long as the run is attended. */
const openPage = async ({ runtime, file }: Workspace, output: Output): Promise<Inspector> => {
  const { inspect } = await import('@troupe/inspector');
  const page = await inspect(runtime, {
    ...(file && { name: basename(file.path) }),
    logger: runtime.environment.logger,
  });
  output.warn(`Inspector: ${page.url}`);
  return page;
};

/** The same stream, on which nothing is redrawn. */
export const linesOnly = (screen: Terminal['errors']) => ({
  write: (text: string) => screen.write(text),
  on: (event: string, heard: () => void) => screen.on(event, heard),
  off: (event: string, heard: () => void) => screen.off(event, heard),
});

/** The conversation that a root belongs to, where its agent is known here. */
const conversationOf = async ({ id }: Run, { runtime, file }: Workspace): Promise<Session | undefined> => {
  const row = await runtime.runs.get(id);
  const agent = file?.agents.find(({ name }) => name === row?.agent);
  if (!row || !agent || row.parentId !== undefined) return undefined;
  return runtime.session(agent as Agent, { sessionKey: row.sessionKey ?? row.rootId });
};

/** Waits until the run has come to something, and what it has begun in the background, too. */
const settle = async ({
  run,
  workspace,
  mayWait,
  say,
}: Pick<Attended, 'run' | 'workspace'> & { mayWait: boolean; say(text: string): void }): Promise<Report> => {
  const report = await (mayWait ? run.ended : run.report);
  if (!isEnded(report.status)) return report;
  const talk = await conversationOf(run, workspace);
  return (talk && (await restOf(workspace.runtime, talk, { mayWait, say }))) ?? report;
};

/** How a run goes on that does not end here. */
const howToGoOn = ({ id }: Run, workspace: Workspace): string =>
  workspace.store.lasting
    ? `Go on with it: ${again(`resume ${quoted(id)}`, whereIs(workspace))}`
    : 'It is not stored and ends with this process.';

const whereIs = ({ file, namedStore }: Workspace) => ({ file: file?.path ?? 'FILE', store: namedStore });

/** Says how things stand in the store; whoever leaves does not wait for it. */
const leave = async (root: Run, workspace: Workspace, output: Output, code: number | null): Promise<number> => {
  const row = await Promise.race([workspace.runtime.runs.get(root.id), wait(leaveMs, undefined)]);
  if (row && isEnded(row.status)) output.note(`Run ${root.id} ${statusOf(row)}`);
  else output.warn(`Left run ${root.id} as it is. ${howToGoOn(root, workspace)}`);
  workspace.leave();
  return code ?? exitCode.interrupted;
};

type Told = Pick<Attended, 'run' | 'workspace' | 'output'> & { view: LiveTree | null; code: number | null };

const tellReport = (report: Report, { run, workspace, output, view, code }: Told): number => {
  const { status, exitReason, text, fault, questions } = report;
  if (view) output.note(`\n${reportTable(view.tree)}\n`);
  if (output.isJSON || text !== null) output.give(report, () => (text ?? '').trimEnd());
  if (status === 'completed') return exitCode.done;
  if (status === 'paused') {
    output.note(`Run ${run.id} waits for an answer. ${howToGoOn(run, workspace)}`);
    for (const { id, prompt, options } of questions)
      output.note(
        `? ${prompt}${options.length > 0 ? ` (${options.join(', ')})` : ''}\n  ${again(`answer ${quoted(id)} ANSWER`, whereIs(workspace))}`,
      );
    return exitCode.waits;
  }
  output.note(`Run ${run.id} ${statusOf({ status, exitReason })}${fault ? ` – ${fault.message}` : ''}`);
  return status === 'interrupted' && code !== null ? code : exitCode.failed;
};
