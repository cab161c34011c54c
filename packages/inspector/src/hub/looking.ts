/** What pages look at: rows as they are now or as they were, trees at a moment, what happened in them. */
import type { Clock, RunEvent } from '@troupe/protocol';
import { exportAs } from '../export/export-as.ts';
import { happeningOf } from '../runs/happening-of.ts';
import type { Entry, Happening, Line, ToHub } from '../wire.ts';
import { openHistory } from './past.ts';
import type { RunSource } from './run-source.ts';
import { openRunWatch, type RunWatch, runMachine } from './run-watch.ts';
import type { ChartShown, Viewer } from './viewer.ts';

type About = {
  source: RunSource | undefined;
  clock: Clock;
  viewers: ReadonlySet<Viewer>;
  lineOf(id: string): Line | undefined;
  /** The last event of a tree that is known. */
  head(rootId: string): number;
  chartOfActor(id: string): ChartShown;
  /** What streams of a run now. */
  streamed(runId: string): readonly RunEvent[];
  /** What happened last, of any tree. */
  recent(): readonly Happening[];
  /** A tree is not stored any more. */
  forgotten(rootId: string): void;
  /** A row that somebody looks at has changed. */
  changed(): void;
};

const mostHistory = 5_000;
const nothing = { chart: { active: [], steps: [] }, entries: [] };

export const openLooking = ({
  source,
  clock,
  viewers,
  lineOf,
  head,
  chartOfActor,
  streamed,
  recent,
  forgotten,
  changed,
}: About) => {
  const watches = new Map<string, RunWatch>();
  /** Rows whose chart has changed since the last frame. */
  let moved = new Set<string>();
  const history = source && openHistory(source, head, clock);

  const move = (rowId: string): void => {
    if (![...viewers].some((viewer) => viewer.rowId === rowId)) return;
    moved.add(rowId);
    changed();
  };
  const watchOf = (runId: string): RunWatch | undefined => {
    if (!source || lineOf(runId)?.kind !== 'run') return undefined;
    const known = watches.get(runId);
    if (known) return known;
    const line = () => {
      const found = lineOf(runId);
      return found?.kind === 'run' ? found : undefined;
    };
    const watch = openRunWatch({
      source,
      clock,
      runId,
      line,
      streamed: () => streamed(runId),
      changed: () => move(runId),
    });
    watches.set(runId, watch);
    return watch;
  };
  /** Whether a row is there to be looked at. A tree that has ended may have been forgotten since: its rows go. */
  const isStored = async (rowId: string): Promise<boolean> => {
    const line = lineOf(rowId);
    const isSo = line?.kind !== 'run' || line.endedAt === undefined || !source || (await source.isThere(rowId));
    if (line && !isSo) forgotten(line.rootId);
    return line !== undefined && isSo;
  };
  /** Nobody looks at it any more. */
  const letGo = (rowId: string | null): void => {
    if (rowId === null || [...viewers].some((viewer) => viewer.rowId === rowId)) return;
    watches.get(rowId)?.close();
    watches.delete(rowId);
  };
  const chartNow = (rowId: string): ChartShown => {
    const watch = watches.get(rowId);
    return watch ? { machine: runMachine, chart: watch.chart() } : chartOfActor(rowId);
  };

  /** Everything about the row that a viewer looks at, at its moment. What it asks for meanwhile overtakes it. */
  const show = async (viewer: Viewer, rowId: string): Promise<void> => {
    // It has gone: nobody would let go of what is opened for it.
    if (!viewers.has(viewer)) return;
    const asked = ++viewer.asked;
    const isWanted = (): boolean => viewers.has(viewer) && viewer.asked === asked;
    const { past } = viewer;
    const line = lineOf(rowId);
    if (past && history && line?.kind === 'run' && line.rootId === past.rootId) {
      const then = (await history.runAt(past.rootId, rowId, past.rootSeq)) ?? nothing;
      if (isWanted()) viewer.show({ rowId, rootSeq: past.rootSeq, machine: runMachine, ...then });
      return;
    }
    const watch = watchOf(rowId);
    await watch?.ready;
    const can = watch?.can();
    if (!isWanted()) return;
    const entries: readonly Entry[] = watch?.entries() ?? [];
    viewer.show({ rowId, rootSeq: null, entries, ...chartNow(rowId), ...(can && { can }) });
  };

  return {
    /** Something happened to a run. */
    take: (event: RunEvent): boolean => {
      const watch = watches.get(event.runId);
      watch?.take(event);
      return watch !== undefined;
    },
    move,
    letGo,
    async look(viewer: Viewer, rowId: string | null): Promise<void> {
      const before = viewer.rowId;
      viewer.isShown = false;
      // At once: whoever goes to another moment before it is answered sees this row there.
      viewer.rowId = rowId;
      const asked = ++viewer.asked;
      if (before !== rowId) letGo(before);
      if (rowId === null) return;
      const isThere = await isStored(rowId);
      if (isThere && viewer.asked === asked) return show(viewer, rowId);
      if (isThere || viewer.rowId !== rowId) return;
      viewer.rowId = null;
      viewer.send({ type: 'error', code: 'row.unknown', message: `There is no row "${rowId}" here.` });
    },
    async travel(viewer: Viewer, { rootId, rootSeq }: Extract<ToHub, { type: 'travel' }>): Promise<void> {
      const isThere = head(rootId) > 0;
      if (rootSeq !== null && !isThere)
        viewer.send({ type: 'error', code: 'run.unknown', message: `There is no tree "${rootId}" here.` });
      const moment = rootSeq === null || !isThere ? null : { rootId, rootSeq };
      viewer.past = moment;
      viewer.isShown = false;
      viewer.asked += 1;
      const past = moment && (await history?.at(rootId, moment.rootSeq));
      // Overtaken by another moment alone: that it looks at another row meanwhile changes no moment.
      if (viewer.past !== moment) return;
      if (past) viewer.send(past);
      if (viewer.rowId !== null) await show(viewer, viewer.rowId);
    },
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
    tell(told: Iterable<Viewer>): void {
      const news = new Map([...watches].map(([id, watch]) => [id, watch.news()]));
      const movedNow = moved;
      moved = new Set();
      for (const viewer of told) {
        const { rowId } = viewer;
        if (rowId === null || viewer.past || !viewer.isShown) continue;
        const entries = news.get(rowId) ?? [];
        const hasMoved = movedNow.has(rowId);
        if (!hasMoved && entries.length === 0) continue;
        const can = hasMoved ? watches.get(rowId)?.can() : undefined;
        viewer.update(rowId, { entries, ...(hasMoved && { moved: chartNow(rowId) }), ...(can && { can }) });
      }
    },
    /** Whoever was too slow to hear what has changed is told all of it. */
    catchUp(viewer: Viewer): void {
      if (viewer.rowId !== null) void show(viewer, viewer.rowId).catch(() => {});
    },
    close(): void {
      for (const watch of watches.values()) watch.close();
    },
  };
};
