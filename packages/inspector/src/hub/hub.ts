/**
 * The middle of the inspector: keeps what all pages see, tells each what it is owed, and passes on what it asks. It hears of runs by
 * their events and of other programs' actors by Stately's messages; neither knows that it is there (L8).
 */
import {
  type Clock,
  FaultError,
  faultOf,
  isLive,
  type Logger,
  type RunEvent,
  type StoredEvent,
} from '@troupe/protocol';
import { type ActorNews, openActorTable } from '../actors/actor-table.ts';
import type { StatelyMessage } from '../actors/stately-message.ts';
import { later } from '../later.ts';
import { happeningOf } from '../runs/happening-of.ts';
import { openRunTable } from '../runs/run-table.ts';
import { type Happening, type Line, type ToHub, wireVersion } from '../wire.ts';
import { foresee, obey } from './commands.ts';
import { gather } from './frames.ts';
import { type Looker, openLooking } from './looking.ts';
import { problemOf } from './problem.ts';
import { readMessage } from './read-message.ts';
import type { RunSource } from './run-source.ts';
import { openStreamed } from './streamed.ts';
import { openTrees, type TreeLimits } from './trees.ts';
import type { Outlet, Standing, Viewer } from './viewer.ts';

export type HubOptions = {
  /** Where runs are; none where only actors are looked at. */
  source?: RunSource;
  name: string;
  inspectUrl: string;
  clock: Clock;
  logger: Logger;
  /** A viewer with more unread bytes than this misses frames. */
  maxBufferedBytes: number;
  limits?: TreeLimits;
};

export type Hub = {
  /** A page has come. It says things with `receive`, until it leaves. */
  connect(outlet: Outlet): { receive(text: string): void; leave(): void };
  /** A program says something of its actors. */
  hear(program: string, message: StatelyMessage): void;
  /** A program has gone, and its actors with it. */
  left(program: string): void;
  close(): void;
};

/** Milliseconds from what changes to the frame that tells it. */
const frameMs = 50;
const isBehind = (looker: Looker): boolean => looker.isBehind();
/** What happened last, for those who come later. */
const mostHappenings = 2_000;
const lastOf = (happenings: readonly Happening[]): Happening[] =>
  happenings.toSorted((a, b) => a.at - b.at || a.rootSeq - b.rootSeq).slice(-mostHappenings);

export const openHub = ({ source, name, inspectUrl, clock, logger, maxBufferedBytes, limits }: HubOptions): Hub => {
  const runs = openRunTable();
  const actors = openActorTable();
  const streamed = openStreamed();
  const gathered = gather();
  const lookers = new Set<Looker>();
  let recent: Happening[] = [];
  let stopFrame: (() => void) | undefined;

  /** A logger may be broken, too: nobody is left to be told of that. */
  const complain: Logger['error'] = (message, details) => {
    try {
      logger.error(message, details);
    } catch {}
  };
  /** Nothing that goes wrong for a page reaches what it looks at. */
  const shielded = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      complain('The inspector could not tell its pages something.', faultOf(error, 'inspector.failed'));
    }
  };
  /** A page that cannot be told anything is gone: the others are told all the same. */
  const sendOr = (outlet: Outlet, text: string, gone: () => void): void =>
    shielded(() => {
      try {
        outlet.send(text);
      } catch (error) {
        gone();
        throw error;
      }
    });
  const schedule = (): void => {
    stopFrame ??= later(clock, frameMs, () => {
      stopFrame = undefined;
      shielded(flush);
    });
  };
  const lineOf = (id: string): Line | undefined => runs.line(id) ?? actors.line(id);
  const standing = (): Standing => ({
    questions: runs.questions(),
    spawningPaused: source?.isSpawningPaused?.() ?? null,
    older: trees?.hasOlder() ?? false,
  });
  /** What happened in the trees that are shown at first, before anybody looked. */
  let before: Happening[] = [];
  const happenedLast = (): readonly Happening[] => {
    if (before.length > 0) {
      const ids = new Set(recent.map(({ id }) => id));
      recent = lastOf([...before.filter(({ id }) => !ids.has(id)), ...recent]);
      before = [];
    }
    return recent;
  };
  const letGo = (rootId: string): void => {
    for (const id of runs.forget(rootId)) gathered.gone(id);
  };
  const forgotten = (rootId: string): void => {
    letGo(rootId);
    const isOthers = (happening: Happening): boolean => happening.rootId !== rootId;
    before = before.filter(isOthers);
    recent = recent.filter(isOthers);
    looking.forget(rootId);
    for (const looker of lookers) looker.hear({ type: 'forgotten', rootId });
    schedule();
  };
  /** A tree begins under the id of one that is shown: that one was forgotten, and nothing of it is told as the other's. */
  const makeWay = (event: RunEvent): void => {
    if (isLive(event) || event.rootSeq !== 1 || event.at === (runs.line(event.runId)?.createdAt ?? event.at)) return;
    // In frames of their own: what was told of it until now, that it has gone, and what is told from now on.
    shielded(flush);
    forgotten(event.rootId);
    shielded(flush);
  };
  const looking = openLooking({
    source,
    clock,
    maxBufferedBytes,
    lineOf,
    head: runs.head,
    chartOfActor(id) {
      const { machine, ...chart } = actors.chart(id) ?? { active: [], steps: [] };
      return { ...(machine && { machine }), chart };
    },
    streamed: streamed.of,
    recent: happenedLast,
    bring: async (runId) => trees?.bring(runId),
    forgotten,
    changed: schedule,
  });

  const note = (happening: Happening): void => {
    gathered.happened(happening);
    recent.push(happening);
    if (recent.length > 2 * mostHappenings) recent = recent.slice(-mostHappenings);
  };
  const hearRun = (event: RunEvent): void => {
    makeWay(event);
    streamed.take(event);
    const isLookedAt = looking.take(event);
    const isNews = !isLive(event) && event.seq > runs.seq(event.runId);
    for (const id of runs.take(event)) gathered.row(id);
    if (isNews) note(happeningOf(event));
    if (isNews || isLookedAt) schedule();
  };
  const readRun = (event: StoredEvent, isFirst: boolean): void => {
    for (const id of runs.take(event)) gathered.row(id);
    if (!isFirst) return;
    before.push(happeningOf(event));
    if (before.length > 10 * mostHappenings) before = lastOf(before);
  };
  const hearActors = ({ changed, gone, happening }: ActorNews): void => {
    for (const id of changed) {
      gathered.row(id);
      looking.move(id);
    }
    for (const id of gone) gathered.gone(id);
    if (happening) note(happening);
    schedule();
  };

  const isLookedAt = (rootId: string): boolean => [...lookers].some(({ isIn }) => isIn(rootId));
  const flush = (): void => {
    for (const id of trees?.makeRoom(isLookedAt) ?? []) gathered.gone(id);
    const frame = gathered.take();
    const now = standing();
    for (const { measure } of [...lookers]) measure('unread');
    const [behind, told] = [[...lookers].filter(isBehind), [...lookers].filter((looker) => !isBehind(looker))];
    for (const { viewer } of behind) viewer.owe(frame);
    for (const { viewer } of told)
      viewer.tell(frame, now, clock.now(), (ids) => [...ids].flatMap((id) => lineOf(id) ?? []));
    looking.tell(told);
    // Whoever is behind is told what it is owed when it reads again.
    if (behind.length > 0) schedule();
  };

  const tellOlder = async (viewer: Viewer, { id, runId }: Extract<ToHub, { type: 'older' }>): Promise<void> => {
    const rows = (await (runId === undefined ? trees?.older() : trees?.bring(runId))) ?? 0;
    if (runId !== undefined && runs.seq(runId) === 0)
      throw new FaultError('run.unknown', `No run "${runId}" is stored here.`);
    shielded(flush);
    viewer.send({ type: 'older', id, rows });
  };
  const heed = async ({ viewer, hear }: Looker, said: ToHub): Promise<void> => {
    switch (said.type) {
      case 'watch':
        return hear({ type: 'look', rowId: said.rowId });
      case 'travel':
        return hear({ ...said, head: runs.head(said.rootId) });
      case 'history':
        return looking.tellHistory(viewer, said);
      case 'older':
        return tellOlder(viewer, said);
      case 'export':
        return looking.tellExport(viewer, said);
      case 'can':
        return viewer.send({ type: 'receipt', id: said.id, ...(await foresee(source, said.command)) });
      case 'command': {
        const outcome = await obey(source, said.command);
        schedule();
        return viewer.send({ type: 'receipt', id: said.id, ...outcome });
      }
    }
  };
  const receive = (looker: Looker, text: string): void => {
    const { viewer } = looker;
    looker.measure('asked');
    if (!lookers.has(looker)) return;
    // What it is sent now is measured with the next frame.
    schedule();
    const said = readMessage(text);
    if ('problem' in said) return viewer.send({ type: 'error', ...said.problem });
    heed(looker, said).catch((error: unknown) => {
      viewer.send({ type: 'error', ...('id' in said && { id: said.id }), ...problemOf(error) });
    });
  };
  const greet = ({ viewer }: Looker): void => {
    const { questions, ...also } = standing();
    viewer.greet({
      type: 'hello',
      version: wireVersion,
      source: source?.kind ?? 'actors',
      name,
      inspectUrl,
      now: clock.now(),
      lines: [...runs.lines(), ...actors.lines()],
      happenings: happenedLast().slice(-mostHappenings),
      questions: [...questions],
      ...also,
    });
  };

  const trees =
    source &&
    openTrees({
      source,
      runs,
      limits,
      read: (event, isFirst) => shielded(() => readRun(event, isFirst)),
      hear: (event) => shielded(() => hearRun(event)),
      unread: letGo,
      changed: schedule,
      isSeen: () => lookers.size > 0,
      complain: (message, error) => complain(message, faultOf(error, 'store.unavailable')),
    });

  return {
    connect(outlet) {
      // What is gathered until now is in the greeting: it is told to those who are there already.
      shielded(flush);
      const looker = looking.open({
        ...outlet,
        send(text) {
          // An answer may come when whoever asked has left.
          if (lookers.has(looker)) sendOr(outlet, text, leave);
        },
        drop(reason) {
          leave();
          outlet.drop(reason);
        },
      });
      const leave = (): void => {
        lookers.delete(looker);
        looker.leave();
        if (lookers.size === 0) trees?.left();
      };
      lookers.add(looker);
      shielded(() => greet(looker));
      return { receive: (text) => shielded(() => receive(looker, text)), leave };
    },
    hear: (program, message) => shielded(() => hearActors(actors.take(program, message))),
    left: (program) => shielded(() => hearActors(actors.leave(program, clock.now()))),
    close() {
      trees?.close();
      stopFrame?.();
      for (const { leave } of lookers) leave();
      lookers.clear();
      source?.close();
    },
  };
};
