/**
 * What this page knows of the runs: every message of the hub changes it, and nothing else does. Kept in place, for thousands of
 * rows change many times a second; whoever draws it reads it once for each frame of the screen.
 */
import type { Entry, Happening, Line, Machine, Step, ToPage } from '../../../src/wire.ts';

type Of<T extends ToPage['type']> = Extract<ToPage, { type: T }>;

/** Rows, and who is shown below whom. */
export type Forest = {
  lines: Map<string, Line>;
  /** Ids by the row above them, in the order in which they began; roots are below the empty text. */
  below: Map<string, string[]>;
  /** Rows whose row above is not there, by its id: it may come. */
  orphans: Map<string, Set<string>>;
  /** Changes with every row that comes or goes: what was derived from the shape can be kept until then. */
  shape: number;
};

export type Details = {
  rowId: string;
  /** The moment in the past that it is of; `null` for the present. */
  rootSeq: number | null;
  chart: Of<'details'>['chart'];
  entries: Entry[];
  can: Of<'details'>['can'];
};

type Past = { rootId: string; rootSeq: number; at: number; forest: Forest; questions: Of<'past'>['questions'] };

export type World = {
  hello: Pick<Of<'hello'>, 'source' | 'name' | 'inspectUrl' | 'version'> | undefined;
  forest: Forest;
  /** The largest place of each tree in its own events. */
  heads: Map<string, number>;
  /** What happened in each tree, oldest first, as far as it is known here. */
  happened: Map<string, Happening[]>;
  /** How many happenings were told, ever. */
  told: number;
  /** Trees whose beginning is not known here, or that miss something in between. */
  incomplete: Set<string>;
  questions: Of<'hello'>['questions'];
  spawningPaused: boolean | null;
  machines: Map<string, Machine>;
  details: Details | undefined;
  past: Past | undefined;
  /** Whether older runs are stored than those that are shown. */
  older: boolean;
  /** Milliseconds that the hub's clock is ahead of ours. */
  aheadMs: number;
};

/** Happenings that are kept for each tree, and steps for the chart that is looked at. */
const MAX_HAPPENINGS = 20_000;
const MAX_STEPS = 500;
export const ROOTS = '';

const newForest = (): Forest => ({ lines: new Map(), below: new Map(), orphans: new Map(), shape: 0 });

export const newWorld = (): World => ({
  hello: undefined,
  forest: newForest(),
  heads: new Map(),
  happened: new Map(),
  told: 0,
  incomplete: new Set(),
  questions: [],
  spawningPaused: null,
  machines: new Map(),
  details: undefined,
  past: undefined,
  older: false,
  aheadMs: 0,
});

/** Below which row one is shown: below nothing where the row above it is not there. */
const aboveOf = ({ lines }: Forest, { parentId }: Line): string =>
  parentId !== undefined && lines.has(parentId) ? parentId : ROOTS;

const place = (forest: Forest, line: Line) => {
  const above = aboveOf(forest, line);
  const list = forest.below.get(above) ?? [];
  forest.below.set(above, list);
  // Nearly always it began last.
  let index = list.length;
  while (index > 0 && (forest.lines.get(list[index - 1] ?? '')?.createdAt ?? 0) > line.createdAt) index -= 1;
  list.splice(index, 0, line.id);
  if (above !== ROOTS || line.parentId === undefined) return;
  const others = forest.orphans.get(line.parentId);
  if (others) others.add(line.id);
  else forest.orphans.set(line.parentId, new Set([line.id]));
};

/** It waits for no row above it any more. */
const adopted = ({ orphans }: Forest, { id, parentId = ROOTS }: { id: string; parentId?: string | undefined }) => {
  const others = orphans.get(parentId);
  others?.delete(id);
  if (others?.size === 0) orphans.delete(parentId);
};

const leave = (forest: Forest, line: Line) => {
  const list = forest.below.get(aboveOf(forest, line));
  const index = list?.indexOf(line.id) ?? -1;
  if (index >= 0) list?.splice(index, 1);
  adopted(forest, line);
};

const putLine = (forest: Forest, line: Line) => {
  const before = forest.lines.get(line.id);
  if (before && before.parentId === line.parentId) {
    forest.lines.set(line.id, line);
    return;
  }
  forest.shape += 1;
  if (before) leave(forest, before);
  const waiting = [...(forest.orphans.get(line.id) ?? [])].flatMap((id) => forest.lines.get(id) ?? []);
  for (const below of waiting) leave(forest, below);
  forest.orphans.delete(line.id);
  forest.lines.set(line.id, line);
  place(forest, line);
  for (const below of waiting) place(forest, below);
};

const takeLines = (forest: Forest, ids: readonly string[]) => {
  const gone = ids.flatMap((id) => forest.lines.get(id) ?? []);
  if (gone.length === 0) return;
  forest.shape += 1;
  const lists = new Set(gone.map((line) => aboveOf(forest, line)));
  for (const { id, parentId } of gone) {
    forest.lines.delete(id);
    adopted(forest, { id, parentId });
  }
  const isThere = (id: string): boolean => forest.lines.has(id);
  for (const above of lists) forest.below.set(above, forest.below.get(above)?.filter(isThere) ?? []);
  for (const { id } of gone) {
    const left = forest.below.get(id)?.filter(isThere) ?? [];
    forest.below.delete(id);
    for (const below of left.flatMap((each) => forest.lines.get(each) ?? [])) place(forest, below);
  }
};

const put = (world: World, line: Line) => {
  if (isOther(world, line)) {
    takeLines(world.forest, [line.id]);
    letGo(world, line.id);
  }
  putLine(world.forest, line);
  if (line.kind !== 'run') return;
  if (line.rootSeq > (world.heads.get(line.rootId) ?? 0)) world.heads.set(line.rootId, line.rootSeq);
};

/** A tree that has the id of one that was forgotten. */
const isOther = ({ forest }: World, line: Line): boolean =>
  line.kind === 'run' &&
  line.id === line.rootId &&
  (forest.lines.get(line.id)?.createdAt ?? line.createdAt) !== line.createdAt;

/** A tree is named after its root. */
const letGo = (world: World, rootId: string) => {
  world.heads.delete(rootId);
  world.happened.delete(rootId);
  world.incomplete.delete(rootId);
};

const tell = (world: World, happenings: readonly Happening[]) => {
  world.told += happenings.length;
  for (const happening of happenings) {
    const list = world.happened.get(happening.rootId);
    if (!list) {
      world.happened.set(happening.rootId, [happening]);
      if (happening.rootSeq > 1) world.incomplete.add(happening.rootId);
      continue;
    }
    // What was read in between is not told, either.
    if (happening.rootSeq > (list.at(-1)?.rootSeq ?? 0) + 1) world.incomplete.add(happening.rootId);
    list.push(happening);
    if (list.length > MAX_HAPPENINGS * 1.25) {
      list.splice(0, list.length - MAX_HAPPENINGS);
      world.incomplete.add(happening.rootId);
    }
  }
};

const greet = (world: World, message: Of<'hello'>, nowMs: number) => {
  const { source, name, inspectUrl, version } = message;
  Object.assign(world, newWorld(), {
    hello: { source, name, inspectUrl, version },
    // What is looked at stays on the screen until the hub tells it anew.
    machines: world.machines,
    details: world.details,
    past: world.past,
    questions: message.questions,
    spawningPaused: message.spawningPaused,
    older: message.older,
    aheadMs: message.now - nowMs,
  });
  for (const line of message.lines) put(world, line);
  tell(world, message.happenings);
  for (const rootId of world.heads.keys()) if (!world.happened.has(rootId)) world.incomplete.add(rootId);
};

/** What was known of a tree and what is told of it now, once each, in its order. */
const merge = (before: readonly Happening[], told: readonly Happening[]): Happening[] => {
  const all = new Map<string, Happening>();
  for (const one of [...told, ...before]) all.set(one.id, one);
  return [...all.values()].sort((a, b) => a.rootSeq - b.rootSeq || a.at - b.at);
};

const progress = (details: Details, message: Of<'progress'>) => {
  if (message.chart) {
    const last = details.chart.steps.at(-1)?.n ?? -1;
    const fresh = message.chart.steps.filter(({ n }) => n > last);
    // Only the last step has its data: the one before it gives its own up.
    const steps: Step[] = [...details.chart.steps, ...fresh].slice(-MAX_STEPS);
    details.chart = { ...message.chart, steps };
  }
  if (message.entries) {
    const entries = [...details.entries];
    for (const entry of message.entries) {
      const index = entries.findLastIndex(({ id }) => id === entry.id);
      if (index < 0) entries.push(entry);
      else entries[index] = entry;
    }
    details.entries = entries;
  }
  if (message.can) details.can = message.can;
};

/**
 * Takes in what the hub says.
 *
 * @param nowMs When that was, by the clock of this page.
 */
export const tellWorld = (world: World, message: ToPage, nowMs: number): void => {
  switch (message.type) {
    case 'hello':
      return greet(world, message, nowMs);
    case 'frame':
      world.aheadMs = message.now - nowMs;
      for (const line of message.lines) put(world, line);
      takeLines(world.forest, message.gone);
      tell(world, message.happenings);
      for (const id of message.gone) letGo(world, id);
      // What had happened before anybody looked is not told.
      for (const line of message.lines)
        if (line.kind === 'run' && line.rootSeq > (world.happened.get(line.rootId)?.at(-1)?.rootSeq ?? 0))
          world.incomplete.add(line.rootId);
      if (message.missed > 0) for (const rootId of world.heads.keys()) world.incomplete.add(rootId);
      if (message.questions) world.questions = message.questions;
      if (message.spawningPaused !== undefined) world.spawningPaused = message.spawningPaused;
      if (message.older !== undefined) world.older = message.older;
      return;
    case 'machine':
      world.machines.set(message.machine.id, message.machine);
      return;
    case 'details': {
      const { rowId, rootSeq, chart, entries, can } = message;
      world.details = { rowId, rootSeq, chart, entries, can };
      return;
    }
    case 'progress':
      if (world.details?.rowId === message.rowId && world.details.rootSeq === null) progress(world.details, message);
      return;
    case 'past': {
      const forest = newForest();
      for (const line of message.lines) putLine(forest, line);
      const { rootId, rootSeq, at, questions } = message;
      world.past = { rootId, rootSeq, at, forest, questions };
      return;
    }
    case 'history':
      world.happened.set(message.rootId, merge(world.happened.get(message.rootId) ?? [], message.happenings));
      if (message.complete) world.incomplete.delete(message.rootId);
      return;
    case 'receipt':
    case 'exported':
    case 'older':
    case 'error':
      return;
  }
};
