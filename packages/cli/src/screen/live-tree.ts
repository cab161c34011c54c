import { systemClock } from '@troupe/core';
import { type Clock, isTerminal, type RunEvent } from '@troupe/protocol';
import { lineOf } from './line-of.ts';
import { textWidth } from './text-width.ts';
import { emptyTree, growTree, rowsOf, type Tree, totalLine } from './tree-rows.ts';

/** What the tree is drawn on: `process.stdout`, or anything that behaves like it. */
export interface Screen {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
  write(text: string): boolean;
  on(event: 'error' | 'drain', listener: () => void): unknown;
  off(event: 'error' | 'drain', listener: () => void): unknown;
}

/** Anything events come from: `run.events$`, `runtime.events$`. */
export interface EventSource {
  subscribe(observer: { next(event: RunEvent): void; error(error: unknown): void; complete(): void }): {
    unsubscribe(): void;
  };
}

export interface LiveTree {
  /** The tree as told so far. */
  readonly tree: Tree;
  /** Settles when the events have ended and the final state is on the screen. Never rejects. */
  readonly done: Promise<void>;
  /** Stops watching, draws the final state once and gives the cursor back. Harmless when repeated. */
  close(): void;
}

const redrawMs = 84; // at most 12 times a second
const hideCursor = '\u001b[?25l';
const showCursor = '\u001b[?25h';
const clearLine = '\u001b[K';
const clearBelow = '\u001b[J';
const up = (lines: number) => (lines > 0 ? `\r\u001b[${lines}A` : '\r');

/**
 * Shows runs while they work: a block that is redrawn in place on a terminal, one line for each notable event elsewhere.
 *
 * Watching has no effect on what is watched: whatever goes wrong with the screen ends the drawing and nothing else.
 */
export const showLiveTree = (
  events$: EventSource,
  { screen = process.stdout, clock = systemClock }: { screen?: Screen; clock?: Pick<Clock, 'now'> } = {},
): LiveTree => {
  let tree = emptyTree;
  const view = screen.isTTY ? block(screen, clock, () => tree) : lines(screen);
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let closed = false;
  let subscription: { unsubscribe(): void } | undefined;

  const close = () => {
    if (closed) return;
    closed = true;
    subscription?.unsubscribe();
    view.close();
    resolve();
  };
  const next = (event: RunEvent) => {
    if (closed) return;
    tree = growTree(tree, event);
    view.tell(event);
  };
  subscription = events$.subscribe({ next, error: close, complete: close });
  // The events may have ended while subscribing.
  if (closed) subscription.unsubscribe();

  return {
    get tree() {
      return tree;
    },
    done,
    close,
  };
};

interface View {
  tell(event: RunEvent): void;
  close(): void;
}

/** Writes until the screen fails (a closed pipe, a terminal that is gone), and then no more. */
const writer = (screen: Screen) => {
  let broken = false;
  let full = false;
  const onError = () => {
    broken = true;
  };
  const onDrain = () => {
    full = false;
  };
  screen.on('error', onError);
  screen.on('drain', onDrain);
  return {
    /** False while the screen is slower than what it was given: a picture can be left out then, a line cannot. */
    get ready() {
      return !broken && !full;
    },
    write(text: string) {
      if (broken) return;
      try {
        full = !screen.write(text);
      } catch {
        broken = true;
      }
    },
    close() {
      screen.off('drain', onDrain);
      // What was written last may still fail, after this.
      setTimeout(() => screen.off('error', onError), 1_000).unref();
    },
  };
};

const lines = (screen: Screen): View => {
  const out = writer(screen);
  return {
    tell(event) {
      const line = lineOf(event);
      if (line !== null) out.write(`${line}\n`);
    },
    close: out.close,
  };
};

const block = (screen: Screen, clock: Pick<Clock, 'now'>, treeNow: () => Tree): View => {
  const out = writer(screen);
  let drawn: string[] = [];

  const draw = (final: boolean) => {
    const width = Math.max(20, (screen.columns ?? 80) - 1);
    const height = final ? undefined : Math.max(3, (screen.rows ?? 24) - 2);
    const tree = treeNow();
    const now = clock.now();
    const rows = rowsOf(tree, { now, width, ...(height !== undefined && { height }) });
    if (tree.roots.length > 0) rows.push(totalLine(tree, { now, width }));
    // A terminal that became narrower has wrapped what was drawn before.
    const above = drawn.reduce((sum, row) => sum + Math.max(1, Math.ceil(textWidth(row) / (width + 1))), 0);
    out.write(`${up(above)}${rows.map((row) => `${row}${clearLine}\n`).join('')}${clearBelow}`);
    drawn = rows;
  };
  const tick = () => {
    if (out.ready) draw(false);
  };
  const restore = () => out.write(showCursor);

  out.write(hideCursor);
  const timer = setInterval(tick, redrawMs);
  // The runs keep the process alive, not the picture of them.
  timer.unref();
  process.once('exit', restore);

  return {
    tell(event) {
      // The last word of a run is worth a picture even when the process blocks right after it.
      if (isTerminal(event) && event.parentId === undefined) tick();
    },
    close() {
      clearInterval(timer);
      process.off('exit', restore);
      draw(true);
      restore();
      out.close();
    },
  };
};
