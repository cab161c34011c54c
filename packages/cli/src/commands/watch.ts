import type { Runtime } from '@troupe/core';
import { type EventQuery, isEnded, isLive, isTerminal, type RunEvent, type RunRow, unfinished } from '@troupe/protocol';
import { filter, from, merge, type Observable } from 'rxjs';
import { exitCode } from '../exit-code.ts';
import { showLiveTree } from '../screen/live-tree.ts';
import { isInteractive, type Terminal } from '../terminal.ts';
import { harmless } from '../text-width.ts';
import type { Action, CommonFlags } from './asked.ts';
import { linesOnly } from './attend.ts';
import { type Output, openOutput } from './output.ts';
import { leftBy } from './until-left.ts';
import { openWorkspace, type Workspace } from './workspace.ts';

type Flags = CommonFlags & { plain?: true };

/** Shows runs that other processes execute: one until it has ended, or all until Ctrl-C, or until nobody reads. Leaving changes nothing. */
export const watch: Action<[runId: string | undefined], Flags> = async ({ args: [runId], flags, terminal }) => {
  const output = openOutput(terminal, flags.json);
  const workspace = await openWorkspace(flags, terminal);
  const { runtime } = workspace;
  try {
    if (runId === undefined) {
      const events$ = await eventsOfAll(runtime, workspace);
      output.note('Watches every run until Ctrl-C.');
      await show(events$, { workspace, terminal, flags, output });
      return exitCode.done;
    }
    const run = await runtime.attach(runId);
    await show(run.events$, { workspace, terminal, flags, output });
    const row = await runtime.runs.get(runId);
    if (!row || !isEnded(row.status)) return exitCode.done;
    await giveEnd(runtime, row, output);
    return row.status === 'completed' ? exitCode.done : exitCode.failed;
  } finally {
    await workspace.close();
  }
};

type Watched = { workspace: Workspace; terminal: Terminal; flags: Flags; output: Output };

/** Until the events end, or Ctrl-C. */
const show = async (events$: Observable<RunEvent>, { workspace, terminal, flags, output }: Watched): Promise<void> => {
  const { errors, input, environment } = terminal;
  const left = Promise.withResolvers<void>();
  const leave = (): void => left.resolve();
  const forget = terminal.signals.hear(leave);
  // Who only looks has nothing to do once nobody reads that.
  const reader = leftBy(output.isJSON ? terminal.output : errors);
  void reader.left.then(leave);
  try {
    if (output.isJSON) {
      const ended = Promise.withResolvers<void>();
      const subscription = events$
        .pipe(filter((event) => !isLive(event)))
        .subscribe({ next: (event) => output.give(event, () => ''), error: ended.reject, complete: ended.resolve });
      await Promise.race([ended.promise, left.promise]);
      return subscription.unsubscribe();
    }
    const isDrawn = isInteractive(terminal) && !flags.plain;
    const screen = isDrawn ? errors : linesOnly(errors);
    const view = showLiveTree(events$, {
      screen,
      input,
      environment,
      control: { runtime: workspace.runtime, stop: terminal.signals.stop },
    });
    workspace.warnTo((text) => view.say(harmless(text)));
    await Promise.race([view.done, left.promise]);
    view.close();
    await view.done;
  } finally {
    forget();
    reader.forget();
  }
};

const giveEnd = async (runtime: Runtime, { runId }: RunRow, output: Output): Promise<void> => {
  if (output.isJSON) return;
  for await (const event of runtime.events({ runId }))
    if (isTerminal(event)) {
      if (event.type === 'run.completed' && event.text !== null) output.give(null, () => event.text?.trimEnd() ?? '');
      return;
    }
};

/** Runs that have not ended, from their beginning, and all that begin from now on. */
const eventsOfAll = async (runtime: Runtime, { store }: Workspace): Promise<Observable<RunEvent>> => {
  const open = (await runtime.runs.list({ status: unfinished, limit: Number.MAX_SAFE_INTEGER })).filter(
    ({ runId, rootId }) => runId === rootId,
  );
  const oldest = open.at(-1) ?? (await runtime.runs.list({ limit: 1 })).at(0);
  const roots = new Set(open.map(({ rootId }) => rootId));
  const begins = ({ runId, rootId, type }: RunEvent): boolean =>
    runId === rootId && (type === 'run.started' || type === 'run.queued');
  if (!oldest) return runtime.events();

  const isEndedBefore = await endedSince(runtime, oldest, roots);
  const [first] = await firstOf(store.events({ runId: oldest.runId }));
  const query: EventQuery = first?.cursor === undefined ? {} : { after: first.cursor };
  const wanted = (event: RunEvent): boolean => {
    if (begins(event) && !isEndedBefore.has(event.rootId)) roots.add(event.rootId);
    return roots.has(event.rootId);
  };
  const beginning = first && roots.has(first.rootId) ? [first as RunEvent] : [];
  return merge(from(beginning), runtime.events(query).pipe(filter(wanted)));
};

/** Trees that have begun since a run, and ended: nobody watches these. */
const endedSince = async (runtime: Runtime, { createdAt }: RunRow, open: ReadonlySet<string>): Promise<Set<string>> => {
  const rows = await runtime.runs.list({ limit: Number.MAX_SAFE_INTEGER });
  return new Set(rows.filter((row) => row.createdAt >= createdAt && !open.has(row.rootId)).map(({ rootId }) => rootId));
};

const firstOf = async <T>(all: Iterable<T> | AsyncIterable<T>): Promise<T[]> => {
  for await (const each of all) return [each];
  return [];
};
