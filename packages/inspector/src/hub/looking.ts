/** What pages look at: rows as they are now or as they were, trees at a moment, what happened in them. */
import type { Clock, RunEvent } from '@troupe/protocol';
import { createActor, fromCallback, fromPromise } from 'xstate';
import { exportAs } from '../export/export-as.ts';
import { quietTimers } from '../later.ts';
import { happeningOf } from '../runs/happening-of.ts';
import type { Entry, Happening, Line, RunLine, ToHub } from '../wire.ts';
import { openHistory } from './past.ts';
import type { RunSource } from './run-source.ts';
import { openRunWatch, runMachine } from './run-watch.ts';
import { type ChartShown, type Outlet, openViewer, type Viewer } from './viewer.ts';
import { patienceMs, type ViewerEvent, viewerMachine } from './viewer-machine.ts';
import { openWatches } from './watches.ts';

type About = {
  source: RunSource | undefined;
  clock: Clock;
  /** A page with more unread bytes than this misses frames. */
  maxBufferedBytes: number;
  lineOf(id: string): Line | undefined;
  /** The last event of a tree that is known. */
  head(rootId: string): number;
  chartOfActor(id: string): ChartShown;
  /** What streams of a run now. */
  streamed(runId: string): readonly RunEvent[];
  /** What happened last, of any tree. */
  recent(): readonly Happening[];
  /** Shows the tree of a run that is stored and not shown. */
  bring(runId: string): Promise<unknown>;
  /** A tree is not stored any more. */
  forgotten(rootId: string): void;
  /** A row that somebody looks at has changed. */
  changed(): void;
};

/** One page, and what it looks at. */
export type Looker = {
  viewer: Viewer;
  /** The row that it looks at as it is, once it was told everything about it. */
  shown(): string | null;
  /** True when it looks at something of a tree, as it is or as it was. */
  isIn(rootId: string): boolean;
  /** True while it reads too slowly for another frame. */
  isBehind(): boolean;
  /** Looks how much it has left unread: now and then, and when it asks for something. */
  measure(when: 'unread' | 'asked'): void;
  hear(event: ViewerEvent): void;
  leave(): void;
};

const mostHistory = 5_000;
const nothing = { chart: { active: [], steps: [] }, entries: [] };
const tooSlow = `What was sent was not read for ${patienceMs / 1_000} s, or too much of it. Connect again.`;

export const openLooking = (about: About) => {
  const { source, clock, maxBufferedBytes, lineOf, head, chartOfActor, streamed, recent, bring, forgotten, changed } =
    about;
  /** Rows whose chart has changed since the last frame. */
  let moved = new Set<string>();
  const history = source && openHistory(source, head);

  const runLine = (rowId: string): RunLine | undefined => {
    const line = lineOf(rowId);
    return line?.kind === 'run' ? line : undefined;
  };
  const watches = openWatches((rowId, holders) => {
    if (!source || !runLine(rowId)) return undefined;
    return openRunWatch({
      source,
      clock,
      runId: rowId,
      line: () => runLine(rowId),
      streamed: () => streamed(rowId),
      changed: () => move(rowId),
      ...holders,
    });
  });
  const move = (rowId: string): void => {
    if (!watches.has(rowId)) return;
    moved.add(rowId);
    changed();
  };
  const chartNow = (rowId: string): ChartShown => {
    const watch = watches.get(rowId);
    return watch ? { machine: runMachine, chart: watch.chart() } : chartOfActor(rowId);
  };

  /** Whether a row is there to be looked at. A tree that has ended may have been forgotten since: its rows go. */
  const find = fromPromise(async ({ input: { rowId } }: { input: { rowId: string } }) => {
    if (!lineOf(rowId)) await bring(rowId);
    const run = runLine(rowId);
    const isThere = run?.endedAt === undefined || !source || (await source.get(rowId)) !== undefined;
    if (run && !isThere) forgotten(run.rootId);
    return { isThere: isThere && lineOf(rowId) !== undefined, rootId: run?.rootId ?? null };
  });
  const watch = fromCallback<ViewerEvent, { rowId: string }>(({ input: { rowId }, sendBack }) =>
    watches.hold(rowId, {
      known: () => sendBack({ type: 'known' }),
      failed: (problem) => sendBack({ type: 'failed', problem }),
    }),
  );
  const pastOf = () => {
    if (!history) throw new Error('Only trees of runs have a past.');
    return history;
  };
  const readTree = fromPromise(({ input: { rootId, rootSeq } }: { input: { rootId: string; rootSeq: number } }) =>
    pastOf().at(rootId, rootSeq),
  );
  const readRow = fromPromise(
    ({ input: { rootId, rowId, rootSeq } }: { input: { rootId: string; rowId: string; rootSeq: number } }) =>
      pastOf().runAt(rootId, rowId, rootSeq),
  );
  const machine = viewerMachine.provide({ actors: { find, watch, readTree, readRow } });

  return {
    /** A page has come. */
    open(outlet: Outlet): Looker {
      const viewer = openViewer(outlet);
      const actor = createActor(
        machine.provide({
          actions: {
            show(_scene, { rowId }) {
              const its = watches.get(rowId);
              const can = its?.can();
              const entries: readonly Entry[] = its?.entries() ?? [];
              viewer.show({ rowId, rootSeq: null, entries, ...chartNow(rowId), ...(can && { can }) });
            },
            showStored: (_scene, { rowId, moment: { rootSeq }, row }) =>
              viewer.show({ rowId, rootSeq, machine: runMachine, ...(row ?? nothing) }),
            tellPast: (_scene, past) => viewer.send(past),
            tellProblem: (_scene, problem) => viewer.send({ type: 'error', ...problem }),
            drop: () => outlet.drop(tooSlow),
          },
        }),
        { clock: quietTimers(clock), input: { mostBytes: maxBufferedBytes } },
      );
      const hear = (event: ViewerEvent): void => {
        // It may have left meanwhile.
        if (actor.getSnapshot().status === 'active') actor.send(event);
      };
      actor.subscribe({ error: () => outlet.drop('The inspector broke.') });
      actor.start();
      return {
        viewer,
        shown() {
          const snapshot = actor.getSnapshot();
          return snapshot.matches({ row: { live: 'shown' } }) ? snapshot.context.rowId : null;
        },
        isIn(rootId) {
          const { rowId, moment } = actor.getSnapshot().context;
          return (rowId !== null && runLine(rowId)?.rootId === rootId) || moment?.rootId === rootId;
        },
        isBehind: () => !actor.getSnapshot().matches({ pace: 'keepingUp' }),
        measure: (when) => hear({ type: when, bytes: outlet.buffered() }),
        hear,
        leave: () => void actor.stop(),
      };
    },
    /** Something happened to a run. True when somebody looks at it. */
    take: watches.take,
    /** A tree is not stored any more: nobody is told of its past. */
    forget: (rootId: string): void => history?.forget(rootId),
    move,
    async tellHistory(viewer: Viewer, said: Extract<ToHub, { type: 'history' }>): Promise<void> {
      const { id, rootId, before = Number.POSITIVE_INFINITY, limit = mostHistory } = said;
      const events = (await history?.eventsOf(rootId)) ?? [];
      const all = events.length > 0 ? events.map(happeningOf) : recent().filter((each) => each.rootId === rootId);
      const earlier = all.filter(({ rootSeq }) => rootSeq < before);
      const happenings = earlier.slice(-limit);
      viewer.send({ type: 'history', id, rootId, happenings, complete: happenings.length === earlier.length });
    },
    async tellExport(viewer: Viewer, { id, runId, as }: Extract<ToHub, { type: 'export' }>): Promise<void> {
      const rootId = lineOf(runId)?.rootId;
      const found = exportAs(as, runId, (rootId !== undefined && (await history?.eventsOf(rootId))) || []);
      if (found) return viewer.send({ type: 'exported', id, ...found });
      viewer.send({ type: 'error', id, code: 'run.unknown', message: `Nothing is stored of a run "${runId}" here.` });
    },
    /** Tells what has changed since the last frame of rows that are looked at. */
    tell(told: Iterable<Looker>): void {
      const news = new Map([...watches.all()].map(([id, its]) => [id, its.news()]));
      const movedNow = moved;
      moved = new Set();
      for (const { viewer, shown } of told) {
        const rowId = shown();
        if (rowId === null) continue;
        const entries = news.get(rowId) ?? [];
        const hasMoved = movedNow.has(rowId);
        if (!hasMoved && entries.length === 0) continue;
        const can = hasMoved ? watches.get(rowId)?.can() : undefined;
        viewer.update(rowId, { entries, ...(hasMoved && { moved: chartNow(rowId) }), ...(can && { can }) });
      }
    },
  };
};
