/** The state of the page that is its own, and everything a person can do with it. Views read signals and call functions of this file. */
import { batch, computed, signal } from '@preact/signals';
import { createActor } from 'xstate';
import type { Command, ExportFormat, Happening, Line, ReceiptLine, RunLine } from '../../src/wire.ts';
import type { Link, LinkListener, LinkState } from './link/link.ts';
import { noFilter, type TreeFilter } from './model/tree-rows.ts';
import { receiptText } from './model/words.ts';
import { type Details, type Forest, newWorld, tellWorld, type World } from './model/world.ts';
import { travelMachine } from './time/travel-machine.ts';

export const TABS = ['chart', 'conversation', 'timeline', 'sequence', 'events'] as const;
export type Tab = (typeof TABS)[number];
export type Dialog =
  | { type: 'help' }
  | { type: 'steer' | 'interrupt' | 'raise' | 'export' }
  | { type: 'fork'; at: string }
  | null;
export type Note = { id: number; text: string; tone: 'good' | 'plain' | 'bad' };

const world = newWorld();
/** The world is changed in place: this is new when it has, at most once for each frame of the screen. */
const sight = signal({ world, frame: 0 });
/** What is known of the runs. Whatever is drawn from it is drawn again when it has changed. */
export const seen = (): World => sight.value.world;
/** How often the world was drawn: what must not be worked out more often depends on it. */
export const frame = (): number => sight.value.frame;
/** The hub's time, as often as ages on the screen need it. */
const now = signal(Date.now());
export const linkState = signal<LinkState>('connecting');
export const selected = signal<string | undefined>(undefined);
export const tab = signal<Tab>('chart');
export const filter = signal<TreeFilter>(noFilter);
export const folded = signal<ReadonlySet<string>>(new Set());
export const dialog = signal<Dialog>(null);
export const notes = signal<readonly Note[]>([]);
/** The step of the chart's history that is shown; `null` for where the machine is. */
export const step = signal<number | null>(null);
/** The place in its tree that is looked at; `null` for the present. */
export const moment = signal<{ rootId: string; rootSeq: number } | null>(null);

/** Rows as they are, or as they were at the moment that is looked at. */
export const forest = (): Forest => (moment.value ? (seen().past?.forest ?? world.forest) : seen().forest);
export const lineOf = (id: string | undefined): Line | undefined =>
  id === undefined ? undefined : (forest().lines.get(id) ?? world.forest.lines.get(id));
export const selectedLine = (): Line | undefined => lineOf(selected.value);
export const selectedRun = (): RunLine | undefined => {
  const line = selectedLine();
  return line?.kind === 'run' ? line : undefined;
};
/** What is known of the selected row beyond its line; nothing until the hub has told. */
export const details = (): Details | undefined => {
  const { details: known } = seen();
  return known?.rowId === selected.value ? known : undefined;
};
/** When the page looks at: ages are counted to here. */
export const shownNow = computed(() => (moment.value ? seen().past?.at : undefined) ?? now.value);
export const isPast = computed(() => moment.value !== null);
export const happenings = (rootId: string | undefined): readonly Happening[] =>
  (rootId === undefined ? undefined : seen().happened.get(rootId)) ?? [];

let link: Link | undefined;
let drawing = false;

const draw = () => {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    sight.value = { world, frame: sight.value.frame + 1 };
  });
};

const travel = createActor(
  travelMachine.provide({
    actions: { ask: (_, { rootId, rootSeq }) => link?.send({ type: 'travel', rootId, rootSeq }) },
  }),
);
travel.subscribe(({ context }) => {
  const { rootId, wanted } = context;
  const before = moment.value;
  if (wanted === null) moment.value = null;
  else if (before?.rootId !== rootId || before.rootSeq !== wanted) moment.value = { rootId, rootSeq: wanted };
  if (wanted === null) world.past = undefined;
});
travel.start();

/** Milliseconds until the same tree is asked for again: a page that is too slow for its frames must not ask for more yet. */
const HISTORY_MS = 3_000;
const histories = new Set<string>();
/** Asks for what happened in the tree that is looked at, where this page does not know it all. */
const completeHistory = () => {
  const rootId = lineOf(selected.value)?.rootId;
  if (rootId === undefined || !world.incomplete.has(rootId) || histories.has(rootId)) return;
  histories.add(rootId);
  // It is asked for once: what comes now is as complete as it gets.
  world.incomplete.delete(rootId);
  void link?.ask({ type: 'history', rootId }).finally(() => {
    setTimeout(() => histories.delete(rootId), HISTORY_MS);
    draw();
  });
};

const listener: LinkListener = {
  onMessage: (message) => {
    tellWorld(world, message, Date.now());
    if (message.type === 'hello') {
      if (selected.value !== undefined && !world.forest.lines.has(selected.value)) selected.value = undefined;
      link?.send({ type: 'watch', rowId: selected.value ?? null });
      travel.send({ type: 'greeted' });
      document.title = `${message.name} – Troupe inspector`;
    }
    if (message.type === 'past') travel.send({ type: 'shown' });
    if (message.type === 'error' && message.id === undefined) {
      if (moment.value && !world.past) travel.send({ type: 'refused' });
      note(message.message, 'bad');
    }
    if (selected.value === undefined) selectFirst();
    completeHistory();
    draw();
  },
  onState: (state) => {
    linkState.value = state;
  },
};

/** Begins. @param open Connects: to the hub, or to a window that tells of its actors. */
export const connect = (open: (listener: LinkListener) => Link): void => {
  link = open(listener);
  setInterval(() => {
    now.value = Date.now() + world.aheadMs;
  }, 500);
};

const selectFirst = () => {
  const first = world.forest.below.get('')?.at(0);
  if (first !== undefined) select(first);
};

export const select = (id: string): void => {
  if (selected.value === id) return;
  batch(() => {
    if (moment.value && lineOf(id)?.rootId !== moment.value.rootId) travel.send({ type: 'present' });
    selected.value = id;
    step.value = null;
  });
  link?.send({ type: 'watch', rowId: id });
  completeHistory();
};

export const goTo = (rootSeq: number): void => {
  const rootId = selectedLine()?.rootId;
  const head = rootId === undefined ? 0 : (world.heads.get(rootId) ?? 0);
  if (rootId === undefined || head === 0) return;
  if (rootSeq >= head && moment.value === null) return;
  step.value = null;
  travel.send({ type: 'go', rootId, rootSeq: Math.min(Math.max(1, rootSeq), head) });
};
export const goToPresent = (): void => travel.send({ type: 'present' });
export const retry = (): void => link?.retry();

let noted = 0;
/** Says something at the edge of the page, for a while. */
export const note = (text: string, tone: Note['tone'] = 'plain'): void => {
  const id = ++noted;
  notes.value = [...notes.value.slice(-3), { id, text, tone }];
  setTimeout(() => dismiss(id), tone === 'bad' ? 10_000 : 5_000);
};
export const dismiss = (id: number): void => {
  notes.value = notes.value.filter((one) => one.id !== id);
};

/** What a command would come to now, by what the machine says. */
export const ask = async (command: Command): Promise<ReceiptLine> => {
  const answer = await link?.ask({ type: 'can', command });
  if (answer?.type === 'receipt') return answer.receipt;
  return { status: 'rejected', reason: answer?.type === 'error' ? answer.message : 'not connected' };
};

/** Does it, shows the receipt, and gives it. A fork that was accepted is looked at next. */
export const command = async (what: string, command: Command): Promise<ReceiptLine> => {
  const answer = await link?.ask({ type: 'command', command });
  const receipt: ReceiptLine =
    answer?.type === 'receipt'
      ? answer.receipt
      : { status: 'rejected', reason: answer?.type === 'error' ? answer.message : 'not connected' };
  note(`${what}: ${receiptText(receipt)}`, receipt.status === 'rejected' ? 'bad' : 'good');
  if (answer?.type === 'receipt' && answer.runId !== undefined && receipt.status !== 'rejected') {
    goToPresent();
    select(answer.runId);
  }
  return receipt;
};

/** A run with all below it as a file, which the browser keeps. Gives whether there is one. */
export const take = async (runId: string, as: ExportFormat): Promise<boolean> => {
  const answer = await link?.ask({ type: 'export', runId, as });
  if (answer?.type !== 'exported') {
    note(`Export: ${answer?.type === 'error' ? answer.message : 'not connected'}`, 'bad');
    return false;
  }
  const address = URL.createObjectURL(new Blob([answer.text], { type: `${answer.mediaType};charset=utf-8` }));
  const anchor = document.createElement('a');
  anchor.href = address;
  anchor.download = answer.name;
  anchor.click();
  URL.revokeObjectURL(address);
  note(`Export: ${answer.name}`, 'good');
  return true;
};

/** True while older runs are looked for. */
export const isSearching = signal(false);
/** Shows older runs, or the one with this id, which is looked at then. */
export const showOlder = async (runId?: string): Promise<void> => {
  isSearching.value = true;
  const answer = await link?.ask({ type: 'older', ...(runId !== undefined && { runId }) });
  isSearching.value = false;
  if (answer?.type !== 'older')
    return note(`Older runs: ${answer?.type === 'error' ? answer.message : 'not connected'}`, 'bad');
  if (runId !== undefined)
    return batch(() => {
      filter.value = noFilter;
      select(runId);
    });
  if (answer.rows === 0) note('Older runs: none');
};

export const fold = (id: string, hide: boolean): void => {
  const next = new Set(folded.value);
  if (hide) next.add(id);
  else next.delete(id);
  folded.value = next;
};
