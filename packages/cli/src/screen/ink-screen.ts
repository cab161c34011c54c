/**
 * The live tree, drawn by ink: it reads keys, redraws what has changed, and minds the size of the terminal. Imported only where there is
 * one, for it is most of what this package weighs.
 */
import { Box, type Key as InkKey, render, Text, useInput, usePaste, useStdout, useWindowSize } from 'ink';
import { createElement as h, useEffect, useSyncExternalStore } from 'react';
import { lettersOf } from '../text-width.ts';
import type { Key } from './keys-machine.ts';

/** What is drawn, and what becomes of keys. */
export type Picture = {
  /** The lines for a screen of this size. */
  lines(size: { columns: number; rows: number }): string[];
  /** Called with each key. Absent: none are read, and Ctrl-C is the terminal's own. */
  press?: (key: Key | 'stop') => void;
};

export type InkScreen = {
  /** Draws what there is now. */
  draw(): void;
  /** Writes a line above the picture. */
  say(line: string): void;
  /** Leaves this on the screen, fewer lines than it has, and gives the terminal back. */
  close(last: readonly string[]): Promise<void>;
};

/** A key as the view knows it; none for those that mean nothing, several for those that come at once. */
const keysOf = (input: string, key: InkKey): (Key | 'stop')[] => {
  if (key.ctrl) return input === 'c' ? ['stop'] : [];
  if (key.upArrow) return [{ type: 'key.up' }];
  if (key.downArrow) return [{ type: 'key.down' }];
  if (key.return) return [{ type: 'key.enter' }];
  if (key.escape) return [{ type: 'key.escape' }];
  if (key.backspace || key.delete) return [{ type: 'key.backspace' }];
  if (key.meta || key.tab) return [];
  return lettersOf(input).map((letter) => {
    if (letter === '\u0003') return 'stop';
    return /^[\r\n]+$/.test(letter) ? { type: 'key.enter' } : { type: 'key.text', text: letter };
  });
};

const Keyboard = ({ press }: Required<Pick<Picture, 'press'>>): null => {
  useInput((input, key) => {
    for (const pressed of keysOf(input, key)) press(pressed);
  });
  usePaste((text) => press({ type: 'key.paste', text }));
  return null;
};

/** What is on the screen, and who is told when it has changed. */
type Board = Picture & {
  /** The last picture, once it is known. */
  last?: readonly string[];
  version: number;
  subscribe(heard: () => void): () => void;
  /** Writes above the picture. */
  write(text: string): void;
};

const Lines = ({ board }: { board: Board }) => {
  useSyncExternalStore(board.subscribe, () => board.version);
  const size = useWindowSize();
  const { write } = useStdout();
  useEffect(() => {
    board.write = write;
  }, [board, write]);
  const { press, last } = board;
  const lines = last ?? board.lines(size);
  return h(
    Box,
    { flexDirection: 'column' },
    ...lines.map((line, i) => h(Text, { key: i, wrap: 'truncate' }, line === '' ? ' ' : line)),
    press && !last ? h(Keyboard, { key: 'keys', press }) : null,
  );
};

/** @param streams Terminals: `stdout` is drawn on, `stdin` is read where the picture takes keys. */
export const openInk = (
  picture: Picture,
  streams: { stdout: NodeJS.WriteStream; stdin: NodeJS.ReadStream },
): InkScreen => {
  const listeners = new Set<() => void>();
  const board: Board = {
    ...picture,
    version: 0,
    subscribe(heard) {
      listeners.add(heard);
      return () => listeners.delete(heard);
    },
    write: (text) => void streams.stdout.write(text),
  };
  const ink = render(h(Lines, { board }), {
    ...streams,
    interactive: true,
    exitOnCtrlC: false,
    patchConsole: true,
    incrementalRendering: true,
    maxFps: 15,
  });
  const draw = (): void => {
    board.version += 1;
    for (const heard of listeners) heard();
  };
  return {
    draw,
    say: (line) => board.write(`${line}\n`),
    async close(last) {
      board.last = last;
      draw();
      await ink.waitUntilRenderFlush();
      ink.unmount();
      await ink.waitUntilExit();
    },
  };
};
