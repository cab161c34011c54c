import { systemClock } from '@troupe/core';
import type { Clock, RunEvent } from '@troupe/protocol';
import { isColourful } from '../terminal.ts';
import { openTree, type Tree } from '../tree/tree.ts';
import type { Control } from './control.ts';
import { openLines } from './lines-view.ts';
import { openTerminalView } from './terminal-view.ts';

/** What the tree is drawn on: `process.stdout`, or anything that behaves like it. */
export interface Screen {
  isTTY?: boolean;
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

export type LiveTreeOptions = {
  /** Default `process.stdout`. A terminal is drawn on, anything else gets lines. */
  screen?: Screen;
  clock?: Pick<Clock, 'now'>;
  /** What keys may do; they are read from `input`, where that is a terminal, too. Default: no keys are read. */
  control?: Control;
  /** Default `process.stdin`. */
  input?: NodeJS.ReadableStream & { isTTY?: boolean };
  /** Default `process.env`: `NO_COLOR`, when it is not empty, switches colours off, and `TERM=dumb` gives lines. */
  environment?: Readonly<Record<string, string | undefined>>;
};

export interface LiveTree {
  /** The tree as told so far. */
  readonly tree: Tree;
  /** Settles when the events have ended and the final state is on the screen. Never rejects. */
  readonly done: Promise<void>;
  /** Writes a line that is not part of the tree, above it. */
  say(line: string): void;
  /** Stops watching, draws the final state once and gives the terminal back; `done` settles then. Harmless when repeated. */
  close(): void;
}

/** One way of showing runs. */
export type View = {
  tell(event: RunEvent): void;
  say(line: string): void;
  close(): Promise<void>;
};

/**
 * Shows runs while they work: drawn in place on a terminal, at most 12 times a second; elsewhere one line for each notable event.
 *
 * Watching has no effect on what is watched: whatever goes wrong with the screen ends the drawing and nothing else. With `control` a
 * person may answer, steer, pause and interrupt the runs by keys.
 */
export const showLiveTree = (events$: EventSource, options: LiveTreeOptions = {}): LiveTree => {
  const { screen = process.stdout, clock = systemClock, environment = process.env } = options;
  const { control, input = process.stdin } = options;
  const growing = openTree();
  const isDrawn = screen.isTTY === true && environment.TERM !== 'dumb';
  const view = isDrawn
    ? openTerminalView({
        screen: screen as NodeJS.WriteStream,
        input: input as NodeJS.ReadStream,
        control: input.isTTY === true ? control : undefined,
        isColourful: isColourful(environment),
        clock,
        treeNow: () => growing.tree,
      })
    : openLines(screen);
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let closed = false;
  let subscription: { unsubscribe(): void } | undefined;

  const close = (): void => {
    if (closed) return;
    closed = true;
    subscription?.unsubscribe();
    view.close().then(resolve, resolve);
  };
  const next = (event: RunEvent): void => {
    if (closed) return;
    growing.take(event);
    view.tell(event);
  };
  subscription = events$.subscribe({ next, error: close, complete: close });
  // The events may have ended while subscribing.
  if (closed) subscription.unsubscribe();

  return {
    get tree() {
      return growing.tree;
    },
    done,
    say: (line) => view.say(line),
    close,
  };
};
